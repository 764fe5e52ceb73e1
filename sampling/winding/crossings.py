"""Exact signed crossings of parallel rays: the number of sheets above a point, counted with their orientation.

All rays have one direction, so that a point needs only the triangles whose projection along it covers the point, which
a two-dimensional grid finds. Coverage is decided edge by edge with the same float64 expression for both faces of an
edge (lower end first), so no ray slips between two faces or counts both. On a closed surface the result is the winding
number wherever rounding (about 1e-12 m) cannot move the point across the surface. Embree's float32 rays have no such
guarantee.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.arrays import F64, I32, I64
from ...core.kernels import kernels_or_reason, load_warp, on_cpu

logger = logging.getLogger(__name__)

# Slopes of the rays against their main axis, so that they are parallel to no face of axis-aligned geometry.
LEAN = (0.0123456789, 0.0098765432)
CELLS_PER_FACE = 1.0
MAX_CELLS = 2048
CHUNK_PAIRS = 1 << 19


@dataclass(frozen=True, eq=False)
class CrossingIndex:
    """Faces sorted into the cells of a two-dimensional grid, seen along the rays.

    Attributes:
        axis: main axis of the rays, 0 to 2; along the least extent of the surface, where sheets are fewest.
        corners: (F, 3, 3) float64 in ray coordinates: across, across, along.
        low: (2,) float64 origin of the grid, metres.
        cell: (2,) float64 edges of a cell, metres.
        cells: number of cells along both sides.
        start: (C + 1,) int32 index in `members` at which each cell's faces begin.
        members: int32 face numbers, cell after cell.
    """

    axis: int
    corners: F64
    low: F64
    cell: F64
    cells: tuple[int, int]
    start: I32
    members: I32


def ray_direction(axis: int) -> F64:
    """Unit direction of the rays with a main axis: (3,) float64."""
    direction = np.zeros(3)
    direction[[(axis + 1) % 3, (axis + 2) % 3, axis]] = (*LEAN, 1.0)
    return direction / np.linalg.norm(direction)


def to_ray_coordinates(points: F64, axis: int) -> F64:
    """Shear points (..., 3) so that rays run along the last coordinate; right-handed and volume-preserving."""
    along = points[..., axis]
    across = points[..., (axis + 1) % 3] - LEAN[0] * along, points[..., (axis + 2) % 3] - LEAN[1] * along
    return np.ascontiguousarray(np.stack([*across, along], axis=-1))


def index_crossings(corners: F64) -> CrossingIndex:
    """Prepare a surface, (F, 3, 3) float64 corners in metres, for `count_crossings`."""
    axis = int(np.argmin(np.ptp(corners.reshape(-1, 3), axis=0)))
    sheared = to_ray_coordinates(corners, axis)
    least, most = sheared[..., :2].min(axis=1), sheared[..., :2].max(axis=1)
    low, size = least.min(axis=0), np.maximum(most.max(axis=0) - least.min(axis=0), 1e-9)
    edge = np.sqrt(size.prod() / (CELLS_PER_FACE * len(corners)))
    number = np.clip(np.ceil(size / edge), 1, MAX_CELLS).astype(np.int64)
    cell = size / number * (1.0 + 1e-9)
    first = np.clip(np.floor((least - low) / cell), 0, number - 1).astype(np.int64)
    last = np.clip(np.floor((most - low) / cell), 0, number - 1).astype(np.int64)
    wide = last - first + 1
    count = wide.prod(axis=1)
    owner = np.repeat(np.arange(len(corners)), count)
    inner = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    row, column = first[owner, 0] + inner // wide[owner, 1], first[owner, 1] + inner % wide[owner, 1]
    place = row * number[1] + column
    order = np.argsort(place, kind="stable")
    start = np.searchsorted(place[order], np.arange(number.prod() + 1))
    return CrossingIndex(
        axis,
        sheared,
        low,
        cell,
        (int(number[0]), int(number[1])),
        start.astype(np.int32),
        owner[order].astype(np.int32),
    )


def count_crossings(index: CrossingIndex, points: F64) -> I32:
    """Count how often the ray from each point leaves the surface, minus how often it enters.

    Args:
        index: the surface.
        points: (N, 3) float64, metres.

    Returns:
        (N,) int32. For a closed surface this is the winding number: 1 inside a solid, 2 where two overlap.
    """
    compiled, reason = compiled_kernel()
    if compiled is None:
        logger.warning("counting crossings in NumPy, ten times slower: %s", reason)
        return count_crossings_numpy(index, points)
    warp = load_warp()
    sheared = to_ray_coordinates(np.asarray(points, np.float64), index.axis)
    # Points of one cell run one after the other and find its faces in the cache: twice as fast.
    order = np.argsort(_place(index, sheared))
    counts = np.zeros(len(sheared), np.int32)
    struct, kernel = compiled
    packed = struct()
    packed.corners = on_cpu(index.corners.reshape(-1, 3), warp.vec3d)
    packed.start, packed.members = on_cpu(index.start, warp.int32), on_cpu(index.members, warp.int32)
    packed.low, packed.cell, packed.cells = warp.vec2d(*index.low), warp.vec2d(*index.cell), warp.vec2i(*index.cells)
    inputs = [on_cpu(sheared[order], warp.vec3d), packed]
    warp.launch(kernel, len(order), inputs, [on_cpu(counts, warp.int32)], device="cpu")
    result = np.empty_like(counts)
    result[order] = counts
    return result


def count_crossings_numpy(index: CrossingIndex, points: F64) -> I32:
    """The twin of `count_crossings` in NumPy: the same arithmetic, ten to twenty times slower."""
    sheared = to_ray_coordinates(np.asarray(points, np.float64), index.axis)
    place = _place(index, sheared)
    cell = np.maximum(place, 0)
    amount = np.where(place >= 0, index.start[cell + 1] - index.start[cell], 0).astype(np.int64)
    total = np.zeros(len(points), np.int32)
    ends = np.cumsum(amount)
    begin = 0
    while begin < len(points):
        end = max(begin + 1, int(np.searchsorted(ends, (ends[begin - 1] if begin else 0) + CHUNK_PAIRS)))
        part = slice(begin, end)
        owner = np.repeat(np.arange(begin, end)[: len(amount[part])], amount[part])
        inner = np.arange(len(owner)) - np.repeat(np.cumsum(amount[part]) - amount[part], amount[part])
        faces = index.members[index.start[cell[owner]] + inner]
        total += np.bincount(owner, _crossings(sheared[owner], index.corners[faces]), minlength=len(points)).astype(
            np.int32
        )
        begin = end
    return total


def _place(index: CrossingIndex, sheared: F64) -> I64:
    """The cell of each point, given in ray coordinates: (N,) int64, -1 outside the grid."""
    cell = np.floor((sheared[:, :2] - index.low) / index.cell)
    within = ((cell >= 0) & (cell < index.cells)).all(axis=1)
    place = np.where(within, cell[:, 0] * index.cells[1] + cell[:, 1], -1.0)
    return place.astype(np.int64)


def _crossings(p: F64, corners: F64) -> F64:
    """+1, -1 or 0 for each (point, face) pair, as `crossing_kernels.crossings` computes it."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    cover = _edge(a, b, p) + _edge(b, c, p) + _edge(c, a, p)
    volume = np.einsum("ni,ni->n", a - p, np.cross(b - p, c - p))
    return np.where(cover * volume > 0, cover, 0.0)


def _edge(a: F64, b: F64, p: F64) -> F64:
    up, down = a[:, 1] <= p[:, 1], b[:, 1] <= p[:, 1]
    low, high = np.where(up[:, None], a, b), np.where(up[:, None], b, a)
    side = (high[:, 0] - low[:, 0]) * (p[:, 1] - low[:, 1]) - (high[:, 1] - low[:, 1]) * (p[:, 0] - low[:, 0])
    return np.where((up != down) & (side > 0), np.where(up, 1.0, -1.0), 0.0)


@functools.cache
def compiled_kernel() -> tuple[Any, str]:
    """Warp's struct and kernel for the CPU (compiled once per machine, then cached on disk), or None and the reason."""

    def load() -> Any:
        from .crossing_kernels import load_crossings

        return load_crossings()

    return kernels_or_reason(load)
