"""The reference of the search: mixed edges and cells around them, against all of a small grid one by one."""

from itertools import product

import numpy as np

from support.numpy_search.edges import cells_around_edges, diagonal_cells, mixed_edges, unresolved_edges
from support.numpy_search.lattice import Lattice
from support.numpy_search.node_store import NodeStore

SIDE, STRIDE = 9, 2
PLACES = range(0, SIDE, STRIDE)


def known_grid(inside):
    """A store that knows the sides of a grid's nodes."""
    lattice = Lattice(SIDE)
    store = NodeStore(lattice)
    nodes = lattice.every(1)
    store.record(nodes, inside.ravel().astype(np.float32), inside.ravel())
    return lattice, store, nodes


def name(lattice, i, j, k):
    return int(lattice.join(*(np.int64(place) for place in (i, j, k))))


def true_edges(lattice, inside):
    found = []
    for place in product(PLACES, repeat=3):
        for axis in range(3):
            end = tuple(p + STRIDE * (a == axis) for a, p in enumerate(place))
            if max(end) < SIDE and inside[place] != inside[end]:
                found.append(name(lattice, *place) * 3 + axis)
    return sorted(found)


def test_mixed_edges_are_all_edges_whose_ends_differ():
    inside = np.random.default_rng(0).random((SIDE,) * 3) < 0.3
    lattice, store, _ = known_grid(inside)
    assert mixed_edges(store, lattice.every(STRIDE), STRIDE).tolist() == true_edges(lattice, inside)


def test_cells_around_mixed_edges_are_all_mixed_cells():
    inside = np.random.default_rng(1).random((SIDE,) * 3) < 0.1
    lattice, store, _ = known_grid(inside)
    edges = mixed_edges(store, lattice.every(STRIDE), STRIDE)
    expected = []
    for low in product(range(0, SIDE - STRIDE, STRIDE), repeat=3):
        corners = [inside[tuple(p + STRIDE * o for p, o in zip(low, offset, strict=True))]
                   for offset in product((0, 1), repeat=3)]  # fmt: skip
        if any(corners) and not all(corners):
            expected.append(name(lattice, *low))
    assert np.unique(cells_around_edges(lattice, edges, STRIDE)).tolist() == sorted(expected)


def test_a_diagonal_pair_names_the_cells_that_hold_both():
    inside = np.zeros((SIDE,) * 3, np.bool_)
    inside[4, 4, 4] = True
    lattice = Lattice(SIDE)
    store = NodeStore(lattice)
    pair = np.array([name(lattice, 4, 4, 4), name(lattice, 6, 6, 4)])
    store.record(pair, np.float32([1, 0]), np.array([True, False]))
    # The diagonal of a face: a cell on either side of the face.
    expected = sorted([name(lattice, 4, 4, 4), name(lattice, 4, 4, 2)])
    assert np.unique(diagonal_cells(store, pair[1:], STRIDE)).tolist() == expected


def test_an_edge_is_resolved_by_a_fine_edge_along_it():
    lattice = Lattice(SIDE)
    store = NodeStore(lattice)
    nodes = np.array([name(lattice, 0, 0, k) for k in (0, 2, 4)])
    edge = nodes[:1] * 3 + 2
    store.record(nodes[[0, 2]], np.float32([1, 0]), np.array([True, False]))
    assert unresolved_edges(store, edge, 4, 2).tolist() == edge.tolist()
    store.record(nodes[1:2], np.float32([0]), np.array([False]))
    assert unresolved_edges(store, edge, 4, 2).tolist() == []
