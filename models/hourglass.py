"""PIFu's stacked hourglass: group norm, average pooling, and one supervised map per stack at 1/4 of the resolution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.errors import SettingsError
from .blocks import PyramidBlock, check_sides, make_norm
from .features import PixelFeatures


@dataclass(frozen=True, kw_only=True)
class HourglassConfig:
    """Stacked hourglass (Newell et al., ECCV 2016); the defaults are those of PIFu's surface network.

    Attributes:
        kind: name of the encoder in models/registry.py.
        stacks: number of hourglasses in a row, each with a supervised map of its own.
        depth: number of halvings inside one hourglass.
        channels: channels of the hourglasses, a multiple of 4.
        features: channels of the result.
        stem: channels of the first convolution; the next block has twice as many.
        norm: normalisation, see `blocks.make_norm`.
        groups: groups of the normalisation, see `blocks.make_norm`.
        upsample: "bilinear" (cells keep their places in the picture) or "bicubic-corners", which PIFu's weights expect.
        fine: also return the first map, at half resolution (PIFu's `skip_hourglass`).
    """

    kind: str = "hourglass"
    stacks: int = 4
    depth: int = 2
    channels: int = 256
    features: int = 256
    stem: int = 64
    norm: str = "group"
    groups: int = 32
    upsample: str = "bilinear"
    fine: bool = False

    def __post_init__(self) -> None:
        if self.stacks < 1 or self.depth < 1:
            raise SettingsError(f"hourglass: stacks {self.stacks} and depth {self.depth} must be at least 1")
        if self.channels % 4 or self.stem % 2:
            raise SettingsError(f"hourglass: channels {self.channels} must be a multiple of 4, stem {self.stem} of 2")
        if self.upsample not in ("bilinear", "bicubic-corners"):
            raise SettingsError(f"hourglass.upsample {self.upsample!r}: expected bilinear or bicubic-corners")

    @property
    def fine_channels(self) -> int:
        """Channels of the early map; 0 without one."""
        return self.stem if self.fine else 0


class Hourglass(nn.Module):
    """One hourglass: a skip branch plus a branch at half resolution, which holds the next smaller hourglass."""

    def __init__(self, config: HourglassConfig, depth: int) -> None:
        super().__init__()

        def block() -> PyramidBlock:
            return PyramidBlock(config.channels, config.channels, config.norm, config.groups)

        self.skip, self.down = block(), block()
        self.inner: nn.Module = Hourglass(config, depth - 1) if depth > 1 else block()
        self.up = block()
        self.upsample = config.upsample

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, h, w) to maps of the same shape; h and w must be divisible by 2 ** depth."""
        low = self.up(self.inner(self.down(functional.avg_pool2d(x, 2))))
        if self.upsample == "bilinear":
            raised = functional.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
        else:
            raised = functional.interpolate(low, scale_factor=2, mode="bicubic", align_corners=True)
        skip: Tensor = self.skip(x)
        return skip + raised


class HourglassEncoder(nn.Module):
    """Encodes pictures (B, 3, H, W) to `PixelFeatures` at (H/4, W/4)."""

    def __init__(self, config: HourglassConfig) -> None:
        super().__init__()
        self.config = config
        width, norm, groups = config.channels, config.norm, config.groups
        self.stem = nn.Conv2d(3, config.stem, 7, stride=2, padding=3)
        self.stem_norm = make_norm(norm, config.stem, groups)
        self.block1 = PyramidBlock(config.stem, 2 * config.stem, norm, groups)
        self.block2 = PyramidBlock(2 * config.stem, 2 * config.stem, norm, groups)
        self.block3 = PyramidBlock(2 * config.stem, width, norm, groups)
        each = range(config.stacks)
        self.hourglasses = nn.ModuleList(Hourglass(config, config.depth) for _ in each)
        self.tops = nn.ModuleList(PyramidBlock(width, width, norm, groups) for _ in each)
        self.ends = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in each)
        self.end_norms = nn.ModuleList(make_norm(norm, width, groups) for _ in each)
        self.outputs = nn.ModuleList(nn.Conv2d(width, config.features, 1) for _ in each)
        between = range(config.stacks - 1)
        self.returns = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in between)
        self.output_returns = nn.ModuleList(nn.Conv2d(config.features, width, 1) for _ in between)

    def forward(self, images: Tensor) -> PixelFeatures:
        """Encode pictures (B, 3, H, W); H and W must be divisible by 4 * 2 ** depth."""
        check_sides(images, 4 * 2**self.config.depth)
        fine = torch.relu(self.stem_norm(self.stem(images)))
        x = self.block3(self.block2(functional.avg_pool2d(self.block1(fine), 2)))
        maps = []
        for index, hourglass in enumerate(self.hourglasses):
            inner = self.tops[index](hourglass(x))
            inner = torch.relu(self.end_norms[index](self.ends[index](inner)))
            maps.append(self.outputs[index](inner))
            if index + 1 < self.config.stacks:
                x = x + self.returns[index](inner) + self.output_returns[index](maps[-1])
        return PixelFeatures(stacks=tuple(maps), fine=fine if self.config.fine else None)
