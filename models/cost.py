"""The cost of a network: its weights, and its floating-point operations for a picture and for a point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from .body import BODY_MAPS
from .landmarks import POINTS, VALUES
from .surface import SurfaceConfig, SurfaceNetwork
from .texture import TextureConfig, TextureNetwork


@dataclass(frozen=True)
class NetworkCost:
    """Counts of every convolution and matrix product; a multiply-add counts as two operations.

    Norms, activations, resizing and the sampling of maps are left out, as in the usual tables (which list
    multiply-adds).

    Attributes:
        encoder_weights: trained numbers of the encoder, including those of the summary (models/summary.py).
        head_weights: trained numbers of the head.
        picture_flops: operations to encode one picture.
        point_flops: operations of the head for one point and one stack.
        stacks: number of maps that the head is evaluated on in training (PIFu's intermediate supervision); after
            training it is evaluated on one.
    """

    encoder_weights: int
    head_weights: int
    picture_flops: int
    point_flops: int
    stacks: int

    def step_flops(self, pictures: int, points: int) -> int:
        """Operations of one training step; the backward pass costs twice as much as the forward pass.

        Args:
            pictures: in the batch.
            points: of each picture.
        """
        return 3 * pictures * (self.picture_flops + points * self.stacks * self.point_flops)

    def __str__(self) -> str:
        weights = self.encoder_weights + self.head_weights
        return (
            f"{weights / 1e6:.2f} M weights ({self.head_weights / 1e6:.2f} M in the head), "
            f"{self.picture_flops / 1e9:.3g} GFLOP a picture, {self.point_flops / 1e6:.3g} MFLOP a point"
        )


def count_cost(config: SurfaceConfig | TextureConfig, image_size: int) -> NetworkCost:
    """Count the cost of a network on the meta device, without allocating or computing anything.

    Args:
        config: of a surface or a texture network; the count of the latter excludes the surface network that it needs.
        image_size: pixels along each side of the pictures.
    """
    with torch.device("meta"):
        network = (SurfaceNetwork(config) if isinstance(config, SurfaceConfig) else TextureNetwork(config)).eval()
        image = torch.zeros(1, 4, image_size, image_size)
        pixel, depth = torch.zeros(1, 1, config.pixel_channels), torch.zeros(1, 1, config.depth.channels)
        given = [image]
        if isinstance(config, SurfaceConfig) and config.body_source != "none":
            given = [image, torch.zeros(1, POINTS, VALUES), torch.zeros(1, BODY_MAPS, image_size, image_size)]
        stacks = len(network.encode(*given).stacks) if isinstance(network, SurfaceNetwork) else 1
        picture = _flops(lambda: network.encode(*given))
        point = _flops(lambda: network.head(pixel, depth))
    every, head = (sum(p.numel() for p in part.parameters()) for part in (network, network.head))
    return NetworkCost(every - head, head, picture, point, stacks)


def _flops(call: Callable[[], Any]) -> int:
    """Operations of a call."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return int(counter.get_total_flops())
