"""Photographs as cameras and programs write them: turned by EXIF, CMYK, 16 bits, other colour spaces, cut off."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from mpc.core.errors import InputError
from mpc.reconstruct.capture.masks import read_mask
from mpc.reconstruct.capture.pictures import read_picture
from support.toy_run import red_person

PERSON = red_person()
RGB = PERSON[..., :3]
ORIENTATION = 274  # the EXIF entry
# What a camera stores for an upright picture, by the value of that entry: EXIF 2.32, table 6.
STORED = {
    1: lambda upright: upright, 2: lambda upright: upright[:, ::-1], 3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1], 5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1), 7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}  # fmt: skip
# Display P3: the primaries in D50 (SMPTE EG 432-1, adapted by Bradford), and D50 to linear sRGB (Lindbloom).
P3 = np.array([[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
D50_TO_SRGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)


def saved(path, picture, **options):
    Image.fromarray(picture).save(path, **options)
    return path


def linear_p3_profile():
    """An ICC profile (version 2) of Display P3's primaries with linear values."""
    fixed = lambda values: struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))  # noqa: E731
    xyz = lambda values: b"XYZ \0\0\0\0" + fixed(values)  # noqa: E731
    name = b"linear P3\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78),
        b"wtpt": xyz((0.9642, 1.0, 0.8249)), b"cprt": b"text\0\0\0\0none\0",
        **{key: xyz(column) for key, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), P3.T, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv\0\0\0\0\0\0\0\0"),
    }  # fmt: skip
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for key, value in tags.items():
        table += key + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    header = bytes(8) + b"\x02\x10\0\0" + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + fixed((0.9642, 1, 0.8249))
    body = header + bytes(128 - len(header)) + struct.pack(">I", len(tags)) + table + data
    return struct.pack(">I", len(body)) + body[4:]


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_pictures_are_turned_upright(tmp_path, orientation, suffix):
    """The person with a white corner, so that each of the eight ways differs; the mask beside it is upright."""
    upright = RGB.copy()
    upright[:40, :80] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = np.ascontiguousarray(STORED[orientation](upright))
    options = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    path = saved(tmp_path / f"photo{suffix}", stored, exif=exif, **options)
    mask = saved(tmp_path / "mask.png", PERSON[..., 3])
    picture = read_picture(path, mask)
    assert picture.shape == (200, 160, 4)
    assert np.abs(picture[..., :3].astype(int) - upright).max() <= (3 if suffix == ".jpg" else 0)
    assert np.array_equal(picture[..., 3], PERSON[..., 3])


def test_cmyk_is_read_as_colours(tmp_path):
    for name, options in (("a.jpg", {"quality": 100}), ("b.tif", {})):
        Image.fromarray(RGB).convert("CMYK").save(tmp_path / name, **options)
        assert np.abs(read_picture(tmp_path / name).astype(int) - RGB).mean() < 2, name


def test_sixteen_bits_a_channel(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", RGB.astype(np.uint16) * 257, photometric="rgb")
    tifffile.imwrite(
        tmp_path / "rgba.tif", PERSON.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"]
    )
    assert np.array_equal(read_picture(tmp_path / "rgb.tif"), RGB)
    assert np.array_equal(read_picture(tmp_path / "rgba.tif"), PERSON)


@pytest.mark.parametrize("alpha", [False, True])
def test_other_colour_spaces_become_srgb(tmp_path, alpha):
    ramp = np.linspace(40, 160, 200).round().astype(np.uint8)
    # Colours that sRGB holds, so that nothing is clipped: near grey.
    values = np.dstack([np.tile(ramp, (4, 1)), np.tile(ramp[::-1] // 2 + 60, (4, 1)), np.full((4, 200), 90, np.uint8)])
    light = np.clip((values / 255.0) @ P3.T @ D50_TO_SRGB.T, 0, 1)
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(expected - values).max() > 40
    stored = np.dstack([values, np.tile(np.arange(200, dtype=np.uint8), (4, 1))]) if alpha else values
    path = saved(tmp_path / "a.png", stored, icc_profile=linear_p3_profile())
    picture = read_picture(path)
    assert np.abs(picture[..., :3] - expected).max() <= 1.5
    assert np.array_equal(picture[..., 3:], stored[..., 3:])
    # A mask is no colour.
    mask = saved(tmp_path / "mask.png", RGB, icc_profile=linear_p3_profile())
    Image.fromarray(RGB).save(tmp_path / "plain.png")
    assert np.array_equal(read_mask(mask).values, read_mask(tmp_path / "plain.png").values)


def test_a_profile_that_does_not_read_changes_nothing(tmp_path):
    for profile in (b"nonsense", linear_p3_profile()[:150]):
        assert np.array_equal(read_picture(saved(tmp_path / "a.png", RGB, icc_profile=profile)), RGB)


def test_a_picture_that_is_cut_off_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (200, 160, 3), dtype=np.uint8)
    for name in ("a.jpg", "a.png", "a.webp", "a.tif", "a.avif", "a.bmp"):
        path = saved(tmp_path / name, noise)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match=rf"{name}: not readable as a picture .*; save it as PNG or JPEG"):
            read_picture(path)
