"""PNG with 16 bits a channel, which Pillow does not write in colour (PNG specification, third edition)."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ..core.arrays import U8, U16
from .png_rows import pack_rows, unpack_rows

COLOUR_TYPES = {1: 0, 3: 2}


def encode_png16(picture: U16, *, level: int = 4) -> bytes:
    """PNG bytes of a picture (H, W) or (H, W, 3)."""
    rows = np.atleast_3d(picture).astype(">u2")
    height, width, channels = rows.shape
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(height, width * channels * 2)
    return pack_rows(flat, width, depth=16, colour=COLOUR_TYPES[channels], level=level)


def decode_png16(data: bytes) -> U16:
    """The picture (H, W) or (H, W, 3) of what `encode_png16` wrote.

    Raises:
        ValueError: damaged, or another kind of PNG.
    """
    flat, width, depth, colour = unpack_rows(data)
    channels = {kind: count for count, kind in COLOUR_TYPES.items()}.get(colour)
    if depth != 16 or channels is None:
        raise ValueError("not 16 bits of grey or RGB")
    picture = np.ascontiguousarray(flat).view(">u2").astype(np.uint16).reshape(len(flat), width, channels)
    return picture[..., 0] if channels == 1 else picture


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
