"""The mean shape of the training people, whatever the picture shows; the shape itself is models/mean_occupancy.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.arrays import F32
from ...datasets.loading.views import ViewDataset
from ...datasets.shards.index import read_index
from ...models.mean_occupancy import MeanOccupancy, choose_training_views, fit_mean_occupancy
from ..settings import EvaluationSettings
from .method import GivenView, Rebuilt, rebuild_field, view_points


def train_baseline(shards: Path, *, points: int, seed: int = 0) -> MeanOccupancy | None:
    """Fit the mean occupancy of evenly spaced training views.

    Args:
        shards: folder written by `mpc sample`.
        points: drawn from the pool of each view.
        seed: of the drawing.

    Returns:
        The baseline; None where the shards have no training split.
    """
    if not any(entry.split == "train" for entry in read_index(shards).shards):
        return None
    dataset = ViewDataset(shards, "train", points=points, colour_points=0, seed=seed)
    items = (dataset[index] for index in choose_training_views(len(dataset)))
    return fit_mean_occupancy((view_points(item), item["labels"].numpy()) for item in items)


@dataclass(frozen=True, eq=False)
class MeanShape:
    """Rebuilds every view as the mean shape, cut to the outline where masks are used.

    Attributes:
        mean: fitted on the training views.
        settings: resolution and the use of the mask.
    """

    mean: MeanOccupancy
    settings: EvaluationSettings

    def __call__(self, view: GivenView) -> Rebuilt:
        """See `Method`."""
        return rebuild_field(view, self.settings, self._values, threshold=self.mean.threshold)

    def _values(self, points_view: F32) -> F32:
        return self.mean.values(points_view.astype(np.float64))
