"""PNG with 16 bits a channel, which Pillow does not write in colour (PNG specification, third edition)."""

from __future__ import annotations

import numpy as np

from ..core.arrays import U16
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
