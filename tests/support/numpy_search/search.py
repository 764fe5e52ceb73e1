"""The search for the surface of one field: the start grid, then level after level, then seeds and the mask.

It is written as a coroutine: it yields nodes to evaluate and continues once their values are recorded, so that several
fields can be searched in step, with one call of the network for all of them (`localise_many`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mpc.core.arrays import F32, I64

from .edges import mixed_edges
from .evaluator import Evaluating, FindingNodes, NodeEvaluator
from .refine import edges_from_seeds, follow_surface, look_around, refine_edges
from .start_grid import evaluate_start_grid

# The optional level is visited where the levels before it cost at most this part (1 / SPARE_SHARE) of what the last
# level will cost.
SPARE_SHARE = 12


@dataclass(eq=False)
class Search:
    """The search for one field's surface, and its result.

    Attributes:
        evaluator: evaluates the nodes of the finest level's lattice.
        levels: resolutions to visit; after the search, the resolutions that were visited.
        seeds: (S, 3) float32, view-space points that may lie inside; None without.
        visible: on the last level, skip cells that nodes known to be inside hide from a viewer before the cube.
        spare: skip the level before the last one unless all levels before it were cheap.
        counts: number of nodes evaluated on each level.
        edges: mixed edges of the last level, once the search has ended.
    """

    evaluator: NodeEvaluator
    levels: Sequence[int]
    seeds: F32 | None = None
    visible: bool = False
    spare: bool = False
    counts: list[int] = field(default_factory=list)
    edges: I64 = field(default_factory=lambda: np.zeros(0, np.int64))

    def run(self) -> Evaluating:
        """Search. The caller records the values of each yielded batch with `evaluator.record` before it resumes."""
        evaluator, lattice = self.evaluator, self.evaluator.lattice
        strides = [(lattice.resolution - 1) // (level - 1) for level in self.levels]
        known = yield from evaluate_start_grid(
            evaluator, strides[0], side=self.levels[0], only_level=len(self.levels) == 1
        )
        edges = mixed_edges(evaluator.store, known, strides[0])
        self.counts.append(evaluator.evaluations)
        level = 0
        while level < len(strides) - 1:
            if self.spare and level == len(strides) - 3 and not self._is_cheap(strides[level]):
                del strides[level + 1]
                self.levels = (*self.levels[: level + 1], *self.levels[level + 2 :])
            coarse, fine, final = strides[level], strides[level + 1], level == len(strides) - 2
            visible = self.visible and final
            edges = yield from refine_edges(evaluator, edges, coarse, fine, level=level, visible=visible)
            if level == 0 and not final:
                edges = np.union1d(edges, (yield from look_around(evaluator, edges, fine, level=level)))
            self.counts.append(evaluator.evaluations - sum(self.counts))
            level += 1
        level = max(len(strides) - 2, 0)
        if self.seeds is not None and len(self.seeds):
            edges = np.union1d(edges, (yield from self._grow(lattice.nearest(self.seeds), strides[-1], level)))
        if evaluator.silhouette is not None:
            for stride in evaluator.silhouette.strides(strides[0]):
                seeds = evaluator.silhouette.seeds(evaluator.store, stride)
                if len(seeds):
                    edges = np.union1d(edges, (yield from self._grow(seeds, strides[-1], level)))
        ends = np.concatenate([edges // 3, edges // 3 + strides[-1] * lattice.steps[edges % 3]])
        yield from evaluator.settle(ends)
        self.counts[-1] += evaluator.evaluations - sum(self.counts)
        self.edges = edges

    def _grow(self, seeds: I64, stride: int, level: int) -> FindingNodes:
        """The mixed edges of the parts that hold one of the seed nodes."""
        found = yield from edges_from_seeds(self.evaluator, seeds, stride)
        return (yield from follow_surface(self.evaluator, found, stride, level=level))

    def _is_cheap(self, stride: int) -> bool:
        """Whether the evaluations up to a level of `stride` are few beside those that the last level will need.

        At half the spacing, a surface has four times the nodes.
        """
        return self.evaluator.evaluations * SPARE_SHARE <= self.counts[-1] * stride**2
