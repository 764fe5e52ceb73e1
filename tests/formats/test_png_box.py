"""PNG of the box that holds a person: its place comes back, other programs read it, and nothing is made up."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from mpc.formats.png import decode_png, decode_png_exact, encode_png
from mpc.formats.png_box import (
    HEAD_BYTES,
    decode_png_whole,
    encode_png_box,
    paste_box,
    read_png_box,
    used_box,
)
from mpc.formats.png_rows import SIGNATURE, chunk


def picture(channels: int, dtype: type) -> np.ndarray:
    """40x40, empty but for a noisy box of 11x17 at row 5, column 20, which is empty in its first channel's middle."""
    whole = np.zeros((40, 40, channels) if channels > 1 else (40, 40), dtype)
    part = np.random.default_rng(0).integers(1, np.iinfo(dtype).max, (11, 17, *whole.shape[2:]), dtype, endpoint=True)
    part[4:6, 3:9] = 0
    whole[5:16, 20:37] = part
    return whole


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_whole_comes_back(channels, dtype):
    whole = picture(channels, dtype)
    data = encode_png_box(whole)
    assert read_png_box(data[:HEAD_BYTES]) == ((5, 20, 11, 17), (40, 40))
    found = decode_png_whole(data, 40, exact=True)
    assert found.dtype == dtype
    assert np.array_equal(found, whole)
    assert np.array_equal(decode_png_exact(data), whole[5:16, 20:37])
    with pytest.raises(ValueError, match="40x40 pixels, expected 41x41"):
        decode_png_whole(data, 41)


def test_another_program_shows_the_box():
    whole = picture(4, np.uint8)
    seen = Image.open(io.BytesIO(encode_png_box(whole)))
    assert np.array_equal(np.asarray(seen), whole[5:16, 20:37])
    assert np.array_equal(decode_png_whole(encode_png_box(whole), 40), whole)


def test_empty_full_and_whole_pictures():
    empty, full = np.zeros((9, 9, 4), np.uint8), np.full((9, 9, 4), 7, np.uint8)
    assert used_box(empty) == (0, 0, 1, 1)
    assert used_box(full) == (0, 0, 9, 9)
    for pixels in (empty, full):
        assert np.array_equal(decode_png_whole(encode_png_box(pixels), 9), pixels)
        plain = encode_png(pixels)
        assert read_png_box(plain) is None
        assert np.array_equal(decode_png_whole(plain, 9), pixels)
        assert np.array_equal(decode_png(plain), pixels)


@pytest.mark.parametrize(("left", "top", "size"), [(-1, 0, 40), (24, 0, 40), (20, 30, 40), (0, 0, 5)])
def test_a_box_that_lies_outside_is_refused(left, top, size):
    data = encode_png_box(picture(4, np.uint8))
    start = len(SIGNATURE) + 25
    place = chunk(b"oFFs", struct.pack(">iiB", left, top, 0)) + chunk(b"vpAg", struct.pack(">IIB", size, size, 0))
    with pytest.raises(ValueError, match="is not within"):
        read_png_box(data[:start] + place + data[HEAD_BYTES:])


def test_a_whole_picture_of_a_billion_pixels_is_not_made_up():
    data = encode_png_box(picture(4, np.uint8))
    start = len(SIGNATURE) + 25
    place = chunk(b"oFFs", struct.pack(">iiB", 0, 0, 0)) + chunk(b"vpAg", struct.pack(">IIB", 1 << 30, 1 << 30, 0))
    with pytest.raises(ValueError, match="expected 40x40"):
        decode_png_whole(data[:start] + place + data[HEAD_BYTES:], 40)
    with pytest.raises(ValueError, match="not a PNG"):
        read_png_box(b"GIF89a")
    with pytest.raises(ValueError, match="its box has"):
        paste_box(np.zeros((3, 3)), (0, 0, 2, 3), 9)
