"""Boundary loops as a tree of groups of loops, loops, runs of edges and edges, each with its far-field expansion.

A run from u to v spans a surface together with its chord: the surfaces of its two halves and the triangle (u, middle,
v). Far away such a surface is a dipole: its solid angle seen from p is A.r/|r|^3 with r = c - p, area vector A and
centroid c. The error follows from the next terms of the expansion of r/|r|^3, whose k-th derivatives are at most
(k + 1)!/|r|^(k + 2). It is at most (2 D + S (3 a + rho)/a^2)/|r|^3 with a = |r| - rho (Taylor's remainder, integrated
from c), where D is the nuclear norm of the traceless symmetric part of the integral of dA (y - c)^T, S the integral of
|dA| |y - c|^2 and rho the radius of a ball around the run. A flat loop has D = 0.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64, I32, I64


@dataclass(frozen=True, eq=False)
class BoundaryTree:
    """The nodes, in depth-first order.

    Attributes:
        axis: main axis of the rays, see crossings.py.
        begin: (T, 3) float64 first vertex of the run, metres.
        end: (T, 3) float64 last vertex of the run, metres; equal to `begin` for closed loops.
        centre: (T, 3) float64 c, metres; the middle of an edge.
        radius: (T,) float64 rho, metres; half the length of an edge.
        area: (T, 3) float64 A, square metres; 0 for an edge, which is its own chord.
        first: (T,) float64 2 D, cubic metres.
        second: (T,) float64 S, metres to the fourth power.
        skip: (T,) int32 the node after all those below this one; for an edge the next node.
        edges: (B, 2, 3) float64 the edges themselves.
    """

    axis: int
    begin: F64
    end: F64
    centre: F64
    radius: F64
    area: F64
    first: F64
    second: F64
    skip: I32
    edges: F64


def build_boundary_tree(vertices: F64, edges: I64, axis: int) -> BoundaryTree:
    """Join boundary edges into loops and build their tree.

    Args:
        vertices: (V, 3) float64, metres.
        edges: (B, 2) int64 directed boundary edges.
        axis: main axis of the rays, as in `CrossingIndex`.
    """
    plan = _Plan([vertices[run] for run in closed_runs(edges)])
    start, stop, skip = (np.array(column, np.int64) for column in (plan.start, plan.stop, plan.skip))
    left, right, middle, depth = (np.array(c, np.int64) for c in (plan.left, plan.right, plan.middle, plan.depth))
    line = np.concatenate(plan.loops)
    total = len(start)
    loop = middle < 0  # a group of loops has no chord of its own
    begin, end = line[start], line[stop - 1]
    end[loop & (left >= 0)] = begin[loop & (left >= 0)]
    area, spanned, moment, dyad = np.zeros((total, 3)), np.zeros(total), np.zeros((total, 3)), np.zeros((total, 3, 3))
    second, centre, radius = np.zeros(total), (begin + end) * 0.5, np.linalg.norm(end - begin, axis=1) * 0.5
    for level in range(int(depth.max()), -1, -1):
        rows = np.flatnonzero((depth == level) & (left >= 0))
        if not len(rows):
            continue
        a, b = left[rows], right[rows]
        # The triangle (first, middle, last) closes the two halves of a run; a group of loops needs none.
        corners = np.stack([begin[rows], line[np.maximum(middle[rows], 0)], end[rows]], axis=1)
        corners[loop[rows]] = 0.0
        piece = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) * 0.5
        size, place = np.linalg.norm(piece, axis=1), corners.mean(axis=1)
        area[rows] = area[a] + area[b] + piece
        spanned[rows] = spanned[a] + spanned[b] + size
        moment[rows] = moment[a] + moment[b] + size[:, None] * place
        dyad[rows] = dyad[a] + dyad[b] + piece[:, :, None] * place[:, None, :]
        count = stop[rows] - start[rows]
        inner = np.repeat(start[rows] - np.cumsum(count) + count, count) + np.arange(count.sum())
        heads = np.cumsum(count) - count
        flat = spanned[rows] < 1e-12 * np.maximum(radius[rows], 1e-30) ** 2
        mean = np.add.reduceat(line[inner], heads, axis=0) / count[:, None]
        centre[rows] = np.where(flat[:, None], mean, moment[rows] / np.where(flat, 1.0, spanned[rows])[:, None])
        reach = ((line[inner] - np.repeat(centre[rows], count, axis=0)) ** 2).sum(axis=1)
        radius[rows] = np.sqrt(np.maximum.reduceat(reach, heads))
        shifted = corners - centre[rows][:, None]
        own = size / 12.0 * ((shifted**2).sum(axis=(1, 2)) + (shifted.sum(axis=1) ** 2).sum(axis=1))
        second[rows] = own + sum(second[k] + spanned[k] * ((centre[k] - centre[rows]) ** 2).sum(axis=1) for k in (a, b))
    return BoundaryTree(
        axis, begin, end, centre, radius, area, 2.0 * _nuclear(dyad - area[:, :, None] * centre[:, None, :]),
        second, skip.astype(np.int32), vertices[edges],
    )  # fmt: skip


class _Plan:
    """The vertices of each node, as indices only, so that the geometry can be computed one level at a time."""

    def __init__(self, runs: list[F64]) -> None:
        self.start: list[int] = []
        self.stop: list[int] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.middle: list[int] = []
        self.depth: list[int] = []
        self.skip: list[int] = []
        self.loops: list[F64] = []
        self._filled = 0
        self._group(runs, np.array([(run.min(axis=0) + run.max(axis=0)) * 0.5 for run in runs]), 0)

    def _row(self, start: int, stop: int, depth: int) -> int:
        for column, value in (
            (self.start, start), (self.stop, stop), (self.left, -1), (self.right, -1), (self.middle, -1),
            (self.depth, depth), (self.skip, len(self.skip) + 1),
        ):  # fmt: skip
            column.append(value)
        return len(self.start) - 1

    def _group(self, runs: list[F64], middles: F64, depth: int) -> int:
        """Add a group of loops, split in halves along its longest extent; returns its row."""
        if len(runs) == 1:
            start = self._filled
            self.loops.append(runs[0])
            self._filled += len(runs[0])
            return self._run(start, self._filled, depth)
        row = self._row(self._filled, 0, depth)
        order = np.argsort(middles[:, np.argmax(np.ptp(middles, axis=0))], kind="stable")
        first, last = order[: len(order) // 2], order[len(order) // 2 :]
        self.left[row] = self._group([runs[k] for k in first], middles[first], depth + 1)
        self.right[row] = self._group([runs[k] for k in last], middles[last], depth + 1)
        self.stop[row], self.skip[row] = self._filled, len(self.start)
        return row

    def _run(self, start: int, stop: int, depth: int) -> int:
        row = self._row(start, stop, depth)
        if stop - start > 2:
            middle = start + (stop - start - 1) // 2
            self.middle[row] = middle
            self.left[row] = self._run(start, middle + 1, depth + 1)
            self.right[row] = self._run(middle, stop, depth + 1)
            self.skip[row] = len(self.start)
        return row


def closed_runs(edges: I64) -> list[I64]:
    """Join directed edges into closed runs of vertices that use each edge once.

    The boundary of a surface has no boundary itself: as many edges leave a vertex as enter it, so each run is closed.
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


def _nuclear(dyads: F64) -> F64:
    """(T,) nuclear norms of the traceless symmetric parts of (T, 3, 3), the only parts that act on a harmonic field."""
    symmetric = (dyads + dyads.transpose(0, 2, 1)) * 0.5
    symmetric -= np.trace(symmetric, axis1=1, axis2=2)[:, None, None] / 3.0 * np.eye(3)
    return np.asarray(np.abs(np.linalg.eigvalsh(symmetric)).sum(axis=1))
