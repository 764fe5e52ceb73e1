"""The last level by interpolation: the field is evaluated only where the side of a node is in doubt (mode "fast").

MonoPort's fast mode never evaluates its last level, and it interpolates occupancies, which saturate. Here the logits
of the occupancies are interpolated: for a logistic function of the signed distance, the logit is that distance.

Values cannot change faster than the field is steep. Each corner of a coarse cell therefore bounds the values at the
nodes in the cell from both sides, and the side of a node is certain where both bounds agree. Where they do not, the
doubt about a node is the distance of its interpolated value from the surface, relative to the interval between the
bounds. Evaluated nodes tighten the bounds around them. Around a node whose value contradicts the interpolation, more
nodes are in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mpc.core.arrays import F32, F64, I64, Bools
from mpc.reconstruct.localise.grid import LocalisedGrid

from .lattice import Lattice
from .silhouette import Silhouette

Query = Callable[[Sequence[F32], Sequence[int]], list[F32]]
"""Points of several fields, and the numbers of the fields -> the values of each (see `localise.FieldQuery`)."""

# A node is in doubt when its interpolated value is nearer to the surface than this part of the interval between its
# bounds. A greater part evaluates more nodes and leaves fewer errors.
DOUBT = 0.15
# The same part for the neighbours of a node that contradicted the interpolation.
RECHECK = 0.5
# A field is hard (a step, which says nothing about distance) when the corners of its cells are about equally far from
# the surface: when the tenth percentile of their levels is at least this part of the ninetieth.
FLAT = 0.9
_CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)], np.int64)
_CHILDREN = np.array([(i, j, k) for i in (0, 1, 2) for j in (0, 1, 2) for k in (0, 1, 2)], np.int64)
_AROUND = _CHILDREN[np.any(_CHILDREN != 1, axis=1)] - 1
# (27, 8): trilinear weights of a cell's corners at its children, and their distances in spacings of the finer level.
_WEIGHTS = np.prod(1 - np.abs(_CHILDREN[:, None] / 2 - _CORNERS[None]), axis=2)
_AWAY = np.linalg.norm(_CHILDREN[:, None] - 2 * _CORNERS[None], axis=2)


def interpolate_level(
    grid: LocalisedGrid, query: Query, owner: int, silhouettes: tuple[Silhouette, Silhouette] | None = None
) -> LocalisedGrid:
    """Double the resolution of a localised grid.

    Args:
        grid: a lossless grid, at the resolution below the last one.
        query: evaluates points, see `Query`.
        owner: number of this field.
        silhouettes: what a mask says about the columns of nodes of the grid and of the last level. Nodes of the last
            level that it rules out are not evaluated.
    """
    lattice = Lattice(2 * grid.resolution - 1)
    scale = _Scale(grid)
    guess = _first_guess(grid, lattice, scale, silhouettes)
    waiting = guess.doubtful(np.arange(len(guess.nodes)), DOUBT)
    evaluations = 0
    while len(waiting):
        values = scale.forward(query([lattice.points(guess.nodes[waiting])], [owner])[0])
        evaluations += len(waiting)
        wrong = (values > 0) != guess.expected[waiting]
        nodes, sides = guess.nodes[waiting], guess.expected[waiting]
        guess.learn(waiting, values)
        around, side = _neighbours(nodes[wrong], sides[wrong], lattice)
        guess.add(around, side)
        guess.tighten(nodes, values)
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
        calls=getattr(query, "calls", {}).get(owner, grid.calls),
        surface_box=None if grid.surface_box is None else box,
    )


@dataclass(eq=False)
class _Guess:
    """What is known and what is expected of the nodes of the last level in or next to cells that the surface passes.

    Attributes:
        lattice: the lattice of the last level.
        nodes: (N,) the nodes, rising.
        level: (N,) interpolated levels, or evaluated ones (see `_Scale`).
        low: (N,) lower bounds of the levels.
        high: (N,) upper bounds of the levels.
        slope: (N,) greatest change of the level over one spacing.
        expected: (N,) the side that the interpolation predicts, True for inside.
        known: (N,) whether a node was evaluated, or ruled out by a mask.
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
        """Those of `places` that have to be evaluated."""
        low, high = self.low[places], self.high[places]
        near = np.abs(np.clip(self.level[places], low, high)) < limit * (high - low)
        return places[~self.known[places] & (low < 0) & (high > 0) & near]

    def learn(self, places: I64, levels: F64) -> None:
        """Keep the levels of evaluated nodes."""
        self.level[places], self.known[places] = levels, True

    def places(self, nodes: I64) -> tuple[I64, Bools]:
        """The places of nodes in the arrays, and whether the nodes are there at all."""
        place = np.minimum(np.searchsorted(self.nodes, nodes), len(self.nodes) - 1)
        return place, self.nodes[place] == nodes

    def add(self, nodes: I64, sides: Bools) -> None:
        """Add those of `nodes` (rising) that are new, expected on `sides`. No cell bounds their levels."""
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

    def tighten(self, nodes: I64, levels: F64) -> None:
        """Tighten the bounds of the nodes around evaluated ones."""
        slope = self.slope[self.places(nodes)[0]]
        for offset in _AROUND:
            moved, fits = self.lattice.shift(nodes, (int(offset[0]), int(offset[1]), int(offset[2])), 1)
            place, there = self.places(moved)
            there &= fits
            place, room = place[there], (slope * np.linalg.norm(offset))[there]
            # For one offset, every node moves to a place of its own, so no assignment overwrites another.
            self.low[place] = np.maximum(self.low[place], levels[there] - room)
            self.high[place] = np.minimum(self.high[place], levels[there] + room)

    def final(self) -> F64:
        """The levels. A node that was never evaluated gets the certain side of its bounds, or the expected side."""
        tiny = 1e-6
        side = np.where(self.low > 0, True, np.where(self.high < 0, False, self.expected))
        apart = np.where(side, np.maximum(self.level, tiny), np.minimum(self.level, -tiny))
        return np.where(self.known, self.level, apart)


