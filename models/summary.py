"""One vector for the whole picture, added to every pixel: it tells which way the person faces."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from ..core.errors import SettingsError
from .blocks import ResidualBlock, check_sides, make_norm


@dataclass(frozen=True, kw_only=True)
class SummaryConfig:
    """A narrow residual network that ends in a vector. This part is ours and not from the paper.

    The depth of a pixel depends on where the pixel is and on the direction in which the person faces. An encoder of
    pixel-aligned features learns that direction slowly; a network that sees the whole picture learns it within a few
    hundred steps (docs/LOG.md).

    Attributes:
        numbers: length of the vector; 0: no summary. The first two numbers are trained towards the facing direction
            (StageSettings.facing).
        widths: channels after each halving of the picture.
        norm: see `blocks.make_norm`.
    """

    numbers: int = 0
    widths: tuple[int, ...] = (24, 48, 64, 96)
    norm: str = "batch"

    def __post_init__(self) -> None:
        if self.numbers and self.numbers < 2:
            raise SettingsError(f"summary.numbers is {self.numbers}, expected 0 or at least 2")
        if not self.widths or min(self.widths) < 1:
            raise SettingsError(f"summary.widths is {self.widths}, expected positive widths")


class SummaryEncoder(nn.Module):
    """Encodes pictures (B, 3, H, W) to (B, numbers); H and W must be divisible by 2 ** len(widths)."""

    def __init__(self, config: SummaryConfig) -> None:
        super().__init__()
        first, *others = config.widths
        self.step = 2 ** len(config.widths)
        layers: list[nn.Module] = [
            nn.Conv2d(3, first, 4, stride=2, padding=1, bias=False), make_norm(config.norm, first), nn.ReLU(),
            ResidualBlock(first, config.norm),
        ]  # fmt: skip
        for before, width in zip(config.widths, others, strict=False):
            layers += [nn.Conv2d(before, width, 2, stride=2), ResidualBlock(width, config.norm)]
        self.trunk = nn.Sequential(*layers)
        # A grid of three by three cells keeps positions, which a mean over the whole map would lose.
        self.end = nn.Linear(9 * config.widths[-1], config.numbers)

    def forward(self, images: Tensor) -> Tensor:
        """Encode pictures (B, 3, H, W) to (B, numbers)."""
        check_sides(images, self.step)
        summary: Tensor = self.end(functional.adaptive_avg_pool2d(self.trunk(images), 3).flatten(1))
        return summary
