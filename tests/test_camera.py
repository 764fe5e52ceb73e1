"""Cameras against hand-worked cases and properties."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from mpc.geometry.camera import (
    OrthographicCamera,
    orbit_cameras,
    pixel_centres,
    project,
    unproject,
    view_to_pixels,
)

angles = st.floats(-360, 360)
pitches = st.floats(-80, 80)


def test_front_camera_sees_x_right_y_down_z_away():
    camera = OrthographicCamera((0.0, 1.0, 0.0), 2.0)
    world = np.array([[0.5, 1.0, 0.0], [0.0, 1.5, 0.0], [0.0, 1.0, 0.5]])
    assert np.allclose(project(world, camera.calibration), [[0.5, 0, 0], [0, -0.5, 0], [0, 0, -0.5]])


def test_camera_at_ninety_degrees_stands_on_positive_x():
    # It looks towards -x, so +z (the way people face) is on its left.
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.0, yaw_deg=90.0)
    assert np.allclose(project(np.array([[1.0, 0, 0], [0, 0, 1.0]]), camera.calibration), [[0, 0, -1], [-1, 0, 0]])


def test_camera_from_above_sees_the_top_nearer():
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.0, pitch_deg=30.0)
    above = project(np.array([[0.0, 1.0, 0.0]]), camera.calibration)[0]
    assert np.allclose(above, [0.0, -np.cos(np.pi / 6), -0.5])


@given(angles, pitches)
def test_rotation_is_a_rotation(yaw, pitch):
    rotation = OrthographicCamera((0, 0, 0), 2.4, yaw, pitch).rotation
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.isclose(np.linalg.det(rotation), 1.0)


@given(angles, pitches, st.integers(0, 2**32 - 1))
def test_unproject_returns_the_point(yaw, pitch, seed):
    camera = OrthographicCamera((0.3, 0.9, -0.2), 2.4, yaw, pitch)
    points = np.random.default_rng(seed).normal(size=(20, 3))
    assert np.allclose(unproject(project(points, camera.calibration), camera.calibration), points, atol=1e-10)


def test_orbit_has_36_yaws_of_ten_degrees():
    yaws = [camera.yaw_deg for camera in orbit_cameras((0.0, 0.0, 0.0), 2.4)]
    assert yaws == [10.0 * index for index in range(36)]


def test_pixel_centres_are_those_of_grid_sample():
    height, width = 5, 7
    picture = torch.arange(height * width, dtype=torch.float64).reshape(1, 1, height, width)
    grid = torch.from_numpy(pixel_centres(height, width))[None]
    sampled = torch.nn.functional.grid_sample(picture, grid, align_corners=False)
    assert torch.allclose(sampled, picture)


def test_view_to_pixels_puts_centres_on_whole_numbers():
    centres = pixel_centres(5, 7).reshape(-1, 2)
    rows, columns = np.divmod(np.arange(35), 7)
    pixels = view_to_pixels(np.column_stack([centres, np.zeros(35)]), 5, 7)
    assert np.allclose(pixels, np.stack([rows, columns], axis=1))
