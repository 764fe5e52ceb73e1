"""The body below the clothes as a further input of an encoder: its depths and normals at every pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .unet import average_to, zero_

BODY_MAPS = 8
"""Channels of a body: depth of its front and of its back in view space, then the normal of each (three channels)."""
BODY_SOURCES = ("none", "known", "fitted")
"""Where the body comes from that a network is given in training; in a photograph it can only be fitted."""


class BodyCells(nn.Module):
    """Makes what a body adds to every cell where a U-net begins.

    It is zero at first, so that a network that starts from one without a body goes on where that was; and zero for a
    picture without a body, so that one network serves both cases.

    Args:
        patch: edge of a cell, pixels.
        width: channels of the cells.
        depth_unit: unit in which the layers count depths, halves of the view cube.
    """

    def __init__(self, patch: int, width: int, depth_unit: float) -> None:
        super().__init__()
        self.patch, self.depth_unit = patch, depth_unit
        self.enter = zero_(nn.Conv2d((BODY_MAPS + 1) * patch**2, width, 3, padding=1, bias=False))

    def forward(self, body: Tensor, size: int) -> Tensor:
        """(B, width, size / patch, size / patch) from bodies (B, 8, H, H); NaN where a ray meets none."""
        weight = self.enter.weight
        given = body.to(weight.device, torch.float32)
        shown = torch.isfinite(given).all(dim=1, keepdim=True)
        outline = average_to(shown.float(), size)
        maps = average_to(torch.where(shown, given, 0.0), size) / outline.clamp(min=1e-6)
        maps = torch.cat([maps[:, :2] / self.depth_unit, maps[:, 2:], outline], dim=1)
        cells: Tensor = self.enter(functional.pixel_unshuffle(maps.to(weight.dtype), self.patch))
        return cells
