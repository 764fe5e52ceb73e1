"""Augmented pictures and their calibrations still agree; the number of processes changes nothing."""

import numpy as np
import pytest
import torch

from mpc.core.errors import SettingsError
from mpc.datasets.loading.augment import AugmentSettings, augment
from mpc.geometry.camera import OrthographicCamera, project, view_to_pixels

EVERYTHING = AugmentSettings(flip=0.5, scale=0.2, shift=0.1, colour=0.0)


def spot(point_world, camera, size=64):
    """A picture of one soft red spot where the point projects to."""
    row, column = view_to_pixels(project(point_world[None], camera.calibration), size, size)[0]
    rows, columns = np.mgrid[:size, :size]
    alpha = 255 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 3.0**2))
    picture = np.zeros((4, size, size), np.uint8)
    picture[0], picture[3] = 200, alpha.round()
    return picture


def centre_of(picture):
    weights = picture[3].double().numpy()
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(rows * weights).sum(), (columns * weights).sum()]) / weights.sum()


def batch(count=16):
    rng = np.random.default_rng(3)
    points = rng.uniform(-0.35, 0.35, (count, 3))
    cameras = [OrthographicCamera((0.0, 0.0, 0.0), 2.4, 30.0 * index) for index in range(count)]
    images = torch.from_numpy(np.stack([spot(p, c) for p, c in zip(points, cameras, strict=True)]))
    calibrations = torch.from_numpy(np.stack([c.calibration for c in cameras])).float()
    return points, images, calibrations


def test_a_point_stays_on_its_pixels():
    points, images, calibrations = batch()
    moved, changed = augment(
        images, calibrations, EVERYTHING, rng=np.random.default_rng(0), rows=slice(None), count=len(points)
    )
    assert (torch.det(changed[:, :3, :3]) < 0).any(), "no view was mirrored"
    assert (torch.det(changed[:, :3, :3]) > 0).any(), "every view was mirrored"
    for point, picture, calibration in zip(points, moved, changed.double().numpy(), strict=True):
        wanted = view_to_pixels(project(point[None], calibration), 64, 64)[0]
        assert np.abs(centre_of(picture) - wanted).max() < 0.1  # pixels; 8-bit rounding of a 3-pixel spot
        strong = picture[3] > 128
        assert (picture[0][strong].int() - 200).abs().max() <= 2  # straight alpha: colour is not darkened at edges


def test_depth_scales_with_the_person():
    _, images, calibrations = batch()
    only = AugmentSettings(scale=0.2)
    _, changed = augment(images, calibrations, only, rng=np.random.default_rng(1), rows=slice(None), count=16)
    ratio = torch.linalg.norm(changed[:, :3, :3], dim=2) / torch.linalg.norm(calibrations[:, :3, :3], dim=2)
    assert torch.allclose(ratio, ratio[:, :1].expand(-1, 3), atol=1e-5)
    assert ratio.max() > 1.05
    assert ratio.min() < 0.95


def test_nothing_asked_nothing_done():
    _, images, calibrations = batch()
    same, kept = augment(
        images, calibrations, AugmentSettings(), rng=np.random.default_rng(0), rows=slice(None), count=16
    )
    assert torch.equal(same, images)
    assert torch.equal(kept, calibrations)


def test_two_processes_change_what_one_does():
    _, images, calibrations = batch()
    settings = AugmentSettings(flip=0.5, scale=0.1, shift=0.05, colour=0.2)
    whole = augment(images, calibrations, settings, rng=np.random.default_rng(5), rows=slice(None), count=16)
    for rank in (0, 1):
        rows = slice(rank, None, 2)
        part = augment(images[rows], calibrations[rows], settings, rng=np.random.default_rng(5), rows=rows, count=16)
        assert torch.equal(part[0], whole[0][rows])
        assert torch.equal(part[1], whole[1][rows])


def test_out_of_range_is_refused():
    with pytest.raises(SettingsError, match=r"augment\.scale"):
        AugmentSettings(scale=0.9)
