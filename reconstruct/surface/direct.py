"""The first surface along every ray of a camera, straight from an occupancy: a picture without a mesh.

After MonoPort (Li et al., ECCV 2020, "mesh-free rendering"), which draws four views along the axes of its grid from the
localised volume. Here the camera is arbitrary. Rays walk through the localised grid, where empty and full regions cost
no evaluation. In the first step in which the side changes, the crossing is refined by evaluating the field itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ...core.arrays import F32, U8, Bools
from ...core.kernels import load_warp
from ..localise.device import Device
from ..localise.field import FieldError, Occupancy, as_values, evaluate_there
from ..localise.grid import LocalisedGrid
from .camera_rays import Rays

# Number of halvings by interpolation alone; they reach a hundredth of a node spacing.
FREE_REFINEMENTS = 6


@dataclass(frozen=True, eq=False)
class SurfaceMap:
    """The surface that a camera sees in each pixel.

    Attributes:
        mask: (H, W) bool, whether the ray through the pixel's centre meets the surface.
        points: (H, W, 3) float32, where it does, in view space of the reconstructed picture; NaN outside the mask.
        depth: (H, W) float32, distance along the ray from its origin, view-space units; NaN outside the mask.
        normals: (H, W, 3) float32, unit, outward, in the same space; 0 outside the mask.
        colours: (H, W, 3) float32, display values in [0, 1]; 0 outside the mask; None without a colour function.
        evaluations: number of points at which the occupancy was evaluated.
    """

    mask: Bools
    points: F32
    depth: F32
    normals: F32
    colours: F32 | None
    evaluations: int


def render_surface(
    grid: LocalisedGrid,
    occupancy: Occupancy,
    rays: Rays,
    *,
    colour: Callable[[F32], Any] | None = None,
    refinements: int = 6,
) -> SurfaceMap:
    """Find the first surface along rays, its normal and its colour.

    Args:
        grid: the localised field; one grid serves all cameras.
        occupancy: the field, see `localise`.
        rays: the rays of the camera.
        colour: (N, 3) float32 view-space points -> (N, 3) display colours; evaluated once for each hit pixel.
        refinements: number of times that the step in which the side changes (half a node spacing) is halved; each
            evaluates the occupancy once for each hit. With 0 the crossing of the grid's interpolated values is taken,
            which needs no evaluation.

    Returns:
        The map. Nothing behind the first crossing of a ray is evaluated.
    """
    device, names = grid.blocks.device, _kernels()
    picture, threads, most = _new_picture(grid, rays, device), device.threads, _most_hits(grid, rays)
    pictures = _pass(picture, device)
    if grid.surface_box is not None:
        _draw_spots(grid, picture, device)
        device.launch(names.find_hits, [pictures, grid.marcher.grid, grid.threshold, threads])
        for _ in range(refinements):
            device.launch(names.show_middles, [pictures, threads])
            _evaluate_hits(device, picture, occupancy, picture.values, most)
            device.launch(names.take_values, [pictures, grid.threshold, threads])
        halvings = 0 if refinements else FREE_REFINEMENTS
        device.launch(names.finish_hits, [pictures, grid.marcher.grid, grid.threshold, halvings, threads])
    painted = device.zeros(rays.height * rays.width if colour is not None else 0, load_warp().vec3)
    if colour is not None:
        _evaluate_hits(device, picture, colour, painted, most)
    points, depth, normals, regs, hits, paint = device.read(
        picture.points, picture.depth, picture.normals, picture.regs, picture.hits, painted
    )
    if regs[names.Spot.BAD]:
        raise FieldError(f"the occupancy returned {int(regs[names.Spot.BAD])} values that are not finite (NaN)")
    shape, count = (rays.height, rays.width), int(regs[names.Spot.HITS])
    colours: F32 | None = None
    if colour is not None:
        flat = np.zeros((rays.height * rays.width, 3), np.float32)
        flat[hits[:count]] = paint[:count]
        colours = flat.reshape(*shape, 3)
    return SurfaceMap(
        mask=np.isfinite(depth).reshape(shape), points=points.reshape(*shape, 3), depth=depth.reshape(shape),
        normals=normals.reshape(*shape, 3), colours=colours, evaluations=refinements * count,
    )  # fmt: skip


def to_rgba(surface: SurfaceMap) -> U8:
    """The map's colours, or its normals shown as colours, as a picture (H, W, 4) uint8 without antialiasing."""
    shown = surface.normals * 0.5 + 0.5 if surface.colours is None else surface.colours
    pixels = np.zeros((*surface.mask.shape, 4), np.uint8)
    pixels[..., :3] = np.rint(np.clip(shown, 0, 1) * 255)
    pixels[..., 3] = 255
    pixels[~surface.mask] = 0
    return pixels


