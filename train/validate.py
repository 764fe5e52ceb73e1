"""Scores on held-out views, and the score of a guess that does not look at the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.arrays import F32, F64
from ..geometry.camera import project
from ..models.features import normalise_images
from ..models.maps import MapsConfig
from ..models.mean_occupancy import choose_training_views, fit_mean_occupancy
from ..models.surface import SurfaceNetwork
from ..models.texture import TextureNetwork
from .data import Item, Views, collate, drawn_views, to_device, with_body
from .losses import colour_loss, iou
from .maps import has_maps, map_figures, true_maps


@torch.no_grad()
def validate_surface(network: SurfaceNetwork, data: Views, *, views: int, batch: int, device: torch.device) -> Tensor:
    """IoU of drawn views, each on its own points.

    Args:
        network: the surface network; it is set to evaluation mode.
        data: held-out views.
        views: greatest number of views.
        batch: number of views in one call of the network.
        device: where the network is.

    Returns:
        (V,) float32.
    """
    network.eval()
    scores = []
    for items in _batches(data, views, batch, device):
        features = network.encode(normalise_images(items["image"]), items.get("landmarks"), items.get("body"))
        occupancy = network.query(features, items["points"], items["calibration"])
        scores.append(iou(occupancy, items["labels"]).cpu())
    return torch.cat(scores)


@torch.no_grad()
def validate_texture(
    network: TextureNetwork, surface: SurfaceNetwork, data: Views, *, views: int, batch: int, device: torch.device
) -> Tensor:
    """Mean absolute colour error of drawn views, in display values from 0 to 1.

    Args:
        network: the texture network; it is set to evaluation mode.
        surface: the surface network, whose features the texture network reads.
        data: held-out views.
        views: greatest number of views.
        batch: number of views in one call of the network.
        device: where the networks are.

    Returns:
        (V,) float32.
    """
    network.eval()
    errors = []
    for items in _batches(data, views, batch, device):
        images = normalise_images(items["image"])
        features = surface.encode(images, items.get("landmarks"), items.get("body"))
        colours = network.query(network.encode(images), features, items["colour_points"], items["calibration"])
        errors.append(colour_loss(colours, items["colours"]).cpu())
    return torch.cat(errors)


@torch.no_grad()
def held_out_maps(
    network: SurfaceNetwork, data: Views, *, views: int, batch: int, device: torch.device, told: bool = True
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Maps of held-out views; arguments as for `validate_surface`, and whether landmarks and bodies are told.

    Yields:
        Predicted maps, true maps, shown pixels and calibrations of each batch, as `map_figures` takes them.
    """
    network.eval()
    for items in _batches(data, views, batch, device):
        given = (items.get("landmarks"), items.get("body")) if told else ()
        maps = network.encode(normalise_images(items["image"]), *given).maps[-1]
        yield maps, *true_maps(items), items["calibration"]


def validate_maps(
    network: SurfaceNetwork, data: Views, *, views: int, batch: int, device: torch.device
) -> dict[str, float]:
    """Figures of the maps of held-out views (`map_figures`); none where there are no maps or nothing to compare with.

    Args:
        network: see `validate_surface`, like the arguments that follow.
        data: see `validate_surface`.
        views: see `validate_surface`.
        batch: see `validate_surface`.
        device: see `validate_surface`.

    Returns:
        For a network that is told landmarks, or given bodies, also the figures without either, as "untold_...": it has
        to do both.
    """
    if not isinstance(network.config.encoder, MapsConfig) or not has_maps(first := data[0]):
        return {}
    found = map_figures(held_out_maps(network, data, views=views, batch=batch, device=device))
    config = network.config
    if (config.reads_landmarks and "landmarks" in first) or config.body_source != "none":
        untold = held_out_maps(network, data, views=views, batch=batch, device=device, told=False)
        found |= {f"untold_{name}": value for name, value in map_figures(untold).items()}
    return found


def _batches(data: Views, views: int, batch: int, device: torch.device) -> Iterator[Item]:
    chosen = drawn_views(len(data), views)
    for start in range(0, len(chosen), batch):
        yield with_body(to_device(collate([data[index] for index in chosen[start : start + batch]]), device))


@dataclass(frozen=True)
class BaselineScore:
    """How well one fixed shape predicts every view.

    Attributes:
        iou: mean IoU over the held-out views.
        threshold: of the mean occupancy; the one that is best on the training views.
        views: number of held-out views that were scored.
    """

    iou: float
    threshold: float
    views: int


def mean_occupancy_baseline(train: Views, held_out: Views, *, views: int = 64) -> BaselineScore:
    """Score the training set's mean occupancy, which never looks at a picture, on held-out views.

    The same baseline as that of `mpc eval`; see models/mean_occupancy.py for how it is fitted and thresholded.

    Args:
        train: data set that the baseline is fitted on.
        held_out: data set that it is scored on; at the points that `validate_surface` uses.
        views: at most this many held-out views are scored, see `data.drawn_views`.

    Returns:
        Mean IoU, the threshold, and the number of views.
    """
    baseline = fit_mean_occupancy(_points_and_labels(train, choose_training_views(len(train))))
    chosen = drawn_views(len(held_out), views)
    scores = [
        iou(torch.from_numpy(baseline.predict(points))[None].float(), torch.from_numpy(labels)[None])
        for points, labels in _points_and_labels(held_out, chosen)
    ]
    return BaselineScore(float(torch.cat(scores).mean()), baseline.threshold, len(chosen))


def _points_and_labels(data: Views, chosen: Sequence[int]) -> Iterator[tuple[F64, F32]]:
    """The points (N, 3) in view space and the labels (N,) of each chosen view."""
    for index in chosen:
        item = data[index]
        yield project(item["points"].double().numpy(), item["calibration"].double().numpy()), item["labels"].numpy()
