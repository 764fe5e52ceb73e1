"""Fitting the mean-shape baseline on the training split of shards; the baseline itself is models/mean_occupancy.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from ..core.arrays import F64
from ..datasets.loading.views import ViewDataset
from ..datasets.shards.index import read_index
from ..geometry.camera import project
from ..models.mean_occupancy import MeanOccupancy, choose_training_views, fit_mean_occupancy


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


def view_points(item: Mapping[str, torch.Tensor]) -> F64:
    """Return the points of a view, (N, 3) float64, in its view space."""
    return project(item["points"].double().numpy(), item["calibration"].double().numpy())
