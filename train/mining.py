"""Online hard example mining: views that are reconstructed badly are drawn more often (Li et al., ECCV 2020).

Every (scene, view) has a weight exp(-score / alpha + beta), and views are drawn with replacement in proportion to it.
For the surface, the score is the IoU on the points that the view was last trained on. The constants alpha 0.15 and beta
10.0 are from slide 26 of a reading group's slides on the paper, which also gives the resulting weights: about 22,000 at
IoU 0 and 30 at IoU 1 (exactly exp(10) = 22,026 and exp(10 - 1/0.15) = 28.03). beta cancels when the weights are
normalised; it is kept because the log shows raw weights. For the texture, the slide shows 0.7 and 0.0, and its formula
is cut off. We use the same form with score = -(mean absolute colour error of display values in [0, 1]), so the weight
is exp(error / 0.7): 1 for a perfect view and 4.17 for the worst possible one. The sign and the error measure are our
interpretation; both constants are settings.

A view that has not been seen yet counts as the worst one (IoU 0, colour error 1), so every view is drawn early.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import F64, I64, Array
from ..core.checks import check_choice
from ..core.errors import SettingsError
from ..core.randomness import derive_rng

MODES = ("none", "item", "point", "both")


@dataclass(frozen=True, kw_only=True)
class MiningSettings:
    """Hard example mining.

    Attributes:
        mode: "none" (uniform drawing), "item" (views), "point" (points within a view) or "both".
        surface_alpha: alpha of the weight exp(-IoU / alpha + beta).
        surface_beta: beta of the same weight.
        texture_alpha: alpha of the weight exp(error / alpha + beta): the score of a texture view is minus its error.
        texture_beta: beta of the same weight.
        maps_by: what views are mined by in the maps stage: "iou", the IoU of the field that the maps imply, with the
            surface's constants, or "error", the mean error of depth, with the weight exp(error / maps_alpha).
        maps_alpha: alpha of that weight, in halves of the view cube.
        point_alpha: a point's loss has the weight exp(|prediction - label| / point_alpha), normalised to mean 1 over
            the view. The authors' figure shows mining of points without a formula; this one is ours.
    """

    mode: str = "item"
    surface_alpha: float = 0.15
    surface_beta: float = 10.0
    texture_alpha: float = 0.7
    texture_beta: float = 0.0
    maps_by: str = "iou"
    maps_alpha: float = 0.05
    point_alpha: float = 0.5

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SettingsError(f"mining.mode {self.mode!r}: expected one of {', '.join(MODES)}")
        check_choice("mining.maps_by", self.maps_by, ("iou", "error"))
        # Within these ranges the weights stay finite for all scores.
        for name in ("surface_alpha", "texture_alpha", "maps_alpha", "point_alpha"):
            if getattr(self, name) < 0.01:
                raise SettingsError(f"mining.{name} {getattr(self, name)}: expected at least 0.01")
        for name in ("surface_beta", "texture_beta"):
            if abs(getattr(self, name)) > 100.0:
                raise SettingsError(f"mining.{name} {getattr(self, name)}: expected -100 to 100")

    @property
    def items(self) -> bool:
        """Whether badly reconstructed views are drawn more often."""
        return self.mode in ("item", "both")

    @property
    def within(self) -> bool:
        """Whether badly predicted points have a larger weight within their view."""
        return self.mode in ("point", "both")


class MiningTable:
    """Scores of all views, and the draws that follow from them.

    The draw of a step depends on the seed, the step and the scores alone. Ranks with equal scores therefore draw the
    same views, and a resumed run continues as if it had not been interrupted.

    Args:
        count: number of views, V.
        alpha: of the weight exp(-score / alpha + beta).
        beta: of the same weight.
        unseen: score of a view that has not been trained on yet.
        uniform: draw all views with equal probability; scores are still kept, for the log.
        seed: of the random stream.
        purpose: name of the random stream.
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
        """Weights exp(-score / alpha + beta), (V,) float64."""
        weights: F64 = np.exp(-self.scores / self.alpha + self.beta)
        return weights

    def probabilities(self) -> F64:
        """Probabilities of drawing each view, (V,) float64, sum 1."""
        weights = np.ones_like(self.scores) if self.uniform else self.weights()
        shares: F64 = weights / weights.sum()
        return shares

    def draw(self, step: int, count: int) -> I64:
        """Draw views (count,) for a step, with replacement, with the current weights."""
        rng = derive_rng(self.seed, self.purpose, step)
        ends = np.cumsum(self.probabilities())
        views = np.searchsorted(ends, rng.random(count) * ends[-1], side="right")
        drawn: I64 = np.minimum(views, len(self.scores) - 1).astype(np.int64)
        return drawn

    def update(self, views: I64, scores: F64, step: int) -> None:
        """Record scores (K,) measured at `step` on views (K,); for a view drawn twice in a batch, the mean counts."""
        unique, inverse = np.unique(views, return_inverse=True)
        self.scores[unique] = np.bincount(inverse, weights=scores) / np.bincount(inverse)
        self.measured[unique] = step
        np.add.at(self.drawn, views, 1)

    def summary(self) -> dict[str, Any]:
        """Statistics of the weights and scores, for the log.

        `weights_ess` is the effective sample size (sum w)^2 / sum w^2: V for equal weights, 1 when one view has all
        the weight. `scores_histogram` counts the views whose score lies in each tenth of [0, 1] (the surface's IoU) or
        of [-1, 0] (the negative colour error), lowest first. `seen` is the number of views trained on so far.
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
        """The arrays that a checkpoint has to keep."""
        return {"scores": self.scores.copy(), "drawn": self.drawn.copy(), "measured": self.measured.copy()}

    def restore(self, state: dict[str, Array]) -> None:
        """Restore arrays from `state`.

        Raises:
            SettingsError: they belong to another number of views.
        """
        if len(state["scores"]) != len(self.scores):
            raise SettingsError(
                f"the checkpoint holds mining weights of {len(state['scores'])} views, the data has {len(self.scores)}"
            )
        self.scores = np.array(state["scores"], dtype=np.float64)
        self.drawn = np.array(state["drawn"], dtype=np.int64)
        self.measured = np.array(state["measured"], dtype=np.int64)


class MinedBatches:
    """Batch sampler over a `MiningTable` that knows how old its draws are.

    Loader workers prefetch, so a batch is drawn some steps before it is trained on, with the weights of that moment.
    A torch loader requests batches in a fixed rhythm, so this lag is bounded by its prefetch depth and is the same in
    every run; `take` returns it. Draws that have not been trained on yet belong to the checkpoint (`pending`).

    Args:
        table: the table to draw from.
        batch: views of one step over all ranks.
        first: the first step to yield.
        last: the step to stop before.
        rank: number of this process, which takes every `world`-th view from the `rank`-th on.
        world: number of processes.
        pending: draws of an interrupted run, (step at which they were drawn, views), from step `first` on.
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
        self._restored = [(drawn, np.array(views, dtype=np.int64)) for drawn, views in pending or []]
        self._requested = first

    def __len__(self) -> int:
        return self.last - self.step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        while self._requested < self.last:
            step = self._requested
            if self._restored:
                drawn_at, views = self._restored.pop(0)
            else:
                drawn_at, views = self.step, self.table.draw(step, self.batch)
            self.waiting.append((drawn_at, views))
            self._requested += 1
            yield [
                (int(views[slot]), step * self.batch + slot) for slot in range(self.rank, self.batch, self.world)
            ]  # the draw number makes the points of each visit differ

    def take(self) -> tuple[I64, int]:
        """The views (batch,) of the current step, over all ranks, and how many steps ago they were drawn."""
        drawn_at, views = self.waiting.pop(0)
        lag = self.step - drawn_at
        self.step += 1
        return views, lag

    def pending(self) -> list[tuple[int, list[int]]]:
        """Draws that have not been trained on yet, for the checkpoint."""
        return [(drawn_at, views.tolist()) for drawn_at, views in self.waiting + self._restored]