def _first_guess(
    grid: LocalisedGrid, lattice: Lattice, scale: _Scale, silhouettes: tuple[Silhouette, Silhouette] | None
) -> _Guess:
    """Interpolate the nodes of the finer level in all cells that the surface passes."""
    cells, levels = _mixed_cells(grid, scale)
    evaluated = np.ones(levels.shape, np.bool_)
    if silhouettes is not None and len(cells):
        coarse = silhouettes[0].lattice
        corners = cells[:, None] + _CORNERS
        evaluated = ~silhouettes[0].outside(coarse.join(corners[..., 0], corners[..., 1], corners[..., 2]))
        # Nodes that the mask rules out have no value of their own. They count as far outside as the median distance
        # of the others from the surface, and bound nothing.
        levels = np.where(evaluated, levels, -np.median(np.abs(levels[evaluated])))
    low, high, slope = _bounds(levels, evaluated)
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


def _bounds(levels: F64, evaluated: Bools) -> tuple[F64, F64, F64]:
    """Bounds of the levels at the children of cells.

    Args:
        levels: (M, 8) at the corners of the cells.
        evaluated: (M, 8) which corners were evaluated; the others bound nothing.

    Returns:
        (M, 27) lower and (M, 27) upper bounds, and (M,) the greatest change of the level over one spacing.
    """
    cube = levels.reshape(-1, 2, 2, 2)
    steepest = [np.abs(np.diff(cube, axis=axis)).max(axis=(1, 2, 3)) / 2 for axis in (1, 2, 3)]
    slope = np.sqrt(np.square(steepest).sum(axis=0))
    size = np.abs(levels[evaluated])
    if not len(size) or np.quantile(size, 0.1) > FLAT * np.quantile(size, 0.9):
        # A hard field says nothing about distance. There is doubt where about as many corners lie on either side.
        step = np.repeat(levels.max(axis=1, initial=0) - levels.min(axis=1, initial=0), 27).reshape(-1, 27)
        return -step / 6, step / 6, np.full(len(levels), np.inf)
    slope = np.maximum(slope, np.median(slope))
    low, high = np.full((len(levels), 27), -np.inf), np.full((len(levels), 27), np.inf)
    for corner in range(8):
        room = slope[:, None] * _AWAY[None, :, corner]
        room[~evaluated[:, corner]] = np.inf
        np.maximum(low, levels[:, corner, None] - room, out=low)
        np.minimum(high, levels[:, corner, None] + room, out=high)
    return low, high, slope


