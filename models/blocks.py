"""Layers that several encoders share: normalisation by name, residual blocks, and the block of the hourglass."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.errors import SettingsError

NORMS = ("group", "batch", "instance")


def make_norm(kind: str, channels: int, groups: int = 32) -> nn.Module:
    """A 2D normalisation layer.

    Args:
        kind: "group", "batch" or "instance" (without parameters, as in PIFu's texture network).
        channels: channels of the map.
        groups: greatest number of groups; the largest divisor of `channels` up to it is used.
    """
    if kind == "group":
        count = next(n for n in range(min(groups, channels), 0, -1) if channels % n == 0)
        return nn.GroupNorm(count, channels)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=False, track_running_stats=False)
    raise SettingsError(f"norm {kind!r}: expected one of {', '.join(NORMS)}")


def check_sides(images: Tensor, step: int) -> None:
    """Raise SettingsError for pictures (B, 3, H, W) whose sides are not multiples of `step`."""
    height, width = images.shape[-2:]
    if height % step or width % step:
        raise SettingsError(f"picture of {width}x{height}: this encoder needs sides that are multiples of {step}")


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """3x3 convolution, padding 1, without bias (a norm follows or precedes it)."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each with a norm, beside the identity (He et al., CVPR 2016)."""

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv3x3(width, width), make_norm(norm, width)
        self.conv2, self.norm2 = conv3x3(width, width), make_norm(norm, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> the same shape."""
        inner: Tensor = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(x + inner)


class PyramidBlock(nn.Module):
    """Pre-activation residual block whose three 3x3 outputs (1/2, 1/4, 1/4 of the channels) are concatenated.

    PIFu's hourglass consists of these blocks, which are those of Bulat and Tzimiropoulos ("How far are we from solving
    the 2D & 3D face alignment problem?", ICCV 2017). `outputs` must be a multiple of 4.
    """

    def __init__(self, inputs: int, outputs: int, norm: str, groups: int) -> None:
        super().__init__()
        half, quarter = outputs // 2, outputs // 4
        self.norm1, self.conv1 = make_norm(norm, inputs, groups), conv3x3(inputs, half)
        self.norm2, self.conv2 = make_norm(norm, half, groups), conv3x3(half, quarter)
        self.norm3, self.conv3 = make_norm(norm, quarter, groups), conv3x3(quarter, quarter)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(
                make_norm(norm, inputs, groups), nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        first = self.conv1(torch.relu(self.norm1(x)))
        second = self.conv2(torch.relu(self.norm2(first)))
        third = self.conv3(torch.relu(self.norm3(second)))
        shortcut: Tensor = self.shortcut(x)
        return torch.cat([first, second, third], dim=1) + shortcut


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """No autocast; where costs are counted on the device "meta" there is none."""
    return nullcontext() if device.type == "meta" else torch.autocast(device_type=device.type, enabled=False)
