"""World points read the feature of the pixel they project to, to the fraction of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mpc.geometry.camera import OrthographicCamera, pixel_centres, project, view_to_pixels
from mpc.models.features import PixelFeatures, inside_cube, project_points, sample_map

CAMERA = OrthographicCamera((0.3, 0.9, -0.2), 2.4, yaw_deg=70.0, pitch_deg=10.0)


def coordinate_map(height: int, width: int) -> torch.Tensor:
    """(1, 2, h, w): every cell holds the view-space (x, y) of its own centre."""
    return torch.from_numpy(pixel_centres(height, width)).float().permute(2, 0, 1)[None]


def world_points(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.6, 0.6, (count, 3)) + np.array([0.3, 0.9, -0.2])


def test_projection_agrees_with_the_camera() -> None:
    points = world_points(500)
    calibration = CAMERA.calibration
    got = project_points(torch.from_numpy(points).float()[None], torch.from_numpy(calibration).float()[None])[0]
    np.testing.assert_allclose(got.numpy(), project(points, calibration), atol=1e-6)


def test_perspective_row_divides() -> None:
    matrix = np.eye(4)
    matrix[3] = [0.0, 0.0, 0.5, 2.0]
    points = world_points(20)
    expected = points / (0.5 * points[:, 2:] + 2.0)
    got = project_points(torch.from_numpy(points)[None], torch.from_numpy(matrix)[None])[0]
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (128, 128), (24, 40)])
def test_a_map_of_coordinates_is_read_back_exactly(size: tuple[int, int]) -> None:
    points = torch.from_numpy(world_points(400)).float()[None]
    position = project_points(points, torch.from_numpy(CAMERA.calibration).float()[None])
    read = sample_map(coordinate_map(*size), position[..., :2])
    torch.testing.assert_close(read, position[..., :2], atol=2e-6, rtol=0)


def test_whole_pixels_are_read_without_mixing() -> None:
    """A point on the centre of pixel (i, j), by the geometry's own pixel formula, reads cell (i, j) alone."""
    height, width = 16, 20
    noise = torch.randn(1, 3, height, width)
    view = torch.from_numpy(pixel_centres(height, width)).float().reshape(1, -1, 2)
    read = sample_map(noise, view)[0]
    torch.testing.assert_close(read, noise[0].permute(1, 2, 0).reshape(-1, 3), atol=1e-5, rtol=0)
    rows = view_to_pixels(np.concatenate([view[0].numpy(), np.zeros((len(view[0]), 1))], axis=1), height, width)
    np.testing.assert_allclose(rows[:, 0], np.repeat(np.arange(height), width), atol=1e-4)


@pytest.mark.parametrize("mistake", ["half pixel", "corners", "flipped"])
def test_planted_mistakes_are_found(mistake: str) -> None:
    """The comparison above fails by far more than its tolerance when the convention is broken."""
    size = 128
    points = torch.from_numpy(world_points(400)).float()[None]
    xy = project_points(points, torch.from_numpy(CAMERA.calibration).float()[None])[..., :2]
    coordinates = coordinate_map(size, size)
    if mistake == "half pixel":
        read = sample_map(coordinates, xy + 1.0 / size)
    elif mistake == "corners":
        read = torch.nn.functional.grid_sample(coordinates, xy[:, :, None], align_corners=True)[..., 0].transpose(1, 2)
    else:
        read = sample_map(coordinates, xy * torch.tensor([1.0, -1.0]))
    assert (read - xy).abs().max() > 100 * 2e-6


def test_the_fine_map_is_read_at_the_same_place() -> None:
    features = PixelFeatures(stacks=(coordinate_map(16, 16), coordinate_map(16, 16)), fine=coordinate_map(32, 32))
    xy = torch.rand(1, 30, 2) * 1.8 - 0.9
    both = features.sample(xy)
    assert [tuple(values.shape) for values in both] == [(1, 30, 4), (1, 30, 4)]
    torch.testing.assert_close(both[1], torch.cat([xy, xy], dim=-1), atol=2e-6, rtol=0)


def test_inside_cube_has_closed_faces() -> None:
    points = torch.tensor([[[1.0, -1.0, 1.0], [1.0001, 0, 0], [0, 0, -1.0001]]])
    assert inside_cube(points)[0].tolist() == [True, False, False]


def test_positions_stay_exact_under_autocast() -> None:
    points = torch.from_numpy(world_points(50)).float()[None]
    matrix = torch.from_numpy(CAMERA.calibration).float()[None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        position = project_points(points, matrix)
    torch.testing.assert_close(position, project_points(points, matrix), atol=0, rtol=0)