def _reduce(function: np.ufunc, values: F64, first: I64) -> F64:
    """Reduce the runs of `values` that begin at `first`; `reduceat` refuses to reduce nothing."""
    reduced: F64 = function.reduceat(values, first) if len(first) else np.zeros(0)
    return reduced


class _Scale:
    """Converts values to levels, which are 0 on the surface and nearly linear across it, and back.

    For occupancies in [0, 1] the level is the logit minus that of the threshold; for other values, the value minus the
    threshold.
    """

    def __init__(self, grid: LocalisedGrid) -> None:
        self.threshold = grid.threshold
        values = grid.values
        self.logistic = 0 < grid.threshold < 1 and len(values) > 0 and values.min() >= 0 and values.max() <= 1
        self.shift = np.log(grid.threshold / (1 - grid.threshold)) if self.logistic else grid.threshold

    def forward(self, values: F32) -> F64:
        """Values to levels."""
        wide = np.asarray(values, np.float64)
        if self.logistic:
            wide = np.clip(wide, 1e-7, 1 - 1e-7)
            wide = np.log(wide / (1 - wide))
        return wide - self.shift

    def backward(self, level: F64) -> F32:
        """Levels to values; the side of the threshold stays the same."""
        wide = level + self.shift
        values = (1 / (1 + np.exp(-wide)) if self.logistic else wide).astype(np.float32)
        # Rounding must not move a node across the threshold.
        just_above = np.nextafter(np.float32(self.threshold), np.float32(np.inf))
        return np.where(level > 0, np.maximum(values, just_above), np.minimum(values, np.float32(self.threshold)))


def _split(grid: LocalisedGrid) -> tuple[I64, I64, I64]:
    """i, j, k of the nodes of a grid."""
    r = grid.resolution
    return grid.nodes // (r * r), grid.nodes // r % r, grid.nodes % r


def _mixed_cells(grid: LocalisedGrid, scale: _Scale) -> tuple[I64, F64]:
    """Lowest corners (M, 3) of the cells that the surface passes, and the levels (M, 8) at their corners."""
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
    """Which nodes are nodes of the coarser grid, too."""
    i, j, k = lattice.split(nodes)
    even: Bools = ((i | j | k) & 1) == 0
    return even


def _known_values(grid: LocalisedGrid, lattice: Lattice, nodes: I64) -> F32:
    """The coarser grid's values at nodes that are nodes of it, too."""
    i, j, k = lattice.split(nodes)
    return grid.values[np.searchsorted(grid.nodes, (i // 2 * grid.resolution + j // 2) * grid.resolution + k // 2)]


def _far_nodes(grid: LocalisedGrid, lattice: Lattice, nodes: I64) -> tuple[I64, F32]:
    """The nodes of the coarser grid that are not among `nodes`, and their values."""
    i, j, k = _split(grid)
    known = lattice.join(2 * i, 2 * j, 2 * k)
    away = ~np.isin(known, nodes)
    return known[away], grid.values[away]


def _neighbours(nodes: I64, expected: Bools, lattice: Lattice) -> tuple[I64, Bools]:
    """The 26 neighbours of nodes, each once, and the sides on which the nodes were expected."""
    found, sides = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
    for offset in _AROUND:
        moved, fits = lattice.shift(nodes, (int(offset[0]), int(offset[1]), int(offset[2])), 1)
        found.append(moved[fits])
        sides.append(expected[fits])
    around, first = np.unique(np.concatenate(found), return_index=True)
    return around, np.concatenate(sides)[first]
