"""The nodes of one field that have been evaluated, and the coroutine that has more of them evaluated."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from mpc.core.arrays import F32, I64, Bools

from .bracket import Bracket
from .lattice import Lattice
from .node_store import INSIDE, OUTSIDE, NodeStore
from .silhouette import Silhouette

Evaluating = Generator[I64, None, None]
"""A coroutine that yields nodes to evaluate, and continues once their values are recorded."""
FindingNodes = Generator[I64, None, I64]
"""The same; in the end it returns nodes, or edges."""


@dataclass(eq=False)
class NodeEvaluator:
    """Evaluates the occupancy of a field at nodes of a lattice, each node at most once.

    `evaluate` is a coroutine: it yields the nodes whose values are needed, and the caller passes the values to
    `record` before it resumes the coroutine. In this way one call of the network serves several fields at once
    (`localise_many`).

    Attributes:
        lattice: the lattice of the finest level.
        threshold: values above it are inside.
        silhouette: what a mask says about the columns of nodes; None without a mask.
        bracket: what the field proves about the columns of nodes; None where it proves nothing.
        visible: keep, for each column, the first node known to be inside (see `hidden`).
        evaluations: number of nodes evaluated so far.
    """

    lattice: Lattice
    threshold: float
    silhouette: Silhouette | None = None
    bracket: Bracket | None = None
    visible: bool = False
    evaluations: int = 0

    def __post_init__(self) -> None:
        self.store = NodeStore(self.lattice)
        side = self.lattice.resolution
        self._front = np.full((side, side), side, np.int32) if self.visible else None
        self._proved: list[I64] = []
        self._settling = False

    def evaluate(self, nodes: I64) -> Evaluating:
        """Evaluate nodes (N,), all unknown and different; those that mask or bracket rule out need no query."""
        if self.silhouette is not None and len(nodes):
            nodes = self._rule_out(nodes, self.silhouette.outside(nodes))
        if self.bracket is not None and len(nodes):
            proved = self.bracket.outside(nodes)
            self._proved.append(nodes[proved])
            nodes = self._rule_out(nodes, proved)
        if len(nodes):
            self.evaluations += len(nodes)
            yield nodes

    def _rule_out(self, nodes: I64, outside: Bools) -> I64:
        """Record some of the nodes as outside; returns the others."""
        free = nodes[outside]
        self.store.record(free, np.full(len(free), self.threshold - 0.5, np.float32), np.zeros(len(free), np.bool_))
        return nodes[~outside]

    def settle(self, ends: I64) -> Evaluating:
        """Evaluate those of `ends`, nodes beside the surface, that the bracket ruled out.

        Their side is proved, and where the surface lies between them and their neighbours depends on their values.
        """
        if not self._proved:
            return
        nodes = np.intersect1d(ends, np.concatenate(self._proved))
        if len(nodes):
            self.evaluations += len(nodes)
            self._settling = True
            yield nodes
            self._settling = False

    def evaluate_unknown(self, nodes: I64) -> Evaluating:
        """Evaluate those of `nodes` that are not known yet; `nodes` may hold some of them repeatedly."""
        yield from self.evaluate(self.store.unknown(nodes))

    def record(self, nodes: I64, values: F32) -> None:
        """Keep the values of nodes that `evaluate` or `settle` yielded."""
        if self._settling:
            self.store.amend(nodes, np.minimum(values, np.float32(self.threshold)))
            return
        inside = values > self.threshold
        self.store.record(nodes, values, inside)
        if self.silhouette is not None:
            self.silhouette.see(nodes[inside])
        if self._front is not None:
            i, j, k = self.lattice.split(nodes[inside])
            np.minimum.at(self._front, (i, j), k.astype(np.int32))

    def hidden(self, cells: I64) -> Bools:
        """Which cells have a node known to be inside before them in all four columns: they hold no first surface."""
        assert self._front is not None
        i, j, k = self.lattice.split(cells)
        top = self.lattice.resolution - 1
        deepest = np.maximum.reduce(
            [self._front[np.minimum(i + a, top), np.minimum(j + b, top)] for a in (0, 1) for b in (0, 1)]
        )
        covered: Bools = deepest < k
        return covered

    def shows_surface(self, nodes: I64) -> bool:
        """Whether some of `nodes` are known to be inside and some to be outside."""
        codes = self.store.codes(nodes)
        return bool((codes == INSIDE).any() and (codes == OUTSIDE).any())
