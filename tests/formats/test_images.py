"""Pictures: plain ones compress well and are read; headers that claim more than their bytes can hold are not."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("RGB", (1, 2, 3), [1, 2, 3, 255]),
        ("RGBA", (1, 2, 3, 4), [1, 2, 3, 4]),
        ("L", 7, [7, 7, 7, 255]),
        ("LA", (7, 9), [7, 7, 7, 9]),
        ("1", 1, [255, 255, 255, 255]),
        ("I;16", 257 * 40, [40, 40, 40, 255]),
    ],
)
def test_every_kind_of_png(tmp_path: Path, mode: str, value: object, expected: list[int]) -> None:
    path = tmp_path / "x.png"
    Image.new(mode, (3, 2), value).save(path)  # type: ignore[arg-type]
    texture = read_texture(path, path)
    assert texture.shape == (2, 3, 4)
    assert texture.dtype == np.uint8
    assert texture[1, 2].tolist() == expected


def test_palette_and_cmyk(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (255, 0, 0)).quantize(8).save(tmp_path / "p.png")
    assert read_texture(tmp_path / "p.png", tmp_path)[0, 0].tolist() == [255, 0, 0, 255]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
    assert np.abs(read_texture(tmp_path / "c.jpg", tmp_path)[4, 4].astype(int) - [255, 0, 0, 255]).max() < 12


def test_pictures_are_refused_by_their_header_and_when_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    with pytest.raises(InputError, match="64 x 64"):
        read_texture(path, path, max_pixels=64 * 64 - 1)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="decoded"):
        read_texture(path, path)
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(InputError, match="decoded"):
        read_texture(path, path)


@settings(max_examples=150, deadline=10_000)
@given(edits=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), min_size=1, max_size=5))
def test_mutated_pictures_never_crash(tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, bytes]]) -> None:
    path = tmp_path_factory.mktemp("p") / "x.png"
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(path)
    content = path.read_bytes()
    for at, new in edits:
        content = content[:at] + new + content[at + len(new) :]
    try:
        assert read_texture(content, path).shape[2] == 4
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
