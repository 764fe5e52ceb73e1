"""The last level by interpolation: the field is asked only where its side is in doubt (mode "fast").

MonoPort's fast mode never asks its last level, and interpolates occupancies, which saturate. Here their logits are
interpolated, which for a logistic in the signed distance are that distance. A node's side is certain where a known
node is farther from the surface than from it, for values cannot change faster than the field is steep: each corner of a
coarse cell bounds the values at the nodes in the cell from both sides. Where the bounds leave both sides open, doubt is
how near the interpolated value is to the surface, in parts of the room between the bounds. What is asked tightens the
bounds around it; where an answer contradicts the interpolation, more is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.arrays import F32, F64, I64, Bools
from .grid import LocalisedGrid
from .lattice import Lattice
from .silhouette import Silhouette

Ask = Callable[[Sequence[F32], Sequence[int]], list[F32]]

# In doubt: nearer to the surface than this part of the room between the bounds. Greater asks more and errs less.
DOUBT = 0.15
# The same beside a node that contradicted the interpolation.
RECHECK = 0.5
# A field is hard where the corners of cells are all as far from the surface, to this part.
FLAT = 0.9
_CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)], np.int64)
_CHILDREN = np.array([(i, j, k) for i in (0, 1, 2) for j in (0, 1, 2) for k in (0, 1, 2)], np.int64)
_AROUND = _CHILDREN[np.any(_CHILDREN != 1, axis=1)] - 1
# (27, 8): trilinear weights of a cell's corners at its children, and how far they are, in spacings of the finer level.
_WEIGHTS = np.prod(1 - np.abs(_CHILDREN[:, None] / 2 - _CORNERS[None]), axis=2)
_AWAY = np.linalg.norm(_CHILDREN[:, None] - 2 * _CORNERS[None], axis=2)


def interpolated_level(
    grid: LocalisedGrid, ask: Ask, owner: int, silhouettes: tuple[Silhouette, Silhouette] | None = None
) -> LocalisedGrid:
    """A localised grid at twice the resolution.

    Args:
        grid: without loss, at the resolution below the last.
        ask: `localise_many`'s: points of several fields and their numbers -> values.
        owner: number of this field.
        silhouettes: what a mask says about the grid's columns of nodes and the last level's; the latter's are not
            asked where it rules them out.
    """
    lattice = Lattice(2 * grid.resolution - 1)
    scale = _Scale(grid)
    guess = _first_guess(grid, lattice, scale, silhouettes)
    waiting = guess.doubtful(np.arange(len(guess.nodes)), DOUBT)
    evaluations = 0
    while len(waiting):
        answers = scale.forward(ask([lattice.points(guess.nodes[waiting])], [owner])[0])
        evaluations += len(waiting)
        wrong = (answers > 0) != guess.expected[waiting]
        nodes, sides = guess.nodes[waiting], guess.expected[waiting]
        guess.learn(waiting, answers)
        around, side = _neighbours(nodes[wrong], sides[wrong], lattice)
        guess.add(around, side)
        guess.tighten(nodes, answers)
        waiting = guess.doubtful(guess.places(around)[0], RECHECK)
    low, high = grid.surface_box or ((0, 0, 0), (0, 0, 0))
    box = (2 * low[0], 2 * low[1], 2 * low[2]), (2 * high[0] - 1, 2 * high[1] - 1, 2 * high[2] - 1)
    level = guess.final()
    outer, outer_values = _far_nodes(grid, lattice, guess.nodes)
    together = np.concatenate([guess.nodes, outer])
    order = np.argsort(together)
    return replace(
        grid,
        resolution=lattice.resolution,
        nodes=lattice.flat(together[order]),
        values=np.concatenate([scale.backward(level), outer_values])[order],
        levels=(*grid.levels, lattice.resolution),
        evaluations=(*grid.evaluations, evaluations),
        calls=getattr(ask, "calls", {}).get(owner, grid.calls),
        surface_box=None if grid.surface_box is None else box,
    )


@dataclass(eq=False)
class _Guess:
    """What is believed of the nodes of the last level that lie in or next to cells the surface passes.

    Attributes:
        lattice: of the last level.
        nodes: (N,) rising.
        level: interpolated, or as answered. low, high: bounds. slope: greatest change of the level in a spacing.
        expected: the side that the interpolation puts it on, True inside. known: asked, or ruled out by a mask.
    """

    lattice: Lattice
    nodes: I64
    level: F64
    low: F64
    high: F64
    slope: F64
    expected: Bools
    known: Bools

    def doubtful(self, places: I64, limit: float) -> I64:
        """Those of `places` to ask."""
        low, high = self.low[places], self.high[places]
        near = np.abs(np.clip(self.level[places], low, high)) < limit * (high - low)
        return places[~self.known[places] & (low < 0) & (high > 0) & near]

    def learn(self, places: I64, answers: F64) -> None:
        """The answers for nodes."""
        self.level[places], self.known[places] = answers, True

    def places(self, nodes: I64) -> tuple[I64, Bools]:
        """Where nodes are, and whether they are there at all."""
        place = np.minimum(np.searchsorted(self.nodes, nodes), len(self.nodes) - 1)
        return place, self.nodes[place] == nodes

    def add(self, nodes: I64, sides: Bools) -> None:
        """Take in those of `nodes` (rising) that are new, expected on `sides`: no cell bounds them."""
        new = ~self.places(nodes)[1]
        count = int(new.sum())
        if not count:
            return
        slope = np.full(count, np.median(self.slope))
        order = np.argsort(np.concatenate([self.nodes, nodes[new]]), kind="stable")
        for name, more in (
            ("nodes", nodes[new]), ("level", np.zeros(count)), ("low", np.full(count, -1e9)),
            ("high", np.full(count, 1e9)), ("slope", slope), ("expected", sides[new]),
            ("known", np.zeros(count, np.bool_)),
        ):  # fmt: skip
            setattr(self, name, np.concatenate([getattr(self, name), more])[order])

    def tighten(self, nodes: I64, answers: F64) -> None:
        """Bounds around nodes that were answered."""
        slope = self.slope[self.places(nodes)[0]]
        for offset in _AROUND:
            moved, fits = self.lattice.shift(nodes, (int(offset[0]), int(offset[1]), int(offset[2])), 1)
            place, there = self.places(moved)
            there &= fits
            place, room = place[there], (slope * np.linalg.norm(offset))[there]
            # Each node once an offset: no two answers meet in one place.
            self.low[place] = np.maximum(self.low[place], answers[there] - room)
            self.high[place] = np.minimum(self.high[place], answers[there] + room)

    def final(self) -> F64:
        """Levels; of what was never asked, within the bounds where they are certain, else on the expected side."""
        tiny = 1e-6
        side = np.where(self.low > 0, True, np.where(self.high < 0, False, self.expected))
        apart = np.where(side, np.maximum(self.level, tiny), np.minimum(self.level, -tiny))
        return np.where(self.known, self.level, apart)


def _first_guess(
    grid: LocalisedGrid, lattice: Lattice, scale: _Scale, silhouettes: tuple[Silhouette, Silhouette] | None
) -> _Guess:
    """The nodes of the finer level in all cells the surface passes."""
    cells, levels = _mixed_cells(grid, scale)
    told = np.ones(levels.shape, np.bool_)
    if silhouettes is not None and len(cells):
        coarse = silhouettes[0].lattice
        corners = cells[:, None] + _CORNERS
        told = ~silhouettes[0].outside(coarse.join(corners[..., 0], corners[..., 1], corners[..., 2]))
        # The value of what the mask rules out was made up: as far outside as others are, and no bound to anything.
        levels = np.where(told, levels, -np.median(np.abs(levels[told])))
    low, high, slope = _bounds(levels, told)
    children = 2 * cells[:, None] + _CHILDREN
    names = lattice.join(children[..., 0], children[..., 1], children[..., 2]).ravel()
    order = np.argsort(names, kind="stable")
    names = names[order]
    first = np.flatnonzero(np.diff(names, prepend=-1))
    nodes = names[first]
    of_cell = np.repeat(slope, 27)[order]
    guess = _Guess(
        lattice, nodes, (levels @ _WEIGHTS.T).ravel()[order][first], _reduce(np.maximum, low.ravel()[order], first),
        _reduce(np.minimum, high.ravel()[order], first), _reduce(np.maximum, of_cell, first),
        np.zeros(len(nodes), np.bool_), _even(nodes, lattice),
    )  # fmt: skip
    guess.level[guess.known] = scale.forward(_known_values(grid, lattice, nodes[guess.known]))
    if silhouettes is not None and len(nodes):
        ruled_out = ~guess.known & silhouettes[1].outside(nodes)
        guess.level[ruled_out] = np.minimum(guess.level[ruled_out], -1e-6)
        guess.known |= ruled_out
    guess.expected = guess.level > 0
    return guess


def _bounds(levels: F64, told: Bools) -> tuple[F64, F64, F64]:
    """(M, 27) bounds of the levels at the children of cells, and (M,) the greatest change of the level in a spacing."""
    cube = levels.reshape(-1, 2, 2, 2)
    steepest = [np.abs(np.diff(cube, axis=axis)).max(axis=(1, 2, 3)) / 2 for axis in (1, 2, 3)]
    slope = np.sqrt(np.square(steepest).sum(axis=0))
    size = np.abs(levels[told])
    if not len(size) or np.quantile(size, 0.1) > FLAT * np.quantile(size, 0.9):
        # A hard field says nothing of distance: where corners of both sides are equally many, there is doubt.
        step = np.repeat(levels.max(axis=1, initial=0) - levels.min(axis=1, initial=0), 27).reshape(-1, 27)
        return -step / 6, step / 6, np.full(len(levels), np.inf)
    slope = np.maximum(slope, np.median(slope))
    low, high = np.full((len(levels), 27), -np.inf), np.full((len(levels), 27), np.inf)
    for corner in range(8):
        room = slope[:, None] * _AWAY[None, :, corner]
        room[~told[:, corner]] = np.inf
        np.maximum(low, levels[:, corner, None] - room, out=low)
        np.minimum(high, levels[:, corner, None] + room, out=high)
    return low, high, slope


def _reduce(function: np.ufunc, values: F64, first: I64) -> F64:
    reduced: F64 = function.reduceat(values, first) if len(first) else np.zeros(0)
    return reduced


class _Scale:
    """Values to a scale on which the surface is 0 and which is near to linear across it."""

    def __init__(self, grid: LocalisedGrid) -> None:
        self.threshold = grid.threshold
        values = grid.values
        self.logistic = 0 < grid.threshold < 1 and len(values) > 0 and values.min() >= 0 and values.max() <= 1
        self.shift = np.log(grid.threshold / (1 - grid.threshold)) if self.logistic else grid.threshold

    def forward(self, values: F32) -> F64:
        wide = np.asarray(values, np.float64)
        if self.logistic:
            wide = np.clip(wide, 1e-7, 1 - 1e-7)
            wide = np.log(wide / (1 - wide))
        return wide - self.shift

    def backward(self, level: F64) -> F32:
        wide = level + self.shift
        values = (1 / (1 + np.exp(-wide)) if self.logistic else wide).astype(np.float32)
        # Rounding must not carry a node across the threshold.
        just_above = np.nextafter(np.float32(self.threshold), np.float32(np.inf))
        return np.where(level > 0, np.maximum(values, just_above), np.minimum(values, np.float32(self.threshold)))


def _split(grid: LocalisedGrid) -> tuple[I64, I64, I64]:
    r = grid.resolution
    return grid.nodes // (r * r), grid.nodes // r % r, grid.nodes % r


def _mixed_cells(grid: LocalisedGrid, scale: _Scale) -> tuple[I64, F64]:
    """Lowest corners (M, 3) of the cells the surface passes, and the levels (M, 8) at their corners."""
    r = grid.resolution
    i, j, k = _split(grid)
    low = np.flatnonzero((i < r - 1) & (j < r - 1) & (k < r - 1))
    corners = grid.nodes[low][:, None] + _CORNERS @ np.array([r * r, r, 1], np.int64)
    place = np.minimum(np.searchsorted(grid.nodes, corners), len(grid.nodes) - 1)
    whole = (grid.nodes[place] == corners).all(axis=1)
    levels = scale.forward(grid.values[place])
    mixed = whole & ((levels > 0).any(axis=1) != (levels > 0).all(axis=1))
    low, levels = low[mixed], levels[mixed]
    return np.stack([i[low], j[low], k[low]], axis=1), levels


def _even(nodes: I64, lattice: Lattice) -> Bools:
    i, j, k = lattice.split(nodes)
    even: Bools = ((i | j | k) & 1) == 0
    return even


def _known_values(grid: LocalisedGrid, lattice: Lattice, nodes: I64) -> F32:
    i, j, k = lattice.split(nodes)
    return grid.values[np.searchsorted(grid.nodes, (i // 2 * grid.resolution + j // 2) * grid.resolution + k // 2)]


def _far_nodes(grid: LocalisedGrid, lattice: Lattice, nodes: I64) -> tuple[I64, F32]:
    """What the coarser grid knows elsewhere."""
    i, j, k = _split(grid)
    known = lattice.join(2 * i, 2 * j, 2 * k)
    away = ~np.isin(known, nodes)
    return known[away], grid.values[away]


def _neighbours(nodes: I64, expected: Bools, lattice: Lattice) -> tuple[I64, Bools]:
    """The 26 around each node, each once, and the side that the node was expected on."""
    found, sides = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
    for offset in _AROUND:
        moved, fits = lattice.shift(nodes, (int(offset[0]), int(offset[1]), int(offset[2])), 1)
        found.append(moved[fits])
        sides.append(expected[fits])
    around, first = np.unique(np.concatenate(found), return_index=True)
    return around, np.concatenate(sides)[first]