def _new_picture(grid: LocalisedGrid, rays: Rays, device: Device) -> Any:
    """The memory of a picture in which nothing is seen yet."""
    wp, names = load_warp(), _kernels()
    count = rays.height * rays.width
    picture = names.Picture()
    picture.height, picture.width, picture.resolution = rays.height, rays.width, grid.resolution
    picture.heads, picture.steps = (names.FourByThree(*part.ravel()) for part in (rays.heads, rays.steps))
    picture.to_pixels = names.ThreeByFour(*rays.to_pixels.ravel())
    picture.perspective, picture.least = rays.least is not None, rays.least or 0.0
    if grid.surface_box is not None:
        low, high = np.array(grid.surface_box, np.float64)
        spacing = 2.0 / (grid.resolution - 1)
        picture.low, picture.high = wp.vec3d(*(low * spacing - 1.0)), wp.vec3d(*((high - 1) * spacing - 1.0))
    regs = np.zeros(names.Spot.COUNT, np.int32)
    regs[names.Spot.TOP], regs[names.Spot.BOTTOM] = rays.height, -1
    regs[names.Spot.LEFT], regs[names.Spot.RIGHT] = rays.width, -1
    picture.regs = device.upload(regs, wp.int32)
    picture.reach = device.upload(np.array([np.inf, 0.0]), wp.float64)
    picture.near, picture.far = device.empty(count, wp.float64), device.empty(count, wp.float64)
    picture.near_rows, picture.far_rows = device.empty(count, wp.float64), device.empty(count, wp.float64)
    picture.before, picture.after = device.empty(count, wp.float64), device.empty(count, wp.float64)
    picture.hits, picture.values = device.empty(count, wp.int32), device.empty(count, wp.float32)
    picture.points, picture.middles = device.empty(count, wp.vec3), device.zeros(count, wp.vec3)
    picture.depth, picture.normals = device.empty(count, wp.float32), device.empty(count, wp.vec3)
    device.launch(names.clear_picture, [_pass(picture, device), device.threads])
    return picture


def _pass(picture: Any, device: Device) -> Any:
    """A picture as kernels take it."""
    return device.pack(picture, _kernels().Picture)


def _draw_spots(grid: LocalisedGrid, picture: Any, device: Device) -> None:
    """Bound where each ray can meet the surface, by the known inside nodes."""
    names, threads, pictures = _kernels(), device.threads, _pass(picture, device)
    nodes = [*grid.lists, grid.threshold, threads]
    device.launch(names.measure_reach, [pictures, *nodes])
    device.launch(names.choose_radius, [pictures], 1)
    device.launch(names.draw_spots, [pictures, *nodes])
    for rows in (1, 0):
        device.launch(names.spread_spots, [pictures, rows, threads])


def _most_hits(grid: LocalisedGrid, rays: Rays) -> int:
    """Number of pixels in the rectangle around the box that holds the surface, as the camera sees it."""
    if grid.surface_box is None:
        return 0
    low, high = np.array(grid.surface_box, np.float64) * 2 / (grid.resolution - 1) - 1
    high -= 2 / (grid.resolution - 1)  # the greatest node is exclusive
    ends = np.stack([low, high])
    corners = np.array([(*(ends[bit >> axis & 1, axis] for axis in range(3)), 1.0) for bit in range(8)])
    column, row, weight = rays.to_pixels @ corners.T
    if weight.min() <= 0:  # a part of the box is behind the camera
        return rays.height * rays.width
    seen = np.stack([column, row]) / weight
    size = np.array([rays.width, rays.height])
    first, last = np.floor(seen.min(axis=1)) - 1, np.ceil(seen.max(axis=1)) + 1  # a pixel more, for rounding
    return int(np.prod(np.clip(np.minimum(last, size - 1) - np.maximum(first, 0) + 1, 0, size)))


def _evaluate_hits(device: Device, picture: Any, function: Callable[[F32], Any], into: Any, most: int) -> None:
    """Evaluate a function at the middles of all hits.

    A host that works ahead does not know how many hits there are. It has the function evaluated for as many as there
    can be, `most`.
    """
    if device.ahead:
        wp = load_warp()
        if most:
            wp.to_torch(into)[:most].copy_(evaluate_there(function, wp.to_torch(picture.middles)[:most]))
        return
    count = int(device.look(picture.regs)[_kernels().Spot.HITS])
    if count:
        found = function(device.look(picture.middles)[:count])
        if into is picture.values:
            found = as_values(found, count)
        device.look(into)[:count] = found.detach().cpu().numpy() if hasattr(found, "detach") else found


@lru_cache(maxsize=1)
def _kernels() -> Any:
    load_warp()
    from . import draw_kernels

    return draw_kernels
