"""Alpha arithmetic of 8-bit pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import U8, Bools

# Pixels with at least this alpha belong to the person.
MASK_LEVEL = 128


def mask_of(picture: U8) -> Bools:
    """The pixels (H, W) bool of a picture (H, W, 4) uint8 that belong to the person."""
    mask: Bools = picture[..., 3] >= MASK_LEVEL
    return mask


def straight_alpha(premultiplied: U8) -> U8:
    """Undo premultiplication: a contiguous (H, W, 4) uint8 copy with straight alpha; alpha 0 becomes (0, 0, 0, 0)."""
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


def over_background(rgba: U8, background: tuple[int, int, int] | U8 = BACKGROUND) -> U8:
    """Lay a picture over a colour, or over another picture.

    Args:
        rgba: (H, W, 4) uint8, straight alpha.
        background: RGB of the colour, 0 to 255, or a picture (H, W, 3) uint8.

    Returns:
        (H, W, 3) uint8; exactly rounded, since no mean of two bytes by a byte lies half-way between two bytes.
    """
    alpha = rgba[..., 3:].astype(np.float32) / np.float32(255.0)
    blended = rgba[..., :3] * alpha + np.array(background, np.float32) * (1 - alpha)
    pixels: U8 = np.rint(blended).astype(np.uint8)
    return pixels


def resample(rgba: U8, size: int, box: tuple[float, float, float, float] | None = None) -> U8:
    """Show a part of a picture at another size.

    Where it shrinks, areas are averaged exactly: a pixel on a border counts by the share that lies within. (Pillow's
    BOX counts it whole or not at all, its LANCZOS overshoots at edges.) Where it grows, values are interpolated
    linearly between the middles of pixels. Alpha is premultiplied meanwhile, so that no background bleeds in.

    Args:
        rgba: (H, W, 4) uint8, straight alpha.
        size: pixels along each side of the result.
        box: left, top, right and bottom of the part, in pixels from the picture's upper left corner; fractions are
            exact, and what lies beyond the picture is transparent. None: the whole picture.

    Returns:
        (size, size, 4) uint8, straight alpha, contiguous; (0, 0, 0, 0) where alpha rounds to 0.
    """
    height, width = rgba.shape[:2]
    left, top, right, bottom = (0.0, 0.0, float(width), float(height)) if box is None else box
    if (left, top, right, bottom) == (0, 0, width, height) == (0, 0, size, size):
        return np.ascontiguousarray(rgba)
    rows, columns = _axis_weights(height, size, top, bottom), _axis_weights(width, size, left, right)
    first_row, last_row = _used_range(rows)
    first_column, last_column = _used_range(columns)
    part = rgba[first_row:last_row, first_column:last_column].astype(np.float32)
    part[..., :3] *= part[..., 3:]
    across = part.shape[1]
    short = (rows[:, first_row:last_row] @ part.reshape(len(part), -1)).reshape(size, across, 4)
    short = short.transpose(1, 0, 2).reshape(across, size * 4)
    mean = (columns[:, first_column:last_column] @ short).reshape(size, size, 4).transpose(1, 0, 2)
    alpha = mean[..., 3:]
    colour = np.divide(mean[..., :3], alpha, out=np.zeros_like(mean[..., :3]), where=alpha > 0.5)
    pixels: U8 = np.clip(np.rint(np.concatenate([colour, alpha], axis=2)), 0, 255).astype(np.uint8)
    return pixels


def _axis_weights(stored: int, size: int, low: float, high: float) -> Any:
    """(size, stored) sparse float32: what each stored pixel adds to each of `size` pixels between `low` and `high`."""
    from scipy.sparse import csr_array  # slow to import

    step = (high - low) / size
    if step >= 1:
        begin = low + step * np.arange(size)[:, None]
        pixel = np.floor(begin).astype(np.int64) + np.arange(int(np.ceil(step)) + 1)
        share = np.minimum(pixel + 1, begin + step) - np.maximum(pixel, begin)
        weights = np.clip(share, 0.0, None) / step
        weights[(pixel < 0) | (pixel >= stored)] = 0.0
    else:
        middle = low + step * (np.arange(size)[:, None] + 0.5)
        before = np.floor(middle - 0.5).astype(np.int64)
        after = middle - 0.5 - before
        pixel = np.concatenate([before, before + 1], axis=1)  # beyond an edge the edge's own pixel continues
        weights = np.concatenate([1.0 - after, after], axis=1) * ((middle >= 0) & (middle <= stored))
    starts = np.arange(size + 1) * pixel.shape[1]
    columns = np.clip(pixel, 0, stored - 1).ravel()
    return csr_array((weights.astype(np.float32).ravel(), columns, starts), shape=(size, stored))


def _used_range(weights: Any) -> tuple[int, int]:
    """First and last (exclusive) column of a sparse matrix that is used; one column where none is."""
    used = weights.indices[weights.data != 0]
    return (int(used.min()), int(used.max()) + 1) if len(used) else (0, 1)


def used_box(pictures: Sequence[U8], margin: float = 0.04) -> tuple[int, int, int, int]:
    """Find the box (top, left, bottom, right) of all that is drawn in any of several equally large pictures.

    Args:
        pictures: (H, W, 4) uint8 each.
        margin: added on each side, as a share of the height.
    """
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
    """Cut out the box that `used_box` returned."""
    top, left, bottom, right = box
    return picture[top:bottom, left:right]


def contact_sheet(pictures: Sequence[U8], columns: int, gap: int = 4) -> U8:
    """Arrange equally large RGBA pictures in rows, (H, W, 3) uint8, `gap` white pixels apart."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = over_background(picture)
    return sheet


def side_by_side(panels: Sequence[U8]) -> U8:
    """Put equally large panels next to one another."""
    return np.concatenate(panels, axis=1)
