"""The last level by interpolation: the field is asked only where the interpolation is in doubt (mode "fast").

MonoPort's fast mode never asks its last level, and interpolates occupancies, which saturate. Here their logits are
interpolated, which for a logistic in the signed distance are that distance: then few nodes are in doubt, namely those
that lie nearer to the interpolated surface than a part of the spacing, and the neighbours of those that contradict it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .grid import LocalisedGrid
from .lattice import Lattice

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Ask = Callable[[Sequence[F32], Sequence[int]], list[F32]]

# In doubt: nearer to the surface than this part of the spread of the values at the corners of the coarse cell.
DOUBT = 0.05
# Beside a node that contradicted the interpolation, more is in doubt.
RECHECK = 0.45
_CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)], np.int64)
_CHILDREN = np.array([(i, j, k) for i in (0, 1, 2) for j in (0, 1, 2) for k in (0, 1, 2)], np.int64)
_AROUND = _CHILDREN[np.any(_CHILDREN != 1, axis=1)] - 1
# (27, 8): trilinear weights of a cell's corners at its children.
_WEIGHTS = np.prod(1 - np.abs(_CHILDREN[:, None] / 2 - _CORNERS[None]), axis=2)


def interpolated_level(grid: LocalisedGrid, ask: Ask, owner: int, doubt: float = DOUBT) -> LocalisedGrid:
    """A localised grid at twice the resolution.

    Args:
        grid: without loss, at the resolution below the last.
        ask: `localise_many`'s: points of several fields and their numbers -> values.
        owner: number of this field.
        doubt: part of the spread of a cell's values; greater asks more and errs less.
    """
    lattice = Lattice(2 * grid.resolution - 1)
    scale = _Scale(grid)
    nodes, level, spread = _children(grid, lattice, scale)
    asked = _even(nodes, lattice)
    level[asked] = scale.forward(_known_values(grid, lattice, nodes[asked]))
    expected = level > 0
    waiting = np.flatnonzero(~asked & (np.abs(level) < doubt * spread))
    evaluations = 0
    while len(waiting):
        answers = scale.forward(ask([lattice.points(nodes[waiting])], [owner])[0])
        evaluations += len(waiting)
        level[waiting], asked[waiting] = answers, True
        wrong = waiting[(answers > 0) != expected[waiting]]
        around, side = _neighbours(nodes[wrong], expected[wrong], lattice)
        place = np.minimum(np.searchsorted(nodes, around), len(nodes) - 1)
        new = nodes[place] != around
        if new.any():
            # Beyond the cells the surface passes: such a node was taken to be on the side that its neighbour was not.
            nodes = np.concatenate([nodes, around[new]])
            order = np.argsort(nodes)
            nodes = nodes[order]
            level = np.concatenate([level, np.zeros(int(new.sum()))])[order]
            asked = np.concatenate([asked, np.zeros(int(new.sum()), np.bool_)])[order]
            expected = np.concatenate([expected, side[new]])[order]
            spread = np.concatenate([spread, np.full(int(new.sum()), np.inf)])[order]
            place = np.searchsorted(nodes, around)
        near = np.abs(level[place]) < RECHECK * spread[place]
        waiting = place[~asked[place] & near]
    low, high = grid.surface_box or ((0, 0, 0), (0, 0, 0))
    box = (2 * low[0], 2 * low[1], 2 * low[2]), (2 * high[0] - 1, 2 * high[1] - 1, 2 * high[2] - 1)
    outer, outer_values = _far_nodes(grid, lattice, nodes)
    together = np.concatenate([nodes, outer])
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


def _children(grid: LocalisedGrid, lattice: Lattice, scale: _Scale) -> tuple[I64, F64, F64]:
    """Nodes of the finer level in all cells the surface passes, rising; interpolated levels; the spread of the cell."""
    r = grid.resolution
    i, j, k = _split(grid)
    low = np.flatnonzero((i < r - 1) & (j < r - 1) & (k < r - 1))
    corners = grid.nodes[low][:, None] + _CORNERS @ np.array([r * r, r, 1], np.int64)
    place = np.minimum(np.searchsorted(grid.nodes, corners), len(grid.nodes) - 1)
    whole = (grid.nodes[place] == corners).all(axis=1)
    levels = scale.forward(grid.values[place])
    mixed = whole & ((levels > 0).any(axis=1) != (levels > 0).all(axis=1))
    low, levels = low[mixed], levels[mixed]
    base = 2 * np.stack([i[low], j[low], k[low]], axis=1)
    children = base[:, None] + _CHILDREN
    names = lattice.join(children[..., 0], children[..., 1], children[..., 2]).ravel()
    nodes, first = np.unique(names, return_index=True)
    spread = np.repeat(levels.max(axis=1) - levels.min(axis=1), len(_CHILDREN))
    return nodes, (levels @ _WEIGHTS.T).ravel()[first], spread[first]


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
