"""Scores on held-out views, and what a guess without looking at the picture would score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..models.features import normalise_images, project_points
from ..models.surface import SurfaceNetwork
from ..models.texture import TextureNetwork
from .data import Item, Views, collate, spread, to_device
from .losses import colour_loss, iou


@torch.no_grad()
def validate_surface(network: SurfaceNetwork, data: Views, *, views: int, batch: int, device: torch.device) -> Tensor:
    """IoU of evenly spaced views on each view's own points: (views,) float32."""
    network.eval()
    scores = []
    for items in _batches(data, views, batch, device):
        features = network.encode(normalise_images(items["image"]))
        occupancy = network.query(features, items["points"], items["calibration"])
        scores.append(iou(occupancy, items["labels"]).cpu())
    return torch.cat(scores)


@torch.no_grad()
def validate_texture(
    network: TextureNetwork, surface: SurfaceNetwork, data: Views, *, views: int, batch: int, device: torch.device
) -> Tensor:
    """Mean absolute colour error of evenly spaced views, display values in [0, 1]: (views,) float32."""
    network.eval()
    errors = []
    for items in _batches(data, views, batch, device):
        images = normalise_images(items["image"])
        colours = network.query(
            network.encode(images), surface.encode(images), items["colour_points"], items["calibration"]
        )
        errors.append(colour_loss(colours, items["colours"]).cpu())
    return torch.cat(errors)


def _batches(data: Views, views: int, batch: int, device: torch.device) -> Iterator[Item]:
    chosen = spread(len(data), views)
    for start in range(0, len(chosen), batch):
        yield to_device(collate([data[index] for index in chosen[start : start + batch]]), device)


@dataclass(frozen=True)
class BaselineScore:
    """How well one fixed shape for all pictures does.

    Attributes:
        iou: mean over the views, mean training occupancy thresholded at 0.5.
        best_iou: the same at the threshold that is best on the training views.
        best_threshold: that threshold.
        views: how many views were scored.
    """

    iou: float
    best_iou: float
    best_threshold: float
    views: int


def mean_occupancy_baseline(
    train: Views, held_out: Views, *, resolution: int = 32, train_views: int = 200, views: int = 64
) -> BaselineScore:
    """IoU of predicting the training set's mean occupancy whatever the picture shows.

    The labels of training views are averaged in cells of view space, and held-out points get their cell's mean; a cell
    without training points is outside.

    Args:
        train, held_out: data sets; the points of the latter are those that `validate_surface` uses.
        resolution: cells along each edge of the cube.
        train_views, views: at most so many of each, evenly spaced.
    """
    inside, count = torch.zeros(resolution**3), torch.zeros(resolution**3)
    for index in spread(len(train), train_views):
        cell, labels = _cells(train[index], resolution)
        inside.index_add_(0, cell, labels)
        count.index_add_(0, cell, torch.ones_like(labels))
    mean = inside / count.clamp(min=1.0)

    def score(data: Views, most: int, threshold: float) -> float:
        values = [
            iou((mean[cell] > threshold).float()[None], labels[None])
            for cell, labels in (_cells(data[index], resolution) for index in spread(len(data), most))
        ]
        return float(torch.cat(values).mean())

    best = max((score(train, min(views, train_views), t), t) for t in (0.2, 0.3, 0.4, 0.5, 0.6))[1]
    return BaselineScore(score(held_out, views, 0.5), score(held_out, views, best), best, min(len(held_out), views))


def _cells(item: Item, resolution: int) -> tuple[Tensor, Tensor]:
    """Cell (N,) of each point and its label (N,)."""
    position = project_points(item["points"][None], item["calibration"][None])[0]
    cell = ((position + 1.0) * (0.5 * resolution)).long().clamp(0, resolution - 1)
    return (cell[:, 0] * resolution + cell[:, 1]) * resolution + cell[:, 2], item["labels"]
