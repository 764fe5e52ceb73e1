"""Where the surface is: coarse-to-fine localisation over any occupancy, without loss against the dense grid.

MonoPort (Li et al., ECCV 2020, "surface localization") evaluates a coarse grid, interpolates it, asks the network at
the nodes whose interpolated binary value is neither 0 nor 1, and re-examines the neighbours of nodes that contradict
the interpolation until none does. Much of what it asks lies in coarse cells that the surface only grazes.

Here the contradictions themselves drive the search. A sign change along a coarse edge promises a surface, so it is
bisected down to an edge of the next level; from there the surface is followed: all corners of a cell with both signs
are asked, then those of its neighbours across mixed edges, until no new cell is mixed. What is asked at a level is then
exactly the corners of the cells that the surface passes, which marching cubes needs anyway, plus the bisections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.errors import MpcError, SettingsError
from .grid import LocalisedGrid
from .node_store import INSIDE, NodeStore

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
Occupancy = Callable[[F32], Any]  # (N, 3) float32 view space -> (N,), an array or a tensor

# Few enough that a pixel-aligned network's features for them stay within a few hundred megabytes.
MAX_BATCH = 1 << 17

# The four cells around an edge along axis 0, 1, 2: offsets of their lowest corners from the edge's lower end.
_CELLS_AROUND_EDGE = [
    [(0, 0, 0), (0, -1, 0), (0, 0, -1), (0, -1, -1)],
    [(0, 0, 0), (-1, 0, 0), (0, 0, -1), (-1, 0, -1)],
    [(0, 0, 0), (-1, 0, 0), (0, -1, 0), (-1, -1, 0)],
]
_CORNERS = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
_DIAGONALS = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if abs(i) + abs(j) + abs(k) > 1]


class FieldError(MpcError):
    """An occupancy that returned NaN, or another number of values than it was asked for."""


def localise(
    occupancy: Occupancy,
    resolution: int = 257,
    *,
    start: int = 17,
    levels: Sequence[int] | None = None,
    threshold: float = 0.5,
    seeds: F32 | None = None,
    max_batch: int = MAX_BATCH,
) -> LocalisedGrid:
    """Ask an occupancy only where the surface passes, on the nodes linspace(-1, 1, resolution)^3 of view space.

    Every connected surface that changes the sign along at least one edge of the `start` grid is found whole: the
    marching cubes mesh of the result is that of the dense grid. A surface that slips between the nodes of the start
    grid is missed; a finer `start` or `seeds` inside it find it. No node is asked twice.

    Args:
        occupancy: (n, 3) float32 points, view space -> (n,) values, array or tensor, inside above `threshold`.
        resolution: nodes a side; minus one, a multiple of `start` - 1.
        start: nodes a side of the grid that is asked whole.
        levels: resolutions visited, first `start`, last `resolution`; None for doubling up to a quarter of the final
            spacing (the levels right below the last would cost more than what they find).
        threshold: values above it are inside.
        seeds: (S, 3) float32 view-space points hoped to be inside, e.g. from a silhouette; each is asked at its nearest
            node, and the surface around those that are inside is followed.
        max_batch: greatest n of one call.

    Raises:
        SettingsError: levels that do not divide one another.
        FieldError: the occupancy returned NaN or a wrong number of values.
    """
    chosen = tuple(levels) if levels is not None else default_levels(start, resolution)
    check_levels(chosen, resolution)
    search = _Search(occupancy, resolution, threshold, max_batch)
    counts = []
    strides = [(resolution - 1) // (level - 1) for level in chosen]
    search.ask(search.lattice(strides[0]))
    edges = search.mixed_edges(search.lattice(strides[0]), strides[0])
    counts.append(search.evaluations)
    for level, (coarse, fine) in enumerate(pairwise(strides)):
        edges = search.refine(edges, coarse, fine, level)
        counts.append(search.evaluations - sum(counts))
    if seeds is not None and len(seeds):
        found = search.edges_from_seeds(seeds, strides[-1])
        edges = np.union1d(edges, search.follow(found, strides[-1], level=len(chosen) - 2))
        counts[-1] += search.evaluations - sum(counts)
    nodes, values = search.store.answers()
    return LocalisedGrid(
        resolution=resolution,
        threshold=threshold,
        nodes=nodes,
        values=values,
        levels=chosen,
        evaluations=tuple(counts),
        calls=search.calls,
        surface_box=_box_of(edges // 3, resolution),
    )


def default_levels(start: int, resolution: int) -> tuple[int, ...]:
    """Double from `start` while the spacing is at least eight final ones, then jump to `resolution`."""
    levels, side = [start], start
    while (resolution - 1) // (2 * (side - 1)) >= 8:
        side = 2 * side - 1
        levels.append(side)
    return (*levels, resolution) if levels[-1] != resolution else tuple(levels)


def check_levels(levels: Sequence[int], resolution: int) -> None:
    """Raise SettingsError unless each level refines the one before by a power of two and the last is `resolution`."""
    if not levels or levels[-1] != resolution or levels[0] < 2 or len(levels) > 7:
        raise SettingsError(f"levels {tuple(levels)}: 1 to 7 of them, the last {resolution}, all at least 2")
    for coarse, fine in pairwise(levels):
        ratio, rest = divmod(fine - 1, coarse - 1)
        if rest or ratio < 2 or ratio & (ratio - 1):
            raise SettingsError(
                f"resolution {fine} does not refine {coarse}: {fine} - 1 must be 2, 4, 8, … times {coarse} - 1"
            )


def _box_of(nodes: I64, resolution: int) -> tuple[tuple[int, int, int], tuple[int, int, int]] | None:
    if not len(nodes):
        return None
    ijk = np.stack(np.unravel_index(nodes, (resolution,) * 3))
    low, high = np.maximum(ijk.min(axis=1) - 1, 0), np.minimum(ijk.max(axis=1) + 3, resolution)
    return (int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2]))


@dataclass(eq=False)
class _Search:
    """The state of one localisation. An edge is named lower node * 3 + axis."""

    occupancy: Occupancy
    resolution: int
    threshold: float
    max_batch: int

    def __post_init__(self) -> None:
        self.store = NodeStore(self.resolution)
        self.axis = np.linspace(-1.0, 1.0, self.resolution).astype(np.float32)
        self.steps = np.array([self.resolution**2, self.resolution, 1], np.int64)
        self.evaluations = 0
        self.calls = 0

    def lattice(self, stride: int) -> I64:
        ticks = np.arange(0, self.resolution, stride, dtype=np.int64)
        i, j, k = ticks * self.steps[0], ticks * self.steps[1], ticks
        nodes: I64 = (i[:, None, None] + j[None, :, None] + k[None, None, :]).ravel()
        return nodes

    def ask(self, nodes: I64) -> None:
        """Evaluate nodes (N,) that are unknown and differ from one another."""
        r = self.resolution
        for first in range(0, len(nodes), self.max_batch):
            part = nodes[first : first + self.max_batch]
            points = np.stack([self.axis[part // (r * r)], self.axis[part // r % r], self.axis[part % r]], axis=1)
            values = as_values(self.occupancy(points), len(part))
            self.store.record(part, values, values > self.threshold)
            self.calls += 1
        self.evaluations += len(nodes)

    def coordinate(self, nodes: I64, axis: int) -> I64:
        position: I64 = nodes // self.steps[axis] % self.resolution
        return position

    def shift(
        self, nodes: I64, offset: tuple[int, int, int], stride: int, room: int = 0
    ) -> tuple[I64, npt.NDArray[np.bool_]]:
        """Nodes moved by `offset` strides, and which of them stay inside the grid with `room` strides above them."""
        fits = np.ones(len(nodes), np.bool_)
        for axis, step in enumerate(offset):
            if step or room:
                moved = self.coordinate(nodes, axis) + step * stride
                fits &= (moved >= 0) & (moved <= self.resolution - 1 - room * stride)
        return nodes + int(np.dot(offset, self.steps)) * stride, fits

    def mixed_edges(self, nodes: I64, stride: int) -> I64:
        """Edges of length `stride` at known `nodes` whose other end is known to lie on the other side, each once."""
        codes, found = self.store.codes(nodes), []
        for axis in range(3):
            for sign in (1, -1):
                offset = [0, 0, 0]
                offset[axis] = sign
                others, fits = self.shift(nodes, (offset[0], offset[1], offset[2]), stride)
                here, there = nodes[fits], others[fits]
                mixed = (codes[fits] ^ self.store.codes(there)) == 3
                found.append(np.minimum(here, there)[mixed] * 3 + axis)
        return np.unique(np.concatenate(found))

    def cells_around(self, edges: I64, stride: int) -> I64:
        """Lowest corners of the cells around edges, repeated where edges share a cell."""
        lower, axes, found = edges // 3, edges % 3, []
        for axis in range(3):
            ends = lower[axes == axis]
            for offset in _CELLS_AROUND_EDGE[axis]:
                cells, fits = self.shift(ends, offset, stride, room=1)
                found.append(cells[fits])
        return np.concatenate(found)

    def diagonal_cells(self, nodes: I64, stride: int) -> I64:
        """Cells that hold one of `nodes` and a known corner of the other side diagonally across a face or the cell."""
        codes, found = self.store.codes(nodes), []
        for offset in _DIAGONALS:
            others, fits = self.shift(nodes, offset, stride)
            here, there = nodes[fits], others[fits]
            mixed = (codes[fits] ^ self.store.codes(there)) == 3
            low = here[mixed]
            for axis, step in enumerate(offset):
                if step < 0:
                    low = low - self.steps[axis] * stride
            for axis, step in enumerate(offset):
                if step == 0:  # across a face: the cells on both of its sides
                    below = low[self.coordinate(low, axis) >= stride] - self.steps[axis] * stride
                    low = np.concatenate([low[self.coordinate(low, axis) < self.resolution - 1], below])
            found.append(low)
        return np.concatenate(found)

    def refine(self, edges: I64, coarse: int, fine: int, level: int) -> I64:
        """From the mixed edges of one level to those of the next, asking on the way; returns the latter, each once."""
        found: list[I64] = []
        # An eighth of the promises usually reaches all of the surface; the others then cost nothing.
        for batch in (edges[::8], edges):
            waiting = self.unresolved(batch, coarse, fine)
            if len(waiting):
                found.append(self.follow(self.bisect(waiting, coarse, fine), fine, level))
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def unresolved(self, edges: I64, coarse: int, fine: int) -> I64:
        """Coarse edges along which no fine edge is known to be mixed."""
        along = edges[:, None] // 3 + np.arange(0, coarse + 1, fine) * self.steps[edges % 3][:, None]
        codes = self.store.codes(along)
        resolved: npt.NDArray[np.bool_] = ((codes[:, 1:] ^ codes[:, :-1]) == 3).any(axis=1)
        return edges[~resolved]

    def bisect(self, edges: I64, coarse: int, fine: int) -> I64:
        """Halve mixed edges until they are `fine` long; their ends stay on different sides."""
        lower, axes, length = edges // 3, edges % 3, coarse
        while length > fine:
            length //= 2
            middle = lower + length * self.steps[axes]
            unknown = np.unique(middle[self.store.codes(middle) == 0])
            self.ask(unknown)
            lower = np.where(self.store.codes(middle) == self.store.codes(lower), middle, lower)
        return np.unique(lower * 3 + axes)

    def follow(self, edges: I64, stride: int, level: int) -> I64:
        """Ask all corners of all mixed cells connected to the given mixed edges; returns all mixed edges met."""
        met, asked = [edges], []
        cells = self.store.take_cells(self.cells_around(edges, stride), level)
        while len(cells):
            corners = [cells + int(np.dot(corner, self.steps)) * stride for corner in _CORNERS]
            nodes = np.unique(np.concatenate(corners))
            nodes = nodes[self.store.codes(nodes) == 0]
            self.ask(nodes)
            asked.append(nodes)
            new_edges = self.mixed_edges(nodes, stride)
            met.append(new_edges)
            cells = self.store.take_cells(self.cells_around(new_edges, stride), level)
            if not len(cells) and asked:
                cells = self.store.take_cells(self.diagonal_cells(np.concatenate(asked), stride), level)
                asked = []
        return np.concatenate(met)

    def edges_from_seeds(self, seeds: F32, stride: int) -> I64:
        """Mixed edges on the lines through seeds that turn out inside: steps of 1, 2, 4, … along x until outside."""
        ijk = np.clip(np.rint((np.asarray(seeds, np.float64) + 1) / 2 * (self.resolution - 1)), 0, self.resolution - 1)
        nodes = np.unique((ijk.astype(np.int64) // stride * stride) @ self.steps)
        self.ask(nodes[self.store.codes(nodes) == 0])
        nodes, length, found = nodes[self.store.codes(nodes) == INSIDE], stride, []
        while len(nodes):
            others, fits = self.shift(nodes, (1, 0, 0), length)
            nodes, others = nodes[fits], others[fits]
            self.ask(np.unique(others[self.store.codes(others) == 0]))
            crossed = self.store.codes(others) != INSIDE
            found.append(self.bisect(nodes[crossed] * 3, length, stride))
            nodes, length = others[~crossed], length * 2
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)


def as_values(answer: Any, count: int) -> F32:
    """An occupancy's answer as (count,) float32 on the host.

    Raises:
        FieldError: another number of values, or values that are not finite.
    """
    if hasattr(answer, "detach"):
        answer = answer.detach().float().cpu().numpy()
    values: F32 = np.ascontiguousarray(answer, dtype=np.float32).reshape(-1)
    if len(values) != count:
        raise FieldError(f"the occupancy returned {len(values)} values for {count} points")
    if not np.isfinite(values).all():
        raise FieldError(f"the occupancy returned {int((~np.isfinite(values)).sum())} values that are not finite (NaN)")
    return values
