"""The residual encoder of PIFu's texture network (after Johnson et al., ECCV 2016)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ..core.errors import SettingsError
from .blocks import check_sides, make_norm
from .features import PixelFeatures


@dataclass(frozen=True, kw_only=True)
class ResidualConfig:
    """Residual encoder; the defaults are PIFu's and the paper's (six blocks).

    Attributes:
        kind: name of the encoder in models/registry.py.
        stem: channels of the first convolution; the result has four times as many.
        blocks: number of residual blocks.
        norm: normalisation, see `blocks.make_norm`.
        groups: groups of the normalisation, see `blocks.make_norm`.
        bias: whether convolutions have biases; PIFu's have none beside group norm.
        fine: also return the first map, at half resolution (the mean of 2x2 pixels).
    """

    kind: str = "residual"
    stem: int = 64
    blocks: int = 6
    norm: str = "instance"
    groups: int = 32
    bias: bool = True
    fine: bool = False

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise SettingsError(f"residual.blocks {self.blocks}: expected at least 1")

    @property
    def features(self) -> int:
        """Channels of the result."""
        return 4 * self.stem

    @property
    def fine_channels(self) -> int:
        """Channels of the early map; 0 without one."""
        return self.stem if self.fine else 0


class ResidualBlock(nn.Module):
    """Residual block of two 3x3 convolutions with reflected borders; the last block of an encoder ends without norm."""

    def __init__(self, channels: int, config: ResidualConfig, *, last: bool) -> None:
        super().__init__()
        bias = config.bias
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=bias)
        self.norm1 = make_norm(config.norm, channels, config.groups)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=bias)
        self.norm2: nn.Module = nn.Identity() if last else make_norm(config.norm, channels, config.groups)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, h, w) to maps of the same shape."""
        inner: Tensor = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return x + inner


class ResidualEncoder(nn.Module):
    """Encodes pictures (B, 3, H, W) to `PixelFeatures` at (H/4, W/4)."""

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        self.config = config
        stem, bias = config.stem, config.bias
        self.stem = nn.Conv2d(3, stem, 7, padding=3, padding_mode="reflect", bias=bias)
        self.stem_norm = make_norm(config.norm, stem, config.groups)
        self.down1 = nn.Conv2d(stem, 2 * stem, 3, stride=2, padding=1, bias=bias)
        self.norm1 = make_norm(config.norm, 2 * stem, config.groups)
        self.down2 = nn.Conv2d(2 * stem, 4 * stem, 3, stride=2, padding=1, bias=bias)
        self.norm2 = make_norm(config.norm, 4 * stem, config.groups)
        self.blocks = nn.Sequential(
            *(ResidualBlock(4 * stem, config, last=i == config.blocks - 1) for i in range(config.blocks))
        )

    def forward(self, images: Tensor) -> PixelFeatures:
        """Encode pictures (B, 3, H, W); H and W must be divisible by 4."""
        check_sides(images, 4)
        first = self.stem_norm(self.stem(images)).relu()
        x = self.norm1(self.down1(first)).relu()
        x = self.norm2(self.down2(x)).relu()
        fine = nn.functional.avg_pool2d(first, 2) if self.config.fine else None
        return PixelFeatures(stacks=(self.blocks(x),), fine=fine)
