"""Mixed edges and the cells around them. An edge is named lower node * 3 + axis; a mixed one has a node on each side.

All functions take the store of the known nodes and evaluate nothing. `stride` is the spacing of a level in nodes of
the finest lattice: the length of its edges and cells.
"""

from __future__ import annotations

import numpy as np

from mpc.core.arrays import I64, Bools

from .lattice import Lattice
from .node_store import NodeStore

# The four cells around an edge along axis 0, 1, 2: offsets of their lowest corners from the edge's lower end.
_CELLS_AROUND_EDGE = [
    [(0, 0, 0), (0, -1, 0), (0, 0, -1), (0, -1, -1)],
    [(0, 0, 0), (-1, 0, 0), (0, 0, -1), (-1, 0, -1)],
    [(0, 0, 0), (-1, 0, 0), (0, -1, 0), (-1, -1, 0)],
]
_DIAGONALS = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if abs(i) + abs(j) + abs(k) > 1]


def mixed_edges(store: NodeStore, nodes: I64, stride: int) -> I64:
    """The mixed edges at known `nodes` whose other ends are known as well, each once."""
    lattice, codes, found = store.lattice, store.codes(nodes), []
    for axis in range(3):
        for sign in (1, -1):
            offset = [0, 0, 0]
            offset[axis] = sign
            others, fits = lattice.shift(nodes, (offset[0], offset[1], offset[2]), stride)
            here, there = nodes[fits], others[fits]
            mixed = (codes[fits] ^ store.codes(there)) == 3
            found.append(np.minimum(here, there)[mixed] * 3 + axis)
    return np.unique(np.concatenate(found))


def unresolved_edges(store: NodeStore, edges: I64, coarse: int, fine: int) -> I64:
    """Those of the coarse `edges` along which no fine edge is known to be mixed."""
    along = edges[:, None] // 3 + np.arange(0, coarse + 1, fine) * store.lattice.steps[edges % 3][:, None]
    codes = store.codes(along)
    resolved: Bools = ((codes[:, 1:] ^ codes[:, :-1]) == 3).any(axis=1)
    return edges[~resolved]


def split_front_edges(lattice: Lattice, edges: I64) -> tuple[I64, I64]:
    """The edges that come first in their columns along z, and then all edges."""
    i, j, k = lattice.split(edges // 3)
    order = np.lexsort((k, j, i))
    first = np.ones(len(order), np.bool_)
    first[1:] = (np.diff(i[order]) != 0) | (np.diff(j[order]) != 0)
    return edges[order[first]], edges


def cells_around_edges(lattice: Lattice, edges: I64, stride: int) -> I64:
    """Lowest corners of the cells around edges; a cell is repeated where edges share it."""
    lower, axes, found = edges // 3, edges % 3, []
    for axis in range(3):
        ends = lower[axes == axis]
        for offset in _CELLS_AROUND_EDGE[axis]:
            cells, fits = lattice.shift(ends, offset, stride, room=1)
            found.append(cells[fits])
    return np.concatenate(found)


def diagonal_cells(store: NodeStore, nodes: I64, stride: int) -> I64:
    """Cells that hold one of `nodes` and, diagonally across a face or the cell, a known corner on the other side."""
    lattice, codes, found = store.lattice, store.codes(nodes), []
    for offset in _DIAGONALS:
        others, fits = lattice.shift(nodes, offset, stride)
        here, there = nodes[fits], others[fits]
        mixed = (codes[fits] ^ store.codes(there)) == 3
        low = here[mixed]
        for axis, step in enumerate(offset):
            if step < 0:
                low = low - lattice.steps[axis] * stride
        for axis, step in enumerate(offset):
            if step == 0:  # across a face: the cells on both sides of the face
                below = low[lattice.coordinate(low, axis) >= stride] - lattice.steps[axis] * stride
                low = np.concatenate([low[lattice.coordinate(low, axis) < lattice.resolution - 1], below])
        found.append(low)
    return np.concatenate(found)
