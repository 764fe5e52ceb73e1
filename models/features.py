"""The output of an encoder: feature maps that are aligned with the picture, and how points read them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class PixelFeatures:
    """Feature maps of a batch of pictures. A network keeps no state, so one encoding serves many queries.

    Attributes:
        stacks: maps (B, C, h, w), one for each supervised stage of the encoder; the last one is the result.
        fine: an optional early map (B, C', 2h, 2w), which is read together with each stack (PIFu's `skip_hourglass`).
        summary: the vector (B, S) that `with_summary` added to the stacks; used in training alone.
        maps: predicted depth and normals of both sides (B, 8, h, w) of each level, see models/maps.py; used in training
            alone, and empty from other encoders.
    """

    stacks: tuple[Tensor, ...]
    fine: Tensor | None = None
    summary: Tensor | None = None
    maps: tuple[Tensor, ...] = ()

    def with_summary(self, summary: Tensor) -> PixelFeatures:
        """The same maps with a vector of the whole picture, (B, S), added to every pixel of each stack."""
        stacks = tuple(
            torch.cat([stack, summary[:, :, None, None].expand(-1, -1, *stack.shape[2:]).to(stack.dtype)], dim=1)
            for stack in self.stacks
        )
        return replace(self, stacks=stacks, summary=summary)

    def last(self) -> PixelFeatures:
        """Only the result of the encoder, which is all that a query outside training needs."""
        return PixelFeatures(stacks=self.stacks[-1:], fine=self.fine)

    def sample(self, xy: Tensor, *, align_corners: bool = False) -> list[Tensor]:
        """Features (B, N, C + C') of view-space points (B, N, 2), for each stack; see `sample_map`."""
        read = [_sample(stack, xy, align_corners) for stack in self.stacks]
        if self.fine is not None:
            fine = _sample(self.fine, xy, align_corners)
            read = [torch.cat([pixel, fine.to(pixel.dtype)], dim=1) for pixel in read]
        return [pixel.transpose(1, 2) for pixel in read]


def project_points(points: Tensor, calibrations: Tensor) -> Tensor:
    """Take world points to view space.

    Args:
        points: (B, N, 3) world, metres.
        calibrations: (B, 4, 4) world to view space. The fourth row is (0, 0, 0, 1) for an orthographic camera. Any
            other row is that of a perspective camera: x, y and z are divided by its product with the point.

    Returns:
        (B, N, 3) float32: x to the right and y down, as `grid_sample` expects them, z away from the camera.
    """
    assert points.shape[2:] == (3,), f"points {tuple(points.shape)}, expected (B, N, 3)"
    assert calibrations.shape == (points.shape[0], 4, 4), f"calibrations {tuple(calibrations.shape)}"
    # bfloat16 has 8 bits of mantissa, 1/256 of the picture, so positions stay float32 under autocast.
    with torch.autocast(device_type=points.device.type, enabled=False):
        matrix = calibrations.float()
        homogeneous = torch.baddbmm(matrix[:, None, :, 3], points.float(), matrix[:, :, :3].transpose(1, 2))
        return homogeneous[..., :3] / homogeneous[..., 3:]


def inside_cube(points_view: Tensor) -> Tensor:
    """Which points (B, N, 3) lie in the cube [-1, 1]^3, (B, N) bool; a network is trained there alone."""
    return (points_view.abs() <= 1.0).all(dim=-1)


def sample_map(features: Tensor, xy: Tensor, *, align_corners: bool = False) -> Tensor:
    """Bilinear samples of a map at view-space positions.

    Args:
        features: (B, C, h, w); the centre of cell (i, j) is at ((2j+1)/w - 1, (2i+1)/h - 1), like that of a pixel.
        xy: (B, N, 2) in [-1, 1]; positions beyond the centres of the border cells get the value at the border.
        align_corners: whether the centres of the border cells are at -1 and 1 instead, as PIFu's networks read maps.

    Returns:
        (B, N, C).
    """
    return _sample(features, xy, align_corners).transpose(1, 2)


def _sample(features: Tensor, xy: Tensor, align_corners: bool) -> Tensor:
    """The samples of `sample_map`, (B, C, N)."""
    maps = features if features.dtype == torch.float64 else features.float()
    # One row of N positions: a CPU takes eight of a row at once. Of N rows of one position, which are columns of points
    # (B, N, 3) as well, it takes one by one, for up to ten times the price (benchmarks/point_query.py).
    grid = xy.to(maps.dtype)[:, None]
    samples = functional.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=align_corners)
    return samples[:, :, 0]


def normalise_images(rgba: Tensor) -> Tensor:
    """Turn RGBA pictures into the input of a network.

    Args:
        rgba: (B, 4, H, W) uint8, sRGB, straight alpha.

    Returns:
        (B, 4, H, W) float32: three colours, scaled to [-1, 1] and multiplied by alpha, so that the background is 0;
        then alpha in [0, 1]. Encoders of colours alone are given the first three.
    """
    assert rgba.shape[1:2] == (4,), f"pictures {tuple(rgba.shape)}, expected (B, 4, H, W)"
    assert rgba.dtype == torch.uint8, f"pictures are {rgba.dtype}, expected uint8"
    values = rgba.float() / 255.0
    return torch.cat([(values[:, :3] * 2.0 - 1.0) * values[:, 3:], values[:, 3:]], dim=1)
