"""Cameras against hand-worked cases and properties."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.geometry.camera import (
    OrthographicCamera,
    PerspectiveCamera,
    camera_of,
    orbit_cameras,
    pixel_centres,
    project,
    unproject,
    view_to_pixels,
)

settings.register_profile("shared", deadline=None)  # busy machines miss any deadline
settings.load_profile("shared")
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


def some_cameras():
    place = ((0.3, 0.9, -0.2), 2.4, 250.0, -20.0, 30.0)
    return [OrthographicCamera(*place), *(PerspectiveCamera(*place, fov_deg=fov) for fov in (5.0, 40.0, 75.0))]


def test_a_pinhole_sees_the_middle_plane_fill_the_picture():
    camera = PerspectiveCamera((0.0, 1.0, 0.0), 2.0, fov_deg=60.0)
    assert np.isclose(camera.distance_m, np.sqrt(3.0))
    assert np.allclose(camera.eye_world, [0, 1, np.sqrt(3.0)])
    # The middle plane spans the picture; nearer things are larger, by similar triangles.
    edge = project(np.array([[1.0, 1, 0], [0, 2, 0], [0, 1, 1], [0, 1, -1]]), camera.calibration)
    assert np.allclose(edge[:, :2], [[1, 0], [0, -1], [0, 0], [0, 0]])
    assert np.allclose(edge[2:, 2], [-1, 1])
    near = project(np.array([[0.5, 1.0, 1.0]]), camera.calibration)[0, 0]
    assert np.isclose(near, 0.5 * np.sqrt(3.0) / (np.sqrt(3.0) - 1.0))


def test_roll_turns_right_towards_down():
    level, rolled = (OrthographicCamera((0, 0, 0), 2.0, 20.0, 10.0, roll) for roll in (0.0, 90.0))
    assert np.allclose(rolled.rotation, [level.rotation[1], -level.rotation[0], level.rotation[2]])
    assert np.isclose(np.linalg.det(rolled.rotation), 1.0)


def test_rays_are_the_projection_backwards():
    xy = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    for camera in some_cameras():
        for backwards in (False, True):
            origins, directions = camera.rays(xy, backwards=backwards)
            points = origins + 1.7 * directions
            assert np.allclose(project(points, camera.calibration)[:, :2], xy)
            depth = camera.depth_m(points)
            start = camera.depth_m(origins)
            assert np.allclose(depth - start, -1.7 if backwards else 1.7)
            assert backwards or np.allclose(start, 0.0)
            # They start outside the cube.
            assert (np.abs(camera.depth_m(np.array([camera.centre_world])) - start) > camera.extent_m / 2).all()


def test_unproject_and_the_networks_projection_agree_in_perspective():
    from mpc.models.features import project_points

    view = np.random.default_rng(1).uniform(-1, 1, (40, 3))
    for camera in some_cameras():
        world = unproject(view, camera.calibration)
        assert np.allclose(project(world, camera.calibration), view)
        network = project_points(torch.from_numpy(world)[None], torch.from_numpy(camera.calibration)[None])[0]
        assert np.allclose(network.numpy(), view, atol=1e-4)


def test_a_camera_is_recovered_from_its_calibration():
    for camera in some_cameras():
        found = camera_of(camera.calibration)
        assert type(found) is type(camera)
        assert np.allclose(found.calibration, camera.calibration)
        assert np.isclose(found.roll_deg, 30.0)
        assert np.isclose(found.extent_m, 2.4)
