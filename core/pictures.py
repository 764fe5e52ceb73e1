"""Alpha arithmetic of 8-bit pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from .arrays import U8


def straight_alpha(premultiplied: U8) -> U8:
    """(H, W, 4) uint8 straight-alpha copy of a premultiplied picture, contiguous; alpha 0 becomes (0, 0, 0, 0)."""
    picture = np.array(premultiplied, order="C")
    flat = picture.reshape(-1, 4)
    alpha = np.ascontiguousarray(flat[:, 3])
    partial = np.flatnonzero((alpha > 0) & (alpha < 255))
    edge = flat[partial].astype(np.float32)
    edge[:, :3] *= 255.0 / edge[:, 3:]
    flat[partial] = np.minimum(np.rint(edge), 255.0).astype(np.uint8)
    flat *= (alpha > 0)[:, None]
    return picture


# Behind pictures on a page of the report: the page's own colour; behind panels of people: grey.
BACKGROUND = (246, 244, 240)
LIGHT_GREY = (246, 246, 246)


def over_background(rgba: U8, background: tuple[int, int, int] = BACKGROUND) -> U8:
    """Lay a picture over a colour.

    Args:
        rgba: (H, W, 4) uint8, straight alpha.
        background: RGB of the colour, 0 to 255.

    Returns:
        (H, W, 3) uint8; exactly rounded, since no mean of two bytes by a byte lies half-way between two bytes.
    """
    alpha = rgba[..., 3:].astype(np.float32) / np.float32(255.0)
    blended = rgba[..., :3] * alpha + np.array(background, np.float32) * (1 - alpha)
    pixels: U8 = np.rint(blended).astype(np.uint8)
    return pixels


def resize(rgba: U8, size: int) -> U8:
    """(size, size, 4) uint8, with alpha premultiplied meanwhile, so that no dark rim appears."""
    if rgba.shape[0] == size:
        return rgba
    alpha = rgba[..., 3:].astype(np.float32) / 255.0
    channels = np.concatenate([rgba[..., :3] * alpha, alpha * 255.0], axis=2).astype(np.float32)
    filter_ = Image.Resampling.BOX if rgba.shape[0] % size == 0 else Image.Resampling.LANCZOS
    scaled = np.stack(
        [np.asarray(Image.fromarray(channels[..., c]).resize((size, size), filter_)) for c in range(4)], axis=2
    )
    cover = np.maximum(scaled[..., 3:], 1e-6) / 255.0
    straight = np.concatenate([scaled[..., :3] / cover, scaled[..., 3:]], axis=2)
    pixels: U8 = np.clip(np.rint(straight), 0, 255).astype(np.uint8)
    return pixels


def used_box(pictures: Sequence[U8], margin: float = 0.04) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of what is drawn in any of the equally large pictures, with a margin."""
    drawn = np.any([picture[..., 3] > 0 for picture in pictures], axis=0)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    height, width = drawn.shape
    if not len(rows):
        return 0, 0, height, width
    room = round(margin * height)
    return (
        max(int(rows[0]) - room, 0),
        max(int(columns[0]) - room, 0),
        min(int(rows[-1]) + room + 1, height),
        min(int(columns[-1]) + room + 1, width),
    )


def crop(picture: U8, box: tuple[int, int, int, int]) -> U8:
    """The part of a picture inside `used_box`'s answer."""
    top, left, bottom, right = box
    return picture[top:bottom, left:right]


def contact_sheet(pictures: Sequence[U8], columns: int, gap: int = 4) -> U8:
    """(H, W, 3) uint8: equally large RGBA pictures in rows."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = over_background(picture)
    return sheet


def average_areas(picture: U8, size: int) -> U8:
    """As Image.reduce for sizes that do not divide: pixels on a border count by the share that lies within."""
    stored = picture.shape[1]
    low, step = np.arange(size)[:, None] * (stored / size), stored / size
    pixel = np.arange(stored)[None]
    weights = (np.clip(np.minimum(pixel + 1, low + step) - np.maximum(pixel, low), 0, None) / step).astype(np.float32)
    alpha = picture[3:].astype(np.float32)
    premultiplied = np.concatenate([picture[:3] * alpha, alpha])
    mean = weights @ premultiplied @ weights.T
    colour = np.divide(mean[:3], mean[3:], out=np.zeros_like(mean[:3]), where=mean[3:] > 0)
    return np.asarray(np.clip(np.rint(np.concatenate([colour, mean[3:]])), 0, 255), np.uint8)


def side_by_side(panels: Sequence[U8]) -> U8:
    """Equally large panels in a row."""
    return np.concatenate(panels, axis=1)
