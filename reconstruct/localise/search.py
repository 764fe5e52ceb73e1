"""The search of one localisation, written as a coroutine: it yields nodes to ask and goes on once they are recorded.

So several fields can be searched in step, with one call of the network for all (`localise_many`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...core.arrays import F32, I64, Bools
from .lattice import Lattice
from .node_store import INSIDE, OUTSIDE, NodeStore
from .silhouette import Silhouette

Asking = Generator[I64, None, None]
Finding = Generator[I64, None, I64]

# The four cells around an edge along axis 0, 1, 2: offsets of their lowest corners from the edge's lower end.
_CELLS_AROUND_EDGE = [
    [(0, 0, 0), (0, -1, 0), (0, 0, -1), (0, -1, -1)],
    [(0, 0, 0), (-1, 0, 0), (0, 0, -1), (-1, 0, -1)],
    [(0, 0, 0), (-1, 0, 0), (0, -1, 0), (-1, -1, 0)],
]
_CORNERS = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
_DIAGONALS = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if abs(i) + abs(j) + abs(k) > 1]
# A level that may be left out is visited where those before it cost at most a part in so many of what the last will.
SPARE_SHARE = 12


@dataclass(eq=False)
class Search:
    """The state of one localisation. An edge is named lower node * 3 + axis.

    Attributes:
        lattice: of the finest level.
        levels: resolutions to visit; after the search, those visited.
        threshold: values above it are inside.
        seeds: points hoped to be inside, or None.
        silhouette: what a mask says about columns of nodes, or None.
        visible: leave out, on the last level, cells that nodes known to be inside hide from a viewer before the cube.
        spare: leave out the level before the last unless all levels before it were cheap.
        evaluations: nodes asked so far. counts: the same by level.
        edges: mixed edges of the last level, once the search has ended.
    """

    lattice: Lattice
    levels: Sequence[int]
    threshold: float
    seeds: F32 | None = None
    silhouette: Silhouette | None = None
    visible: bool = False
    spare: bool = False
    evaluations: int = 0
    counts: list[int] = field(default_factory=list)
    edges: I64 = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        self.store = NodeStore(self.lattice)
        side = self.lattice.resolution
        self._front = np.full((side, side), side, np.int32) if self.visible else None

    def run(self) -> Asking:
        """Everything; the caller records the answers of each yielded batch with `record` before it goes on."""
        last = self.lattice.resolution - 1
        strides = [last // (level - 1) for level in self.levels]
        known = yield from ask_start_grid(self, strides[0])
        edges = self.mixed_edges(known, strides[0])
        self.counts.append(self.evaluations)
        level = 0
        while level < len(strides) - 1:
            if self.spare and level == len(strides) - 3 and not self.cheap(strides[level]):
                del strides[level + 1]
                self.levels = (*self.levels[: level + 1], *self.levels[level + 2 :])
            coarse, fine, final = strides[level], strides[level + 1], level == len(strides) - 2
            edges = yield from self.refine(edges, coarse, fine, level, self.visible and final)
            if level == 0 and not final:
                edges = np.union1d(edges, (yield from self.look_around(edges, fine, level)))
            self.counts.append(self.evaluations - sum(self.counts))
            level += 1
        level = max(len(strides) - 2, 0)
        if self.seeds is not None and len(self.seeds):
            found = yield from self.edges_from_seeds(self.lattice.nearest(self.seeds), strides[-1])
            edges = np.union1d(edges, (yield from self.follow(found, strides[-1], level)))
        if self.silhouette is not None:
            for stride in self.silhouette.strides(strides[0]):
                seeds = self.silhouette.seeds(self.store, stride)
                if not len(seeds):
                    continue
                found = yield from self.edges_from_seeds(seeds, strides[-1])
                edges = np.union1d(edges, (yield from self.follow(found, strides[-1], level)))
        self.counts[-1] += self.evaluations - sum(self.counts)
        self.edges = edges

    def cheap(self, stride: int) -> bool:
        """Whether what was asked up to a level of `stride` is little beside what the last level will cost.

        A surface has four times the nodes at half the spacing.
        """
        return self.evaluations * SPARE_SHARE <= self.counts[-1] * stride**2

    def ask(self, nodes: I64) -> Asking:
        """Evaluate nodes (N,) that are unknown and differ from one another; what the mask rules out is not asked."""
        if self.silhouette is not None and len(nodes):
            ruled_out = self.silhouette.outside(nodes)
            free = nodes[ruled_out]
            self.store.record(free, np.full(len(free), self.threshold - 0.5, np.float32), np.zeros(len(free), np.bool_))
            nodes = nodes[~ruled_out]
        if len(nodes):
            self.evaluations += len(nodes)
            yield nodes

    def record(self, nodes: I64, values: F32) -> None:
        """The answers to a yielded batch."""
        inside = values > self.threshold
        self.store.record(nodes, values, inside)
        if self.silhouette is not None:
            self.silhouette.see(nodes[inside])
        if self._front is not None:
            i, j, k = self.lattice.split(nodes[inside])
            np.minimum.at(self._front, (i, j), k.astype(np.int32))

    def mixed_edges(self, nodes: I64, stride: int) -> I64:
        """Edges of length `stride` at known `nodes` whose other end is known to lie on the other side, each once."""
        codes, found = self.store.codes(nodes), []
        for axis in range(3):
            for sign in (1, -1):
                offset = [0, 0, 0]
                offset[axis] = sign
                others, fits = self.lattice.shift(nodes, (offset[0], offset[1], offset[2]), stride)
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
                cells, fits = self.lattice.shift(ends, offset, stride, room=1)
                found.append(cells[fits])
        return np.concatenate(found)

    def diagonal_cells(self, nodes: I64, stride: int) -> I64:
        """Cells that hold one of `nodes` and a known corner of the other side diagonally across a face or the cell."""
        lattice, codes, found = self.lattice, self.store.codes(nodes), []
        for offset in _DIAGONALS:
            others, fits = lattice.shift(nodes, offset, stride)
            here, there = nodes[fits], others[fits]
            mixed = (codes[fits] ^ self.store.codes(there)) == 3
            low = here[mixed]
            for axis, step in enumerate(offset):
                if step < 0:
                    low = low - lattice.steps[axis] * stride
            for axis, step in enumerate(offset):
                if step == 0:  # across a face: the cells on both of its sides
                    below = low[lattice.coordinate(low, axis) >= stride] - lattice.steps[axis] * stride
                    low = np.concatenate([low[lattice.coordinate(low, axis) < lattice.resolution - 1], below])
            found.append(low)
        return np.concatenate(found)

    def refine(self, edges: I64, coarse: int, fine: int, level: int, visible: bool) -> Finding:
        """From the mixed edges of one level to those of the next, asking on the way; returns the latter, each once."""
        found: list[I64] = []
        # An eighth of the promises usually reaches all of the surface; the others then cost nothing.
        batches = self.front_to_back(edges) if visible else (edges[::8], edges)
        for batch in batches:
            waiting = self.unresolved(batch, coarse, fine)
            if visible:
                waiting = waiting[~self.hidden(waiting // 3)]
            if len(waiting):
                promised = yield from self.bisect(waiting, coarse, fine)
                found.append((yield from self.follow(promised, fine, level, visible)))
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def look_around(self, edges: I64, stride: int, level: int) -> Finding:
        """Mixed edges of parts close to the surface of `edges`: all nodes around its own are asked."""
        ends = np.unique(np.concatenate([edges // 3, edges // 3 + stride * self.lattice.steps[edges % 3]]))
        moved = [self.lattice.shift(ends, offset, stride) for offset in AROUND]
        nodes = self.store.unknown(np.concatenate([others[fits] for others, fits in moved]))
        yield from self.ask(nodes)
        return (yield from self.follow(self.mixed_edges(nodes, stride), stride, level))

    def unresolved(self, edges: I64, coarse: int, fine: int) -> I64:
        """Coarse edges along which no fine edge is known to be mixed."""
        along = edges[:, None] // 3 + np.arange(0, coarse + 1, fine) * self.lattice.steps[edges % 3][:, None]
        codes = self.store.codes(along)
        resolved: Bools = ((codes[:, 1:] ^ codes[:, :-1]) == 3).any(axis=1)
        return edges[~resolved]

    def bisect(self, edges: I64, coarse: int, fine: int) -> Finding:
        """Halve mixed edges until they are `fine` long; their ends stay on different sides."""
        lower, axes, length = edges // 3, edges % 3, coarse
        while length > fine:
            length //= 2
            middle = lower + length * self.lattice.steps[axes]
            yield from self.ask(self.store.unknown(middle))
            lower = np.where(self.store.codes(middle) == self.store.codes(lower), middle, lower)
        return np.unique(lower * 3 + axes)

    def follow(self, edges: I64, stride: int, level: int, visible: bool = False) -> Finding:
        """Ask all corners of all mixed cells connected to the given mixed edges; returns all mixed edges met."""
        met, asked = [edges], []
        cells = self.take(self.cells_around(edges, stride), level, visible)
        while len(cells):
            corners = [cells + int(np.dot(corner, self.lattice.steps)) * stride for corner in _CORNERS]
            nodes = self.store.unknown(np.concatenate(corners))
            yield from self.ask(nodes)
            asked.append(nodes)
            new_edges = self.mixed_edges(nodes, stride)
            met.append(new_edges)
            cells = self.take(self.cells_around(new_edges, stride), level, visible)
            if not len(cells) and asked:
                cells = self.take(self.diagonal_cells(np.concatenate(asked), stride), level, visible)
                asked = []
        return np.concatenate(met)

    def take(self, cells: I64, level: int, visible: bool) -> I64:
        """Cells to look at next, each once."""
        return self.store.take_cells(cells[~self.hidden(cells)] if visible else cells, level)

    def hidden(self, cells: I64) -> Bools:
        """Cells all of whose four columns hold a node known to be inside before them: no first surface is in them."""
        assert self._front is not None
        i, j, k = self.lattice.split(cells)
        top = self.lattice.resolution - 1
        deepest = np.maximum.reduce(
            [self._front[np.minimum(i + a, top), np.minimum(j + b, top)] for a in (0, 1) for b in (0, 1)]
        )
        covered: Bools = deepest < k
        return covered

    def front_to_back(self, edges: I64) -> tuple[I64, I64]:
        """Promises that come first in their column, then all."""
        i, j, k = self.lattice.split(edges // 3)
        order = np.lexsort((k, j, i))
        first = np.ones(len(order), np.bool_)
        first[1:] = (np.diff(i[order]) != 0) | (np.diff(j[order]) != 0)
        return edges[order[first]], edges

    def edges_from_seeds(self, nodes: I64, stride: int) -> Finding:
        """Mixed edges on lines from nodes that turn out inside: along x until outside; from a face on, another way."""
        nodes = np.unique(nodes)
        yield from self.ask(self.store.unknown(nodes))
        nodes, found = nodes[self.store.codes(nodes) == INSIDE], []
        for direction in (1, 2, 3, -1, -2, -3):
            axis, sign = abs(direction) - 1, 1 if direction > 0 else -1
            # Steps of 1, 2, 4, …; where the next leaves the grid, half of it, and half of that.
            length, rising, resting = stride, nodes, nodes[:0]
            while length >= stride and len(rising) + len(resting):
                rising, stuck, edges = yield from self.walk(rising, axis, sign * length)
                resting, ahead, more = yield from self.walk(resting, axis, sign * length)
                resting = np.unique(np.concatenate([resting, ahead, stuck]))
                found.append((yield from self.bisect(np.concatenate([edges, more]), length, stride)))
                length = 2 * length if len(rising) else length // 2
            nodes = resting
            if not len(nodes):
                break
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def walk(self, nodes: I64, axis: int, step: int) -> Generator[I64, None, tuple[I64, I64, I64]]:
        """A step along an axis: where nodes still inside came to, nodes that had no room, edges that lead outside."""
        offset = [0, 0, 0]
        offset[axis] = 1 if step > 0 else -1
        others, fits = self.lattice.shift(nodes, (offset[0], offset[1], offset[2]), abs(step))
        here, there = nodes[fits], others[fits]
        yield from self.ask(self.store.unknown(there))
        crossed = self.store.codes(there) != INSIDE
        return there[~crossed], nodes[~fits], np.minimum(here, there)[crossed] * 3 + axis


# A coarser start grid has little inside its faces.
LEAST_WITHOUT_FACES = 9


# Part of a coarser one may miss a person.
LEAST_IN_PART = 17


AROUND = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if i or j or k]


def ask_start_grid(search: Search, stride: int) -> Generator[I64, None, I64]:
    """Ask nodes of the start grid, `stride` apart; returns those known.

    A person fills little of the cube, and rarely reaches its faces, where a third of the start grid's nodes are. Of the
    inner nodes every second is asked, and those in the middle of the cells between; then all in the box of what turned
    out to be inside, grown by a spacing, as long as the box grows; of the faces, the nodes next to nodes that are
    inside. Where that shows no surface, all.
    """
    nodes = search.lattice.every(stride)
    if len(search.levels) == 1 or search.levels[0] < LEAST_WITHOUT_FACES:
        yield from search.ask(nodes)
        return nodes
    ijk, last = np.stack(search.lattice.split(nodes)), search.lattice.resolution - 1
    inner = ((ijk > 0) & (ijk < last)).all(axis=0)
    within, faces, halves = nodes[inner], nodes[~inner], ijk[:, inner] % (2 * stride)
    if search.levels[0] >= LEAST_IN_PART:
        yield from search.ask(within[~halves.any(axis=0) | halves.all(axis=0)])
        yield from _grow_box(search, within, stride)
    if not _shows_surface(search, within):
        yield from search.ask(search.store.unknown(within))
    if _shows_surface(search, within):
        deep = within[search.store.codes(within) == INSIDE]
        moved = [search.lattice.shift(deep, offset, stride)[0] for offset in AROUND]
        faces = faces[np.isin(faces, np.concatenate(moved))]
    yield from search.ask(faces)
    known: I64 = nodes[search.store.codes(nodes) != 0]
    return known


def _grow_box(search: Search, nodes: I64, stride: int) -> Generator[I64, None, None]:
    """Ask those of `nodes` in the box of those known to be inside, grown by a stride, until it grows no more."""
    ijk = np.stack(search.lattice.split(nodes))
    while (deep := search.store.codes(nodes) == INSIDE).any():
        low, high = ijk[:, deep].min(axis=1) - stride, ijk[:, deep].max(axis=1) + stride
        box = ((ijk - low[:, None] >= 0) & (ijk - high[:, None] <= 0)).all(axis=0)
        unknown = search.store.unknown(nodes[box])
        if not len(unknown):
            return
        yield from search.ask(unknown)


def _shows_surface(search: Search, nodes: I64) -> bool:
    """Whether some of `nodes` are known to be inside and some to be outside."""
    codes = search.store.codes(nodes)
    return bool((codes == INSIDE).any() and (codes == OUTSIDE).any())
