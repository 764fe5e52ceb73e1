"""Sample one rendered scene into its rows of a shard: a pure function of the scene's folder, settings and seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...core.arrays import Array
from ...core.errors import InputError
from ...core.randomness import derive_rng
from ...geometry.mesh import PosedMesh
from ...geometry.orientation import orient_mesh
from ...sampling.colour import ColourSamples, sample_colour
from ...sampling.lattice import Lattice
from ...sampling.occupancy import OccupancySamples, PointSet, sample_occupancy
from ..renders.format import SceneRecord, read_scene_mesh
from ..renders.layer_files import layer_path
from .format import ALBEDO_SCALE, CONFIDENCE_SCALE, NORMAL_SCALE, Part, SampledScene, check_part, layer_level
from .joints import joint_rows
from .pictures import boxed_png
from .settings import SampleSettings


def sample_scene(scene: SceneRecord, settings: SampleSettings, *, keep_mesh: bool) -> SampledScene:
    """Sample one scene.

    Args:
        scene: as `read_renders` gives it.
        settings: what decides the points.
        keep_mesh: whether the true surface goes into the shard.

    Returns:
        Its rows for every dataset of a shard (datasets/shards/format.py), and notices for the user.

    Raises:
        MpcError: the scene's files are damaged, or it cannot be sampled; the message says why.
    """
    mesh, transfer = read_scene_mesh(scene)
    repairs: tuple[str, ...] = ()
    if not scene.notes.get("oriented"):  # drawn before subjects were turned outward as they are read
        oriented = orient_mesh(mesh)
        mesh, repairs = oriented.mesh, oriented.notices
    names = (scene.subject, scene.animation, scene.frame)
    occupancy = sample_occupancy(
        mesh,
        [view.calibration for view in scene.views],
        near_counts=settings.near_counts,
        uniform_count=settings.uniform_count,
        noise=settings.noise,
        focus=settings.focus,
        rng=derive_rng(settings.seed, *names, "occupancy"),
    )
    rng = derive_rng(settings.seed, *names, "colours")
    colours = sample_colour(mesh, transfer, settings.colour_count, rng=rng)
    part = {
        **_scene_rows(scene, occupancy),
        **_view_rows(scene),
        **{name: rows for layer in settings.layers for name, rows in _layer_rows(scene, layer).items()},
        **_point_rows(occupancy),
        **_colour_rows(colours, occupancy.lattice),
        **_mesh_rows(mesh, keep_mesh),
        **(joint_rows(scene) if settings.joints else {}),
    }
    check_part(scene.key, part, settings.layers, joints=settings.joints)
    return SampledScene(part, settings.layers, (*repairs, *occupancy.notices))


def _scene_rows(scene: SceneRecord, occupancy: OccupancySamples) -> Part:
    return {
        "scenes/key": _text(scene.key),
        "scenes/subject": _text(scene.subject),
        "scenes/animation": _text(scene.animation),
        "scenes/frame": np.array([scene.frame], "<i4"),
        "scenes/kind": _text(scene.kind),
        "scenes/centre_world": np.array([scene.centre_world], "<f8"),
        "scenes/extent_m": np.array([scene.extent_m], "<f8"),
        "scenes/image_size": np.array([scene.image_size], "<i4"),
        "scenes/origin_world": np.array([occupancy.lattice.origin_world], "<f8"),
        "scenes/step_m": np.array([occupancy.lattice.step_m], "<f8"),
        "scenes/label_method": _text(occupancy.method),
        "scenes/ambiguous_share": np.array([occupancy.ambiguous_share], "<f4"),
        "scenes/facing_world": np.array([scene.facing_world or (0.0, 0.0, 0.0)], "<f4"),
    }


def _view_rows(scene: SceneRecord) -> Part:
    return {
        "views/name": _text(*(view.name for view in scene.views)),
        "views/yaw_deg": np.array([view.yaw_deg for view in scene.views], "<f8"),
        "views/pitch_deg": np.array([view.pitch_deg for view in scene.views], "<f8"),
        "views/calibration": np.array([view.calibration for view in scene.views], "<f8"),
        "views/light": np.array([view.light for view in scene.views], "<f4"),
        "views/light_name": _text(*(view.light_name for view in scene.views)),
        **_png_rows("views", scene, [view.path for view in scene.views]),
    }


def _layer_rows(scene: SceneRecord, name: str) -> Part:
    paths = [layer_path(scene, view, name) for view in scene.views]
    for path in paths:
        if not path.is_file():
            raise InputError(path, f"no such layer; render with --layers {name}")
    return _png_rows(layer_level(name), scene, paths)


def _png_rows(group: str, scene: SceneRecord, paths: list[Path]) -> Part:
    """The PNG of each view, and its box; of layers with the channels and the depth of the file."""
    pictures, boxes = [], []
    for path in paths:
        try:
            data, box, (height, width) = boxed_png(scene.read_file(path.name), exact=group != "views")
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(path, f"does not read as a picture ({error})") from error
        if (height, width) != (scene.image_size, scene.image_size):
            raise InputError(path, f"is {width}x{height}, expected {scene.image_size}x{scene.image_size}")
        pictures.append(np.frombuffer(data, np.uint8))
        boxes.append(box)
    return {
        f"{group}/box": np.array(boxes, "<i4"),
        f"{group}/png_size": np.array([len(picture) for picture in pictures], "<i8"),
        f"{group}/png": np.concatenate(pictures),
    }


def _point_rows(occupancy: OccupancySamples) -> Part:
    return {
        "points/q": np.concatenate([points.q for points in occupancy.sets]).astype("<i2"),
        "points/inside": np.concatenate([np.packbits(points.inside) for points in occupancy.sets]),
        "points/confidence": np.concatenate([_confidence(points) for points in occupancy.sets]),
    }


def _confidence(points: PointSet) -> Array:
    """One byte for each point; no rows where all labels are certain."""
    sure = np.zeros(0, np.float32) if points.confidence is None else points.confidence
    return np.asarray(np.rint(sure * CONFIDENCE_SCALE), np.uint8)


def _colour_rows(colours: ColourSamples, lattice: Lattice) -> Part:
    return {
        "colours/q": lattice.round(colours.positions).astype("<i2"),
        "colours/normal": np.rint(colours.normals * NORMAL_SCALE).astype("<i2"),
        "colours/albedo": np.rint(colours.albedo * ALBEDO_SCALE).astype("<u2"),
        "colours/transfer": colours.transfer.astype("<f2"),
    }


def _mesh_rows(mesh: PosedMesh, keep: bool) -> Part:
    parts = mesh.face_part if keep else None
    vertices, faces = (mesh.vertices, mesh.faces) if keep else (np.zeros((0, 3)), np.zeros((0, 3)))
    return {
        "meshes/vertices": vertices.astype("<f4"),
        "meshes/faces": faces.astype("<i4"),
        "meshes/part": np.zeros(0, np.uint8) if parts is None else parts,
    }


def _text(*values: str) -> Array:
    return np.array([value.encode() for value in values], "S")
