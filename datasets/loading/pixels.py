"""Pictures of a batch as numbers: premultiplied colours, blur, smooth random colours (docs/conventions.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...core.arrays import Array


def upload(values: Array, device: torch.device) -> Tensor:
    """Numbers that were drawn for a batch, on its device: float32, or bool where they are.

    A copy to a GPU from memory that the system may swap out waits for what the GPU is doing; one from pinned memory
    does not.

    Args:
        values: any shape.
        device: the device.
    """
    host = torch.from_numpy(np.ascontiguousarray(values, values.dtype if values.dtype == bool else np.float32))
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host.to(device)


def premultiply(images: Tensor) -> Tensor:
    """(B, 4, H, W) float32 of uint8 RGBA, straight alpha: colours times alpha, and alpha, both 0 to 255."""
    values = images.float()
    return torch.cat([values[:, :3] * values[:, 3:] / 255.0, values[:, 3:]], dim=1)


def straighten(premultiplied: Tensor) -> Tensor:
    """The opposite of `premultiply`, rounded; colours are 0 where alpha is."""
    alpha = premultiplied[:, 3:] / 255.0
    colours = torch.where(alpha > 0, premultiplied[:, :3] / alpha.clamp(min=1e-6), 0.0)
    return torch.cat([colours, premultiplied[:, 3:]], dim=1).round().clamp(0, 255).to(torch.uint8)


def blur_channels(values: Tensor, sigma: Tensor, most: float) -> Tensor:
    """Blur (B, C, H, W) by a Gaussian of (B,) sigmas in pixels, at most `most`; beyond the border all is 0."""
    batch, channels, reach = *values.shape[:2], math.ceil(3.0 * most)
    offset = torch.arange(-reach, reach + 1, device=values.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offset / sigma.clamp(min=1e-3)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None, None]
    groups = channels * batch
    flat = values.reshape(1, groups, *values.shape[-2:])
    flat = torch.nn.functional.conv2d(flat, kernel, padding=(0, reach), groups=groups)
    flat = torch.nn.functional.conv2d(flat, kernel.mT, padding=(reach, 0), groups=groups)
    return flat.reshape(values.shape)


def smooth_colours(patches: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, H, W) in [0, 1] that pass smoothly through the values (B, C, P, P) of a grid."""
    return torch.nn.functional.interpolate(patches, list(size), mode="bicubic", align_corners=True).clamp(0.0, 1.0)
