"""Change training pictures together with their calibrations, so that the labels of points stay true.

Works on whole batches on the training device. A mirrored, scaled or shifted picture shows a mirrored, scaled or
shifted person; since that is a matrix A on view space, the calibration becomes A @ calibration and world points keep
their labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...core.arrays import F32, F64
from ...core.errors import SettingsError
from .backgrounds import Backgrounds
from .mask_damage import damage_masks
from .pixels import blur_channels, premultiply, smooth_colours, straighten, upload

LARGEST = {
    "flip": 1.0, "scale": 0.5, "grow": 1.0, "shift": 0.5, "colour": 0.5, "blur": 8.0, "background": 1.0,
    "relight": 1.0, "mask_holes": 1.0, "mask_halo": 1.0, "mask_soft": 1.0, "mask_cut": 1.0,
}  # fmt: skip
# Random backgrounds are a grid of this many random colours in each direction, interpolated smoothly.
PATCHES = 6


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """How far training pictures are changed; all 0 leaves them alone.

    Attributes:
        flip: probability of a mirror image.
        scale: the person grows or shrinks by up to this share.
        grow: the person grows by up to this share besides, most often by little: a person who sits and is taken for one
            who stands is framed 1.4 times as large.
        shift: the person moves right, left, up or down by up to this share of half the picture.
        colour: each channel's gain and the picture's gamma vary by up to this share (in the surface stage only: the
            texture network must predict colours as they are).
        blur: the largest sigma of a Gaussian blur, pixels.
        background: probability of a random background (smooth colours) instead of none; the picture is opaque then.
        relight: probability of another light, see datasets/loading/relight.py.
        mask_holes: probability of holes in the mask, see datasets/loading/mask_damage.py.
        mask_halo: probability of a mask that is too large or too small somewhere.
        mask_soft: probability of a blurred mask.
        mask_cut: probability that the mask lacks a hand, a foot or more.
        backgrounds: folder of photographs that stand behind people, where `background` is drawn and where a damaged
            mask shows more than the person; empty: smooth random colours do.
    """

    flip: float = 0.0
    scale: float = 0.0
    grow: float = 0.0
    shift: float = 0.0
    colour: float = 0.0
    blur: float = 0.0
    background: float = 0.0
    relight: float = 0.0
    mask_holes: float = 0.0
    mask_halo: float = 0.0
    mask_soft: float = 0.0
    mask_cut: float = 0.0
    backgrounds: str = ""

    def __post_init__(self) -> None:
        for name, most in LARGEST.items():
            if not 0.0 <= getattr(self, name) <= most:
                raise SettingsError(f"augment.{name} {getattr(self, name)}: expected 0 to {most}")
        if self.backgrounds and not (self.background or self.mask_damage):
            raise SettingsError(
                "augment.backgrounds: nothing shows a background; set augment.background, or a damage to masks such as "
                "augment.mask_halo"
            )

    @property
    def moves(self) -> bool:
        """Whether pixels move."""
        return self.flip > 0 or self.scale > 0 or self.grow > 0 or self.shift > 0

    @property
    def mask_damage(self) -> dict[str, float]:
        """Probability of each kind of damage to masks; empty where there is none."""
        shares = {"holes": self.mask_holes, "halo": self.mask_halo, "soft": self.mask_soft, "cut": self.mask_cut}
        return shares if any(shares.values()) else {}


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

    Raises:
        InputError: the folder of backgrounds is missing, or holds nothing that can be read.
    """
    draws = rng.random((count, 8))[rows]
    if settings.moves:
        grown = 1.0 + settings.grow * (rng.random(count)[rows] ** 2 if settings.grow else 0.0)
        matrices = np.asarray(_view_matrices(draws, settings, grown), np.float32)
        images = _move(images, _back(matrices, images.device))
        calibrations = upload(matrices, images.device) @ calibrations
    if settings.colour:
        images = _tint(images, upload(1.0 + settings.colour * (2.0 * draws[:, 4:8] - 1.0), images.device))
    if settings.blur:
        sigma = upload(settings.blur * rng.random(count)[rows], images.device)
        images = straighten(blur_channels(premultiply(images), sigma, settings.blur))
    ground: Tensor | None = None
    if settings.backgrounds:
        photographs = open_backgrounds(settings.backgrounds)
        ground = photographs.draw(rng, rows, count, images.shape[-1]).to(images.device)
    if settings.mask_damage:
        images = damage_masks(images, settings.mask_damage, rng=rng, rows=rows, count=count, ground=ground)
    if settings.background:
        chosen = upload(rng.random(count)[rows] < settings.background, images.device)
        patches = upload(rng.random((count, 3, PATCHES, PATCHES))[rows], images.device)
        behind = smooth_colours(patches, images.shape[-2:]) if ground is None else ground
        images = torch.where(chosen[:, None, None, None], _before(images, behind), images)
    return images, calibrations


@lru_cache(maxsize=2)
def open_backgrounds(folder: str) -> Backgrounds:
    """The photographs of a folder, listed once in a process.

    Raises:
        InputError: see `Backgrounds`.
    """
    return Backgrounds(Path(folder))


def _view_matrices(draws: F64, settings: AugmentSettings, grown: F64 | float) -> F64:
    """(B, 4, 4) matrices on view space; depth scales with the person."""
    matrices = np.zeros((len(draws), 4, 4))
    scale = (1.0 + settings.scale * (2.0 * draws[:, 0] - 1.0)) * grown
    for axis in range(3):
        matrices[:, axis, axis] = scale
    matrices[:, 0, 0] *= np.where(draws[:, 1] < settings.flip, -1.0, 1.0)
    matrices[:, :2, 3] = settings.shift * (2.0 * draws[:, 2:4] - 1.0)
    matrices[:, 3, 3] = 1.0
    return matrices


def _back(matrices: F32, device: torch.device) -> Tensor:
    """(B, 2, 3): where a pixel of the moved picture comes from, for matrices A (B, 4, 4) on view space.

    They are inverted before they are uploaded: on a GPU the inversion would wait for all that was begun before it.
    """
    inverse = torch.linalg.inv(torch.from_numpy(matrices)).numpy()
    return upload(inverse[:, [0, 1]][:, :, [0, 1, 3]], device)


def _move(images: Tensor, back: Tensor) -> Tensor:
    """Resample so that the content of view position p moves to A p; outside the old picture is empty background."""
    # Bilinear sampling mixes neighbours: only premultiplied colours may be mixed (see docs/conventions.md).
    premultiplied = premultiply(images)
    grid = torch.nn.functional.affine_grid(back, list(images.shape), align_corners=False)
    return straighten(torch.nn.functional.grid_sample(premultiplied, grid, align_corners=False))


def _before(images: Tensor, ground: Tensor) -> Tensor:
    """Opaque pictures: the person in front of a background (B, 3, H, W) in [0, 1]."""
    values = premultiply(images)
    colours = values[:, :3] + 255.0 * ground * (1.0 - values[:, 3:] / 255.0)
    return torch.cat([colours.round().clamp(0, 255).to(torch.uint8), torch.full_like(images[:, 3:], 255)], dim=1)


def _tint(images: Tensor, gain: Tensor) -> Tensor:
    """Apply a gain to each channel and one gamma to all; `gain` (B, 4) holds factors around 1, the gamma last."""
    colours = (images[:, :3].float() / 255.0) ** gain[:, 3, None, None, None] * gain[:, :3, None, None]
    return torch.cat([(colours * 255.0).round().clamp(0, 255).to(torch.uint8), images[:, 3:]], dim=1)
