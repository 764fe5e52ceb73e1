"""Damage the masks of training pictures as those of photographs are: holes, halos, soft edges, limbs cut off.

Pictures that were rendered have perfect masks, and a network that has seen no others takes the first hole for a real
one. Only the picture changes: points keep their labels and layers their values, also where the mask has lost them. What
a mask shows beyond the person is a background of smooth random colours, or a photograph (backgrounds.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...core.arrays import I64
from .pixels import blur_channels, premultiply, upload

# In edges of the picture: half axes of holes, and how far a mask grows or shrinks.
HOLE = (0.015, 0.07)
HALO = 0.02
# The largest sigma of a blurred mask, in edges of the picture.
SOFT = 0.02
# The largest part of a person's length that is cut off.
CUT = 0.2
HOLES = 3
# Colours of the background in each direction.
PATCHES = 4


def damage_masks(
    images: Tensor,
    shares: dict[str, float],
    *,
    rng: np.random.Generator,
    rows: slice,
    count: int,
    ground: Tensor | None = None,
) -> Tensor:
    """Damage the masks of some pictures of a batch.

    Args:
        images: (B, 4, H, W) uint8 RGBA, straight alpha.
        shares: probability of each kind of damage: "holes", "halo", "soft" and "cut".
        rng: draws for the whole batch of all processes, so that their number does not matter.
        rows: which of the whole batch's `count` items these are.
        count: items of the whole batch.
        ground: (B, 3, H, W) float32 from 0 to 1, what is behind the people; None for smooth random colours.

    Returns:
        Pictures of the same shape and dtype.
    """
    chosen = {kind: rng.random(count)[rows] < share for kind, share in shares.items()}
    draws, patches = rng.random((count, 6 * HOLES))[rows], rng.random((count, 3, PATCHES, PATCHES))[rows]
    noise = rng.random((count, 1, PATCHES, PATCHES))[rows]
    some = np.flatnonzero(np.any(list(chosen.values()), axis=0))
    if not len(some):
        return images
    index = _rows(some, images)
    part = images[index]
    alpha = part[:, 3:].float() / 255.0
    for kind, change in (("cut", _cut), ("holes", _holes), ("soft", _soft), ("halo", _halo)):
        concerned = np.flatnonzero(chosen[kind][some])
        if len(concerned):
            these = _rows(concerned, images)
            drawn = (upload(values[some[concerned]], images.device) for values in (draws, noise))
            alpha = alpha.index_copy(0, these, change(alpha[these], *drawn))
    if ground is None:
        behind = _spread(upload(patches[some], images.device), alpha.shape[-2:])
    else:
        behind = ground[index]
    values = premultiply(part)
    colours = torch.where(alpha > 0, values[:, :3] + behind * 255.0 * (1.0 - values[:, 3:] / 255.0), 0.0)
    damaged = torch.cat([colours, alpha * 255.0], dim=1).round().clamp(0, 255).to(torch.uint8)
    result = images.clone()
    result[index] = damaged
    return result


def _rows(chosen: I64, images: Tensor) -> Tensor:
    """Row numbers on the device of the pictures."""
    host = torch.from_numpy(chosen)
    return host.pin_memory().to(images.device, non_blocking=True) if images.is_cuda else host


def _spread(values: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, H, W) between the values (B, C, P, P) of a grid; cubic ones take three times as long."""
    return torch.nn.functional.interpolate(values, list(size), mode="bilinear", align_corners=True)


def _places(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (H, 1) and columns (1, W) of pixels, in edges of the picture."""
    height, width = alpha.shape[-2:]
    rows = (torch.arange(height, device=alpha.device, dtype=torch.float32) + 0.5) / height
    columns = (torch.arange(width, device=alpha.device, dtype=torch.float32) + 0.5) / width
    return rows[:, None], columns[None]


def _holes(alpha: Tensor, draws: Tensor, _: Tensor) -> Tensor:
    """One to HOLES ellipses without alpha, around random pixels of the person. `draws` (B, 6 HOLES) in [0, 1]."""
    rows, columns = _places(alpha)
    flat = (alpha > 0.5).flatten(1).float().cumsum(dim=1)
    result = alpha
    for number in range(HOLES):
        pick, long, short, turn, wanted, _unused = draws[:, 6 * number : 6 * number + 6].unbind(dim=1)
        pixel = torch.searchsorted(flat, (pick * flat[:, -1])[:, None], right=True)[:, 0].clamp(max=flat.shape[1] - 1)
        down = rows[pixel // alpha.shape[-1], 0][:, None, None]
        right = columns[0, pixel % alpha.shape[-1]][:, None, None]
        cosine, sine = torch.cos(3.1416 * turn)[:, None, None], torch.sin(3.1416 * turn)[:, None, None]
        first, second = (HOLE[0] + (HOLE[1] - HOLE[0]) * share[:, None, None] for share in (long, short))
        x, y = columns - right, rows - down
        inside = ((x * cosine + y * sine) / first) ** 2 + ((y * cosine - x * sine) / second) ** 2 < 1.0
        if number:
            inside = inside & (wanted < 0.5)[:, None, None]
        result = torch.where(inside[:, None], 0.0, result)
    return result


def _cut(alpha: Tensor, draws: Tensor, _: Tensor) -> Tensor:
    """What lies furthest in a random direction is cut off: a foot, a hand, the top of the head."""
    rows, columns = _places(alpha)
    angle = 6.2832 * draws[:, 5, None, None]
    along = columns * torch.cos(angle) + rows * torch.sin(angle)
    person = alpha[:, 0] > 0.5
    far = torch.where(person, along, -10.0).amax(dim=(1, 2))
    near = torch.where(person, along, 10.0).amin(dim=(1, 2))
    limit = far - CUT * draws[:, 11] * (far - near).clamp(min=0.0)
    return torch.where((along > limit[:, None, None])[:, None], 0.0, alpha)


def _soft(alpha: Tensor, draws: Tensor, _: Tensor) -> Tensor:
    """The mask blurred by a Gaussian."""
    most = SOFT * alpha.shape[-1]
    return blur_channels(alpha, most * draws[:, 17], most)


def _halo(alpha: Tensor, draws: Tensor, noise: Tensor) -> Tensor:
    """The mask grown or shrunk, on one side or all around: where smooth noise through (B, 1, P, P) values is large."""
    most = max(1, round(HALO * alpha.shape[-1]))
    steps, grow, around = (draws[:, number, None, None, None] for number in (3, 9, 15))
    # Thin limbs would vanish from masks that shrink as far as others grow.
    far = most * torch.where(grow < 0.7, steps, steps / 3)
    changed = torch.where(grow < 0.7, alpha, -alpha)
    for step in range(most):
        grown = torch.nn.functional.max_pool2d(changed, 3, stride=1, padding=1)
        changed = torch.where(step + 0.5 < far, grown, changed)
    return torch.where(_spread(noise, alpha.shape[-2:]) > 0.6 * around, changed.abs(), alpha)
