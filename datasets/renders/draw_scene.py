"""Draw one scene into its folder: the radiance transfer once, then each view's lit picture and layers as PNG files."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, F64, U8
from ...core.errors import SettingsError
from ...core.randomness import derive_rng
from ...formats.png_box import encode_png_box
from ...geometry.camera import Camera, OrthographicCamera, PerspectiveCamera, project
from ...geometry.mesh import PosedMesh
from ...geometry.refine import refine_mesh
from ...render.layers import BODY_LAYERS, RenderLayers, render_body_layers
from ...render.light.lights import Light, LightSet, draw_light
from ...render.light.shading import display_irradiance
from ...render.renderer import Renderer, RendererChoice, open_renderer
from ...render.transfer import radiance_transfer
from ...subjects.scenes import LoadedScene
from .joints import joints_in_view, tell_unknown
from .layer_files import encode_layers, layer_name
from .settings import RenderSettings
from .write import Provenance, write_scene

# Halving long edges may make so many times more faces, or this many of a coarse mesh.
MOST_GROWTH, LEAST_FACES = 2, 50_000
# Views that wait for each drawing thread: enough that none stands still, few pictures in memory.
VIEWS_AHEAD = 3


@dataclass(frozen=True)
class Drawing:
    """How one scene is drawn; its bytes depend on none of it but the renderer.

    Attributes:
        choice: the renderer.
        threads: number of threads that gather light and draw views; with pyrender, which draws in a single thread,
            number of threads that encode pictures.
    """

    choice: RendererChoice
    threads: int = 1


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
    """

    mesh: PosedMesh
    centre_world: tuple[float, float, float]
    transfer: F32
    cameras: dict[str, Camera]
    lights: dict[str, Light]
    body: PosedMesh | None = None
    joints: F64 | None = None


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
        _check_sight(mesh, cameras, settings)
    rng = derive_rng(*stream, "lights")
    drawn = {name: draw_light(lights, rng) for name in cameras}
    transfer = radiance_transfer(mesh, rays=settings.rays, threads=threads)
    return PreparedScene(mesh, centre, transfer, cameras, drawn, scene.body, scene.joints)


def draw_views(
    prepared: PreparedScene, settings: RenderSettings, drawing: Drawing, names: Iterable[str]
) -> Generator[tuple[str, bytes], None, None]:
    """Draw views, some ahead of the one that is taken; close the generator where not all of them are taken.

    Args:
        prepared: the scene.
        settings: what decides the pictures.
        drawing: the renderer and its threads.
        names: the views to draw.

    Yields:
        File name (without ".png") and PNG bytes: of each view its lit picture, then its layers.
    """
    waiting: deque[Future[dict[str, bytes]]] = deque()
    with (
        open_renderer(drawing.choice, prepared.mesh, settings.size, settings.antialias) as renderer,
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
            else:  # OpenGL draws only in the thread that opened it; another thread encodes
                waiting.append(pool.submit(_encode_view, prepared, settings, renderer, name, draw(name)))
            if len(waiting) > VIEWS_AHEAD * drawing.threads:
                yield from waiting.popleft().result().items()
        while waiting:
            yield from waiting.popleft().result().items()


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
        "layers": list(settings.layers),
        "views": [_describe(name, prepared, settings.size) for name in prepared.cameras],
        "labels": scene.describe_known(),
        "notes": {**scene.describe(), **asdict(provenance)},
    }
    description["notes"]["notices"] += tell_unknown(scene, settings.layers)
    return write_scene(out, description, prepared.mesh, prepared.transfer, pictures)


def scene_centre(mesh: PosedMesh, pelvis_world: F64 | None, centre: str = "surface") -> tuple[float, float, float]:
    """Centre of the view cube, metres; its y is at half the height of the mesh.

    Args:
        mesh: the posed surface, world metres.
        pelvis_world: (3,) metres, None where it is unknown.
        centre: where x and z are: "surface" at the surface's centroid (area-weighted), which needs no rig and which
            networks predict best from a picture; "pelvis" at the pelvis where it is known, else as "box"; "box" at the
            middle of the bounding box.
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
    """Check that the mesh stays within the view cube and one pixel away from the picture's edge.

    Raises:
        SettingsError: it does not; names the extent that would hold it.
    """
    needed = fitting_extent(mesh, cameras, size)
    if needed is not None:
        raise SettingsError(f"does not fit a view cube of {cameras[0].extent_m:g} m; --extent {needed:g} holds it")


def _check_sight(mesh: PosedMesh, cameras: dict[str, Camera], settings: RenderSettings) -> None:
    """Check that each camera of a file sees the whole mesh.

    Raises:
        SettingsError: one does not, and is named.
    """
    for name, camera in cameras.items():
        if fitting_extent(mesh, [camera], settings.size) is not None:
            raise SettingsError(
                f"camera {name} of {settings.camera_file} does not see the whole person, who stands at the origin; the "
                f"file is in metres, {settings.camera_up} up"
            )


def fitting_extent(mesh: PosedMesh, cameras: list[Camera], size: int) -> float | None:
    """The edge of a view cube that would hold the mesh, metres, rounded up to centimetres; None where it fits."""
    if _needed_by_all(mesh, cameras, size) <= cameras[0].extent_m:
        return None
    return required_extent(mesh, cameras, size)


def required_extent(mesh: PosedMesh, cameras: list[Camera], size: int) -> float:
    """The edge of a view cube that holds the mesh, with another pixel to spare, metres, rounded up to centimetres."""
    needed = _needed_by_all(mesh, cameras, size)
    return float(np.ceil(needed * (1.0 - 2.0 / size) / (1.0 - 4.0 / size) * 100) / 100)


def _needed_by_all(mesh: PosedMesh, cameras: list[Camera], size: int) -> float:
    vertices = mesh.vertices[np.unique(mesh.faces)]
    return max(_needed_extent(vertices, camera, 1.0 - 2.0 / size) for camera in cameras)


def misfit(scene: LoadedScene, settings: RenderSettings) -> float | None:
    """The extent that would hold a scene, metres; None where that of the settings does."""
    centre = scene_centre(scene.mesh, scene.pelvis_world, settings.centre)
    if settings.camera_file is not None:  # such cameras have their own extent, and see what they see
        return fitting_extent(scene.mesh, [OrthographicCamera(centre, settings.extent_m)], settings.size)
    cameras = place_cameras(scene, settings, centre)
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
    files = {name: encode_png_box(picture)}
    if settings.layers:
        # Embree casts them whichever renderer draws, so another thread may do it.
        layers = _draw_layers(prepared, settings, renderer, prepared.cameras[name])
        encoded = encode_layers(layers, settings.layers, prepared.centre_world, settings.extent_m)
        files |= {layer_name(name, layer): data for layer, data in encoded.items()}
    return files


def _draw_layers(prepared: PreparedScene, settings: RenderSettings, renderer: Renderer, camera: Camera) -> RenderLayers:
    """The layers that the settings ask for: those of the surface, and those of the body below."""
    of_body = [name for name in settings.layers if name in BODY_LAYERS]
    layers = renderer.layers(camera, [name for name in settings.layers if name not in of_body])
    return replace(layers, **render_body_layers(prepared.body, camera, settings.size, settings.size, of_body))


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
        **({} if prepared.joints is None else {"joints": joints_in_view(prepared.mesh, prepared.joints, camera, size)}),
    }
