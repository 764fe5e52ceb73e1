"""Pictures and layers in shards: a PNG of the box around the person, lossless, with few pixels to decode."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ...core.arrays import U8, U16, Array, Bools
from ...core.pictures import resample
from ...formats.png import decode_png, decode_png_exact, encode_png_rows

Box = tuple[int, int, int, int]


def crop_png(data: bytes) -> tuple[bytes, Box, tuple[int, int]]:
    """Crop a PNG to the box outside which every value is 0.

    Args:
        data: bytes of an RGBA PNG.

    Returns:
        PNG bytes, the box (row, column, height, width) in pixels of the whole picture, and the whole's (height, width).
        A picture without content keeps its first pixel.
    """
    pixels = decode_png(data)
    box = _used_box(pixels.view(np.uint32)[..., 0] != 0)
    return encode_png_rows(_cut(pixels, box)), box, (pixels.shape[0], pixels.shape[1])


def crop_codes(codes: U8 | U16) -> tuple[bytes, Box]:
    """Crop the numbers of a layer to the box outside which every one is 0, and encode them.

    Args:
        codes: (H, W) or (H, W, C).

    Returns:
        PNG bytes and the box, as `crop_png`.
    """
    box = _used_box(codes != 0 if codes.ndim == 2 else (codes != 0).any(axis=2))
    return encode_png_rows(_cut(codes, box)), box


def load_codes(data: bytes, box: Box) -> U8 | U16:
    """Decode what `crop_codes` encoded: the numbers within the box.

    Raises:
        OSError, SyntaxError or ValueError: the PNG is damaged, or not as large as the box.
    """
    codes = decode_png_exact(data)
    if codes.shape[:2] != box[2:]:
        raise ValueError(f"a PNG of {codes.shape[0]}x{codes.shape[1]} pixels, its box has {box[2]}x{box[3]}")
    return codes


def place(values: Array, box: Box, size: int, outside: float) -> Array:
    """The whole picture of `size` pixels square: what the box holds, and `outside` around it.

    Args:
        values: (height, width) or (height, width, C) of the box.
        box: see `crop_codes`.
        size: pixels along each side of the whole.
        outside: value of all other pixels.

    Raises:
        ValueError: the box is not within the picture.
    """
    row, column, height, width = box
    if min(row, column) < 0 or row + height > size or column + width > size:
        raise ValueError(f"the box {box} is not within {size} pixels square")
    whole = np.full((size, size, *values.shape[2:]), outside, values.dtype)
    whole[row : row + height, column : column + width] = values
    return whole


def _used_box(used: Bools) -> Box:
    rows, columns = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
    return top, left, bottom - top, right - left


def _cut(pixels: U8 | U16, box: Box) -> U8 | U16:
    row, column, height, width = box
    return pixels[row : row + height, column : column + width]


def load_picture(data: bytes, box: Box, stored_size: int, size: int) -> U8:
    """Decode a cropped picture to the whole square picture, averaged over areas where a smaller size is wanted.

    Args:
        data: PNG bytes of the box.
        box: (row, column, height, width) in the stored picture.
        stored_size: edge of the stored picture, pixels.
        size: wanted edge, pixels, at most `stored_size`; areas are averaged with premultiplied alpha, so that the
            colour of empty pixels does not bleed into the border.

    Returns:
        (4, size, size) uint8 RGBA, straight alpha, contiguous.
    """
    row, column, height, width = box
    if size == stored_size:
        whole = np.zeros((4, size, size), np.uint8)
        whole[:, row : row + height, column : column + width] = decode_png(data).transpose(2, 0, 1)
        return whole
    if stored_size % size:
        whole = load_picture(data, box, stored_size, stored_size)
        return np.ascontiguousarray(resample(whole.transpose(1, 2, 0), size).transpose(2, 0, 1))
    factor = stored_size // size
    top, left = row // factor, column // factor
    bottom, right = -(-(row + height) // factor), -(-(column + width) // factor)
    around = Image.new("RGBA", ((right - left) * factor, (bottom - top) * factor))
    around.paste(Image.fromarray(decode_png(data)), (column - left * factor, row - top * factor))
    whole = np.zeros((4, size, size), np.uint8)
    whole[:, top:bottom, left:right] = np.asarray(around.reduce(factor)).transpose(2, 0, 1)  # premultiplies by itself
    return whole
