"""PNG of the part of a picture that holds anything, with its place in the whole.

A rendered person covers a quarter of its picture, so files hold the box outside which every value is 0. Where the box
lies is told by two chunks of the file: "oFFs", of the PNG specification's registered extensions, gives its left and
upper edge, and "vpAg", which ImageMagick writes and heeds, the size of the whole picture. Other programs show the box.
"""

from __future__ import annotations

import struct

import numpy as np

from ..core.arrays import U8, U16, Array
from .png import decode_png, decode_png_exact, encode_png_rows
from .png_rows import SIGNATURE, chunk

Box = tuple[int, int, int, int]
"""Row, column, height and width of a part, in pixels of the whole picture."""
# Bytes at the start of a file that hold the size and the place: a signature and three chunks.
HEAD_BYTES = len(SIGNATURE) + 25 + 21 + 21


def encode_png_box(pixels: U8 | U16) -> bytes:
    """Encode the box of a picture outside which every value is 0; a picture without content keeps its first pixel.

    Args:
        pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA with straight alpha, uint8 or uint16.

    Returns:
        The file's bytes.
    """
    height, width = pixels.shape[:2]
    top, left, rows, columns = used_box(pixels)
    place = chunk(b"oFFs", struct.pack(">iiB", left, top, 0)) + chunk(b"vpAg", struct.pack(">IIB", width, height, 0))
    return encode_png_rows(pixels[top : top + rows, left : left + columns], extra=place)


def read_png_box(data: bytes) -> tuple[Box, tuple[int, int]] | None:
    """Where the picture of a PNG lies in the whole, by the file's first `HEAD_BYTES`.

    Returns:
        The box, and height and width of the whole; None where the file does not say so: it is whole.

    Raises:
        ValueError: not a PNG, or the box does not lie within the whole.
    """
    if data[: len(SIGNATURE)] != SIGNATURE or data[12:16] != b"IHDR" or len(data) < len(SIGNATURE) + 25:
        raise ValueError("not a PNG file")
    width, height = struct.unpack_from(">II", data, 16)
    start = len(SIGNATURE) + 25
    if data[start + 4 : start + 8] != b"oFFs" or data[start + 25 : start + 29] != b"vpAg" or len(data) < HEAD_BYTES:
        return None
    left, top = struct.unpack_from(">ii", data, start + 8)
    whole_width, whole_height = struct.unpack_from(">II", data, start + 29)
    if min(left, top) < 0 or left + width > whole_width or top + height > whole_height:
        raise ValueError(f"a box of {height}x{width} at {top}, {left} is not within {whole_height}x{whole_width}")
    return (top, left, height, width), (whole_height, whole_width)


def decode_png_whole(data: bytes, size: int, *, exact: bool = False) -> Array:
    """Decode the whole square picture, whether the file holds a box of it or all.

    Args:
        data: bytes of a PNG.
        size: edge of the whole, pixels; nothing larger is made up on a file's word.
        exact: keep the channels and the depth of the file (`decode_png_exact`) instead of RGBA.

    Returns:
        (size, size, 4) uint8 RGBA, or as `decode_png_exact`; 0 outside the box.

    Raises:
        OSError: not a picture, or cut off.
        SyntaxError: a damaged PNG, as Pillow reports it.
        ValueError: the whole has another size, or as `decode_png_exact`.
    """
    place = read_png_box(data)
    pixels = decode_png_exact(data) if exact else decode_png(data)
    box, (height, width) = place or ((0, 0, *pixels.shape[:2]), pixels.shape[:2])
    if (height, width) != (size, size):
        raise ValueError(f"a picture of {width}x{height} pixels, expected {size}x{size}")
    return paste_box(pixels, box, size)


def paste_box(values: Array, box: Box, size: int, outside: float = 0) -> Array:
    """The whole picture: what the box holds, and `outside` around it.

    Args:
        values: (height, width) or (height, width, C) of the box.
        box: the place of the box.
        size: edge of the whole, pixels.
        outside: value of all other pixels.

    Raises:
        ValueError: the values are not those of the box, or the box is not within the picture.
    """
    row, column, height, width = box
    if values.shape[:2] != (height, width):
        raise ValueError(f"a PNG of {values.shape[0]}x{values.shape[1]} pixels, its box has {height}x{width}")
    if min(row, column) < 0 or row + height > size or column + width > size:
        raise ValueError(f"the box {box} is not within {size} pixels square")
    whole = np.full((size, size, *values.shape[2:]), outside, values.dtype)
    whole[row : row + height, column : column + width] = values
    return whole


def used_box(pixels: U8 | U16) -> Box:
    """The smallest box outside which every value is 0; the first pixel where there is no other value."""
    used = np.asarray(pixels != 0) if pixels.ndim == 2 else np.asarray((pixels != 0).any(axis=2))
    rows, columns = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
    return top, left, bottom - top, right - left
