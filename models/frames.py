"""Square frames around the people of pictures: an encoder that works in them sees everybody equally large.

In a view cube of 2.5 m a person covers about an eighth of the picture, 20 x 43 of 64 x 64 pixels on average. In a frame
around the mask the same pixels show twice the area, at the same price. A frame is a change of scale and place along the
axes, so that it is applied by two products with narrow matrices, one for the rows and one for the columns, and what is
predicted in it returns to the picture in the same way.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .blocks import without_autocast

MARGIN = 1.12
"""Edge of a frame, in edges of the smallest square around the mask."""
LEAST, MOST = 0.2, 1.25
"""Smallest and largest half edge of a frame, in halves of the picture."""
# Pixels that are less opaque than this are not of the person.
_OPAQUE = 0.5
_DEPTHS = 2


def find_frames(alpha: Tensor) -> Tensor:
    """The frame of each picture.

    Args:
        alpha: (B, 1, H, W) float, 0 to 1.

    Returns:
        (B, 3) float32: x and y of the middle and half of the edge, in view space. That of a picture which shows nobody
        is the picture itself.
    """
    mask = alpha[:, 0].float() > _OPAQUE
    low, high = zip(*(_span(mask.any(dim=axis)) for axis in (1, 2)), strict=True)
    middle = torch.stack([(a + b) / 2 for a, b in zip(low, high, strict=True)], dim=1)
    longest = torch.maximum(high[0] - low[0], high[1] - low[1])
    frames = torch.cat([middle, (0.5 * MARGIN * longest).clamp(LEAST, MOST)[:, None]], dim=1)
    nobody = torch.tensor([0.0, 0.0, 1.0], device=alpha.device)
    return torch.where(mask.flatten(1).any(dim=1)[:, None], frames, nobody)


def _span(lit: Tensor) -> tuple[Tensor, Tensor]:
    """Where the first pixel of (B, n) bool that is true begins and the last one ends, (B,) each, from -1 to 1."""
    count = lit.shape[1]
    places = torch.arange(count, device=lit.device)
    first = torch.where(lit, places, count).amin(dim=1).float()
    last = torch.where(lit, places + 1, 0).amax(dim=1).float()
    return 2 * first / count - 1, 2 * last / count - 1


def into_frames(images: Tensor, frames: Tensor, size: int) -> Tensor:
    """Pictures (B, C, H, W), as their frames show them: (B, C, size, size), 0 beyond their borders."""
    scale, rows, columns = 1.0 / frames[:, 2], frames[:, 1], frames[:, 0]
    return _resample(images, size, (-rows * scale, -columns * scale), scale, beyond=0.0)


def out_of_frames(maps: Tensor, frames: Tensor, size: int) -> Tensor:
    """Maps (B, C, h, w) of frames in the pictures (B, C, size, size); beyond a frame, what is at its border."""
    return _resample(maps, size, (frames[:, 1], frames[:, 0]), frames[:, 2], beyond=1.0)


def depths_out_of_frames(maps: Tensor, frames: Tensor) -> Tensor:
    """Maps (B, C, h, w) with their two depths, the first channels, in units of the picture in place of the frame's."""
    scale = torch.ones_like(maps[:, :, :1, :1])
    scale[:, :_DEPTHS] = frames[:, 2, None, None, None].to(maps.dtype)
    return maps * scale


def landmarks_into_frames(landmarks: Tensor, frames: Tensor) -> Tensor:
    """Landmarks (B, 33, 7) with their places and depths in units of the frame; visibilities and metres stay."""
    middle = torch.cat([frames[:, :2], torch.zeros_like(frames[:, :1])], dim=1)
    placed = (landmarks[..., :3] - middle[:, None]) / frames[:, None, 2:]
    return torch.cat([placed, landmarks[..., 3:]], dim=-1)


def body_into_frames(body: Tensor, frames: Tensor, size: int) -> Tensor:
    """Depths and normals of a body (B, 8, H, W), depths NaN where there is none, in frames (B, 8, size, size)."""
    known = torch.isfinite(body[:, :1])
    shown = into_frames(torch.cat([torch.where(known, body, 0.0), known.to(body.dtype)], dim=1), frames, size)
    share = shown[:, -1:]
    values = torch.where(share > _OPAQUE, shown[:, :-1] / share.clamp(min=1e-6), torch.nan)
    scale = torch.ones_like(values[:, :, :1, :1])
    scale[:, :_DEPTHS] = 1.0 / frames[:, 2, None, None, None].to(values.dtype)
    values = values * scale
    return torch.cat([values[:, :_DEPTHS], values[:, _DEPTHS:].nan_to_num()], dim=1)


def _resample(images: Tensor, size: int, shifts: tuple[Tensor, Tensor], scale: Tensor, *, beyond: float) -> Tensor:
    """Pictures at other scales and places: position p of a picture (-1 to 1) goes to p * scale + shift."""
    # bfloat16 has 8 bits of mantissa, too few for depths and for places.
    with without_autocast(images.device):
        rows, columns = (
            _weights(side, size, shift, scale, beyond)[:, None]
            for side, shift in zip(images.shape[-2:], shifts, strict=True)
        )
        return rows @ images.float() @ columns.mT


def _weights(source: int, size: int, shift: Tensor, scale: Tensor, beyond: float) -> Tensor:
    """(B, size, source): the share of each old pixel in each new one.

    Linear interpolation between the middles of pixels; where the picture shrinks, the triangle is as wide as a new
    pixel, so that no old one is passed over. `beyond` is 1 where what lies beyond the picture looks like its border,
    and 0 where it is 0.
    """
    # The middles of the new pixels, in old pixels.
    middles = (2 * torch.arange(size, device=shift.device) + 1) / size - 1
    places = ((middles - shift[:, None]) / scale[:, None] + 1) * (source / 2) - 0.5
    width = (source / (size * scale)).clamp(min=1.0)[:, None, None]
    if beyond:
        places = places.clamp(0, source - 1)
    old = torch.arange(source, device=shift.device)
    shares = (1 - (places[:, :, None] - old).abs() / width).clamp(min=0)
    return shares / (shares.sum(dim=2, keepdim=True).clamp(min=1e-6) if beyond else width)
