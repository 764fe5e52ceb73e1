"""Reads the OpenEXR files of exports; written from the format's description, apart from the writer."""

from pathlib import Path

import numpy as np


def read_exr(path: Path, height: int, width: int) -> np.ndarray:
    """Uncompressed float32 B, G, R, a block a row, as (height, width, 3) R, G, B."""
    data = path.read_bytes()
    assert data[:4] == b"\x76\x2f\x31\x01"
    row = 8 + width * 12
    picture = np.empty((height, width, 3), np.float32)
    for y in range(height):
        block = data[len(data) - (height - y) * row :]
        assert np.frombuffer(block[:8], "<i4").tolist() == [y, width * 12]
        picture[y] = np.frombuffer(block[8:row], "<f4").reshape(3, width)[::-1].T
    return picture
