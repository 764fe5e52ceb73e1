"""Errors of colour: at surface points, and in pictures drawn of both meshes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

from ...core.arrays import F64, Bools
from ...geometry.camera import OrthographicCamera
from ...geometry.closest import ClosestSurface
from ...geometry.mesh import PosedMesh
from ...geometry.surface import albedo_at, sample_surface
from ...render.renderer import RendererChoice, open_renderer
from .normal_image import NORMAL_YAWS
from .pair import ComparedPicture, MeasuredSurface, MeshPair, once_per_pair, to_array
from .score import MetricError, Score, mean_of_two, mean_score

VIEW_SIZE = 512
SSIM_WINDOW = 11  # pixels: the Gaussian of sigma 1.5, cut off at 3.5 sigma
# A picture without any error has an infinite PSNR, which would make every mean infinite.
MAX_PSNR_DB = 100.0
_RENDERER = RendererChoice("embree", "pictures that do not depend on the machine")


def picture_l1(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Symmetric, no unit, not squared: mean absolute difference of two arrays of display values in [0, 1]."""
    a, b = _alike(first, second)
    return float(np.abs(a - b).mean())


def picture_psnr(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Symmetric, decibels, from the squared difference: -10 log10 of its mean, of pictures in [0, 1]; at most 100."""
    a, b = _alike(first, second)
    error = float(((a - b) ** 2).mean())
    return MAX_PSNR_DB if error <= 10 ** (-MAX_PSNR_DB / 10) else -10.0 * float(np.log10(error))


def picture_ssim(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Symmetric, no unit: mean structural similarity of pictures (H, W, C) in [0, 1]; 1 for equal pictures.

    Computed by scikit-image with the Gaussian window (sigma 1.5) of Wang et al., "Image quality assessment", 2004.

    Raises:
        MetricError: the pictures are smaller than the window.
    """
    a, b = _alike(first, second)
    if min(a.shape[:2]) < SSIM_WINDOW:
        size = f"{a.shape[1]} x {a.shape[0]}"
        raise MetricError(f"pictures of {size} pixels are smaller than the window of SSIM, {SSIM_WINDOW} pixels")
    value = structural_similarity(  # type: ignore[no-untyped-call]
        a, b, channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return float(value)


def measure_colour_l1(pair: MeshPair) -> Score:
    """Both ways, 0 to 255, not squared: mean absolute difference of colours at surface points and their closest points.

    Colours are unlit (texture, material, vertex colours) display values; the mean is over red, green, blue and both
    directions.
    """
    return mean_of_two(mean_score(np.abs(gap).mean(axis=1), 255.0) for gap in colour_differences(pair))


def measure_colour_psnr(pair: MeshPair) -> Score:
    """Both ways, decibels, from squared differences of colours at surface points and their closest points."""
    error = mean_of_two(mean_score((gap**2).mean(axis=1)) for gap in colour_differences(pair))
    if error.value <= 10 ** (-MAX_PSNR_DB / 10):
        return Score(MAX_PSNR_DB, 0.0)
    return Score(-10.0 * float(np.log10(error.value)), 10.0 / float(np.log(10)) * error.standard_error / error.value)


def measure_view_l1(pair: MeshPair) -> Score:
    """Symmetric, 0 to 255, not squared: mean absolute difference of unlit pictures where either mesh shows points."""
    return _of_pictures(pair, lambda a, b, shown: 255.0 * picture_l1(a[shown], b[shown]))


def measure_view_psnr(pair: MeshPair) -> Score:
    """Symmetric, decibels, from squared differences of unlit pictures at points where either mesh shows."""
    return _of_pictures(pair, lambda a, b, shown: picture_psnr(a[shown], b[shown]))


def measure_view_ssim(pair: MeshPair) -> Score:
    """Symmetric, no unit: mean structural similarity of unlit pictures, about points where either mesh shows."""

    def similarity(a: F64, b: F64, shown: Bools) -> float:
        box = _span(np.asarray(shown.any(axis=1))), _span(np.asarray(shown.any(axis=0)))
        return picture_ssim(a[box], b[box])

    return _of_pictures(pair, similarity)


def _span(shown: Bools) -> slice:
    """The part of an axis from its first to its last shown point, widened where SSIM's window would not fit in it."""
    first, last = np.flatnonzero(shown)[[0, -1]]
    start = max(0, min(first, (first + last + 1 - SSIM_WINDOW) // 2, len(shown) - SSIM_WINDOW))
    return slice(int(start), int(max(last + 1, start + SSIM_WINDOW)))


def has_colour(mesh: PosedMesh) -> bool:
    """Return whether a mesh has a texture or colours at its vertices."""
    return mesh.vertex_colours is not None or any(material.texture is not None for material in mesh.materials)


@once_per_pair
def colour_differences(pair: MeshPair) -> tuple[F64, F64]:
    """Return predicted minus true colours at drawn points and at their closest points on the other surface.

    Returns:
        (N, 3) float64 for points of the prediction and for points of the truth, display values in [0, 1].

    Raises:
        MetricError: a mesh has no colours.
    """
    if pair.colours is not None:
        return pair.colours.differences
    predicted, true = _coloured(pair)
    points, device = pair.sampling.points, pair.device
    found = []
    for side, own, other in (("predicted", predicted, true), ("true", true, predicted)):
        drawn = sample_surface(own, points, pair.sampling.rng("colour", side))
        near = ClosestSurface(other.vertices, other.faces, device=device).query(drawn.positions)
        here = albedo_at(own, drawn.faces, drawn.barycentric)
        there = albedo_at(other, near.faces, barycentric_of(near.points, other.corners[near.faces]))
        found.append(here[:, :3].astype(np.float64) - there[:, :3])
    return found[0], found[1]


@once_per_pair
def colour_pictures(pair: MeshPair) -> tuple[ComparedPicture, ...]:
    """Draw both meshes without light from four sides.

    Raises:
        MetricError: a mesh has no colours, or no mesh is visible from a side.
    """
    if pair.colours is not None:
        return pair.colours.pictures
    predicted, true = _coloured(pair)
    low, high = true.bounds
    x, y, z = ((low + high) / 2).tolist()
    extent = 1.1 * float((high - low).max())
    found = []
    for yaw in NORMAL_YAWS:
        camera = OrthographicCamera((x, y, z), extent, yaw)
        drawn = []
        for mesh in (predicted, true):
            with open_renderer(_RENDERER, mesh, VIEW_SIZE) as renderer:
                drawn.append(renderer.albedo(camera).astype(np.float64) / 255.0)
        found.append(compare_pictures(*drawn))
        if not found[-1].shown.any():
            raise MetricError("neither mesh shows in a picture")
    return tuple(found)


def compare_pictures(predicted: F64, true: F64) -> ComparedPicture:
    """Lay two pictures (H, W, 4) in [0, 1] over black, so that a missing limb counts with its whole colour."""
    shown = (predicted[..., 3] > 0) | (true[..., 3] > 0)
    return ComparedPicture(predicted[..., :3] * predicted[..., 3:], true[..., :3] * true[..., 3:], shown)


def barycentric_of(
    points: F64,  # (N, 3)
    corners: F64,  # (N, 3, 3)
) -> F64:
    """Return barycentric coordinates of points on triangles.

    Args:
        points: on the triangles.
        corners: the three corners of each point's triangle.

    Returns:
        (N, 3) weights of the corners; in a triangle without area the nearest corner gets all the weight.
    """
    a, first, second = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    offset = points - a
    d00, d01, d11 = (np.einsum("ij,ij->i", *pair) for pair in ((first, first), (first, second), (second, second)))
    d20, d21 = (np.einsum("ij,ij->i", offset, edge) for edge in (first, second))
    area = d00 * d11 - d01 * d01
    with np.errstate(divide="ignore", invalid="ignore"):
        v, w = (d11 * d20 - d01 * d21) / area, (d00 * d21 - d01 * d20) / area
    weights = np.clip(np.stack([1 - v - w, v, w], axis=1), 0.0, 1.0)
    flat = ~(area > 1e-24 * np.maximum(d00, d11) ** 2)
    if flat.any():
        nearest = np.linalg.norm(corners[flat] - points[flat, None], axis=2).argmin(axis=1)
        weights[flat] = np.eye(3)[nearest]
    normalised: F64 = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def _of_pictures(pair: MeshPair, measure: Callable[[F64, F64, Bools], float]) -> Score:
    values = [measure(picture.predicted, picture.true, picture.shown) for picture in colour_pictures(pair)]
    return Score(float(np.mean(values)), 0.0)


def _alike(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[F64, F64]:
    a, b = (np.asarray(to_array(values), np.float64) for values in (first, second))
    if a.shape != b.shape or not a.size:
        raise MetricError(f"pictures of shapes {a.shape} and {b.shape} cannot be compared")
    return a, b


def _coloured(pair: MeshPair) -> tuple[PosedMesh, PosedMesh]:
    return _mesh_with_colours(pair.predicted), _mesh_with_colours(pair.true)


def _mesh_with_colours(surface: MeasuredSurface) -> PosedMesh:
    if surface.coloured is None or not has_colour(surface.coloured):
        raise MetricError(f"the {surface.side} mesh has no colours (texture or vertex colours)")
    return surface.coloured
