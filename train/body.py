"""Bodies in training: the known body with the noise of a body that was guessed, and left out now and then."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..core.checks import check_ranges
from ..core.errors import SettingsError
from ..datasets.loading.body import KNOWN
from ..datasets.loading.pixels import upload

# The noise is a field over the picture: so many random numbers along each side, interpolated smoothly. A limb has one
# or two of them, so that it moves as a whole.
_PATCHES = 6


@dataclass(frozen=True, kw_only=True)
class BodySettings:
    """How bodies are given to a network that reads them, in training; validation gives them as they are.

    Attributes:
        left_out: share of the views whose body is left out, so that the network works without one, too.
        depth_noise: greatest standard deviation of the depth of a known body, halves of the view cube: of the whole
            body, and besides of each part of it; each view's is drawn between 0 and this.
        shift_noise: the same of places in the picture, halves of the picture.
    """

    left_out: float = 1 / 3
    depth_noise: float = 0.05
    shift_noise: float = 0.02

    def __post_init__(self) -> None:
        check_ranges(self, left_out=(0.0, 1.0), depth_noise=(0.0, 1.0), shift_noise=(0.0, 0.5))


def check_known(held: Collection[str]) -> None:
    """Check that shards hold the layers of the known body.

    Raises:
        SettingsError: they do not.
    """
    if not set(KNOWN) <= set(held):
        raise SettingsError(
            f"the shards hold {'the layers ' + ', '.join(held) if held else 'no layers'}, and encoder.body=known needs "
            f"{', '.join(KNOWN)}; render and sample with --layers {' '.join(KNOWN)} (of people whose body is known, "
            "docs/labels.md)"
        )


def disturb_body(
    body: Tensor, settings: BodySettings, *, noisy: bool, rng: np.random.Generator, rows: slice, count: int
) -> Tensor:
    """Leave out the bodies of some views of a batch, and move and bend the others.

    Args:
        body: (B, 8, H, W) float32; NaN where there is none (`datasets.loading.body.body_maps`).
        settings: how often, and how much.
        noisy: whether there is noise; a fitted body has errors of its own.
        rng: draws for the whole batch of all processes, so that their number does not matter.
        rows: which of the whole batch's `count` items these are.
        count: items of the whole batch.

    Returns:
        (B, 8, H, W) float32, NaN where there is no body any more. Noise bends the depths of front and back alike, and
        moves normals without turning them.
    """
    device, size = body.device, body.shape[-1]
    draws = rng.random((count, 3))[rows]
    left_out = upload(draws[:, 0] < settings.left_out, device)[:, None, None, None]
    if noisy:
        whole = rng.standard_normal((count, 1, 1, 1))[rows]
        parts = rng.standard_normal((count, 3, _PATCHES, _PATCHES))[rows]
        depth, shift = (limit * draws[:, place, None, None, None] for limit, place in (
            (settings.depth_noise, 1), (settings.shift_noise, 2)
        ))  # fmt: skip
        fields = np.concatenate([depth * (parts[:, :1] + whole), shift * parts[:, 1:]], axis=1)
        smooth = functional.interpolate(upload(fields, device), size=(size, size), mode="bicubic", align_corners=True)
        body = _moved(body, smooth[:, 1:])
        body = torch.cat([body[:, :2] + smooth[:, :1], body[:, 2:]], dim=1)
    return torch.where(left_out, math.nan, body)


def _moved(body: Tensor, shift: Tensor) -> Tensor:
    """Bodies (B, 8, H, W) resampled at places (B, 2, H, W) farther right and down, halves of the picture."""
    middle = (2.0 * torch.arange(body.shape[-1], device=body.device) + 1.0) / body.shape[-1] - 1.0
    grid = torch.stack(torch.meshgrid(middle, middle, indexing="xy"), dim=-1) + shift.permute(0, 2, 3, 1)
    # The nearest pixel: between two surfaces, or beside the body, there is nothing to average.
    shown = torch.isfinite(body[:, :1]).float()
    stack = torch.cat([body.nan_to_num(), shown], dim=1)
    found = functional.grid_sample(stack, grid.to(stack.dtype), mode="nearest", align_corners=False)
    return torch.where(found[:, -1:] > 0, found[:, :-1], math.nan)
