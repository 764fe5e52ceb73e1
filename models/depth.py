"""The encoding of depth for the head: one number, or MonoPort's Soft-Z."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import SettingsError

PLAIN_SCALE = 1.28
"""PIFu multiplies z by (512 / 2) / 200 (its `DepthNormalizer`)."""


@dataclass(frozen=True, kw_only=True)
class DepthConfig:
    """How depth is encoded.

    Attributes:
        kind: "soft" (Soft-Z) or "plain".
        bins: length N of the Soft-Z vector, at least 2; the paper uses 64.
    """

    kind: str = "soft"
    bins: int = 64

    def __post_init__(self) -> None:
        if self.kind not in ("soft", "plain"):
            raise SettingsError(f"depth.kind {self.kind!r}: expected soft or plain")
        if self.bins < 2:
            raise SettingsError(f"depth.bins {self.bins}: expected at least 2")

    @property
    def channels(self) -> int:
        """Number of values that encode the depth of a point."""
        return self.bins if self.kind == "soft" else 1


def soft_z(z: Tensor, bins: int) -> Tensor:
    """Soft-Z: depth as weights of the two nearest of N bins (Li et al., ECCV 2020, after Fu et al., CVPR 2018).

    With t = (z + 1) / 2 * (N - 1), bin floor(t) gets 1 - frac(t) and bin floor(t) + 1 gets frac(t). For an integer t,
    one bin has the weight 1. The weights sum to 1 everywhere.

    Args:
        z: (...) view-space depth; clamped to [-1, 1].
        bins: number of bins, N.

    Returns:
        (..., N) in [0, 1].
    """
    position = (z.float().clamp(-1.0, 1.0) + 1.0) * (0.5 * (bins - 1))
    low = position.floor().clamp(max=bins - 2)
    share = (position - low)[..., None]
    index = low.long()[..., None]
    weights = torch.zeros(*z.shape, bins, dtype=position.dtype, device=z.device)
    return weights.scatter(-1, index, 1.0 - share).scatter(-1, index + 1, share)


def encode_depth(z: Tensor, config: DepthConfig) -> Tensor:
    """Encode view-space depths (B, N) to (B, N, config.channels)."""
    return soft_z(z, config.bins) if config.kind == "soft" else z.float()[..., None] * PLAIN_SCALE
