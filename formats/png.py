"""PNG, the one codec of the program: 8 bits by imageio, or in rows that are read fast; 16 bits a channel.

`encode_…` and `decode_…` deal with bytes, `write_png` and `read_png` with files. Pictures from strangers that may be of
another format, or hostile, are read by `formats/images.py`.
"""

from __future__ import annotations

import io
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image

from ..core.arrays import U8, U16
from ..core.errors import InputError
from ..core.files import write_bytes
from .png_rows import pack_rows, unpack_rows

# Of the PNG specification (third edition): its number for each count of channels.
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
RGBA = COLOUR_TYPES[4]


def encode_png(picture: U8, *, level: int = 6) -> bytes:
    """Encode 8 bits a channel as a small PNG, each row filtered as suits it; equal pictures give equal bytes.

    Args:
        picture: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA with straight alpha, uint8.
        level: of zlib, 0 (fast) to 9 (small).

    Returns:
        The file's bytes.
    """
    pixels = np.ascontiguousarray(picture)
    return bytes(iio.imwrite("<bytes>", pixels, extension=".png", compress_level=level))


def encode_png_rows(pixels: U8 | U16, *, extra: bytes = b"") -> bytes:
    """Encode a PNG whose rows are differences to the row above, which is read in half the time (see png_rows.py).

    Args:
        pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA with straight alpha, uint8 or uint16.
        extra: further chunks, see png_rows.py.

    Returns:
        The file's bytes.
    """
    depth = 8 * pixels.dtype.itemsize
    rows = np.atleast_3d(pixels).astype(">u2" if depth == 16 else np.uint8, order="C")
    height, width, channels = rows.shape
    flat = rows.view(np.uint8).reshape(height, width * channels * depth // 8)
    return pack_rows(flat, width, depth=depth, colour=COLOUR_TYPES[channels], extra=extra)


def decode_png_exact(data: bytes) -> U8 | U16:
    """Decode a PNG to the channels and the depth that it is stored with.

    Returns:
        (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16.

    Raises:
        OSError: not a picture, or cut off.
        SyntaxError: a damaged PNG, as Pillow reports it.
        ValueError: another kind of PNG: a palette, or 16 bits in colour that mpc did not write.
    """
    try:
        flat, width, depth, colour = unpack_rows(data)
    except ValueError as error:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.mode not in ("L", "RGB", "RGBA"):
                raise ValueError(f"{error}; a PNG of the kind {picture.mode}") from error
            return np.asarray(picture)
    channels = next((count for count, number in COLOUR_TYPES.items() if number == colour), 0)
    if depth not in (8, 16) or not channels:
        raise ValueError(f"a PNG of {depth} bits and colour type {colour}, expected grey, RGB or RGBA")
    values = flat if depth == 8 else np.ascontiguousarray(flat).view(">u2").astype(np.uint16)
    return values.reshape((len(flat), width) if channels == 1 else (len(flat), width, channels))


def decode_png(data: bytes) -> U8:
    """Decode the bytes of a PNG.

    Returns:
        (H, W, 4) uint8 RGBA with straight alpha; 255 where the file has none.

    Raises:
        OSError: not a picture, or cut off.
        SyntaxError: a damaged PNG, as Pillow reports it.
    """
    try:
        flat, width, depth, colour = unpack_rows(data)
        if (depth, colour) == (8, RGBA):
            return flat.reshape(len(flat), width, 4)
    except ValueError:
        pass  # written by another program, or damaged, which Pillow reports
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture if picture.mode == "RGBA" else picture.convert("RGBA"))


def write_png(path: Path, picture: U8, *, level: int = 6) -> None:
    """Write a PNG file whole or not at all; arguments as for `encode_png`."""
    write_bytes(path, encode_png(picture, level=level))


def read_png(path: Path) -> U8:
    """Read a PNG file as (H, W, 4) uint8 RGBA.

    Raises:
        InputError: it is missing or damaged; names the file.
    """
    try:
        return decode_png(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(path, f"does not read as a picture ({error})") from error
