"""Masks and pictures of every kind that people bring: the same person each time, or one clear line."""

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.reconstruct.capture.framing import frame_person
from mpc.reconstruct.capture.masks import clean_mask, read_mask, straight_ends
from mpc.reconstruct.capture.pictures import find_sources, read_noted_picture, read_picture, skipped_kinds
from support.toy_run import red_person

PERSON = red_person()
WHITE = (PERSON[..., 3] > 127).astype(np.uint8) * 255


def palette_mask(colours):
    image = Image.fromarray(WHITE // 255).convert("P")
    image.putpalette([value for colour in colours for value in colour])
    return image


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Image.fromarray(WHITE), ""),
        (lambda: Image.fromarray(WHITE // 255), ""),
        (lambda: Image.fromarray(WHITE).convert("1"), ""),
        (lambda: Image.fromarray(np.dstack([WHITE] * 3)), ""),
        (lambda: Image.fromarray(WHITE.astype(np.uint16) * 257), ""),
        (lambda: Image.fromarray((WHITE > 0).astype(np.uint16)), ""),
        (lambda: Image.fromarray((WHITE > 0).astype(np.float32)), ""),
        (lambda: Image.fromarray(WHITE.astype(np.float32)), ""),
        (lambda: Image.fromarray(WHITE.astype(np.int32) * 257), ""),
        (lambda: Image.fromarray((WHITE > 0).astype(np.uint8) * 7), "labels"),
        (lambda: Image.fromarray((WHITE > 0).astype(np.uint16) * 7), "labels"),
        (lambda: palette_mask([(0, 0, 0), (128, 0, 0)]), "a palette"),
        (lambda: palette_mask([(0, 0, 0), (255, 255, 255)]), ""),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_masks_of_every_kind_are_the_same_mask(tmp_path, make, said, suffix):
    image = make()
    if suffix == ".png" and image.mode in ("F", "I"):
        pytest.skip("PNG does not hold such numbers")
    image.save(tmp_path / f"mask{suffix}")
    mask = read_mask(tmp_path / f"mask{suffix}")
    assert np.array_equal(mask.values, WHITE)
    assert (said in mask.note) if said else (mask.note == "")


def test_soft_masks_stay_soft(tmp_path):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    Image.fromarray(ramp).save(tmp_path / "8.png")
    Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "16.png")
    assert np.array_equal(read_mask(tmp_path / "8.png").values, ramp)
    assert np.array_equal(read_mask(tmp_path / "16.png").values, ramp)


def test_a_mask_that_is_too_dark_is_refused(tmp_path):
    Image.fromarray(np.tile(np.arange(100, dtype=np.uint8), (4, 1))).save(tmp_path / "dark.png")
    with pytest.raises(InputError, match="brightest value is 99"):
        read_mask(tmp_path / "dark.png")
    tifffile.imwrite(tmp_path / "bad.tif", np.full((4, 4), np.nan, np.float32))
    with pytest.raises(InputError, match="endless"):
        read_mask(tmp_path / "bad.tif")


def test_specks_far_from_the_person_are_left_out_and_reported():
    alpha = WHITE.copy()
    alpha[2:4, 2:4] = 255  # far away
    alpha[100:102, 104:106] = 255  # a strand of hair beside the body
    cleaned, note = clean_mask(alpha)
    assert note == "1 specks of 4 pixels in the mask are left out"
    expected = WHITE.copy()
    expected[100:102, 104:106] = 255
    assert np.array_equal(cleaned, expected)
    assert clean_mask(WHITE) == (WHITE, "") or np.array_equal(clean_mask(WHITE)[0], WHITE)


def test_two_people_in_one_mask_are_reported():
    two = np.zeros((200, 160), np.uint8)
    two[20:180, 20:50] = two[20:180, 100:130] = 255
    same, note = clean_mask(two)
    assert np.array_equal(same, two)
    assert "2 large parts" in note


def outline(height=340, width=240):
    """The mask of somebody 300 pixels tall who stands, (H, W) bool: ellipses for head, trunk, limbs and feet."""
    row, column = np.mgrid[:height, :width] + 0.5
    parts = [(45, 120, 25, 18), (120, 120, 60, 38), (120, 76, 55, 10), (120, 164, 55, 10)]
    parts += [(235, middle, 80, 18) for middle in (100, 140)] + [(308, middle, 12, 15) for middle in (95, 145)]
    return np.any([((row - r) / tall) ** 2 + ((column - c) / wide) ** 2 < 1 for r, c, tall, wide in parts], axis=0)


@pytest.mark.parametrize("by", ["mask", "picture"])
@pytest.mark.parametrize(("share", "side"), [(0.72, "bottom"), (0.45, "bottom"), (0.3, "bottom"), (-0.1, "top")])
def test_a_straight_end_is_told_with_what_it_does_to_the_scale(by, share, side):
    """Cut at the knees, the waist and the chest, and above the eyes; by the mask, or since the picture ends there."""
    whole = outline()
    assert straight_ends(whole) == []
    row, cut = 20 + round(300 * abs(share)), whole.copy()
    if by == "mask":
        cut[row:] &= share < 0
        cut[:row] &= share > 0
    else:
        cut = cut[:row] if share > 0 else cut[row:]
    assert straight_ends(cut) == [side]
    framing = frame_person(np.dstack([np.zeros((*cut.shape, 3), np.uint8), cut * np.uint8(255)]), height_m=1.6)
    assert f"the mask ends in a straight line at the {side}: if the person goes on there" in framing.assumption
    assert "assumed are 1.6 m" in framing.assumption
    assert "touches" not in framing.assumption
    # The remedy it names gives the scale of the whole person.
    seen_m = 1.6 * np.ptp(np.flatnonzero(cut.any(axis=1))) / np.ptp(np.flatnonzero(whole.any(axis=1)))
    rgba = np.dstack([np.zeros((*whole.shape, 3), np.uint8), whole * np.uint8(255)])
    told = frame_person(np.dstack([np.zeros((*cut.shape, 3), np.uint8), cut * np.uint8(255)]), height_m=seen_m)
    assert told.pixels_per_metre == pytest.approx(frame_person(rgba, height_m=1.6).pixels_per_metre, rel=0.01)


def test_feet_at_the_edge_and_whole_pictures_are_no_straight_ends():
    feet = outline()[:320]
    assert feet[-1].any()
    assert straight_ends(feet) == []
    framing = frame_person(np.dstack([np.zeros((*feet.shape, 3), np.uint8), feet * np.uint8(255)]))
    assert "the mask touches the bottom edge" in framing.assumption
    assert "straight" not in frame_person(np.full((40, 30, 4), 255, np.uint8)).assumption
    assert straight_ends(np.zeros((4, 4), bool)) == []


def test_a_speck_does_not_change_the_size(run_folder, tmp_path):
    speck = PERSON.copy()
    speck[2:4, 2:4] = 255
    for name, picture in (("clean", PERSON), ("speck", speck)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    words = [tmp_path / "clean.png", tmp_path / "speck.png", "--run", run_folder, "--out", tmp_path / "out"]
    words += ["--resolution", 33, "--turntable", "none"]
    result = CliRunner().invoke(main, ["reconstruct", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "1 specks of 4 pixels" in result.output
    assert (tmp_path / "out" / "clean.glb").read_bytes() == (tmp_path / "out" / "speck.glb").read_bytes()


def test_grey_of_every_depth_is_the_same_grey(tmp_path):
    grey = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    for name, values in (
        ("8.png", grey),
        ("16.png", grey.astype(np.uint16) * 257),
        ("32.tif", grey.astype(np.int32) * 257),
        ("float.tif", (grey / 255).astype(np.float32)),
    ):
        Image.fromarray(values).save(tmp_path / name)
        assert np.array_equal(read_picture(tmp_path / name), np.dstack([grey] * 3)), name
    Image.fromarray((grey * 4.0).astype(np.float32)).save(tmp_path / "bright.tif")
    with pytest.raises(InputError, match=r"bright\.tif.*values are 0 to 1020, expected 0 to 1"):
        read_picture(tmp_path / "bright.tif")


def test_a_picture_of_floats_in_colour_is_refused_with_a_remedy(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((8, 8, 3), np.float32), photometric="rgb")
    with pytest.raises(InputError, match="save it as PNG or JPEG"):
        read_picture(tmp_path / "rgb.tif")


def test_pifus_own_folder(tmp_path):
    """PIFu's sample pictures lie beside their masks."""
    folder = tmp_path / "pifu"
    folder.mkdir()
    Image.fromarray(PERSON[..., :3]).save(folder / "test.png")
    Image.fromarray(WHITE).save(folder / "test_mask.png")
    Image.fromarray(PERSON[..., :3]).save(folder / "alone.png")
    sources = find_sources([folder])
    found = [(source.path.name, source.mask and source.mask.name) for source in sources]
    assert found == [("alone.png", None), ("test.png", "test_mask.png")]
    assert np.array_equal(read_noted_picture(sources[1].path, sources[1].mask)[0][..., 3], WHITE)
    (folder / "alone.png").unlink()
    (source,) = find_sources([folder], folder)
    assert (source.path.name, source.mask.name) == ("test.png", "test_mask.png")
    Image.fromarray(PERSON[..., :3]).save(folder / "photo.jpg")
    (tmp_path / "masks").mkdir()
    for name in ("photo.jpg.png", "test.png"):
        Image.fromarray(WHITE).save(tmp_path / "masks" / name)
    found = {s.path.name: s.mask.name for s in find_sources([folder], tmp_path / "masks")}
    assert found == {"photo.jpg": "photo.jpg.png", "test.png": "test.png"}
    Image.fromarray(WHITE).save(tmp_path / "masks" / "photo.png")
    with pytest.raises(InputError, match=r"several masks for photo\.jpg: photo\.jpg\.png, photo\.png"):
        find_sources([folder], tmp_path / "masks")


def test_heic_and_avif(tmp_path):
    picture = Image.fromarray(PERSON[..., :3])
    picture.save(tmp_path / "b.avif", quality=100)
    assert np.abs(read_picture(tmp_path / "b.avif").astype(int) - PERSON[..., :3]).mean() < 3
    (tmp_path / "raw.dng").write_bytes(b"")
    (tmp_path / "old.mpg").write_bytes(b"")
    (line,) = skipped_kinds([tmp_path])
    assert "1 .dng, 1 .mpg" in line
    heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif (the extra heic)")
    heif.register_heif_opener()
    picture.save(tmp_path / "IMG_0001.HEIC", format="HEIF", quality=100)
    assert [source.path.name for source in find_sources([tmp_path])] == ["IMG_0001.HEIC", "b.avif"]
    assert np.abs(read_picture(tmp_path / "IMG_0001.HEIC").astype(int) - PERSON[..., :3]).mean() < 3


def test_heic_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"ftypheic")
    with pytest.raises(InputError, match=r"pip install 'mpc\[heic\]'"):
        read_picture(tmp_path / "a.heic")
