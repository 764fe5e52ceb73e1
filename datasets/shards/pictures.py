"""Pictures and layers in shards: a PNG of the box around the person, lossless, with few pixels to decode."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ...core.arrays import U8
from ...core.pictures import resample
from ...formats.png import decode_png, decode_png_exact
from ...formats.png_box import Box, encode_png_box, read_png_box


def boxed_png(data: bytes, *, exact: bool = False) -> tuple[bytes, Box, tuple[int, int]]:
    """The PNG of a picture's box as shards hold it: the file's own bytes, where it is one.

    Files of earlier versions and of other programs hold the whole picture; they are cropped to the box outside which
    every value is 0.

    Args:
        data: bytes of a PNG.
        exact: keep channels and depth, as of a layer; otherwise RGBA of 8 bits.

    Returns:
        PNG bytes, the box in pixels of the whole picture, and the whole's (height, width).
    """
    place = read_png_box(data)
    if place is not None:
        return data, *place
    pixels = decode_png_exact(data) if exact else decode_png(data)
    packed = encode_png_box(pixels)
    return boxed_png(packed)


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
