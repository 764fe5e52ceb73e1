"""Photographs behind people: what shows through damaged masks, and where a picture is opaque."""

import numpy as np
import pytest
import torch
from PIL import Image

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.loading.augment import AugmentSettings, augment
from mpc.datasets.loading.backgrounds import Backgrounds

COUNT = 12


@pytest.fixture
def photographs(tmp_path):
    """A red one, upright only by its EXIF entry, and one half green and half blue in a folder below."""
    folder = tmp_path / "photographs"
    (folder / "more").mkdir(parents=True)
    tall = np.zeros((60, 200, 3), np.uint8)
    tall[..., 0] = 250
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(tall).save(folder / "red.jpg", exif=exif, quality=95)
    halves = np.zeros((64, 128, 3), np.uint8)
    halves[:, :64, 1] = 250
    halves[:, 64:, 2] = 250
    Image.fromarray(halves).save(folder / "more" / "halves.PNG")
    (folder / "notes.txt").write_text("no picture")
    return folder


def batch():
    """People as grey discs of half alpha at the edge of nothing."""
    images = torch.zeros(COUNT, 4, 32, 32, dtype=torch.uint8)
    images[:, :3, 8:24, 8:24] = 100
    images[:, 3, 8:24, 8:24] = 255
    return images, torch.eye(4).repeat(COUNT, 1, 1)


def test_squares_are_cut_out_of_photographs(photographs):
    squares = Backgrounds(photographs).draw(np.random.default_rng(0), slice(None), 64, 16)
    assert squares.shape == (64, 3, 16, 16)
    assert squares.dtype == torch.float32
    means = squares.mean(dim=(2, 3))
    red = means[:, 0] > 0.9
    assert 10 < int(red.sum()) < 54, "both photographs are drawn"
    assert float(squares[red][:, 1:].max()) < 0.05
    others = squares[~red]
    # Where a square holds both halves, its left or its right one is green, as often as not.
    mixed = others[(others[:, 1, :, 0] > 0.9).all(dim=1) & (others[:, 2, :, -1] > 0.9).all(dim=1)]
    turned = others[(others[:, 2, :, 0] > 0.9).all(dim=1) & (others[:, 1, :, -1] > 0.9).all(dim=1)]
    assert len(mixed) > 2
    assert len(turned) > 2


def test_draws_do_not_depend_on_the_number_of_processes(photographs):
    found = Backgrounds(photographs)
    whole = found.draw(np.random.default_rng(3), slice(None), COUNT, 8)
    parts = [found.draw(np.random.default_rng(3), slice(rank, None, 3), COUNT, 8) for rank in range(3)]
    for rank, part in enumerate(parts):
        assert torch.equal(part, whole[rank::3])


def test_an_opaque_picture_shows_a_photograph_behind_the_person(photographs):
    images, calibrations = batch()
    settings = AugmentSettings(background=1.0, backgrounds=str(photographs))
    result, _ = augment(images, calibrations, settings, rng=np.random.default_rng(1), rows=slice(None), count=COUNT)
    ground = Backgrounds(photographs).draw(_after_the_first_draws(), slice(None), COUNT, 32)
    assert bool((result[:, 3] == 255).all())
    assert bool((result[:, :3, 8:24, 8:24] == 100).all())
    assert torch.equal(result[:, :3, :8], (ground[:, :, :8] * 255).round().to(torch.uint8))


def test_a_mask_that_is_too_large_shows_a_photograph(photographs):
    images, calibrations = batch()
    settings = AugmentSettings(mask_halo=1.0, backgrounds=str(photographs))
    result, _ = augment(images, calibrations, settings, rng=np.random.default_rng(1), rows=slice(None), count=COUNT)
    ground = (Backgrounds(photographs).draw(_after_the_first_draws(), slice(None), COUNT, 32) * 255).round()
    shown = (result[:, 3] > 0) & (images[:, 3] == 0)
    assert int(shown.sum()) > 20
    for channel in range(3):
        assert torch.equal(result[:, channel][shown], ground[:, channel][shown].to(torch.uint8))


def _after_the_first_draws():
    rng = np.random.default_rng(1)
    rng.random((COUNT, 8))
    return rng


def test_a_photograph_that_cannot_be_read_is_passed_over_and_told_once(photographs, caplog):
    (photographs / "red.jpg").write_bytes(b"not a picture")
    found = Backgrounds(photographs)
    squares = found.draw(np.random.default_rng(0), slice(None), 20, 8)
    assert float(squares[:, 0].max()) == 0.0, "green and blue alone"
    assert [record.getMessage().split(" is passed over")[0] for record in caplog.records] == [
        str(photographs / "red.jpg")
    ]


def test_folders_without_photographs_are_refused(photographs, tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        Backgrounds(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures for backgrounds"):
        Backgrounds(tmp_path / "empty")
    for path in photographs.rglob("*.*"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="that can be read"):
        Backgrounds(photographs).draw(np.random.default_rng(0), slice(None), 1, 8)


def test_backgrounds_that_nothing_would_show_are_refused():
    with pytest.raises(SettingsError, match="nothing shows a background"):
        AugmentSettings(backgrounds="photographs")
