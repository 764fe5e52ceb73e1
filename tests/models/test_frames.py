"""Frames around people: found by brute force, resampled as grid_sample does, and nothing seen of scale and place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mpc.models.features import normalise_images
from mpc.models.frames import (
    LEAST,
    MARGIN,
    body_into_frames,
    find_frames,
    into_frames,
    landmarks_into_frames,
    out_of_frames,
)
from mpc.models.maps import MAPS, MapsConfig, MapsEncoder

SMALL = {"size": 16, "cells": 8, "widths": (8, 12), "blocks": 1, "values": 3, "coarse": 4, "landmarks": 4}


def test_frames_are_the_squares_around_masks() -> None:
    rng = np.random.default_rng(0)
    alpha = np.zeros((20, 1, 24, 24), np.float32)
    for number in range(1, 20):
        row, column = rng.integers(0, 20, 2)
        alpha[number, 0, row : row + rng.integers(1, 9), column : column + rng.integers(1, 9)] = 0.8
        alpha[number, 0, rng.integers(24), rng.integers(24)] = 0.4  # too faint to count
    found = find_frames(torch.from_numpy(alpha)).numpy()
    np.testing.assert_array_equal(found[0], [0, 0, 1])
    for one, frame in zip(alpha[1:, 0], found[1:], strict=True):
        rows, columns = np.nonzero(one > 0.5)
        low = np.array([columns.min(), rows.min()]) / 12 - 1
        high = np.array([columns.max() + 1, rows.max() + 1]) / 12 - 1
        np.testing.assert_allclose(frame[:2], (low + high) / 2, atol=1e-6)
        np.testing.assert_allclose(frame[2], max(LEAST, MARGIN * (high - low).max() / 2), atol=1e-6)


@pytest.mark.parametrize(("half", "x", "y"), [(0.5, 0.1, -0.3), (0.3, -0.2, 0.25), (0.42, 0.0, 0.0)])
def test_enlarged_pictures_are_those_of_grid_sample(half: float, x: float, y: float) -> None:
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    frames = torch.tensor([[x, y, half]])
    matrix = torch.tensor([[[half, 0.0, x], [0.0, half, y]]])
    grid = functional.affine_grid(matrix, [1, 3, 40, 40], align_corners=False)
    expected = functional.grid_sample(picture, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    assert torch.allclose(into_frames(picture, frames, 40), expected, atol=1e-5)
    back = torch.tensor([[[1 / half, 0.0, -x / half], [0.0, 1 / half, -y / half]]])
    grid = functional.affine_grid(back, [1, 3, 160, 160], align_corners=False)
    expected = functional.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)
    assert torch.allclose(out_of_frames(picture, frames, 160), expected, atol=1e-5)


def test_shrinking_passes_over_no_pixel() -> None:
    """The mean of a picture of noise stays, which no interpolation between neighbours alone achieves."""
    picture = torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    shrunk = into_frames(picture, torch.tensor([[0.0, 0.0, 1.0]]), 16)
    assert abs(float(shrunk[..., 1:-1, 1:-1].mean() - picture[..., 6:-6, 6:-6].mean())) < 0.005
    assert float(shrunk[..., 1:-1, 1:-1].std()) < 0.06  # of 36 pixels and more; one pixel's is 0.29


def test_there_and_back_a_smooth_picture_stays() -> None:
    axis = torch.linspace(-1, 1, 96)
    picture = (torch.sin(3 * axis)[:, None] * torch.cos(2 * axis)[None])[None, None]
    frames = torch.tensor([[0.1, -0.2, 0.6]])
    again = out_of_frames(into_frames(picture, frames, 64), frames, 96)
    inside = ((axis - 0.1).abs() < 0.5)[None, :] & ((axis + 0.2).abs() < 0.5)[:, None]
    assert float((again - picture)[0, 0][inside].abs().max()) < 0.01


def test_landmarks_and_bodies_are_measured_in_their_frame() -> None:
    frames = torch.tensor([[0.2, -0.1, 0.5]])
    landmarks = torch.rand(1, 33, 7, generator=torch.Generator().manual_seed(2))
    framed = landmarks_into_frames(landmarks, frames)
    assert torch.allclose(framed[..., 0], (landmarks[..., 0] - 0.2) / 0.5)
    assert torch.allclose(framed[..., 1], (landmarks[..., 1] + 0.1) / 0.5)
    assert torch.allclose(framed[..., 2], landmarks[..., 2] / 0.5)
    assert torch.equal(framed[..., 3:], landmarks[..., 3:])
    body = torch.zeros(1, 8, 32, 32)
    body[:, 0], body[:, 1], body[:, 4] = -0.2, 0.3, 1.0
    body[:, :2, :, :16] = torch.nan
    seen = body_into_frames(body, torch.tensor([[0.0, 0.0, 0.5]]), 32)
    assert torch.isnan(seen[:, :2, :, :15]).all()
    assert torch.allclose(seen[:, 0, :, 17:], torch.tensor(-0.4))
    assert torch.allclose(seen[:, 1, :, 17:], torch.tensor(0.6))
    assert torch.allclose(seen[:, 4, :, 17:], torch.tensor(1.0))


@pytest.mark.parametrize("fine", [{}, {"fine_widths": (4, 6), "fine_size": 32, "fine_patch": 2, "fine_values": 2}])
@torch.no_grad()
def test_a_person_of_half_the_size_elsewhere_has_half_the_depths_there(fine: dict[str, Any]) -> None:
    torch.manual_seed(0)
    framed = MapsEncoder(MapsConfig(**SMALL, **fine, view=96)).eval()
    plain = MapsEncoder(MapsConfig(**{**SMALL, "size": 96, "cells": 48})).eval()
    picture = torch.zeros(2, 4, 96, 96, dtype=torch.uint8)
    person = torch.rand(1, 3, 6, 4, generator=torch.Generator().manual_seed(0))
    for one, (top, left), times in ((0, (8, 24), 12), (1, (40, 4), 6)):
        area = slice(top, top + 6 * times), slice(left, left + 4 * times)
        shown = functional.interpolate(person, scale_factor=times, mode="bilinear")[0]
        picture[(one, slice(3), *area)] = (255 * shown).to(torch.uint8)
        picture[(one, 3, *area)] = 255
    units = torch.cat([torch.full((2, 1, 1), 0.5), torch.ones(MAPS - 2, 1, 1)])

    def difference(maps: Tensor) -> float:
        large = functional.avg_pool2d(maps[0, :, 8:80, 24:72], 2)
        small = maps[1, :, 40:76, 4:28]
        return float((large * units - small).abs().mean() / (small - small.mean(dim=(1, 2), keepdim=True)).abs().mean())

    found = framed(normalise_images(picture))
    assert len(found.maps) == (2 if fine else 1)
    for maps in found.maps:
        assert difference(maps) < 0.1
    assert difference(plain(normalise_images(picture)).maps[0]) > 0.5
    assert torch.equal(found.stacks[0][:, MAPS], normalise_images(picture)[:, 3])
    assert found.stacks[0].shape[2:] == (96, 96)
    assert found.fine is not None
    assert found.fine.shape[2:] == (16, 16)


def test_without_a_view_nothing_changes() -> None:
    torch.manual_seed(0)
    plain = MapsEncoder(MapsConfig(**SMALL)).eval()
    framed = MapsEncoder(MapsConfig(**SMALL, view=16)).eval()
    framed.load_state_dict(plain.state_dict())
    picture = torch.randint(0, 256, (1, 4, 16, 16), dtype=torch.uint8)
    picture[:, 3] = 0  # nobody: the frame is the picture
    one, other = (network(normalise_images(picture)).stacks[0] for network in (plain, framed))
    assert torch.allclose(one, other, atol=1e-5)
