"""PNG of 8 and 16 bits a channel: against Pillow both ways, damaged, and as files."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from mpc.core.errors import InputError
from mpc.formats.png import decode_png, decode_png_exact, encode_png, encode_png_rows, read_png, write_png
from mpc.formats.png_rows import SIGNATURE, pack_rows, unpack_rows


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("options", [{}, {"level": 1}])
def test_eight_bits_are_read_by_pillow_and_by_us(channels, options):
    picture = np.random.default_rng(0).integers(0, 256, (23, 17, channels), np.uint8)
    picture = picture[..., 0] if channels == 1 else picture
    data = encode_png(picture, **options)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), picture)
    assert np.array_equal(decode_png(data), np.asarray(Image.fromarray(picture).convert("RGBA")))
    assert encode_png(np.asfortranarray(picture), **options) == data


def test_without_options_the_bytes_are_those_of_pillow():
    picture = np.random.default_rng(1).integers(0, 9, (40, 30, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    assert encode_png(picture) == buffer.getvalue()


def test_files_come_back_and_errors_name_them(tmp_path):
    picture = np.random.default_rng(2).integers(0, 256, (5, 7, 4), np.uint8)
    write_png(tmp_path / "new" / "a.png", picture)
    assert np.array_equal(read_png(tmp_path / "new" / "a.png"), picture)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
    data = (tmp_path / "new" / "a.png").read_bytes()
    for content in (b"", data[:-30], b"GIF89a", data[:50] + b"x" + data[51:]):
        (tmp_path / "broken.png").write_bytes(content)
        with pytest.raises(InputError, match=r"broken\.png"):
            read_png(tmp_path / "broken.png")
    with pytest.raises(InputError, match=r"none\.png"):
        read_png(tmp_path / "none.png")


def test_stored_pictures_are_png_for_everyone():
    pixels = np.random.default_rng(0).integers(0, 256, (23, 17, 4), dtype=np.uint8)
    data = encode_png_rows(pixels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert np.array_equal(decode_png(data), pixels)
    for level in (0, 6):  # by another program, with filters of its own
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=level)
        assert np.array_equal(decode_png(buffer.getvalue()), pixels)
    for broken in (data[: len(data) // 2], data[:60] + bytes([data[60] ^ 1]) + data[61:]):
        with pytest.raises((OSError, SyntaxError)):
            decode_png(broken)


@pytest.mark.parametrize("shape", [(5, 7), (16, 9, 3), (1, 1, 3), (4, 8, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_channels_and_depth_come_back(shape, dtype):
    picture = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    found = decode_png_exact(encode_png_rows(picture))
    assert found.dtype == dtype
    assert np.array_equal(found, picture)
    if dtype == np.uint8:  # as another program writes them
        assert np.array_equal(decode_png_exact(encode_png(picture)), picture)


def test_another_reader_sees_the_same():
    rng = np.random.default_rng(1)
    grey, colour = rng.integers(0, 65536, (9, 6)).astype(np.uint16), rng.integers(0, 65536, (9, 6, 3)).astype(np.uint16)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png_rows(grey)))), grey)
    # Pillow has no 16-bit colour: it keeps the upper byte of each value.
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png_rows(colour))).convert("RGB")), colour >> 8)


def test_damage_is_found():
    data = encode_png_rows(np.arange(400, dtype=np.uint16).reshape(20, 20))
    for broken in (b"", data[:-20], data[:60] + b"x" + data[61:], data.replace(b"PNG", b"GIF")):
        with pytest.raises((OSError, SyntaxError, ValueError)):
            decode_png_exact(broken)


def test_a_small_picture_that_would_unpack_to_much_is_refused():
    rows = np.arange(12, dtype=np.uint8).reshape(2, 6)
    good = pack_rows(rows, 2, depth=8, colour=2)
    assert (unpack_rows(good)[0] == rows).all()
    bomb = zlib.compress(b"\x02" + bytes(50_000_000), 9)
    chunk = struct.pack(">I", len(bomb)) + b"IDAT" + bomb + struct.pack(">I", zlib.crc32(b"IDAT" + bomb))
    start, end = good.index(b"IDAT") - 4, good.index(b"IEND") - 4
    tracemalloc.start()
    with pytest.raises(ValueError, match="cut off"):
        unpack_rows(good[:start] + chunk + good[end:])
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert good[:8] == SIGNATURE
