"""What an open surface's winding number is beyond its signed crossings: a sum over its boundary edges alone.

For a surface and a ray direction d, winding = crossings(d) + sum over boundary edges (a, b) of the signed solid angle
of the triangle (-d, a, b) over 4 pi: seen from the point, crossings as a function of direction change only across the
boundary, and the cone from -d over it has the same changes and misses d (the idea of "one-shot" winding numbers,
Martens and Bessmeltsev, 2025).

Far runs of edges are taken together: a run from u to v gives the triangle (-d, u, v) plus the solid angle of the
polygon between run and chord, whose area vector A at distance r gives A.r/|r|^3 with an error of at most
2 S rho / (|r| - rho)^3 (S: area spanned, rho: radius; the field's gradient is at most 2/|r|^3). The bounds add up, so a
caller knows when to ask again.
"""

from __future__ import annotations

import functools
import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .closest import load_warp
from .crossings import ray_direction
from .winding import solid_angles

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

logger = logging.getLogger(__name__)

CHUNK_PAIRS = 1 << 20


@dataclass(frozen=True, eq=False)
class BoundaryTree:
    """Groups of boundary loops, halved down to loops, runs and single edges, in depth-first order.

    Attributes:
        axis: of the rays, see crossings.py.
        begin, end: (T, 3) float64 first and last vertex of the run, metres.
        centre: (T, 3) float64; radius: (T,) float64 of a ball around the run; -1 for a single edge, which is exact.
        area: (T, 3) float64 area vector of run and chord, square metres; spanned: (T,) float64 area for the bound.
        skip: (T,) int32 the node after all below this one.
        edges: (B, 2, 3) float64 the edges themselves.
    """

    axis: int
    begin: F64
    end: F64
    centre: F64
    radius: F64
    area: F64
    spanned: F64
    skip: I32
    edges: F64


def build_boundary_tree(vertices: F64, edges: I64, axis: int) -> BoundaryTree:
    """Order boundary edges (B, 2) int64 into runs and build the tree; `axis` as in CrossingIndex."""
    rows: list[tuple[F64, F64, F64, float, F64, float, int]] = []

    def add(run: F64) -> None:
        count = len(run) - 1
        skip = len(rows) + 2 * count - 1
        middle = (run.min(axis=0) + run.max(axis=0)) * 0.5
        if count == 1:
            rows.append((run[0], run[1], middle, -1.0, np.zeros(3), 0.0, skip))
            return
        arms = run[1:] - run[0]
        pieces = np.cross(arms[:-1], arms[1:]) * 0.5
        radius = float(np.sqrt(((run - middle) ** 2).sum(axis=1).max()))
        spanned = float(np.linalg.norm(pieces, axis=1).sum())
        rows.append((run[0], run[-1], middle, radius, pieces.sum(axis=0), spanned, skip))
        add(run[: count // 2 + 1])
        add(run[count // 2 :])

    def add_group(group: list[F64]) -> None:
        """Runs are closed loops: together their chords vanish, what remains is the sum of their area vectors."""
        if len(group) == 1:
            add(group[0])
            return
        place = len(rows)
        rows.append((np.zeros(3), np.zeros(3), np.zeros(3), 0.0, np.zeros(3), 0.0, 0))
        middles = np.array([(run.min(axis=0) + run.max(axis=0)) * 0.5 for run in group])
        order = np.argsort(middles[:, np.argmax(np.ptp(middles, axis=0))], kind="stable")
        heads = []
        for half in (order[: len(order) // 2], order[len(order) // 2 :]):
            heads.append(len(rows))
            add_group([group[k] for k in half])
        every = np.concatenate(group)
        middle = (every.min(axis=0) + every.max(axis=0)) * 0.5
        radius = float(np.sqrt(((every - middle) ** 2).sum(axis=1).max()))
        area = rows[heads[0]][4] + rows[heads[1]][4]
        spanned = rows[heads[0]][5] + rows[heads[1]][5]
        rows[place] = (every[0], every[0], middle, radius, area, spanned, len(rows))

    add_group([vertices[run] for run in _runs(edges)])
    columns = list(zip(*rows, strict=True))
    vectors = [np.array(columns[k], np.float64).reshape(-1, 3) for k in (0, 1, 2, 4)]
    radius, spanned = (np.array(columns[k], np.float64) for k in (3, 5))
    begin, end, centre, area = vectors
    return BoundaryTree(
        axis, begin, end, centre, radius, area, spanned, np.array(columns[6], np.int32), vertices[edges]
    )


def boundary_term(tree: BoundaryTree, points: F64, tolerance: float) -> tuple[F64, F64]:
    """The boundary's part of the winding number at each point.

    Args:
        tree: of the boundary.
        points: (N, 3) float64, metres.
        tolerance: error allowed a run of edges, in winding numbers; 0 takes every edge by itself.

    Returns:
        (N,) float64 the part, (N,) float64 a bound of its error (0 where exact but for rounding).
    """
    kernel, reason = compiled_kernel()
    if kernel is None:
        logger.warning("summing the boundary in NumPy, far slower: %s", reason)
        return boundary_term_numpy(tree, points), np.zeros(len(points))
    warp = load_warp()
    part, error = np.zeros(len(points)), np.zeros(len(points))

    def view(array: npt.NDArray[Any], dtype: Any) -> Any:
        return warp.array(np.ascontiguousarray(array), dtype=dtype, device="cpu", copy=False)

    points = np.ascontiguousarray(points, np.float64)
    vectors = [tree.begin, tree.end, tree.centre, tree.area]
    warp.launch(
        kernel,
        dim=len(points),
        inputs=[
            view(points, warp.vec3d),
            *(view(array, warp.vec3d) for array in vectors),
            view(tree.radius, warp.float64),
            view(tree.spanned, warp.float64),
            view(tree.skip, warp.int32),
            warp.vec3d(*ray_direction(tree.axis)),
            warp.float64(tolerance),
        ],
        outputs=[view(part, warp.float64), view(error, warp.float64)],
        device="cpu",
    )
    return part, error


def boundary_term_numpy(tree: BoundaryTree, points: F64) -> F64:
    """`boundary_term` in NumPy, every edge by itself."""
    total = np.zeros(len(points))
    apex = -ray_direction(tree.axis)
    step = max(1, CHUNK_PAIRS // max(1, len(tree.edges)))
    for start in range(0, len(points), step):
        part = points[start : start + step]
        sides = tree.edges[None] - part[:, None, None, :]
        corners = np.concatenate([np.broadcast_to(apex, (*sides.shape[:2], 1, 3)), sides], axis=2)
        total[start : start + step] = solid_angles(corners).sum(axis=1)
    return total / (4.0 * np.pi)


def _runs(edges: I64) -> list[I64]:
    """Directed edges joined into runs of vertices, each edge once.

    A boundary has no boundary: as many edges leave a vertex as enter it, so each run ends where it began.
    """
    leaving: defaultdict[int, list[int]] = defaultdict(list)
    for a, b in edges.tolist():
        leaving[a].append(b)
    runs: list[I64] = []
    for first in edges[:, 0].tolist():
        while leaving[first]:
            run = [first]
            while leaving[run[-1]]:
                run.append(leaving[run[-1]].pop())
            runs.append(np.array(run, np.int64))
    return runs


@functools.cache
def compiled_kernel() -> tuple[Any, str]:
    """Warp's kernel for the CPU, or None and the reason why not."""
    try:
        load_warp()
        from .winding_kernels import load_boundary_term

        return load_boundary_term(), ""
    except (ImportError, OSError, RuntimeError) as error:
        return None, str(error)
