"""The winding number of an open surface minus its signed crossings: a sum over the boundary edges alone.

For a surface and a ray direction d, winding = crossings(d) + sum over boundary edges (a, b) of the signed solid angle
of the triangle (-d, a, b) over 4 pi: seen from the point, crossings as a function of direction change only across the
boundary, and the cone from -d over it has the same changes and misses d (the idea of "one-shot" winding numbers,
Martens and Bessmeltsev, 2025).

A distant run of edges (boundary_tree.py) is evaluated as one: the triangle of its ends and a dipole, as Barill et al.
do for triangles ("Fast Winding Numbers for Soups and Clouds", SIGGRAPH 2018), but with a bound of the error. Points are
grouped into cells of a grid. Runs that are distant from a whole cell are summed at 27 of its points and interpolated,
again with a bound. The bounds are summed, so a caller knows which points to evaluate again with a smaller tolerance.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

import numpy as np

from ...core.arrays import F64, I64
from ...core.kernels import kernels_or_reason, load_warp, on_cpu
from ...geometry.morton import BITS, morton_cells, morton_codes
from .boundary_tree import BoundaryTree
from .crossings import ray_direction
from .winding import solid_angles

logger = logging.getLogger(__name__)

CHUNK_PAIRS = 1 << 20
# Least number of points per cell on average: with fewer, the sums at a cell's 27 points cost more than they save.
POINTS_PER_CELL = 16
# Greatest number of near nodes that a cell lists for its points, and cells at a time: together 8 MiB.
LIST_NODES = 2048
CHUNK_CELLS = 1024


def boundary_term(tree: BoundaryTree, points: F64, tolerance: float) -> tuple[F64, F64]:
    """Evaluate the boundary's part of the winding number.

    Args:
        tree: the boundary.
        points: (N, 3) float64, metres.
        tolerance: error allowed for a run of edges, in winding numbers; 0 evaluates every edge by itself.

    Returns:
        (N,) float64 the boundary's part.
        (N,) float64 a bound of its error; 0 where it is exact up to rounding.
    """
    kernels, reason = compiled_kernels()
    if kernels is None:
        logger.warning("summing the boundary in NumPy, far slower: %s", reason)
        return boundary_term_numpy(tree, points), np.zeros(len(points))
    part, error = np.zeros(len(points)), np.zeros(len(points))
    if not len(points):
        return part, error
    warp = load_warp()
    packed = _pack(kernels, tree, tolerance)
    order, heads, middles, edge = _cells(points)
    ordered = np.ascontiguousarray(points[order], np.float64)
    found, bound = np.empty(len(points)), np.empty(len(points))
    step = min(len(middles), CHUNK_CELLS)
    cells = kernels.Cells()
    cells.edge = edge
    cells.places, cells.bounds = on_cpu(np.empty((step, 27)), warp.float64), on_cpu(np.empty(step), warp.float64)
    cells.lists = on_cpu(np.empty((step, min(len(tree.skip), LIST_NODES)), np.int32), warp.int32)
    cells.counts = on_cpu(np.empty(step, np.int32), warp.int32)
    for first in range(0, len(middles), step):
        some = middles[first : first + step]
        cells.middles = on_cpu(some, warp.vec3d)
        begin, end = heads[first], heads[min(first + step, len(middles))]
        cell_of = np.repeat(np.arange(len(some), dtype=np.int32), np.diff(heads[first : first + len(some) + 1]))
        warp.launch(kernels.gather, len(some), [packed], [cells], device="cpu")
        inputs = [on_cpu(ordered[begin:end], warp.vec3d), on_cpu(cell_of, warp.int32), packed, cells]
        outputs = [on_cpu(found[begin:end], warp.float64), on_cpu(bound[begin:end], warp.float64)]
        warp.launch(kernels.evaluate, end - begin, inputs, outputs, device="cpu")
    part[order], error[order] = found / (4.0 * np.pi), bound / (4.0 * np.pi)
    return part, error


def _pack(kernels: Any, tree: BoundaryTree, tolerance: float) -> Any:
    """The tree as kernels take it (`boundary_kernels.Tree`)."""
    warp = load_warp()
    rows = np.zeros(len(tree.skip), kernels.Node.numpy_dtype())
    for name in ("centre", "radius", "first", "second", "area", "begin", "end"):
        rows[name] = getattr(tree, name)
    rows["chord"] = np.linalg.norm(tree.end - tree.begin, axis=1)
    packed = kernels.Tree()
    packed.nodes, packed.skip = warp.array(rows, dtype=kernels.Node, device="cpu"), on_cpu(tree.skip, warp.int32)
    packed.direction, packed.allowed = warp.vec3d(*ray_direction(tree.axis)), tolerance * 4.0 * np.pi
    return packed


def boundary_term_numpy(tree: BoundaryTree, points: F64) -> F64:
    """The reference twin of `boundary_term` in NumPy: (N,) float64, every edge by itself."""
    total = np.zeros(len(points))
    apex = -ray_direction(tree.axis)
    step = max(1, CHUNK_PAIRS // max(1, len(tree.edges)))
    for start in range(0, len(points), step):
        part = points[start : start + step]
        sides = tree.edges[None] - part[:, None, None, :]
        corners = np.concatenate([np.broadcast_to(apex, (*sides.shape[:2], 1, 3)), sides], axis=2)
        total[start : start + step] = solid_angles(corners).sum(axis=1)
    return total / (4.0 * np.pi)


def _cells(points: F64) -> tuple[I64, I64, F64, float]:
    """Group points into cells: their order, (C + 1,) starts of the cells in it, (C, 3) middles, edge of a cell."""
    codes, low, edge = morton_codes(points)
    order = np.argsort(codes, kind="stable").astype(np.int64)
    codes = codes[order]
    for level in range(BITS + 1):
        cells = codes >> np.uint32(3 * level)
        heads = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
        if len(points) >= POINTS_PER_CELL * len(heads) or level == BITS:
            break
    edge *= 2.0**level
    middles = low + (morton_cells(cells[heads]) + 0.5) * edge
    return order, np.append(heads, len(points)), middles, edge


@functools.cache
def compiled_kernels() -> tuple[Any, str]:
    """The compiled module boundary_kernels.py, or None and the reason why it does not compile here."""

    def load() -> Any:
        from .boundary_kernels import load_boundary

        return load_boundary()

    return kernels_or_reason(load)
