"""Prepare one scene, its cameras, lights, crops and radiance transfer, and write it into its folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, F64
from ...core.randomness import derive_rng
from ...geometry.camera import Camera, OrthographicCamera, PerspectiveCamera
from ...geometry.mesh import PosedMesh
from ...geometry.refine import refine_mesh
from ...render.light.lights import Light, LightSet, draw_light
from ...render.transfer import radiance_transfer
from ...subjects.scenes import LoadedScene
from .backdrops import PHOTO, Backdrop, open_backdrops
from .crops import Box, camera_of_crop, crop_box, crop_places, tell_uncropped
from .fit import check_fit, check_sight, place_cameras, scene_centre
from .joints import joints_in_view, tell_unknown
from .settings import RenderSettings
from .write import Provenance, write_scene

# Halving long edges may make so many times more faces, or this many of a coarse mesh.
MOST_GROWTH, LEAST_FACES = 2, 50_000


@dataclass(frozen=True, eq=False)
class PreparedScene:
    """What all views of a scene share.

    Attributes:
        mesh: the surface as stored: long edges halved, vertices rounded to float32.
        centre_world: centre of the view cube, metres.
        transfer: (V, 9) float32, radiance transfer of each vertex.
        cameras: the cameras by the names of the pictures.
        lights: the lights by the names of the pictures.
        body: the body below the clothes, world metres; None where it is not known.
        joints: (J, 3) world metres, NaN for unknown ones; None where all are.
        crops: the squares of each view's crops by kind, by the names of the pictures.
        backdrops: what is behind each view, by the names of the pictures; empty for nothing.
        notices: remarks for the user.
    """

    mesh: PosedMesh
    centre_world: tuple[float, float, float]
    transfer: F32
    cameras: dict[str, Camera]
    lights: dict[str, Light]
    body: PosedMesh | None = None
    joints: F64 | None = None
    crops: Mapping[str, dict[str, Box]] = field(default_factory=dict)
    backdrops: Mapping[str, Backdrop] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def prepare_scene(scene: LoadedScene, settings: RenderSettings, lights: LightSet, threads: int = 1) -> PreparedScene:
    """Place cameras and lights and compute the radiance transfer.

    Args:
        scene: a posed person.
        settings: what decides the pictures.
        lights: the environments that views draw their light from.
        threads: number of threads for the transfer; the result does not depend on it.

    Raises:
        SettingsError: the scene does not fit the view cube.
    """
    spec = scene.spec
    most = max(MOST_GROWTH * len(scene.mesh.faces), LEAST_FACES)
    rest = scene.loaded.mesh.vertices if scene.loaded.rig is not None else None
    mesh = refine_mesh(scene.mesh, settings.longest_edge_m, most_faces=most, rest=rest)
    # Rounded before anything is derived from it, so that pictures, labels and colours belong to the mesh as stored.
    mesh = mesh.with_vertices(mesh.vertices.astype(np.float32).astype(np.float64))
    centre = scene_centre(mesh, scene.pelvis_world, settings.centre)
    stream = (settings.seed, spec.subject, spec.animation, spec.frame)
    cameras = place_cameras(scene, settings, centre)
    if settings.camera_file is None:
        check_fit(mesh, list(cameras.values()), settings.size)
    else:
        check_fit(mesh, [OrthographicCamera(centre, settings.extent_m)], settings.size)
        check_sight(mesh, cameras, settings)
    rng = derive_rng(*stream, "lights")
    drawn = {name: draw_light(lights, rng) for name in cameras}
    backdrops, told = _draw_backdrops(settings, list(cameras), derive_rng(*stream, "backgrounds"))
    drawn |= {name: behind.light for name, behind in backdrops.items() if behind.light is not None}
    transfer = radiance_transfer(mesh, rays=settings.rays, threads=threads)
    places = crop_places(scene.joints, settings.crops)
    crops = {
        name: {kind: crop_box(*place, camera, settings.size) for kind, place in places.items()}
        for name, camera in (cameras if places else {}).items()
    }
    return PreparedScene(
        mesh, centre, transfer, cameras, drawn, scene.body, scene.joints, crops, backdrops,
        (*tell_unknown(scene, settings.layers), *tell_uncropped(scene.joints, settings.crops), *told),
    )  # fmt: skip


def _draw_backdrops(
    settings: RenderSettings, names: list[str], rng: np.random.Generator
) -> tuple[dict[str, Backdrop], list[str]]:
    """What is behind each view, and remarks on files that were passed over."""
    if settings.backgrounds is None:
        return {}, []
    backdrops = open_backdrops(settings.backgrounds, settings.exposure_ev)
    drawn = {name: backdrops.draw(rng) for name in names}
    told = dict.fromkeys(remark for _, remarks in drawn.values() for remark in remarks)
    return {name: behind for name, (behind, _) in drawn.items()}, list(told)


def store_scene(
    out: Path,
    scene: LoadedScene,
    prepared: PreparedScene,
    settings: RenderSettings,
    pictures: Iterable[tuple[str, bytes]],
    provenance: Provenance,
) -> Path:
    """Write a scene's folder below `out`, whole or not at all, and return it.

    Args:
        out: the renders folder.
        scene: the posed person.
        prepared: what `prepare_scene` made of it.
        settings: what decided the pictures.
        pictures: names and PNG bytes, see `draw_views`.
        provenance: what the scene was made from.
    """
    spec = scene.spec
    description: dict[str, Any] = {
        "kind": scene.loaded.subject.kind,
        "subject": spec.subject,
        "animation": spec.animation,
        "frame": spec.frame,
        "centre_world": list(prepared.centre_world),
        "extent_m": settings.extent_m,
        "image_size": settings.size,
        **({"crop_size": settings.crop_size} if settings.crops else {}),
        "layers": [*settings.layers, *([PHOTO] if prepared.backdrops else ())],
        "views": [_describe(name, prepared, settings.size) for name in prepared.cameras],
        "labels": scene.describe_known(),
        "notes": {**scene.describe(), **asdict(provenance)},
    }
    description["notes"]["notices"] += prepared.notices
    return write_scene(out, description, prepared.mesh, prepared.transfer, pictures)


def _describe(name: str, prepared: PreparedScene, size: int) -> dict[str, Any]:
    camera, light = prepared.cameras[name], prepared.lights[name]
    return {
        "name": name,
        "yaw_deg": camera.yaw_deg,
        "pitch_deg": camera.pitch_deg,
        "roll_deg": camera.roll_deg,
        "fov_deg": camera.fov_deg if isinstance(camera, PerspectiveCamera) else 0.0,
        "calibration": camera.calibration.tolist(),
        "light": light.coefficients.tolist(),
        "light_name": light.name,
        **({"background": prepared.backdrops[name].describe()} if name in prepared.backdrops else {}),
        **({} if prepared.joints is None else {"joints": joints_in_view(prepared.mesh, prepared.joints, camera, size)}),
        **({"crops": _describe_crops(camera, prepared.crops[name], size)} if name in prepared.crops else {}),
    }


def _describe_crops(camera: Camera, boxes: dict[str, Box], size: int) -> dict[str, Any]:
    return {
        kind: {"box_px": list(box), "calibration": camera_of_crop(camera, box, size).calibration.tolist()}
        for kind, box in boxes.items()
    }
