"""What a network costs: weights, and floating-point operations for a picture and for a point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from .surface import SurfaceConfig, SurfaceNetwork
from .texture import TextureConfig, TextureNetwork


@dataclass(frozen=True)
class NetworkCost:
    """Counted, not estimated: every convolution and matrix product, a multiply-add as two operations.

    Norms, activations, resizing and the sampling of maps are left out, as in the
    usual tables (which give multiply-adds).

    Attributes:
        encoder_weights, head_weights: numbers that are trained; the summary's (models/summary.py) are the encoder's.
        picture_flops: to encode one picture.
        point_flops: of the head, for one point and one stack.
        stacks: maps that the head is asked for in training (PIFu's intermediate supervision); after it, one.
    """

    encoder_weights: int
    head_weights: int
    picture_flops: int
    point_flops: int
    stacks: int

    def step_flops(self, pictures: int, points: int) -> int:
        """Of one training step with so many points a picture; the gradient costs twice the way there."""
        return 3 * pictures * (self.picture_flops + points * self.stacks * self.point_flops)

    def __str__(self) -> str:
        weights = self.encoder_weights + self.head_weights
        return (
            f"{weights / 1e6:.2f} M weights ({self.head_weights / 1e6:.2f} M in the head), "
            f"{self.picture_flops / 1e9:.3g} GFLOP a picture, {self.point_flops / 1e6:.3g} MFLOP a point"
        )


def count_cost(config: SurfaceConfig | TextureConfig, image_size: int) -> NetworkCost:
    """Count on the meta device: nothing is allocated or computed.

    Args:
        config: of a surface or a texture network; the latter's count leaves out the surface network it stands on.
        image_size: side of the pictures.
    """
    with torch.device("meta"):
        network = (SurfaceNetwork(config) if isinstance(config, SurfaceConfig) else TextureNetwork(config)).eval()
        image = torch.zeros(1, 3, image_size, image_size)
        pixel, depth = torch.zeros(1, 1, config.pixel_channels), torch.zeros(1, 1, config.depth.channels)
        stacks = len(network.encode(image).stacks) if isinstance(network, SurfaceNetwork) else 1
        picture = _flops(lambda: network.encode(image))
        point = _flops(lambda: network.head(pixel, depth))
    every, head = (sum(p.numel() for p in part.parameters()) for part in (network, network.head))
    return NetworkCost(every - head, head, picture, point, stacks)


def _flops(call: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return int(counter.get_total_flops())
