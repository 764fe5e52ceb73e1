"""The guess a trained network must beat: the training set's mean occupancy, without a look at the picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.arrays import F32, F64, I64, Bools
from ..datasets.loading.views import ViewDataset
from ..geometry.camera import project
from .metrics.volume import measure_iou

# About 7.5 cm in the default cube: fine enough for legs, coarse enough that a few views fill it.
CELLS = 32
MAX_VIEWS = 256


@dataclass(frozen=True, eq=False)
class MeanOccupancy:
    """Mean label of the training points in each cell of the view cube.

    Attributes:
        mean: (C, C, C) float32 in [0, 1], x first; 0 where no point fell.
        threshold: of the mean, above which a point is called inside; the one of greatest mean IoU on the training
            views, so that the baseline is as strong as it can be.
    """

    mean: F32
    threshold: float

    def predict(self, points_view: F64) -> Bools:
        """(N,) bool for view-space points (N, 3)."""
        return self.values(points_view) > self.threshold

    def values(self, points_view: F64) -> F32:
        """(N,) float32: the mean of each point's cell."""
        cells = _cells(points_view, len(self.mean))
        values: F32 = self.mean.ravel()[cells]
        return values


def mean_occupancy(views: Iterable[tuple[F64, npt.NDArray[np.generic]]], cells: int = CELLS) -> MeanOccupancy:
    """Average labels over views.

    Args:
        views: pairs of view-space points (N, 3) and labels (N,), 1 inside.
        cells: C, a side.
    """
    kept = [(np.asarray(points, np.float64), np.asarray(labels) > 0.5) for points, labels in views]
    inside, total = np.zeros(cells**3), np.zeros(cells**3)
    for points, labels in kept:
        index = _cells(points, cells)
        inside += np.bincount(index, labels, minlength=cells**3)
        total += np.bincount(index, minlength=cells**3)
    mean = np.divide(inside, total, out=np.zeros_like(inside), where=total > 0).astype(np.float32)
    grid = MeanOccupancy(mean.reshape((cells,) * 3), 0.5)
    if not kept:
        return grid
    thresholds = np.arange(1, 20) / 20
    scores = [
        np.mean([measure_iou(grid.values(points) > threshold, labels) for points, labels in kept])
        for threshold in thresholds
    ]
    return MeanOccupancy(grid.mean, float(thresholds[int(np.argmax(scores))]))


def train_baseline(shards: Path, *, points: int, seed: int = 0, max_views: int = MAX_VIEWS) -> MeanOccupancy | None:
    """The mean occupancy of at most `max_views` evenly chosen training views; None when there is no training split."""
    from ..datasets.shards.index import read_index

    if not any(entry.split == "train" for entry in read_index(shards).shards):
        return None
    dataset = ViewDataset(shards, "train", points=points, colour_points=0, seed=seed)
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(max_views, len(dataset))).round().astype(int))

    def pairs() -> Iterable[tuple[F64, npt.NDArray[np.generic]]]:
        for index in chosen:
            item = dataset[int(index)]
            yield project(item["points"].double().numpy(), item["calibration"].double().numpy()), item["labels"].numpy()

    return mean_occupancy(pairs())


def save_baseline(path: Path, baseline: MeanOccupancy) -> None:
    """Write it as .npz."""
    np.savez_compressed(path, mean=baseline.mean, threshold=baseline.threshold)


def load_baseline(path: Path) -> MeanOccupancy:
    """Read what `save_baseline` wrote."""
    with np.load(path) as content:
        return MeanOccupancy(content["mean"], float(content["threshold"]))


def _cells(points_view: F64, cells: int) -> I64:
    index = np.clip(np.floor((points_view + 1.0) * (cells / 2.0)), 0, cells - 1).astype(np.int64)
    return (index[:, 0] * cells + index[:, 1]) * cells + index[:, 2]
