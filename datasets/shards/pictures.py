"""RGBA pictures in shards: a PNG of the box around the person, lossless, with a quarter of the pixels to decode."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ...core.arrays import U8
from ...core.pictures import resample
from ...formats.png import decode_png, encode_png_rows

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
    used = pixels.view(np.uint32)[..., 0] != 0
    rows, columns = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
    box = top, left, bottom - top, right - left
    return encode_png_rows(pixels[top:bottom, left:right]), box, (pixels.shape[0], pixels.shape[1])


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
