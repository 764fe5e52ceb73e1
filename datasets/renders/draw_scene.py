"""One scene to its folder: transfer once, then each view lit, layers where asked for, encoded beside the drawing."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, F64, U8
from ...core.errors import SettingsError
from ...core.randomness import derive_rng
from ...geometry.camera import Camera, PerspectiveCamera, project
from ...geometry.mesh import PosedMesh
from ...geometry.refine import refine_mesh
from ...render.light.lights import Light, LightSet, draw_light
from ...render.light.shading import display_irradiance
from ...render.renderer import Renderer, RendererChoice, open_renderer
from ...render.transfer import radiance_transfer
from ..subjects.scenes import LoadedScene, SceneSpec
from .format import write_scene
from .layer_files import encode_layers, encode_png8, layer_name
from .settings import RenderSettings

# Halving long edges may make so many times more faces, or this many of a coarse mesh.
MOST_GROWTH, LEAST_FACES = 2, 50_000
# Views that wait for each drawing thread: enough that none stands still, few pictures in memory.
VIEWS_AHEAD = 3


@dataclass(frozen=True)
class Drawing:
    """How one scene is drawn; its bytes depend on none of it but the renderer.

    Attributes:
        choice: the renderer.
        threads: that gather light and draw views side by side; with pyrender, which draws in one, that encode.
    """

    choice: RendererChoice
    threads: int = 1


@dataclass(frozen=True, eq=False)
class PreparedScene:
    """What all views of a scene share.

    Attributes:
        mesh: as stored: long edges halved, vertices rounded to float32.
        centre_world: of the view cube, metres.
        transfer: (V, 9) float32.
        cameras, lights: by the names of the pictures.
    """

    mesh: PosedMesh
    centre_world: tuple[float, float, float]
    transfer: F32
    cameras: dict[str, Camera]
    lights: dict[str, Light]


def prepare_scene(scene: LoadedScene, settings: RenderSettings, lights: LightSet, threads: int = 1) -> PreparedScene:
    """Place cameras and lights and gather the transfer, on so many threads.

    Raises:
        SettingsError: the scene does not fit the view cube.
    """
    spec = scene.spec
    most = max(MOST_GROWTH * len(scene.mesh.faces), LEAST_FACES)
    mesh = refine_mesh(scene.mesh, settings.longest_edge_m, most_faces=most)
    # Rounded before anything is made of it: pictures, labels and colours then speak of the mesh as stored.
    mesh = mesh.with_vertices(mesh.vertices.astype(np.float32).astype(np.float64))
    centre = scene_centre(mesh, scene.pelvis_world, settings.centre)
    stream = (settings.seed, spec.subject, spec.animation, spec.frame)
    cameras = place_cameras(scene, settings, centre)
    check_fit(mesh, list(cameras.values()), settings.size)
    rng = derive_rng(*stream, "lights")
    drawn = {name: draw_light(lights, rng) for name in cameras}
    transfer = radiance_transfer(mesh, rays=settings.rays, threads=threads)
    return PreparedScene(mesh, centre, transfer, cameras, drawn)


def draw_views(
    prepared: PreparedScene, settings: RenderSettings, drawing: Drawing, names: Iterable[str]
) -> Generator[tuple[str, bytes], None, None]:
    """File names (without ".png") and PNG bytes: of each named view its lit picture and its layers.

    Views are drawn as they are asked for, some ahead; close the generator where it is not used up.
    """
    waiting: deque[Future[dict[str, bytes]]] = deque()
    with (
        open_renderer(drawing.choice, prepared.mesh, settings.size) as renderer,
        ThreadPoolExecutor(drawing.threads) as pool,
    ):

        def draw(name: str) -> U8:
            lit = display_irradiance(prepared.transfer, prepared.lights[name].coefficients)
            return renderer.colour(prepared.cameras[name], lit)

        def draw_and_encode(name: str) -> dict[str, bytes]:
            return _encode_view(prepared, settings, renderer, name, draw(name))

        for name in names:
            if drawing.choice.name == "embree":
                waiting.append(pool.submit(draw_and_encode, name))
            else:  # OpenGL draws in the thread that opened it, encoding is another's work
                waiting.append(pool.submit(_encode_view, prepared, settings, renderer, name, draw(name)))
            if len(waiting) > VIEWS_AHEAD * drawing.threads:
                yield from waiting.popleft().result().items()
        while waiting:
            yield from waiting.popleft().result().items()


def store_scene(
    out: Path,
    spec: SceneSpec,
    prepared: PreparedScene,
    settings: RenderSettings,
    pictures: Iterable[tuple[str, bytes]],
    extra: dict[str, Any],
) -> Path:
    """Write a scene's folder below `out`, whole or not at all; `extra` is added to its description (kind, notes)."""
    description = {
        "subject": spec.subject,
        "animation": spec.animation,
        "frame": spec.frame,
        "centre_world": list(prepared.centre_world),
        "extent_m": settings.extent_m,
        "image_size": settings.size,
        "layers": list(settings.layers),
        "views": [_describe(name, prepared) for name in prepared.cameras],
        **extra,
    }
    return write_scene(out, description, prepared.mesh, prepared.transfer, pictures)


