"""Damaged masks: each kind does what it says, and nothing but the picture changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mpc.core.errors import SettingsError
from mpc.datasets.loading.augment import AugmentSettings, augment
from mpc.datasets.loading.mask_damage import CUT, HALO, HOLE, HOLES, damage_masks
from mpc.geometry.camera import OrthographicCamera

SIZE, COUNT = 128, 24
KINDS = ("holes", "halo", "soft", "cut")


def figures() -> torch.Tensor:
    """Red ellipses of other sizes, with sharp masks."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    rng = np.random.default_rng(2)
    pictures = np.zeros((COUNT, 4, SIZE, SIZE), np.uint8)
    for picture in pictures:
        tall, wide = rng.uniform(32, 52), rng.uniform(12, 28)
        inside = ((rows - 63.5) / tall) ** 2 + ((columns - 63.5) / wide) ** 2 < 1
        picture[0, inside], picture[3, inside] = 200, 255
    return torch.from_numpy(pictures)


def damaged(kind: str, share: float = 1.0, seed: int = 0) -> torch.Tensor:
    shares = dict.fromkeys(KINDS, 0.0) | {kind: share}
    return damage_masks(figures(), shares, rng=np.random.default_rng(seed), rows=slice(None), count=COUNT)


def test_holes_are_ellipses_in_the_person() -> None:
    before, after = figures(), damaged("holes")
    lost = (before[:, 3] > 0) & (after[:, 3] == 0)
    area = lost.sum(dim=(1, 2)).double() / SIZE**2
    assert (area > 0).all()
    assert area.max() <= HOLES * np.pi * (HOLE[1] + 1 / SIZE) ** 2
    kept = ~lost
    assert torch.equal(after[:, 3][kept], before[:, 3][kept])
    assert (after[:, :3].sum(dim=1)[lost] == 0).all()


def test_a_cut_takes_the_end_of_the_person_in_one_direction() -> None:
    before, after = figures(), damaged("cut")
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    for one, other in zip(before[:, 3] > 0, after[:, 3] > 0, strict=True):
        assert not (other & ~one).any()
        lost = one & ~other
        if lost.sum() < 8:
            continue
        # A straight line parts what is left from what is lost: along some direction all of it lies beyond.
        angles = torch.arange(0, 2 * np.pi, 0.02)
        along = rows[..., None] * torch.sin(angles) + columns[..., None] * torch.cos(angles)
        apart = along[lost].amin(dim=0) - along[other].amax(dim=0)
        assert apart.max() > -0.5
        assert (lost.sum() / one.sum()) < 2 * CUT


def test_a_halo_grows_or_shrinks_the_mask_by_few_pixels() -> None:
    before, after = figures(), damaged("halo")
    most = round(HALO * SIZE)
    grown = torch.nn.functional.max_pool2d((before[:, 3:] > 0).float(), 2 * most + 1, 1, most)[:, 0] > 0
    shrunk = torch.nn.functional.max_pool2d((before[:, 3:] == 0).float(), 2 * most + 1, 1, most)[:, 0] == 0
    mask = after[:, 3] > 0
    assert (mask <= grown).all()
    assert (shrunk <= mask).all()
    change = (mask.sum(dim=(1, 2)) - (before[:, 3] > 0).sum(dim=(1, 2))).numpy()
    assert (change > 0).any() and (change < 0).any()  # noqa: PT018
    # What the mask shows beyond the person is a background; the person's colours are as they were.
    ring = mask & (before[:, 3] == 0)
    assert len(torch.unique(after[:, 1][ring])) > 50
    inside = mask & (before[:, 3] == 255)
    assert (after[:, 0][inside] == 200).all()
    assert (after[:, 1][inside] == 0).all()


def test_soft_masks_keep_their_area() -> None:
    before, after = figures(), damaged("soft")
    sums = after[:, 3].double().sum(dim=(1, 2)) / before[:, 3].double().sum(dim=(1, 2))
    np.testing.assert_allclose(sums, 1.0, atol=0.02)
    partial = ((after[:, 3] > 0) & (after[:, 3] < 255)).sum(dim=(1, 2))
    assert (partial > 10).sum() > COUNT // 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_of_the_pictures_is_damaged_whatever_the_number_of_processes(kind: str) -> None:
    before, after = figures(), damaged(kind, 0.4, seed=5)
    assert torch.equal(before, figures()), "the given pictures are left alone"
    changed = (before != after).flatten(1).any(dim=1).sum().item()
    assert 2 <= changed <= 18
    shares = dict.fromkeys(KINDS, 0.0) | {kind: 0.4}
    for rank in (0, 1):
        rows = slice(rank, None, 2)
        part = damage_masks(before[rows], shares, rng=np.random.default_rng(5), rows=rows, count=COUNT)
        assert torch.equal(part, after[rows])


def test_only_pictures_change_and_those_without_damage_are_drawn_as_before() -> None:
    calibration = torch.from_numpy(OrthographicCamera((0.0, 0.0, 0.0), 2.4, 30.0).calibration).float()
    calibrations = calibration.expand(COUNT, 4, 4)
    moving = {"flip": 0.5, "scale": 0.2, "grow": 0.4, "shift": 0.05, "colour": 0.2}

    def run(**more: float) -> tuple[torch.Tensor, torch.Tensor]:
        settings = AugmentSettings(**moving, **more)
        return augment(figures(), calibrations, settings, rng=np.random.default_rng(7), rows=slice(None), count=COUNT)

    (plain, placed), (hurt, same) = run(), run(mask_holes=0.5, mask_cut=0.3, mask_halo=0.3, mask_soft=0.3)
    assert torch.equal(placed, same)
    untouched = (plain == hurt).flatten(1).all(dim=1)
    assert 1 <= untouched.sum() < COUNT - 8


def test_people_grow_up_to_the_share_and_mostly_by_little() -> None:
    calibrations = torch.eye(4).expand(400, 4, 4)
    images = torch.zeros((400, 4, 2, 2), dtype=torch.uint8)
    settings = AugmentSettings(grow=0.4)
    _, changed = augment(images, calibrations, settings, rng=np.random.default_rng(0), rows=slice(None), count=400)
    factor = changed[:, 0, 0].numpy()
    assert factor.min() >= 1.0
    assert 1.38 < factor.max() <= 1.4
    assert np.mean(factor) == pytest.approx(1 + 0.4 / 3, abs=0.02)  # of 1 + 0.4 u^2
    with pytest.raises(SettingsError, match=r"augment\.mask_holes"):
        AugmentSettings(mask_holes=1.2)
