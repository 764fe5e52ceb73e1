"""PNG with 16 bits a channel, which Pillow does not write in colour (PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2}
UP = 2


def encode_png16(picture: U16, *, level: int = 4) -> bytes:
    """PNG bytes of a picture (H, W) or (H, W, 3)."""
    rows = np.atleast_3d(picture).astype(">u2")
    height, width, channels = rows.shape
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(height, width * channels * 2)
    # Each row as its difference to the one above: surfaces are smooth.
    filtered = np.empty((height, flat.shape[1] + 1), np.uint8)
    filtered[:, 0] = UP
    filtered[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), level)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def decode_png16(data: bytes) -> U16:
    """The picture (H, W) or (H, W, 3) of what `encode_png16` wrote.

    Raises:
        ValueError: damaged, or another kind of PNG.
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    chunks: dict[bytes, bytes] = {}
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        if data[place : place + 12 + length] != _chunk(kind, content):
            raise ValueError("damaged chunk")
        chunks[kind] = chunks.get(kind, b"") + content
        place += 12 + length
    if b"IEND" not in chunks:
        raise ValueError("cut off")
    width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    channels = {kind: count for count, kind in COLOUR_TYPES.items()}.get(colour)
    if depth != 16 or channels is None:
        raise ValueError("not 16 bits of grey or RGB")
    try:
        rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    except zlib.error as error:
        raise ValueError(f"damaged ({error})") from error
    if (rows[:, 0] != UP).any():
        raise ValueError("filtered in a way mpc does not write")
    flat = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)
    picture = np.ascontiguousarray(flat).view(">u2").astype(np.uint16).reshape(height, width, channels)
    return picture[..., 0] if channels == 1 else picture


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
