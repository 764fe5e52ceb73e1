"""Points on a mesh's surface: drawing them uniformly, and evaluating attributes and unlit colour there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.arrays import F32, F64, I32, I64, U8, Floats
from .mesh import Material, MeshError, PosedMesh, Wrap


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """N points on a mesh.

    Attributes:
        faces: (N,) int32 into the mesh's faces.
        barycentric: (N, 3) float64 weights of the face's corners, sum 1.
        positions: (N, 3) float64, world metres.
    """

    faces: I32
    barycentric: F64
    positions: F64


def sample_surface(mesh: PosedMesh, count: int, rng: np.random.Generator, weights: F64 | None = None) -> SurfacePoints:
    """Draw points on the surface, uniformly by area.

    Args:
        mesh: the surface.
        count: number of points.
        rng: sole source of randomness.
        weights: (F,) factors of the density on each face; None for 1 everywhere.

    Raises:
        MeshError: the mesh has no area.
    """
    cumulative = np.cumsum(mesh.face_areas if weights is None else mesh.face_areas * weights)
    if not cumulative[-1] > 0:
        raise MeshError("no area to sample: every face is degenerate")
    place = rng.random(count) * cumulative[-1]
    faces = np.searchsorted(cumulative, place, side="right").astype(np.int32)
    # "right" skips faces without area; a product rounded up to the total would give a face behind the last with area.
    faces = np.minimum(faces, int(np.searchsorted(cumulative, cumulative[-1])))
    # Uniform over the triangle: Osada et al., "Shape distributions" (2002), section 4.2.
    root, second = np.sqrt(rng.random(count)), rng.random(count)
    barycentric = np.stack([1.0 - root, root * (1.0 - second), root * second], axis=1)
    positions = np.asarray(interpolate(mesh, mesh.vertices, faces, barycentric), np.float64)
    return SurfacePoints(faces, barycentric, positions)


def interpolate(mesh: PosedMesh, per_vertex: Floats, faces: I32, barycentric: Floats) -> Floats:
    """Per-vertex values (V, ...) at surface points: (N, ...), in the wider of the two dtypes.

    Args:
        mesh: the mesh whose `faces` index `per_vertex`.
        per_vertex: (V,) or (V, C).
        faces: (N,).
        barycentric: (N, 3).
    """
    return _weighted(per_vertex, mesh.faces[faces], barycentric)


def uv_at(mesh: PosedMesh, faces: I32, barycentric: Floats) -> F64:
    """Texture coordinates at surface points: (N, 2) float64, zeros for a mesh without them."""
    if mesh.uv is None or mesh.face_uv is None:
        return np.zeros((len(faces), 2))
    uv = _weighted(mesh.uv, mesh.face_uv[faces], barycentric.astype(np.float64, copy=False))
    return np.asarray(uv, np.float64)


def albedo_at(mesh: PosedMesh, faces: I32, barycentric: Floats) -> F32:
    """The unlit colour at surface points, equal to OpenGL's at full texture size (no mip-maps).

    Texture (bilinear, wrapped as the material says) x material colour x vertex colour (interpolated), all in display
    (sRGB) values.

    Args:
        mesh: any mesh.
        faces: (N,) int32.
        barycentric: (N, 3).

    Returns:
        (N, 4) float32 RGBA in [0, 1], straight alpha; alpha is 1 for "opaque" materials.
    """
    colour = np.empty((len(faces), 4), np.float32)
    uv = uv_at(mesh, faces, barycentric)
    material_of = mesh.face_material[faces]
    for index, material in enumerate(mesh.materials):
        chosen = np.flatnonzero(material_of == index)
        if len(chosen):
            colour[chosen] = material_colour(material, uv[chosen])
    if mesh.vertex_colours is not None:
        colour *= interpolate(mesh, mesh.vertex_colours.astype(np.float32) / 255.0, faces, barycentric)
    opaque = np.array([material.alpha_mode == "opaque" for material in mesh.materials])
    colour[opaque[material_of], 3] = 1.0
    return np.clip(colour, 0.0, 1.0, out=colour)


def material_colour(material: Material, uv: Floats) -> F32:
    """Colour of a material at texture coordinates (N, 2): (N, 4) float32, texture times colour, alpha as stored."""
    factor = np.asarray(material.colour, np.float32)
    if material.texture is None:
        return np.broadcast_to(factor, (len(uv), 4)).copy()
    return sample_bilinear(material.texture, uv, material.wrap) * (factor / np.float32(255.0))


def wrap_coordinates(u: Floats, v: Floats, wrap: tuple[Wrap, Wrap]) -> tuple[Floats, Floats]:
    """Fold texture coordinates (N,) each, any finite values, into [0, 1]: u, and v counted from the top."""
    # The integer part is subtracted first, as given: a large coordinate would otherwise lose its fraction.
    across = u - np.floor(u) if wrap[0] == "repeat" else _fold(u, wrap[0])
    down = np.ceil(v) - v if wrap[1] == "repeat" else 1.0 - _fold(v, wrap[1])
    return across, down


def _fold(coordinate: Floats, wrap: Wrap) -> Floats:
    """Coordinates (N,) clamped to [0, 1], or reflected at its ends as often as it takes."""
    if wrap == "clamp":
        return np.clip(coordinate, 0.0, 1.0)
    folded: Floats = 1.0 - np.abs(1.0 - (coordinate - 2.0 * np.floor(coordinate * 0.5)))
    return folded


def sample_bilinear(texture: U8 | F32, uv: Floats, wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")) -> F32:
    """Sample a texture as OpenGL's GL_LINEAR: texel centres at half integers, row 0 at the top, v up.

    Args:
        texture: (H, W, C).
        uv: (N, 2), any finite values.
        wrap: what the texture shows beyond [0, 1], as OpenGL's GL_REPEAT, GL_CLAMP_TO_EDGE and GL_MIRRORED_REPEAT.

    Returns:
        (N, C) float32 in the texture's own range.
    """
    height, width, channels = texture.shape
    flat = texture.reshape(-1, channels)
    across, down = wrap_coordinates(uv[:, 0], uv[:, 1], wrap)
    x, y = across * width - 0.5, down * height - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right_share = (x - left).astype(np.float32)[:, None]
    lower_share = (y - top).astype(np.float32)[:, None]
    columns = [_texel(column, width, wrap[0]) for column in (left, left + 1)]
    rows = [_texel(row, height, wrap[1]) * width for row in (top, top + 1)]
    upper = _blend(flat[rows[0] + columns[0]], flat[rows[0] + columns[1]], right_share)
    lower = _blend(flat[rows[1] + columns[0]], flat[rows[1] + columns[1]], right_share)
    return _blend(upper, lower, lower_share)


def _texel(index: I64, count: int, wrap: Wrap) -> I64:
    """Texels (N,) of one axis, at most one beyond either end: a mirror image begins with the same texel again."""
    return index % count if wrap == "repeat" else np.clip(index, 0, count - 1)


def _blend(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic], share: F32) -> F32:
    start = first.astype(np.float32, copy=False)
    return start + (second.astype(np.float32, copy=False) - start) * share


def _weighted(values: Floats, corners: I32, barycentric: Floats) -> Floats:
    weights = barycentric if values.ndim == 1 else barycentric[:, :, None]
    return (
        values[corners[:, 0]] * weights[:, 0]
        + values[corners[:, 1]] * weights[:, 1]
        + values[corners[:, 2]] * weights[:, 2]
    )
