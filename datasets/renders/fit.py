"""Whether a scene fits its view cube and is seen whole by its cameras, and the cube that would hold it."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F64
from ...core.errors import SettingsError
from ...core.randomness import derive_rng
from ...geometry.camera import Camera, OrthographicCamera, PerspectiveCamera, project
from ...geometry.mesh import PosedMesh
from ...subjects.scenes import LoadedScene
from .settings import RenderSettings


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
        x, _, z = mesh.centroid
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


def check_sight(mesh: PosedMesh, cameras: dict[str, Camera], settings: RenderSettings) -> None:
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
