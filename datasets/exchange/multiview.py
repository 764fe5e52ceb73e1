"""Orthographic views all around, as the diffusion models of PSHuman and Era3D are trained on them (Li et al., 2024).

    <scene>/image/<number>.png      RGBA, straight alpha, all under one light
    <scene>/normal/<number>.png     16-bit RGB: (n + 1) / 2, n in world axes
    <scene>/camera/<number>.npy     intrinsic, extrinsic, elevation, focal length ...: a dictionary that np.save pickles
    <scene>/face_info.npy           PSHuman: which views show the face
    train.json, val.json, test.json the scenes, for the loaders' `object_list`

Both were rendered in Blender, and so are the axes: z up, the person faces -y, the camera of number i stands at azimuth
i * 360 / N from +x towards +y. The person is moved and scaled so that the middle of the bounding box is the origin and
its diagonal 1, which is also the edge of the pictures. All pictures are drawn anew, since a renders folder has another
frame, and a light for each view; the light here is that of the scene's first view. Alpha is the mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from ...core.arrays import F32, F64, U8, U16
from ...core.errors import InputError
from ...core.files import replacing, write_bytes, write_json
from ...core.randomness import derive_rng
from ...formats.png import encode_png_rows, write_png
from ...geometry.camera import Camera, OrthographicCamera, PerspectiveCamera
from ...geometry.mesh import PosedMesh
from ...render.light.shading import display_irradiance
from ...render.renderer import Renderer, RendererChoice, open_renderer
from ..renders.format import SceneRecord, read_scene_mesh
from ..shards.split import SPLITS
from .nerf import Z_UP
from .options import ExportOptions

# Blender's camera in both scripts: its sensor and, where it is not drawn, its lens, millimetres.
SENSOR_MM, LENS_MM = 32.0, 35.0
# The azimuth from which the face is seen, since people face -y.
FRONT_DEG = 270.0
# Era3D's picture to start from is one of these: a lens of them, and an elevation between these.
LENSES_MM = (35, 50, 85, 105, 135)
ELEVATIONS_DEG = (-20.0, 40.0)
# The directions in which Era3D's loader takes such pictures, from the front, degrees.
STARTS_DEG = (0.0, 45.0, -45.0, 90.0, -90.0)
EMBREE = RendererChoice("embree", "the same bytes on every machine")


@dataclass(frozen=True)
class Ring:
    """How one of the toolkits places its views.

    Attributes:
        views: number of azimuths.
        step: number between the views of neighbouring azimuths, `random_views` + 1 of the loader's configuration.
        distance: of an orthographic camera from the origin, in diagonals of the bounding box.
        starts: whether the numbers in between are pictures to start from: perspective ones, and a raised orthographic.
    """

    views: int
    step: int
    distance: float
    starts: bool


PSHUMAN = Ring(views=8, step=4, distance=1.5, starts=False)
ERA3D = Ring(views=16, step=5, distance=3.0, starts=True)


@dataclass(frozen=True, eq=False)
class _Frame:
    """The person's place in the world of the pictures: p' = (turn @ p - middle) / edge.

    Attributes:
        turn: (3, 3) our world to axes with z up, in which the person faces -y.
        middle: (3,) of the bounding box in these axes, metres.
        edge: diagonal of the bounding box, metres.
    """

    turn: F64
    middle: F64
    edge: float


@dataclass(frozen=True)
class _View:
    number: int
    azimuth_deg: float
    elevation_deg: float = 0.0
    lens_mm: float | None = None


def write_pshuman_scene(scene: SceneRecord, name: str, out: Path, options: ExportOptions) -> tuple[str, ...]:
    """Write one scene for PSHuman: eight views, of which its network learns six.

    Raises:
        InputError: the renders are damaged, or the mesh has no extent.
    """
    notices = _write_ring(scene, name, out, options, PSHUMAN)
    front, *sides = (_number(PSHUMAN, azimuth) for azimuth in (FRONT_DEG, FRONT_DEG + 45, FRONT_DEG - 45))
    # Whoever detects faces stores where they are; its loader asks only in which views there is one.
    faces: dict[Any, Any] = {number: {} for number in (front, *sides)}
    _save(out / name / "face_info.npy", {"top3_vid": [front, *sides], **faces})
    if name.startswith("realistic"):
        return (*notices, "PSHuman's loader takes names that begin with `realistic` for another data set's")
    return notices


def write_era3d_scene(scene: SceneRecord, name: str, out: Path, options: ExportOptions) -> tuple[str, ...]:
    """Write one scene for Era3D: 16 views, of which its network learns six, and the pictures that it starts from.

    Raises:
        InputError: the renders are damaged, or the mesh has no extent.
    """
    return _write_ring(scene, name, out, options, ERA3D)


def write_object_lists(out: Path, names: dict[str, str], settings: dict[str, Any]) -> None:
    """Write train.json, val.json and test.json: lists of scenes."""
    del settings
    for split in SPLITS:
        write_json(out / f"{split}.json", sorted(name for name in names if names[name] == split))


def _write_ring(scene: SceneRecord, name: str, out: Path, options: ExportOptions, ring: Ring) -> tuple[str, ...]:
    mesh, transfer = read_scene_mesh(scene)
    frame = _frame(scene, mesh)
    for kind in ("image", "normal", "camera"):
        (out / name / kind).mkdir(parents=True, exist_ok=True)
    lit = display_irradiance(transfer, scene.views[0].light)
    with open_renderer(EMBREE, mesh, options.size) as renderer:
        for view in _views(ring, name, options.seed):
            _write_view(renderer, lit, view, frame, out / name, options.size, ring)
    known = scene.facing_world is not None
    return () if known else ("it is not known where the person faces: +z is taken for the front",)


def _views(ring: Ring, name: str, seed: int) -> Iterator[_View]:
    """The views of a scene; which lenses and which elevation its pictures to start from have, is random."""
    rng = derive_rng(seed, name, "starts")
    elevation = float(rng.uniform(*ELEVATIONS_DEG))
    starts = {(FRONT_DEG + angle) % 360.0 for angle in STARTS_DEG}
    for index in range(ring.views):
        azimuth = index * 360.0 / ring.views
        yield _View(index * ring.step, azimuth)
        if ring.starts and azimuth in starts:
            for number in range(1, ring.step - 1):
                yield _View(index * ring.step + number, azimuth, elevation, float(rng.choice(LENSES_MM)))
            yield _View(index * ring.step + ring.step - 1, azimuth, elevation)


def _write_view(renderer: Renderer, lit: F32, view: _View, frame: _Frame, folder: Path, size: int, ring: Ring) -> None:
    camera = _camera(view, frame)
    stem = f"{view.number:03d}"
    picture = renderer.colour(camera, lit)
    write_png(folder / "image" / f"{stem}.png", picture)
    if view.number % ring.step == 0:
        normals = renderer.layers(camera, ("smooth_normal_front",)).smooth_normal_front
        assert normals is not None
        in_world = _fill(normals, picture) @ camera.rotation.astype(np.float32) @ frame.turn.T.astype(np.float32)
        write_bytes(folder / "normal" / f"{stem}.png", encode_png_rows(_code(in_world)))
    _save(folder / "camera" / f"{stem}.npy", _describe(view, camera, frame, size, ring))


def _frame(scene: SceneRecord, mesh: PosedMesh) -> _Frame:
    x, _, z = scene.facing_world or (0.0, 0.0, 1.0)
    flat = float(np.hypot(x, z)) or 1.0
    cos, sin = (z / flat, x / flat) if (x, z) != (0.0, 0.0) else (1.0, 0.0)
    turn = np.asarray(Z_UP @ np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]]), np.float64)
    turned = mesh.vertices[np.unique(mesh.faces)] @ turn.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    edge = float(np.linalg.norm(high - low))
    if edge <= 0:
        raise InputError(scene.folder, "the mesh has no extent")
    return _Frame(turn, np.asarray((low + high) / 2, np.float64), edge)


def _camera(view: _View, frame: _Frame) -> Camera:
    """The camera of a view in our world."""
    x, y, z = (float(value) for value in frame.middle @ frame.turn)
    # A camera in front of a person who faces +z has a yaw of 0 here, and there an azimuth of 270 degrees.
    ahead = frame.turn.T @ np.array([0.0, -1.0, 0.0])
    yaw = view.azimuth_deg - FRONT_DEG + float(np.degrees(np.arctan2(ahead[0], ahead[2])))
    if view.lens_mm is None:
        return OrthographicCamera((x, y, z), frame.edge, yaw, view.elevation_deg)
    fov = float(np.degrees(2.0 * np.arctan(SENSOR_MM / 2.0 / view.lens_mm)))
    return PerspectiveCamera((x, y, z), frame.edge, yaw, view.elevation_deg, fov_deg=fov)


def _describe(view: _View, camera: Camera, frame: _Frame, size: int, ring: Ring) -> dict[str, Any]:
    """What the renderers of both toolkits record of a camera."""
    lens = LENS_MM if view.lens_mm is None else view.lens_mm
    distance = ring.distance if view.lens_mm is None else lens / SENSOR_MM
    focal = float(size) if view.lens_mm is None else lens * size / SENSOR_MM
    rotation = camera.rotation @ frame.turn.T
    return {
        "intrinsic": np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]], np.float32),
        "extrinsic": np.column_stack([rotation, [0.0, 0.0, distance]]).astype(np.float32),
        "fov": 2.0 * float(np.arctan(SENSOR_MM / 2.0 / lens)),
        "azimuth": view.azimuth_deg,
        "elevation": view.elevation_deg,
        "distance": distance,
        "focal": lens,
        "sensor_width": SENSOR_MM,
        "near": distance - 1,
        "far": distance + 1,
        "camera": "ortho" if view.lens_mm is None else "persp",
    }


def _number(ring: Ring, azimuth_deg: float) -> int:
    return round(azimuth_deg % 360.0 / (360.0 / ring.views)) * ring.step


def _fill(normals: F32, picture: U8) -> F32:
    """Give the pixels of the picture's soft edge the normal of the nearest pixel that has one."""
    solid = (normals != 0).any(axis=2)
    edge = (picture[..., 3] > 0) & ~solid
    if not edge.any() or not solid.any():
        return normals
    row, column = distance_transform_edt(~solid, return_distances=False, return_indices=True)
    filled = normals.copy()
    filled[edge] = normals[row[edge], column[edge]]
    return filled


def _code(normals: F32) -> U16:
    """16-bit RGB of normals (H, W, 3): (n + 1) / 2, grey where there is no surface."""
    return np.asarray(np.rint((normals * 0.5 + 0.5) * 65535.0), np.uint16)


def _save(path: Path, content: dict[Any, Any]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.array(content, object), allow_pickle=True)
