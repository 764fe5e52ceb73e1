"""Change training pictures together with their calibrations, so that the labels of points stay true.

Works on whole batches on the training device. A mirrored, scaled or shifted picture shows a mirrored, scaled or
shifted person; since that is a matrix A on view space, the calibration becomes A @ calibration and world points keep
their labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...core.arrays import F64
from ...core.errors import SettingsError

LARGEST = {"flip": 1.0, "scale": 0.5, "shift": 0.5, "colour": 0.5, "blur": 8.0, "background": 1.0, "relight": 1.0}
# Random backgrounds are a grid of this many random colours in each direction, interpolated smoothly.
PATCHES = 6


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """How far training pictures are changed; all 0 leaves them alone.

    Attributes:
        flip: probability of a mirror image.
        scale: the person grows or shrinks by up to this share.
        shift: the person moves right, left, up or down by up to this share of half the picture.
        colour: each channel's gain and the picture's gamma vary by up to this share (in the surface stage only: the
            texture network must predict colours as they are).
        blur: the largest sigma of a Gaussian blur, pixels.
        background: probability of a random background (smooth colours) instead of none; the picture is opaque then.
        relight: probability of another light, see datasets/loading/relight.py.
    """

    flip: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    colour: float = 0.0
    blur: float = 0.0
    background: float = 0.0
    relight: float = 0.0

    def __post_init__(self) -> None:
        for name, most in LARGEST.items():
            if not 0.0 <= getattr(self, name) <= most:
                raise SettingsError(f"augment.{name} {getattr(self, name)}: expected 0 to {most}")

    @property
    def moves(self) -> bool:
        """Whether pixels move."""
        return self.flip > 0 or self.scale > 0 or self.shift > 0


def augment(
    images: Tensor,
    calibrations: Tensor,
    settings: AugmentSettings,
    *,
    rng: np.random.Generator,
    rows: slice,
    count: int,
) -> tuple[Tensor, Tensor]:
    """Change a batch of pictures and their calibrations.

    Args:
        images: (B, 4, H, W) uint8 RGBA, straight alpha.
        calibrations: (B, 4, 4) float32, world metres to view space.
        settings: how far they are changed.
        rng: draws for the whole batch of all processes, so that their number does not matter.
        rows: which of the whole batch's `count` items these are.
        count: items of the whole batch.

    Returns:
        Pictures and calibrations of the same shapes and dtypes.
    """
    draws = rng.random((count, 8))[rows]
    if settings.moves:
        matrices = torch.from_numpy(_view_matrices(draws, settings)).to(images.device, torch.float32)
        images = _move(images, matrices)
        calibrations = matrices @ calibrations
    if settings.colour:
        gain = torch.from_numpy(1.0 + settings.colour * (2.0 * draws[:, 4:8] - 1.0)).to(images.device, torch.float32)
        images = _tint(images, gain)
    if settings.blur:
        sigma = torch.from_numpy(settings.blur * rng.random(count)[rows]).to(images.device, torch.float32)
        images = _blur(images, sigma, settings.blur)
    if settings.background:
        chosen = torch.from_numpy(rng.random(count)[rows] < settings.background).to(images.device)
        patches = torch.from_numpy(rng.random((count, 3, PATCHES, PATCHES))[rows]).to(images.device, torch.float32)
        images = torch.where(chosen[:, None, None, None], _before(images, patches), images)
    return images, calibrations


def _view_matrices(draws: F64, settings: AugmentSettings) -> F64:
    """(B, 4, 4) matrices on view space; depth scales with the person."""
    matrices = np.zeros((len(draws), 4, 4))
    scale = 1.0 + settings.scale * (2.0 * draws[:, 0] - 1.0)
    for axis in range(3):
        matrices[:, axis, axis] = scale
    matrices[:, 0, 0] *= np.where(draws[:, 1] < settings.flip, -1.0, 1.0)
    matrices[:, :2, 3] = settings.shift * (2.0 * draws[:, 2:4] - 1.0)
    matrices[:, 3, 3] = 1.0
    return matrices


def _move(images: Tensor, matrices: Tensor) -> Tensor:
    """Resample so that the content of view position p moves to A p; outside the old picture is empty background."""
    # Bilinear sampling mixes neighbours: only premultiplied colours may be mixed (see docs/conventions.md).
    premultiplied = _premultiply(images)
    back = torch.linalg.inv(matrices)[:, [0, 1]][:, :, [0, 1, 3]]
    grid = torch.nn.functional.affine_grid(back, list(images.shape), align_corners=False)
    return _straighten(torch.nn.functional.grid_sample(premultiplied, grid, align_corners=False))


def _premultiply(images: Tensor) -> Tensor:
    values = images.float()
    return torch.cat([values[:, :3] * values[:, 3:] / 255.0, values[:, 3:]], dim=1)


def _straighten(premultiplied: Tensor) -> Tensor:
    alpha = premultiplied[:, 3:] / 255.0
    colours = torch.where(alpha > 0, premultiplied[:, :3] / alpha.clamp(min=1e-6), 0.0)
    return torch.cat([colours, premultiplied[:, 3:]], dim=1).round().clamp(0, 255).to(torch.uint8)


def _blur(images: Tensor, sigma: Tensor, most: float) -> Tensor:
    """Blur by a Gaussian of (B,) sigmas in pixels, at most `most`; alpha, and so the outline, is blurred, too."""
    batch, reach = len(images), math.ceil(3.0 * most)
    offset = torch.arange(-reach, reach + 1, device=images.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offset / sigma.clamp(min=1e-3)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(4, dim=0)[:, None, None]
    values = _premultiply(images).reshape(1, 4 * batch, *images.shape[-2:])
    values = torch.nn.functional.conv2d(values, kernel, padding=(0, reach), groups=4 * batch)
    values = torch.nn.functional.conv2d(values, kernel.mT, padding=(reach, 0), groups=4 * batch)
    return _straighten(values.reshape(images.shape))


def _before(images: Tensor, patches: Tensor) -> Tensor:
    """Opaque pictures: the person in front of a smooth background of random colours (B, 3, P, P) in [0, 1]."""
    size = list(images.shape[-2:])
    ground = torch.nn.functional.interpolate(patches, size, mode="bicubic", align_corners=True).clamp(0.0, 1.0) * 255.0
    values = _premultiply(images)
    colours = values[:, :3] + ground * (1.0 - values[:, 3:] / 255.0)
    return torch.cat([colours.round().clamp(0, 255).to(torch.uint8), torch.full_like(images[:, 3:], 255)], dim=1)


def _tint(images: Tensor, gain: Tensor) -> Tensor:
    """Apply a gain to each channel and one gamma to all; `gain` (B, 4) holds factors around 1, the gamma last."""
    colours = (images[:, :3].float() / 255.0) ** gain[:, 3, None, None, None] * gain[:, :3, None, None]
    return torch.cat([(colours * 255.0).round().clamp(0, 255).to(torch.uint8), images[:, 3:]], dim=1)
