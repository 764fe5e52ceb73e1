"""Pictures: plain ones compress well and are read; headers that claim more than their bytes can hold are not."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mpc.core.errors import InputError
from mpc.formats.images import read_texture

NAME = Path("skin.png")


def encoded(mode, size, form, **options):
    stream = io.BytesIO()
    Image.new(mode, (size, size), 1 if mode == "1" else (200, 10, 30)[: len(mode)] if mode != "P" else 3).save(
        stream, form, **options
    )
    return stream.getvalue()


@pytest.mark.parametrize(
    ("mode", "form", "options"),
    [
        ("1", "PNG", {"optimize": True}),
        ("RGB", "PNG", {"compress_level": 9}),
        ("P", "GIF", {}),
        ("RGB", "TGA", {"compression": "tga_rle"}),
        ("RGB", "BMP", {}),
        ("1", "BMP", {}),
        ("1", "PPM", {}),
        ("RGB", "PPM", {}),
        ("RGB", "JPEG", {"quality": 5}),
        ("RGB", "JPEG", {"quality": 5, "progressive": True, "optimize": True}),
        ("RGB", "WEBP", {"quality": 60}),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}),
        ("1", "TIFF", {"compression": "group4"}),
        ("RGB", "DDS", {}),
    ],
)
def test_plain_pictures_are_read_however_small_their_files(mode, form, options):
    content = encoded(mode, 1500, form, **options)
    picture = read_texture(content, NAME)
    assert picture.shape == (1500, 1500, 4)
    assert np.ptp(picture.reshape(-1, 4).astype(int), axis=0).max() <= 20  # one colour, but for lossy codes


def lying_png():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 16384, 16384, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


LIES = {
    "PNG": lying_png(),
    "TGA": struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 16384, 16384, 24, 0) + b"\0" * 400,
    "BMP": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 500, 0, 0, 54, 40, 16384, 16384, 1, 24, 0, 0, 0, 0, 0, 0)
    + b"\0" * 400,
    "PPM": b"P6 16384 16384 255\n" + b"\0" * 400,
    "GIF": b"GIF89a" + struct.pack("<HHBBB", 16384, 16384, 0x80, 0, 0) + b"\0" * 6
    + b"," + struct.pack("<HHHHB", 0, 0, 16384, 16384, 0) + b"\x02\x02\x44\x01\0;",
}  # fmt: skip


@pytest.mark.parametrize("content", LIES.values(), ids=LIES)
def test_nothing_is_reserved_for_a_size_the_bytes_cannot_hold(content):
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"skin\.png: a picture of 16384 x 16384 pixels cannot lie in \d+ bytes"):
            read_texture(content, NAME)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