def scene_centre(mesh: PosedMesh, pelvis_world: F64 | None, centre: str = "pelvis") -> tuple[float, float, float]:
    """Centre of the view cube, metres, by the name RenderSettings.centre gives; y is at mid height.

    Args:
        centre: "pelvis" puts x and z at the pelvis where it is known, else at the bounding box's; "surface" at the
            surface's centroid (area-weighted), which needs no rig and which a picture tells best; "box" at the box's.
    """
    low, high = mesh.bounds
    x, y, z = (low + high) / 2
    if centre == "surface":
        corners = mesh.vertices[mesh.faces]
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        x, _, z = np.average(corners.mean(axis=1), axis=0, weights=areas)
    elif centre == "pelvis" and pelvis_world is not None:
        x, z = pelvis_world[0], pelvis_world[2]
    return float(x), float(y), float(z)


def check_fit(mesh: PosedMesh, cameras: list[Camera], size: int) -> None:
    """Raise SettingsError, with the extent that would hold it, where the mesh leaves the cube or its last pixel."""
    needed = fitting_extent(mesh, cameras, size)
    if needed is not None:
        raise SettingsError(f"does not fit a view cube of {cameras[0].extent_m:g} m; --extent {needed:g} holds it")


def fitting_extent(mesh: PosedMesh, cameras: list[Camera], size: int) -> float | None:
    """The edge of a view cube that holds the mesh, metres, in whole centimetres; None where these cameras' does."""
    vertices = mesh.vertices[np.unique(mesh.faces)]
    needed = max(_needed_extent(vertices, camera, 1.0 - 2.0 / size) for camera in cameras)
    if needed <= cameras[0].extent_m:
        return None
    return float(np.ceil(needed * (1.0 - 2.0 / size) / (1.0 - 4.0 / size) * 100) / 100)


def misfit(scene: LoadedScene, settings: RenderSettings) -> float | None:
    """The extent that would hold a scene, metres; None where the one set does."""
    cameras = place_cameras(scene, settings, scene_centre(scene.mesh, scene.pelvis_world, settings.centre))
    return fitting_extent(scene.mesh, list(cameras.values()), settings.size)


def place_cameras(
    scene: LoadedScene, settings: RenderSettings, centre_world: tuple[float, float, float]
) -> dict[str, Camera]:
    """A scene's cameras by the names of their pictures; their jitter follows from seed and scene alone."""
    spec = scene.spec
    return settings.cameras(
        centre_world, derive_rng(settings.seed, spec.subject, spec.animation, spec.frame, "cameras")
    )


def _needed_extent(vertices: F64, camera: Camera, reach: float) -> float:
    """Edge of the smallest cube (metres) within `reach` of which the vertices are seen, angle of view as it is."""
    if not isinstance(camera, PerspectiveCamera):
        return camera.extent_m * float(np.abs(project(vertices, camera.calibration)).max()) / reach
    x, y, z = camera.rotation @ (vertices - np.asarray(camera.centre_world)).T
    slope = np.tan(np.radians(camera.fov_deg) / 2)
    # |x| <= reach * (half + z * slope), half the cube's edge; and |z| <= half, which holds -1 <= view z <= 1.
    across = np.maximum(np.abs(x), np.abs(y)) / reach - z * slope
    return 2.0 * float(max(across.max(), np.abs(z).max() / reach))


def _encode_view(
    prepared: PreparedScene, settings: RenderSettings, renderer: Renderer, name: str, picture: U8
) -> dict[str, bytes]:
    files = {name: encode_png8(picture)}
    if settings.layers:
        # Cast by Embree whichever renderer draws, so another thread may do it.
        layers = renderer.layers(prepared.cameras[name], settings.layers)
        encoded = encode_layers(layers, settings.layers, prepared.centre_world, settings.extent_m)
        files |= {layer_name(name, layer): data for layer, data in encoded.items()}
    return files


def _describe(name: str, prepared: PreparedScene) -> dict[str, Any]:
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
    }
