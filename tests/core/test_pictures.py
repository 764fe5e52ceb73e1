"""Alpha arithmetic against whole numbers: backgrounds for every pair of bytes, areas by repeating pixels."""

import numpy as np
import pytest
from PIL import Image

from mpc.core.pictures import BACKGROUND, LIGHT_GREY, over_background, resample


def noise(height, width, seed=0):
    """(H, W, 4) uint8, a third opaque, a third empty, a third between."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 4), np.uint8)
    kind = rng.integers(0, 3, (height, width))
    picture[..., 3] = np.where(kind == 0, 255, np.where(kind == 1, 0, picture[..., 3]))
    return picture


def areas_by_repetition(picture, size, box, fine):
    """Exact premultiplied means: pixels repeated `fine` times each way, cut out and averaged in blocks; int64."""
    left, top, right, bottom = (round(value * fine) for value in box)
    wide = picture.astype(np.int64)
    wide[..., :3] *= wide[..., 3:]
    wide = np.pad(np.repeat(np.repeat(wide, fine, 0), fine, 1), ((99, 99), (99, 99), (0, 0)))
    part = wide[top + 99 : bottom + 99, left + 99 : right + 99]
    block = (right - left) // size
    return part.reshape(size, block, size, block, 4).mean(axis=(1, 3))


@pytest.mark.parametrize("background", [BACKGROUND, LIGHT_GREY, (0, 128, 255)])
def test_every_byte_over_a_background_by_every_alpha_is_exactly_rounded(background):
    value, alpha = np.meshgrid(np.arange(256), np.arange(256))
    found = over_background(np.stack([value, value, value, alpha], axis=2).astype(np.uint8), background)
    for channel, behind in enumerate(background):
        total = 2 * (value * alpha + behind * (255 - alpha)) + 255  # never half-way: 255 is odd
        assert np.array_equal(found[..., channel], total // 510)


@pytest.mark.parametrize(
    ("size", "box", "fine"),
    [
        (4, (0, 0, 12, 12), 1),  # whole pixels
        (8, (0, 0, 12, 12), 2),  # a pixel and a half each
        (4, (1.5, 2.5, 9.5, 10.5), 2),  # borders within pixels
        (3, (2.25, 0.25, 11.25, 9.25), 4),
        (4, (-3.5, -6.5, 14.5, 11.5), 2),  # beyond the picture
        (5, (0, 0, 5, 5), 1),  # a part at its own size
    ],
)
def test_a_pixel_on_a_border_counts_by_the_share_within(size, box, fine):
    picture = noise(12, 12)
    exact = areas_by_repetition(picture, size, box, fine)
    found = resample(picture, size, box).astype(float)
    assert np.abs(found[..., 3] - exact[..., 3]).max() <= 0.5 + 1e-4
    seen = exact[..., 3] > 0.5
    assert (np.abs(found[seen][:, :3] - exact[seen][:, :3] / exact[seen][:, 3:]) <= 0.5 + 1e-3).all()
    assert (found[~seen] == 0).all()


def test_pillows_box_filter_which_was_used_before_is_not_an_area_average():
    """One full column of three shown on two pixels: half of it belongs to each, a third of each pixel's width."""
    picture = np.zeros((3, 3, 4), np.uint8)
    picture[:, 1] = 255
    assert resample(picture, 2)[..., 3].tolist() == [[85, 85], [85, 85]]
    boxed = Image.fromarray(picture[..., 3].astype(np.float32)).resize((2, 2), Image.Resampling.BOX)
    assert np.abs(np.asarray(boxed) - 85).max() > 40


def test_a_growing_picture_is_linear_between_pixels_and_ends_with_them():
    picture = np.full((6, 6, 4), 255, np.uint8)
    picture[..., 0] = 40 * np.arange(6)  # 40 (x - 1/2) at x, held in the outer half pixels
    found = resample(picture, 12)
    middles = (np.arange(12) + 0.5) / 2
    assert np.array_equal(found[0, :, 0], np.clip(40 * (middles - 0.5), 0, 200))
    assert (found[..., 3] == 255).all()
    beyond = resample(picture, 24, (-3, 0, 9, 12))
    inside = (np.arange(24) + 0.5) / 2
    wanted = ((inside - 3 >= 0) & (inside - 3 <= 6))[None] & (inside <= 6)[:, None]
    assert np.array_equal(beyond[..., 3] == 255, wanted)
    assert (beyond[~wanted] == 0).all()


def test_the_same_size_changes_nothing_and_a_box_elsewhere_is_empty():
    picture = noise(9, 9)
    assert np.array_equal(resample(picture, 9), picture)
    assert (resample(picture, 5, (20, 20, 30, 30)) == 0).all()
