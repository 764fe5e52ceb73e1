"""What an encoder returns: feature maps aligned with the picture, and how points read them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class PixelFeatures:
    """Feature maps of a batch of pictures; a network keeps none of it, so one encoding serves many queries.

    Attributes:
        stacks: maps (B, C, h, w), one for each supervised stage of the encoder; the last is the result.
        fine: an optional early map (B, C', 2h, 2w) read beside each stack (PIFu's `skip_hourglass`).
        summary: what `with_summary` put into the stacks, for training alone.
    """

    stacks: tuple[Tensor, ...]
    fine: Tensor | None = None
    summary: Tensor | None = None

    def with_summary(self, summary: Tensor) -> PixelFeatures:
        """Each stack with a vector of the whole picture, (B, S), at every pixel."""
        stacks = tuple(
            torch.cat([stack, summary[:, :, None, None].expand(-1, -1, *stack.shape[2:]).to(stack.dtype)], dim=1)
            for stack in self.stacks
        )
        return PixelFeatures(stacks=stacks, fine=self.fine, summary=summary)

    def last(self) -> PixelFeatures:
        """Only the result, which is all that a query outside training needs."""
        return PixelFeatures(stacks=self.stacks[-1:], fine=self.fine)

    def sample(self, xy: Tensor) -> list[Tensor]:
        """Features at view-space points: (B, N, 2) -> one (B, N, C + C') for each stack; see `sample_map`."""
        if self.fine is None:
            return [sample_map(stack, xy) for stack in self.stacks]
        fine = sample_map(self.fine, xy)
        return [torch.cat([sample_map(stack, xy), fine.to(stack.dtype)], dim=-1) for stack in self.stacks]


def project_points(points: Tensor, calibrations: Tensor) -> Tensor:
    """World points to view space.

    Args:
        points: (B, N, 3) world, metres.
        calibrations: (B, 4, 4) world to view. The fourth row is (0, 0, 0, 1) for an orthographic camera; any other
            row is a perspective one, and x, y, z are divided by it.

    Returns:
        (B, N, 3) float32: x right and y down as `grid_sample` wants them, z away from the camera.
    """
    assert points.shape[2:] == (3,), f"points {tuple(points.shape)}, expected (B, N, 3)"
    assert calibrations.shape == (points.shape[0], 4, 4), f"calibrations {tuple(calibrations.shape)}"
    # Half precision has 8 bits of mantissa: 1/256 of the picture. Positions stay float32 under autocast.
    with torch.autocast(device_type=points.device.type, enabled=False):
        matrix = calibrations.float()
        homogeneous = torch.baddbmm(matrix[:, None, :, 3], points.float(), matrix[:, :, :3].transpose(1, 2))
        return homogeneous[..., :3] / homogeneous[..., 3:]


def inside_cube(points_view: Tensor) -> Tensor:
    """(B, N, 3) -> (B, N) bool: within [-1, 1]^3, the only place a network is asked about."""
    return (points_view.abs() <= 1.0).all(dim=-1)


def sample_map(features: Tensor, xy: Tensor) -> Tensor:
    """Bilinear samples of a map at view-space positions.

    Args:
        features: (B, C, h, w); cell (i, j) has its centre at ((2j+1)/w - 1, (2i+1)/h - 1), like a pixel.
        xy: (B, N, 2) in [-1, 1]; beyond the centres of the border cells the border value holds.

    Returns:
        (B, N, C).
    """
    maps = features if features.dtype == torch.float64 else features.float()
    grid = xy[:, :, None].to(maps.dtype)
    samples = functional.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return samples[..., 0].transpose(1, 2)


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
