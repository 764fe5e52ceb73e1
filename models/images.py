"""Pictures as the networks want them."""

from __future__ import annotations

import torch
from torch import Tensor


def normalise_images(rgba: Tensor) -> Tensor:
    """RGBA pictures to network input.

    Args:
        rgba: (B, 4, H, W) uint8, sRGB, straight alpha.

    Returns:
        (B, 3, H, W) float32: colours scaled to [-1, 1] and multiplied by alpha, so that the background is 0.
    """
    assert rgba.shape[1:2] == (4,), f"pictures {tuple(rgba.shape)}, expected (B, 4, H, W)"
    assert rgba.dtype == torch.uint8, f"pictures are {rgba.dtype}, expected uint8"
    values = rgba.float() / 255.0
    return (values[:, :3] * 2.0 - 1.0) * values[:, 3:]
