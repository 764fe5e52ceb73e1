"""The stages of training: their losses, their mining scores, their validation and their files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..models.features import normalise_images
from ..models.maps import MapsEncoder
from ..models.storage import save_network
from ..models.surface import SurfaceConfig, SurfaceNetwork
from ..models.texture import TextureConfig, TextureNetwork
from .data import Item, Views
from .losses import colour_loss, facing_loss, iou, occupancy_loss
from .maps import depth_error, levels_loss, true_maps
from .mining import MiningSettings, MiningTable
from .predicted_surface import move_to_surface
from .preview import Preview, make_preview
from .settings import StageSettings
from .validate import held_out_maps, validate_maps, validate_surface, validate_texture

UNSEEN_DEPTH = 0.2
"""Error of depth that a view counts with before it has been trained on: a quarter of a metre."""


class Stage(ABC):
    """The network of one stage, and how it is trained.

    Attributes:
        name: "maps", "surface" or "texture".
        metric: name of the score in the log ("iou", "depth_error", "colour_error").
        settings: settings of the stage.
        mining: mining settings of the run.
        network: the network that is trained.
    """

    name: str
    metric: str

    def __init__(self, network: nn.Module, settings: StageSettings, mining: MiningSettings) -> None:
        self.network, self.settings, self.mining = network, settings, mining
        self.point_alpha = mining.point_alpha if mining.within else None

    @abstractmethod
    def losses(self, model: nn.Module, batch: Item) -> tuple[Tensor, Tensor]:
        """Compute loss and metric on the points of a batch.

        Args:
            model: the network, possibly compiled or wrapped for distributed training.
            batch: B views.

        Returns:
            The loss (B,), with a gradient, and the metric (B,), without one.
        """

    @abstractmethod
    def table(self, views: int, seed: int) -> MiningTable:
        """A new mining table for this stage.

        Args:
            views: number of training views.
            seed: seed of the run.
        """

    @abstractmethod
    def mining_score(self, metric: Tensor) -> Tensor:
        """The score for mining that a metric corresponds to; views with a higher score are easier."""

    @abstractmethod
    def validate(self, network: nn.Module, data: Views, device: torch.device) -> Tensor:
        """The metric on held-out views, (V,)."""

    def figures(self, network: nn.Module, data: Views, device: torch.device) -> dict[str, float]:
        """Further figures of held-out views for the log, by name."""
        return {}

    @abstractmethod
    def preview(self, network: nn.Module, item: Item) -> Preview:
        """The reconstruction of a held-out view, see `make_preview`."""

    @abstractmethod
    def save(self, path: Path, network: nn.Module, **notes: Any) -> None:
        """Write the network to a file that `load_run` reads; `notes` are added to its header."""

    def goodness(self, metric: float) -> float:
        """The metric with the sign that makes higher values better."""
        return float(self.mining_score(torch.tensor(metric)))


class SurfaceStage(Stage):
    """Trains the surface network on occupancy; the metric is IoU."""

    name, metric = "surface", "iou"

    def __init__(self, config: SurfaceConfig, settings: StageSettings, mining: MiningSettings) -> None:
        super().__init__(SurfaceNetwork(config), settings, mining)
        self.config = config

    def losses(self, model: nn.Module, batch: Item) -> tuple[Tensor, Tensor]:
        """See `Stage`."""
        logits, inside, features = model(
            normalise_images(batch["image"]), batch["points"], batch["calibration"], batch.get("landmarks"),
            batch.get("body"),
        )  # fmt: skip
        loss = occupancy_loss(logits, inside, batch["labels"], kind=self.settings.loss, point_alpha=self.point_alpha)
        if features.summary is not None and self.settings.facing and "facing" in batch:
            loss = loss + self.settings.facing * facing_loss(features.summary, batch["facing"], batch["calibration"])
        if features.maps and self.settings.maps:
            loss = loss + self.settings.maps * levels_loss(features.maps, *true_maps(batch))
        occupancy = torch.sigmoid(logits[-1].detach().float()) * inside
        return loss, iou(occupancy, batch["labels"])

    def table(self, views: int, seed: int) -> MiningTable:
        """See `Stage`."""
        mining = self.mining
        return MiningTable(
            views, alpha=mining.surface_alpha, beta=mining.surface_beta, unseen=0.0,
            uniform=not mining.items, seed=seed, purpose="surface views",
        )  # fmt: skip

    def mining_score(self, metric: Tensor) -> Tensor:
        """The IoU itself."""
        return metric

    def validate(self, network: nn.Module, data: Views, device: torch.device) -> Tensor:
        """See `Stage`."""
        assert isinstance(network, SurfaceNetwork)
        most, batch = self.settings.validation_views, self.settings.batch
        return validate_surface(network, data, views=most, batch=batch, device=device)

    def figures(self, network: nn.Module, data: Views, device: torch.device) -> dict[str, float]:
        """See `Stage`."""
        assert isinstance(network, SurfaceNetwork)
        most, batch = self.settings.validation_views, self.settings.batch
        return validate_maps(network, data, views=most, batch=batch, device=device)

    def preview(self, network: nn.Module, item: Item) -> Preview:
        """See `Stage`."""
        assert isinstance(network, SurfaceNetwork)
        return make_preview(network.eval(), None, item)

    def save(self, path: Path, network: nn.Module, **notes: Any) -> None:
        """See `Stage`."""
        save_network(path, network, self.config, **notes)


class MapsStage(SurfaceStage):
    """Trains the maps of a surface network alone, before its head; the metric is the IoU of the rule on those maps."""

    name = "maps"

    def __init__(self, config: SurfaceConfig, settings: StageSettings, mining: MiningSettings) -> None:
        super().__init__(config, settings, mining)
        # The head adds nothing before it is trained, so that the network's field is that of the maps.
        self.network.head.requires_grad_(False)
        # Nor do the features of cells, which the head alone reads. Processes that train together wait for the gradient
        # of every weight that has one, so that weights without a part in the loss must say so.
        assert isinstance(self.network.encoder, MapsEncoder)
        self.network.encoder.level1.coarse.requires_grad_(False)
        self.by_error = mining.maps_by == "error"
        self.metric = "depth_error" if self.by_error else "iou"

    def losses(self, model: nn.Module, batch: Item) -> tuple[Tensor, Tensor]:
        """See `Stage`."""
        truth, shown = true_maps(batch)
        logits, inside, features = model(
            normalise_images(batch["image"]), batch["points"], batch["calibration"], batch.get("landmarks"),
            batch.get("body"),
        )  # fmt: skip
        loss = levels_loss(features.maps, truth, shown)
        if self.by_error:
            return loss, depth_error(features.maps[-1].detach(), truth, shown)
        return loss, iou(torch.sigmoid(logits[-1].detach().float()) * inside, batch["labels"])

    def table(self, views: int, seed: int) -> MiningTable:
        """See `Stage`."""
        mining = self.mining
        alpha, beta = (mining.maps_alpha, 0.0) if self.by_error else (mining.surface_alpha, mining.surface_beta)
        return MiningTable(
            views, alpha=alpha, beta=beta, unseen=-UNSEEN_DEPTH if self.by_error else 0.0,
            uniform=not mining.items, seed=seed, purpose="maps views",
        )  # fmt: skip

    def mining_score(self, metric: Tensor) -> Tensor:
        """The IoU, or the negative error."""
        return -metric if self.by_error else metric

    def validate(self, network: nn.Module, data: Views, device: torch.device) -> Tensor:
        """See `Stage`."""
        assert isinstance(network, SurfaceNetwork)
        if not self.by_error:
            return super().validate(network, data, device)
        batches = held_out_maps(
            network, data, views=self.settings.validation_views, batch=self.settings.batch, device=device
        )
        return torch.cat([depth_error(maps, truth, shown).cpu() for maps, truth, shown, _ in batches])


class TextureStage(Stage):
    """Trains the texture network beside a surface network that stays as it is; the metric is the colour error.

    Args:
        config: of the texture network.
        surface: the surface network.
        settings: of the stage.
        mining: hard example mining.
        reach_m: how far points move to the predicted surface, see `predicted_surface.move_to_surface`; 0: not at all.
    """

    name, metric = "texture", "colour_error"

    def __init__(
        self,
        config: TextureConfig,
        surface: SurfaceNetwork,
        settings: StageSettings,
        mining: MiningSettings,
        reach_m: float = 0.0,
    ) -> None:
        super().__init__(TextureNetwork(config), settings, mining)
        self.config = config
        self.surface = surface.eval().requires_grad_(False)
        self.reach_m = reach_m

    def losses(self, model: nn.Module, batch: Item) -> tuple[Tensor, Tensor]:
        """See `Stage`."""
        images = normalise_images(batch["image"])
        with torch.no_grad():
            features = self.surface.encode(images, batch.get("landmarks"), batch.get("body")).last()
            points = batch["colour_points"]
            if self.reach_m:
                points = move_to_surface(
                    self.surface, features, points, batch["colour_normals"], batch["calibration"], self.reach_m
                )
        colours = model(images, features, points, batch["calibration"])
        loss = colour_loss(colours, batch["colours"], point_alpha=self.point_alpha)
        return loss, colour_loss(colours.detach(), batch["colours"])

    def table(self, views: int, seed: int) -> MiningTable:
        """See `Stage`."""
        mining = self.mining
        return MiningTable(
            views, alpha=mining.texture_alpha, beta=mining.texture_beta, unseen=-1.0,
            uniform=not mining.items, seed=seed, purpose="texture views",
        )  # fmt: skip

    def mining_score(self, metric: Tensor) -> Tensor:
        """The negative colour error."""
        return -metric

    def validate(self, network: nn.Module, data: Views, device: torch.device) -> Tensor:
        """See `Stage`."""
        assert isinstance(network, TextureNetwork)
        most, batch = self.settings.validation_views, self.settings.batch
        return validate_texture(network, self.surface, data, views=most, batch=batch, device=device)

    def preview(self, network: nn.Module, item: Item) -> Preview:
        """See `Stage`."""
        assert isinstance(network, TextureNetwork)
        return make_preview(self.surface, network.eval(), item)

    def save(self, path: Path, network: nn.Module, **notes: Any) -> None:
        """See `Stage`."""
        save_network(path, network, self.config, **notes)
