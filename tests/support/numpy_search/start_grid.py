"""The first phase of a search: the start grid, of which as little is evaluated as shows the person."""

from __future__ import annotations

import numpy as np

from mpc.core.arrays import I64

from .evaluator import Evaluating, FindingNodes, NodeEvaluator
from .lattice import AROUND
from .node_store import INSIDE

# From this number of nodes along each side on, the faces of the grid are left out at first. A coarser grid has few
# nodes inside its faces.
LEAST_WITHOUT_FACES = 9
# From this number of nodes along each side on, only a part of the inner nodes is evaluated at first. A part of a
# coarser grid could miss a person.
LEAST_IN_PART = 17


def evaluate_start_grid(evaluator: NodeEvaluator, stride: int, *, side: int, only_level: bool) -> FindingNodes:
    """Evaluate nodes of the start grid.

    A person fills little of the cube, and rarely reaches its faces, where a third of the start grid's nodes lie.
    Therefore every second inner node along each axis is evaluated first, and the nodes in the middle of the cells
    between them. The next are all nodes in the bounding box of those that turned out to be inside, enlarged by one
    spacing, for as long as this enlarges the box. On the faces, only the nodes next to inside nodes are evaluated.
    Where none of this shows a surface, the whole grid is evaluated. With a bracket it says where a person can be: all
    of those nodes are evaluated.

    Args:
        evaluator: of the field.
        stride: spacing of the start grid, in nodes of the finest lattice.
        side: nodes along each side of the start grid.
        only_level: there is no finer level, so the whole grid is evaluated.

    Returns:
        The nodes of the start grid that are known afterwards.
    """
    lattice, store = evaluator.lattice, evaluator.store
    nodes = lattice.every(stride)
    if only_level or side < LEAST_WITHOUT_FACES:
        yield from evaluator.evaluate(nodes)
        return nodes
    if evaluator.bracket is not None:
        possible = nodes[~evaluator.bracket.outside(nodes)]
        beside = [others[fits] for others, fits in (lattice.shift(possible, offset, stride) for offset in AROUND)]
        # One node at least, since what nothing is known about has no sides.
        around = np.unique(np.concatenate([nodes[:1], possible, *beside]))
        yield from evaluator.evaluate(around)
        return around
    ijk, last = np.stack(lattice.split(nodes)), lattice.resolution - 1
    inner = ((ijk > 0) & (ijk < last)).all(axis=0)
    within, faces, halves = nodes[inner], nodes[~inner], ijk[:, inner] % (2 * stride)
    if side >= LEAST_IN_PART:
        yield from evaluator.evaluate(within[~halves.any(axis=0) | halves.all(axis=0)])
        yield from _evaluate_growing_box(evaluator, within, stride)
    if not evaluator.shows_surface(within):
        yield from evaluator.evaluate_unknown(within)
    if evaluator.shows_surface(within):
        deep = within[store.codes(within) == INSIDE]
        moved = [lattice.shift(deep, offset, stride)[0] for offset in AROUND]
        faces = faces[np.isin(faces, np.concatenate(moved))]
    yield from evaluator.evaluate(faces)
    known: I64 = nodes[store.codes(nodes) != 0]
    return known


def _evaluate_growing_box(evaluator: NodeEvaluator, nodes: I64, stride: int) -> Evaluating:
    """Evaluate those of `nodes` in the box of the inside ones, enlarged by a stride, until the box grows no more."""
    store = evaluator.store
    ijk = np.stack(evaluator.lattice.split(nodes))
    while (deep := store.codes(nodes) == INSIDE).any():
        low, high = ijk[:, deep].min(axis=1) - stride, ijk[:, deep].max(axis=1) + stride
        box = ((ijk - low[:, None] >= 0) & (ijk - high[:, None] <= 0)).all(axis=0)
        unknown = store.unknown(nodes[box])
        if not len(unknown):
            return
        yield from evaluator.evaluate(unknown)
