"""PNG whose rows are stored as differences to the row above, which NumPy undoes in one call; any program reads it.

A general decoder spends half its time on undoing filters that were chosen row by row (PNG specification, third edition,
section 9).
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from ..core.arrays import U8

SIGNATURE = b"\x89PNG\r\n\x1a\n"
UP = 2
LEVEL = 6
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def pack_rows(flat: U8, width: int, *, depth: int, colour: int, extra: bytes = b"") -> bytes:
    """Encode rows of bytes; zlib compresses runs and does not search for repeats.

    Of rendered people that gives files of the same size as level 6 with a search, in a fifth of the time
    (benchmarks/loader.py).

    Args:
        flat: (H, B) uint8, the bytes of each row.
        width: pixels in a row.
        depth: bits a channel.
        colour: colour type of the specification: 0 grey, 2 RGB, 6 RGBA.
        extra: chunks to write before the pixels, see `chunk`.

    Returns:
        The file's bytes.
    """
    filtered = np.empty((len(flat), flat.shape[1] + 1), np.uint8)
    filtered[:, 0] = UP
    filtered[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, len(flat), depth, colour, 0, 0, 0)
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    packed = stream.compress(filtered.tobytes()) + stream.flush()
    return SIGNATURE + chunk(b"IHDR", header) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def unpack_rows(data: bytes) -> tuple[U8, int, int, int]:
    """Decode what `pack_rows` wrote.

    Returns:
        (H, B) uint8 bytes of each row; width in pixels; bits a channel; colour type.

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
        if data[place : place + 12 + length] != chunk(kind, content):
            raise ValueError("damaged chunk")
        chunks[kind] = chunks.get(kind, b"") + content
        place += 12 + length
    if b"IEND" not in chunks:
        raise ValueError("cut off")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    stream = zlib.decompressobj()
    try:
        if stream.decompress(chunks[b"IDAT"], 1)[0] != UP:  # most pictures of other programs end here, undecoded
            raise ValueError("filtered in a way mpc does not write")
        # No more than the header promises: a small file must not grow without end.
        rest = stream.decompress(
            stream.unconsumed_tail, height * (1 + width * depth * _CHANNELS.get(colour, 4) // 8) + 1
        )
    except (zlib.error, IndexError) as error:
        raise ValueError(f"damaged ({error})") from error
    if not stream.eof:
        raise ValueError("cut off")
    rows = np.frombuffer(bytes([UP]) + rest, np.uint8)
    if interlaced or not height or len(rows) % height:
        raise ValueError("rows of unequal length")
    rows = rows.reshape(height, -1)
    if (rows[:, 0] != UP).any():
        raise ValueError("filtered in a way mpc does not write")
    return np.add.accumulate(rows[:, 1:], axis=0, dtype=np.uint8), width, depth, colour


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file: its length, kind of four letters, content and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
