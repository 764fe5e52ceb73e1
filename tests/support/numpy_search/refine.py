"""From the surface on one level to the surface on the next: bisect mixed edges, then follow the mixed cells.

Every function here is a coroutine that yields nodes to evaluate (see `NodeEvaluator`). `coarse`, `fine` and `stride`
are spacings of levels, in nodes of the finest lattice; `level` is the number of a level, counted from 0, under which
the store remembers the cells that have been visited.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from mpc.core.arrays import I64

from .edges import cells_around_edges, diagonal_cells, mixed_edges, split_front_edges, unresolved_edges
from .evaluator import FindingNodes, NodeEvaluator
from .lattice import AROUND
from .node_store import INSIDE

_CORNERS = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]


def refine_edges(
    evaluator: NodeEvaluator, edges: I64, coarse: int, fine: int, *, level: int, visible: bool
) -> FindingNodes:
    """Find the mixed edges of the next level.

    Args:
        evaluator: of the field.
        edges: the mixed edges of this level.
        coarse: spacing of this level.
        fine: spacing of the next level.
        level: number of this level.
        visible: skip cells that nodes known to be inside hide from a viewer before the cube.

    Returns:
        The mixed edges of the next level, each once.
    """
    found: list[I64] = []
    # From an eighth of the edges, all of the surface is usually reached; the other edges then cost nothing.
    batches = split_front_edges(evaluator.lattice, edges) if visible else (edges[::8], edges)
    for batch in batches:
        waiting = unresolved_edges(evaluator.store, batch, coarse, fine)
        if visible:
            waiting = waiting[~evaluator.hidden(waiting // 3)]
        if len(waiting):
            halved = yield from bisect_edges(evaluator, waiting, coarse, fine)
            found.append((yield from follow_surface(evaluator, halved, fine, level=level, visible=visible)))
    return _each_once(found)


def look_around(evaluator: NodeEvaluator, edges: I64, stride: int, *, level: int) -> FindingNodes:
    """Find parts close to a surface that it is not connected to: evaluate all nodes next to those of its `edges`."""
    lattice, store = evaluator.lattice, evaluator.store
    ends = np.unique(np.concatenate([edges // 3, edges // 3 + stride * lattice.steps[edges % 3]]))
    moved = [lattice.shift(ends, offset, stride) for offset in AROUND]
    nodes = store.unknown(np.concatenate([others[fits] for others, fits in moved]))
    yield from evaluator.evaluate(nodes)
    return (yield from follow_surface(evaluator, mixed_edges(store, nodes, stride), stride, level=level))


def bisect_edges(evaluator: NodeEvaluator, edges: I64, coarse: int, fine: int) -> FindingNodes:
    """Halve mixed edges, keeping the half whose ends lie on different sides, until they are `fine` long."""
    lattice, store = evaluator.lattice, evaluator.store
    lower, axes, length = edges // 3, edges % 3, coarse
    while length > fine:
        length //= 2
        middle = lower + length * lattice.steps[axes]
        yield from evaluator.evaluate_unknown(middle)
        lower = np.where(store.codes(middle) == store.codes(lower), middle, lower)
    return np.unique(lower * 3 + axes)


def follow_surface(
    evaluator: NodeEvaluator, edges: I64, stride: int, *, level: int, visible: bool = False
) -> FindingNodes:
    """Evaluate all corners of all mixed cells that are connected to the given mixed edges.

    Returns:
        All mixed edges met on the way, the given ones first.
    """
    lattice, store = evaluator.lattice, evaluator.store

    def take(cells: I64) -> I64:
        """The cells not visited before, each once."""
        return store.take_cells(cells[~evaluator.hidden(cells)] if visible else cells, level)

    met, evaluated = [edges], []
    cells = take(cells_around_edges(lattice, edges, stride))
    while len(cells):
        corners = [cells + int(np.dot(corner, lattice.steps)) * stride for corner in _CORNERS]
        nodes = store.unknown(np.concatenate(corners))
        yield from evaluator.evaluate(nodes)
        evaluated.append(nodes)
        new_edges = mixed_edges(store, nodes, stride)
        met.append(new_edges)
        cells = take(cells_around_edges(lattice, new_edges, stride))
        if not len(cells):
            cells = take(diagonal_cells(store, np.concatenate(evaluated), stride))
            evaluated = []
    return np.concatenate(met)


def edges_from_seeds(evaluator: NodeEvaluator, nodes: I64, stride: int) -> FindingNodes:
    """Find mixed edges on lines from those seed nodes that are inside.

    The lines run along x until they leave the inside. Where a line reaches a face of the cube first, it continues
    from there along another axis, or back.

    Args:
        evaluator: of the field.
        nodes: the seeds.
        stride: spacing of the finest level, in nodes.

    Returns:
        The mixed edges, each once.
    """
    nodes = np.unique(nodes)
    yield from evaluator.evaluate_unknown(nodes)
    nodes, found = nodes[evaluator.store.codes(nodes) == INSIDE], []
    for direction in (1, 2, 3, -1, -2, -3):
        axis, sign = abs(direction) - 1, 1 if direction > 0 else -1
        # Steps of 1, 2, 4, …; where the next step leaves the grid, half of it, and half of that.
        length, rising, resting = stride, nodes, nodes[:0]
        while length >= stride and len(rising) + len(resting):
            rising, stuck, edges = yield from _step(evaluator, rising, axis, sign * length)
            resting, ahead, more = yield from _step(evaluator, resting, axis, sign * length)
            resting = np.unique(np.concatenate([resting, ahead, stuck]))
            found.append((yield from bisect_edges(evaluator, np.concatenate([edges, more]), length, stride)))
            length = 2 * length if len(rising) else length // 2
        nodes = resting
        if not len(nodes):
            break
    return _each_once(found)


def _step(evaluator: NodeEvaluator, nodes: I64, axis: int, step: int) -> Generator[I64, None, tuple[I64, I64, I64]]:
    """One step along an axis, from nodes that are inside.

    Returns:
        Where the nodes that are still inside arrived; the nodes that had no room for the step; and the edges that
        lead from the inside to the outside.
    """
    offset = [0, 0, 0]
    offset[axis] = 1 if step > 0 else -1
    others, fits = evaluator.lattice.shift(nodes, (offset[0], offset[1], offset[2]), abs(step))
    here, there = nodes[fits], others[fits]
    yield from evaluator.evaluate_unknown(there)
    crossed = evaluator.store.codes(there) != INSIDE
    return there[~crossed], nodes[~fits], np.minimum(here, there)[crossed] * 3 + axis


def _each_once(found: list[I64]) -> I64:
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
