"""The guess that a trained network must beat: the training set's mean occupancy, whatever the picture shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.arrays import F32, F64, I64, Bools

# A cell is about 7.5 cm wide in the default cube: fine enough for legs, coarse enough that a few views fill it.
CELLS = 32
# More training views than this change neither the mean nor the threshold noticeably.
MAX_VIEWS = 256
THRESHOLDS = np.arange(1, 20) / 20


@dataclass(frozen=True, eq=False)
class MeanOccupancy:
    """Mean label of the training points in each cell of the view cube, and the threshold that makes it a shape.

    The threshold is chosen on the training views alone, as a network's weights are, so that the guess is as strong as
    training data can make it and never sees the views it is measured on.

    Attributes:
        mean: (C, C, C) float32 in [0, 1], x first; 0 in cells without training points.
        threshold: a point is predicted inside where the mean of its cell exceeds this value.
    """

    mean: F32
    threshold: float

    def values(self, points_view: F64) -> F32:
        """Look up the mean label at points.

        Args:
            points_view: (N, 3) in view space.

        Returns:
            (N,) float32, the mean of each point's cell.
        """
        values: F32 = self.mean.ravel()[_cells_of(points_view, len(self.mean))]
        return values

    def predict(self, points_view: F64) -> Bools:
        """Predict which points lie inside.

        Args:
            points_view: (N, 3) in view space.

        Returns:
            (N,) bool.
        """
        return self.values(points_view) > self.threshold


def choose_training_views(count: int) -> list[int]:
    """Return the indices of the at most MAX_VIEWS evenly spaced views, of `count`, that the baseline is fitted on."""
    return [int(index) for index in np.unique(np.linspace(0, count - 1, min(MAX_VIEWS, count)).round())]


def fit_mean_occupancy(views: Iterable[tuple[F64, npt.NDArray[np.generic]]], cells: int = CELLS) -> MeanOccupancy:
    """Average the labels of training views in each cell and choose the threshold of greatest mean IoU on them.

    Args:
        views: for each training view its points (N, 3) in view space and their labels (N,), 1 inside.
        cells: number of cells C along each edge of the cube.

    Returns:
        The baseline; it predicts nothing inside where there are no views.
    """
    indices, labels, owners = [], [], []
    for number, (points, inside) in enumerate(views):
        indices.append(_cells_of(np.asarray(points, np.float64), cells))
        labels.append(np.asarray(inside) > 0.5)
        owners.append(np.full(len(points), number))
    if not indices:
        return MeanOccupancy(np.zeros((cells,) * 3, np.float32), 0.5)
    index, label, owner = np.concatenate(indices), np.concatenate(labels), np.concatenate(owners)
    inside, total = np.bincount(index, label, minlength=cells**3), np.bincount(index, minlength=cells**3)
    mean = np.divide(inside, total, out=np.zeros_like(inside), where=total > 0).astype(np.float32)
    scores = [_mean_iou(mean[index] > threshold, label, owner) for threshold in THRESHOLDS]
    return MeanOccupancy(mean.reshape((cells,) * 3), float(THRESHOLDS[int(np.argmax(scores))]))


def save_mean_occupancy(path: Path, baseline: MeanOccupancy) -> None:
    """Write the arrays of a baseline to a .npz file."""
    np.savez_compressed(path, mean=baseline.mean, threshold=baseline.threshold)


def load_mean_occupancy(path: Path) -> MeanOccupancy:
    """Read what `save_mean_occupancy` wrote."""
    with np.load(path) as content:
        return MeanOccupancy(content["mean"], float(content["threshold"]))


def _cells_of(points_view: F64, cells: int) -> I64:
    """(N,) int64: the flat index of the cell that holds each point; points outside the cube get the nearest cell."""
    cell = np.clip(np.floor((points_view + 1.0) * (cells / 2.0)), 0, cells - 1).astype(np.int64)
    flat: I64 = (cell[:, 0] * cells + cell[:, 1]) * cells + cell[:, 2]
    return flat


def _mean_iou(predicted: Bools, labels: Bools, owners: I64) -> float:
    """Mean over views of the IoU of predicted and true labels (N,); `owners` (N,) says which view a point is of."""
    count = int(owners.max()) + 1
    both = np.bincount(owners, predicted & labels, minlength=count)
    either = np.bincount(owners, predicted | labels, minlength=count)
    return float(np.divide(both, either, out=np.ones_like(both), where=either > 0).mean())
