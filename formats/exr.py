"""OpenEXR as far as PIFu's UV_POS needs it: three uncompressed float32 channels are written, nothing is read.

Layout: "OpenEXR File Layout" of the Academy Software Foundation. A header of named attributes is followed by a table of
offsets and by one block a row, whose channels are in alphabetical order.
"""

from __future__ import annotations

import struct

import numpy as np

from ..core.arrays import F32

MAGIC = b"\x76\x2f\x31\x01\x02\x00\x00\x00"
FLOAT = 2


def exr_bytes(picture: F32) -> bytes:
    """Encode an (H, W, 3) float32 picture, whose channels are R, G and B."""
    height, width, _ = picture.shape
    channels = b"".join(name + struct.pack("<iBxxxii", FLOAT, 0, 1, 1) for name in (b"B\0", b"G\0", b"R\0")) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    header = MAGIC + b"".join(
        name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in (
            (b"channels", b"chlist", channels),
            (b"compression", b"compression", b"\0"),
            (b"dataWindow", b"box2i", window),
            (b"displayWindow", b"box2i", window),
            (b"lineOrder", b"lineOrder", b"\0"),
            (b"pixelAspectRatio", b"float", struct.pack("<f", 1.0)),
            (b"screenWindowCenter", b"v2f", struct.pack("<2f", 0.0, 0.0)),
            (b"screenWindowWidth", b"float", struct.pack("<f", 1.0)),
        )
    ) + b"\0"  # fmt: skip
    row = 8 + width * 3 * 4
    start = len(header) + 8 * height
    table = (start + row * np.arange(height, dtype="<u8")).tobytes()
    planes = np.ascontiguousarray(picture[..., ::-1].transpose(0, 2, 1), "<f4")
    rows = b"".join(struct.pack("<2i", y, width * 12) + planes[y].tobytes() for y in range(height))
    return bytes(header + table + rows)
