"""RGBA pictures in shards: PNG of the box around what is not empty, lossless, a quarter of the pixels to decode."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ...core.arrays import U8
from ...formats.png_rows import pack_rows, unpack_rows

Box = tuple[int, int, int, int]

# zlib's level (benchmarks/loader.py prints sizes and times).
PNG_LEVEL = 6
RGBA = 6  # the specification's colour type


def write_png(pixels: U8) -> bytes:
    """PNG bytes of (H, W, 4) uint8 RGBA, made to be read fast."""
    height, width = pixels.shape[:2]
    flat = np.ascontiguousarray(pixels).reshape(height, width * 4)
    return pack_rows(flat, width, depth=8, colour=RGBA, level=PNG_LEVEL)


def read_png(data: bytes) -> U8:
    """(H, W, 4) uint8 RGBA of a PNG's bytes: those of `write_png` in half the time."""
    try:
        flat, width, depth, colour = unpack_rows(data)
        if (depth, colour) == (8, RGBA):
            return flat.reshape(len(flat), width, 4)
    except ValueError:
        pass  # written by another program, or damaged: Pillow tells
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture if picture.mode == "RGBA" else picture.convert("RGBA"))


def crop_png(data: bytes) -> tuple[bytes, Box, tuple[int, int]]:
    """Re-encode a PNG's bytes as the box outside which every value is 0.

    Returns:
        PNG bytes, the box (row, column, height, width) in pixels of the whole picture, and the whole's (height, width).
        A picture without content keeps its first pixel.
    """
    pixels = read_png(data)
    used = pixels.view(np.uint32)[..., 0] != 0
    rows, columns = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
    box = top, left, bottom - top, right - left
    return write_png(pixels[top:bottom, left:right]), box, (pixels.shape[0], pixels.shape[1])


def load_picture(data: bytes, box: Box, stored_size: int, size: int) -> U8:
    """The whole square picture, made smaller by area where asked.

    Args:
        data: PNG bytes of the box.
        box: (row, column, height, width) in the stored picture.
        stored_size: edge of the stored picture, pixels.
        size: edge wanted, at most `stored_size`; areas are averaged with premultiplied alpha, so that the colour of
            empty pixels does not bleed into the border.

    Returns:
        (4, size, size) uint8 RGBA, straight alpha, contiguous.
    """
    row, column, height, width = box
    if size == stored_size:
        whole = np.zeros((4, size, size), np.uint8)
        whole[:, row : row + height, column : column + width] = read_png(data).transpose(2, 0, 1)
        return whole
    if stored_size % size:
        return _average_areas(load_picture(data, box, stored_size, stored_size), size)
    factor = stored_size // size
    top, left = row // factor, column // factor
    bottom, right = -(-(row + height) // factor), -(-(column + width) // factor)
    around = Image.new("RGBA", ((right - left) * factor, (bottom - top) * factor))
    around.paste(Image.fromarray(read_png(data)), (column - left * factor, row - top * factor))
    whole = np.zeros((4, size, size), np.uint8)
    whole[:, top:bottom, left:right] = np.asarray(around.reduce(factor)).transpose(2, 0, 1)  # premultiplies by itself
    return whole


def _average_areas(picture: U8, size: int) -> U8:
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
