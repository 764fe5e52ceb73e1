"""Online hard example mining: views that are reconstructed badly are drawn more often (Li et al., ECCV 2020).

Item level. Every (scene, view) carries a weight exp(-score / alpha + beta), and views are drawn with replacement in
proportion to it. For the surface, score is the IoU on the points the view was last trained on; alpha 0.15 and beta
10.0 are the constants on a reading group's slide 26 of the paper, which also gives the weights they mean: about
22,000 at IoU 0 and 30 at IoU 1 (exactly exp(10) = 22,026 and exp(10 - 1/0.15) = 28.03). beta cancels when the weights
are normalised; it is kept because the log prints raw weights. For the texture the slide shows 0.7 and 0.0 and cuts the
formula off. We take the same form with score = -(mean absolute colour error, display values in [0, 1]), so the
weight is exp(error / 0.7): 1 for a perfect view and 4.17 for the worst possible one. Sign and error measure are our
reading; both constants are settings.

A view not seen yet counts as the worst one (IoU 0, colour error 1), so every view is drawn early.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import F64, I64, Array
from ..core.errors import SettingsError
from ..core.randomness import derive_rng

MODES = ("none", "item", "point", "both")


@dataclass(frozen=True, kw_only=True)
class MiningSettings:
    """Hard example mining.

    Attributes:
        mode: "none" (uniform drawing), "item" (views), "point" (points within a view) or "both".
        surface_alpha, surface_beta: of exp(-IoU / alpha + beta).
        texture_alpha, texture_beta: of exp(error / alpha + beta).
        point_alpha: a point's loss has the weight exp(|prediction - label| / point_alpha), normalised to mean 1 over
            the view. The authors' figure shows such a level without a formula; this one is ours.
    """

    mode: str = "item"
    surface_alpha: float = 0.15
    surface_beta: float = 10.0
    texture_alpha: float = 0.7
    texture_beta: float = 0.0
    point_alpha: float = 0.5

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SettingsError(f"mining.mode {self.mode!r}: expected one of {', '.join(MODES)}")
        # Within these the weights stay finite whatever the scores.
        for name in ("surface_alpha", "texture_alpha", "point_alpha"):
            if getattr(self, name) < 0.01:
                raise SettingsError(f"mining.{name} {getattr(self, name)}: expected at least 0.01")
        for name in ("surface_beta", "texture_beta"):
            if abs(getattr(self, name)) > 100.0:
                raise SettingsError(f"mining.{name} {getattr(self, name)}: expected -100 to 100")

    @property
    def items(self) -> bool:
        """Whether views are mined."""
        return self.mode in ("item", "both")

    @property
    def within(self) -> bool:
        """Whether points within a view are mined."""
        return self.mode in ("point", "both")


class MiningTable:
    """Scores of all views, and the draws that follow from them.

    The draw of a step depends on the seed, the step and the scores alone, so ranks that share the scores draw alike,
    and a resumed run continues as if it had not stopped.

    Args:
        count: views V.
        alpha, beta: of the weight exp(-score / alpha + beta).
        unseen: score of a view not trained on yet.
        uniform: draw all views with equal probability; scores are kept all the same, for the log.
        seed, purpose: of the random stream.
    """

    def __init__(
        self, count: int, *, alpha: float, beta: float, unseen: float, uniform: bool, seed: int, purpose: str
    ) -> None:
        if count < 1:
            raise SettingsError("there is no view to train on")
        self.alpha, self.beta, self.uniform, self.seed, self.purpose = alpha, beta, uniform, seed, purpose
        self.unseen = unseen
        self.scores: F64 = np.full(count, unseen)
        self.drawn: I64 = np.zeros(count, dtype=np.int64)
        self.measured: I64 = np.full(count, -1, dtype=np.int64)

    def weights(self) -> F64:
        """(V,) float64: exp(-score / alpha + beta)."""
        weights: F64 = np.exp(-self.scores / self.alpha + self.beta)
        return weights

    def probabilities(self) -> F64:
        """(V,) float64, sum 1."""
        weights = np.ones_like(self.scores) if self.uniform else self.weights()
        shares: F64 = weights / weights.sum()
        return shares

    def draw(self, step: int, count: int) -> I64:
        """(count,) views for that step, drawn with replacement under the weights of this moment."""
        rng = derive_rng(self.seed, self.purpose, step)
        ends = np.cumsum(self.probabilities())
        views = np.searchsorted(ends, rng.random(count) * ends[-1], side="right")
        drawn: I64 = np.minimum(views, len(self.scores) - 1).astype(np.int64)
        return drawn

    def update(self, views: I64, scores: F64, step: int) -> None:
        """Record what training at `step` measured; of a view drawn twice in a batch, the mean counts."""
        unique, inverse = np.unique(views, return_inverse=True)
        self.scores[unique] = np.bincount(inverse, weights=scores) / np.bincount(inverse)
        self.measured[unique] = step
        np.add.at(self.drawn, views, 1)

    def summary(self) -> dict[str, Any]:
        """Spread of the weights for the log.

        `weights_ess` is the effective sample size (sum w)^2 / sum w^2: V for equal weights, 1 when one view has all.
        `scores_histogram` counts the views whose score lies in each tenth of [0, 1] (the surface's IoU) or [-1, 0]
        (minus the colour error), lowest first; `seen` is how many views were trained on at all.
        """
        weights = self.weights()
        low = min(self.unseen, 0.0)
        histogram = np.histogram(np.clip(self.scores, low, low + 1.0), bins=10, range=(low, low + 1.0))[0]
        return {
            "weights_min": float(weights.min()),
            "weights_mean": float(weights.mean()),
            "weights_max": float(weights.max()),
            "weights_ess": float(weights.sum() ** 2 / (weights**2).sum()),
            "scores_histogram": histogram.tolist(),
            "seen": int((self.measured >= 0).sum()),
        }

    def hardest(self, count: int = 20) -> I64:
        """Views with the lowest scores among those trained on, worst first."""
        seen = np.flatnonzero(self.measured >= 0)
        worst: I64 = seen[np.argsort(self.scores[seen], kind="stable")[:count]]
        return worst

    def state(self) -> dict[str, Array]:
        """What a checkpoint has to keep."""
        return {"scores": self.scores.copy(), "drawn": self.drawn.copy(), "measured": self.measured.copy()}

    def restore(self, state: dict[str, Array]) -> None:
        """The inverse of `state`; refuses another number of views."""
        if len(state["scores"]) != len(self.scores):
            raise SettingsError(
                f"the checkpoint holds mining weights of {len(state['scores'])} views, the data has {len(self.scores)}"
            )
        self.scores = np.array(state["scores"], dtype=np.float64)
        self.drawn = np.array(state["drawn"], dtype=np.int64)
        self.measured = np.array(state["measured"], dtype=np.int64)


class MinedBatches:
    """Batch sampler over a `MiningTable` that knows how stale its draws are.

    Loader workers prefetch, so a batch is drawn some steps before it is trained on, under the weights of then. A torch
    loader asks in a fixed rhythm, so that this lag is bounded by its prefetch depth and the same in every run;
    `take` returns it. Draws made but not trained on yet belong to the checkpoint (`pending`).

    Args:
        table: where to draw.
        batch: views of one step over all ranks.
        first: the first step to yield.
        last: the step to stop before.
        rank, world: this process takes every `world`-th view from `rank` on.
        pending: draws of an interrupted run, (step drawn, views) from step `first` on.
    """

    def __init__(
        self,
        table: MiningTable,
        batch: int,
        *,
        first: int,
        last: int,
        rank: int = 0,
        world: int = 1,
        pending: list[tuple[int, list[int]]] | None = None,
    ) -> None:
        self.table, self.batch, self.last, self.rank, self.world = table, batch, last, rank, world
        self.step = first
        self.waiting: list[tuple[int, I64]] = []
        self._given = [(drawn, np.array(views, dtype=np.int64)) for drawn, views in pending or []]
        self._asked = first

    def __len__(self) -> int:
        return self.last - self.step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        while self._asked < self.last:
            step = self._asked
            drawn_at, views = self._given.pop(0) if self._given else (self.step, self.table.draw(step, self.batch))
            self.waiting.append((drawn_at, views))
            self._asked += 1
            yield [
                (int(views[slot]), step * self.batch + slot) for slot in range(self.rank, self.batch, self.world)
            ]  # the draw number makes the points of each visit differ

    def take(self) -> tuple[I64, int]:
        """The views (batch,) of the step now trained on, over all ranks, and how many steps ago they were drawn."""
        drawn_at, views = self.waiting.pop(0)
        lag = self.step - drawn_at
        self.step += 1
        return views, lag

    def pending(self) -> list[tuple[int, list[int]]]:
        """Draws not trained on yet, for the checkpoint."""
        return [(drawn_at, views.tolist()) for drawn_at, views in self.waiting + self._given]
