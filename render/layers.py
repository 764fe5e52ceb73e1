"""Exact geometric layers of a view: the first and last surface along the ray through each pixel's centre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.arrays import F32, F64, I32, U8, Array, Bools
from ..core.errors import SettingsError
from ..geometry.camera import Camera, pixel_centres, project, view_to_pixels
from ..geometry.labels import UNKNOWN
from ..geometry.mesh import PosedMesh
from ..geometry.rays import Hits, ray_scene
from ..geometry.surface import albedo_at, interpolate
from .cutouts import first_visible
from .shading_points import smooth_normals

LAYERS = (
    "mask", "albedo", "depth_front", "depth_back", "normal_front", "normal_back", "smooth_normal_front",
    "smooth_normal_back", "position", "part_front", "part_back", "garment_front", "garment_back",
)  # fmt: skip
BODY = "body_"
BODY_LAYERS = tuple(f"{BODY}{name}" for name in ("depth_front", "depth_back", "normal_front", "normal_back"))
"""Layers of the body below the clothes, which is a mesh of its own: `render_body_layers`."""

# Vertex normals whose mean is shorter cancel one another, as around a fold, and say nothing.
LEAST_NORMAL = 0.1


@dataclass(frozen=True, eq=False)
class RenderLayers:
    """Layers of one view; those not requested are None. No antialiasing: a pixel holds what is at its centre.

    Attributes:
        mask: (H, W) bool, whether the ray through the pixel's centre hits the surface.
        albedo: (H, W, 4) uint8 RGBA, unlit texture at full size; 0 outside.
        depth_front: (H, W) float32, view-space z of the first surface, -1 near to +1 far (projective
            under a perspective camera, see PerspectiveCamera); NaN outside.
        depth_back: (H, W) float32, view-space z of the last surface; NaN outside.
        normal_front: (H, W, 3) float32, unit, camera axes (x right, y down, z away), towards the camera; 0 outside.
        normal_back: (H, W, 3) float32, the last surface's, away from the camera; 0 outside.
        smooth_normal_front: as normal_front, but interpolated between the vertices' normals, as light is computed with
            them: an edge of more than 45 degrees stays sharp (see render/shading_points.py).
        smooth_normal_back: the same for the last surface.
        position: (H, W, 3) float32, world metres of the first surface; NaN outside.
        part_front: (H, W) uint8, the part of the body that the first surface is of (geometry/labels.py), never a mean
            of several; 0 outside, UNKNOWN where the mesh has no such label.
        part_back: the same for the last surface.
        garment_front: (H, W) uint8, what the first surface is of, as part_front.
        garment_back: the same for the last surface.
        body_depth_front: as depth_front, of the body below the clothes as if it stood there alone; NaN everywhere
            where the body is not known.
        body_depth_back: the same for its last surface.
        body_normal_front: as normal_front, of the body; 0 everywhere where it is not known.
        body_normal_back: the same for its last surface.
    """

    mask: Bools | None = None
    albedo: U8 | None = None
    depth_front: F32 | None = None
    depth_back: F32 | None = None
    normal_front: F32 | None = None
    normal_back: F32 | None = None
    smooth_normal_front: F32 | None = None
    smooth_normal_back: F32 | None = None
    position: F32 | None = None
    part_front: U8 | None = None
    part_back: U8 | None = None
    garment_front: U8 | None = None
    garment_back: U8 | None = None
    body_depth_front: F32 | None = None
    body_depth_back: F32 | None = None
    body_normal_front: F32 | None = None
    body_normal_back: F32 | None = None


def render_layers(
    mesh: PosedMesh, camera: Camera, height: int, width: int, names: Sequence[str] = LAYERS
) -> RenderLayers:
    """Cast one ray per pixel, and one from behind if a back layer is requested.

    Args:
        mesh: world metres.
        camera: any camera.
        height: pixels.
        width: pixels.
        names: layers to compute, of LAYERS.

    Raises:
        SettingsError: a name is not in LAYERS.
    """
    unknown = sorted(set(names) - set(LAYERS))
    if unknown:
        raise SettingsError(f"unknown layer {unknown[0]!r}; one of {', '.join(LAYERS)}")
    corners = view_to_pixels(project(mesh.vertices, camera.calibration), height, width).T
    low = np.clip(np.floor(corners.min(axis=1)).astype(int), 0, (height, width))
    high = np.clip(np.ceil(corners.max(axis=1)).astype(int) + 1, low, (height, width))
    # Rays are cast only through pixels in the mesh's bounding box.
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    centres = pixel_centres(height, width)[box]
    xy = centres.reshape(-1, 2)
    found: dict[str, npt.NDArray[np.generic]] = {}
    for side in ("front", "back"):
        wanted = [name for name in names if name.endswith("_back") == (side == "back")]
        if wanted:
            origins, directions = camera.rays(xy, backwards=side == "back")
            hits = first_visible(mesh, ray_scene(mesh), origins, directions)
            found |= _side_layers(mesh, camera, hits, wanted, np.broadcast_to(directions, (len(xy), 3)))
    shaped = {}
    for name, flat in found.items():
        outside = np.nan if name.startswith("depth") or name == "position" else 0
        shaped[name] = np.full((height, width, *flat.shape[1:]), outside, flat.dtype)
        shaped[name][box] = flat.reshape(*centres.shape[:2], *flat.shape[1:])
    return RenderLayers(**shaped)


def render_body_layers(
    body: PosedMesh | None, camera: Camera, height: int, width: int, names: Sequence[str]
) -> dict[str, Array]:
    """Depths and normals of the body below the clothes, as if it stood there alone.

    Args:
        body: world metres; None where it is not known, which gives layers that show nothing.
        camera: any camera.
        height: pixels.
        width: pixels.
        names: layers to compute, of BODY_LAYERS.

    Returns:
        (H, W) depths and (H, W, 3) normals by name, as RenderLayers holds those of the surface.

    Raises:
        SettingsError: a name is not in BODY_LAYERS.
    """
    unknown = sorted(set(names) - set(BODY_LAYERS))
    if unknown:
        raise SettingsError(f"unknown layer {unknown[0]!r}; one of {', '.join(BODY_LAYERS)}")
    if body is None:
        empty = {"depth": np.full((height, width), np.nan, np.float32), "normal": np.zeros((height, width, 3), "f4")}
        return {name: empty[name.split("_")[1]] for name in names}
    plain = [name.removeprefix(BODY) for name in names]
    layers = render_layers(body, camera, height, width, plain)
    return {BODY + name: getattr(layers, name) for name in plain}


def _side_layers(
    mesh: PosedMesh, camera: Camera, hits: Hits, names: Sequence[str], directions: F64
) -> dict[str, npt.NDArray[np.generic]]:
    inside = np.flatnonzero(hits.hit)
    face, weights = hits.face[inside], hits.weights()[inside]
    points = interpolate(mesh, mesh.vertices, face, weights)
    layers: dict[str, npt.NDArray[np.generic]] = {}
    for name in names:
        if name == "mask":
            layers[name] = hits.hit
        elif name == "albedo":
            albedo = albedo_at(mesh, face, weights)
            layers[name] = _spread(hits, inside, np.rint(albedo * 255.0).astype(np.uint8), 0)
        elif name == "position":
            layers[name] = _spread(hits, inside, points.astype(np.float32), np.nan)
        elif name.startswith("depth"):
            depth = project(np.asarray(points, np.float64), camera.calibration)[:, 2]
            layers[name] = _spread(hits, inside, depth.astype(np.float32), np.nan)
        elif name.startswith(("part", "garment")):
            labels = mesh.face_part if name.startswith("part") else mesh.face_garment
            found = np.full(len(face), UNKNOWN, np.uint8) if labels is None else labels[face]
            layers[name] = _spread(hits, inside, found, 0)
        else:
            flat = mesh.face_normals[face]
            # Both sides of a face are drawn, so the normal is oriented against the ray.
            normals = np.where((flat * directions[inside]).sum(axis=1, keepdims=True) > 0, -flat, flat)
            if name.startswith("smooth"):
                normals = _smooth(mesh, face, weights, normals)
            normals = normals @ camera.rotation.T
            layers[name] = _spread(hits, inside, normals.astype(np.float32), 0)
    return layers


def _smooth(mesh: PosedMesh, face: I32, weights: F64, flat: F64) -> F64:
    """Normals (N, 3), unit, between those of the vertices, on the side of `flat`; `flat` itself where they cancel."""
    normals = np.asarray(interpolate(mesh, smooth_normals(mesh), face, weights), np.float64)
    normals *= np.where((normals * flat).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > LEAST_NORMAL, normals / np.maximum(length, LEAST_NORMAL), flat)


def _spread(
    hits: Hits, inside: npt.NDArray[np.intp], values: npt.NDArray[np.generic], outside: float
) -> npt.NDArray[np.generic]:
    picture = np.full((len(hits.face), *values.shape[1:]), outside, values.dtype)
    picture[inside] = values
    return picture
