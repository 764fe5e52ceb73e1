"""What cameras see of a panorama, against the direction of each pixel in closed form, and against its light."""

from __future__ import annotations

import numpy as np
import pytest

from mpc.core.arrays import F64, U8
from mpc.geometry.camera import Camera, OrthographicCamera, PerspectiveCamera, crop_camera, unproject
from mpc.render.light.harmonics import sh_basis
from mpc.render.light.lights import expose, expose_with_gain, rotate_light
from mpc.render.light.panoramas import panorama_coordinates, project_panorama
from mpc.render.panorama_view import ORTHOGRAPHIC_FOV, draw_panorama, panorama_texture

HEIGHT, SIZE = 256, 24
CAMERAS = {
    "front": PerspectiveCamera((0.1, 0.9, 0.2), 2.4, 0.0, 0.0, 0.0, fov_deg=50.0),
    "any": PerspectiveCamera((0.1, 0.9, 0.2), 2.4, 205.0, 25.0, 12.0, fov_deg=35.0),
    "seam": PerspectiveCamera((0.0, 0.9, 0.0), 2.4, 1.0, -70.0, 0.0, fov_deg=60.0),
}


def sphere(height: int) -> F64:
    """(H, 2 H, 3) the direction of each texel: +z in the middle, -x to the right of it, +y at the top."""
    row, column = (np.mgrid[:height, : 2 * height] + 0.5) / height
    polar, azimuth = row * np.pi, (column - 1.0) * np.pi
    return np.stack([-np.sin(azimuth) * np.sin(polar), np.cos(polar), np.cos(azimuth) * np.sin(polar)], axis=-1)


def coded(directions: F64) -> U8:
    return np.rint((directions + 1.0) * 127.5).astype(np.uint8)


def directions_of(camera: Camera, size: int) -> F64:
    """(S, S, 3) unit vectors through the pixels, by two points of each pixel's line in view space."""
    y, x = (2.0 * np.mgrid[:size, :size] + 1.0) / size - 1.0
    near, far = (
        unproject(np.stack([x, y, np.full_like(x, z)], -1).reshape(-1, 3), camera.calibration) for z in (-1, 1)
    )
    rays = (far - near).reshape(size, size, 3)
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("yaw", [0.0, 1.3])
def test_a_pixel_shows_the_panorama_in_its_direction(name: str, yaw: float) -> None:
    camera = CAMERAS[name]
    picture = draw_panorama(panorama_texture(coded(sphere(HEIGHT))), camera, SIZE, yaw)
    directions = directions_of(camera, SIZE)
    # What lies in direction d of the turned panorama is in the original at d turned back, from +x towards +z.
    x, y, z = np.moveaxis(directions, -1, 0)
    cos, sin = np.cos(yaw), np.sin(yaw)
    back = np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=-1)
    assert np.abs(picture - (back + 1.0) * 127.5).max() < 2.0


def test_the_coordinates_are_those_of_the_projection_to_harmonics() -> None:
    directions = sphere(8)
    u, v = panorama_coordinates(directions.reshape(-1, 3))
    row, column = (np.mgrid[:8, :16] + 0.5).reshape(2, -1)
    np.testing.assert_allclose(u, column / 16, atol=1e-12)
    np.testing.assert_allclose(v, 1.0 - row / 8, atol=1e-12)


def test_an_orthographic_camera_sees_as_a_pinhole_of_forty_degrees() -> None:
    texture = panorama_texture(coded(sphere(HEIGHT)))
    flat = OrthographicCamera((0.0, 0.9, 0.0), 2.4, 30.0, 10.0, 5.0)
    lens = PerspectiveCamera((5.0, 1.9, 0.0), 1.0, 30.0, 10.0, 5.0, fov_deg=ORTHOGRAPHIC_FOV)
    np.testing.assert_array_equal(draw_panorama(texture, flat, SIZE), draw_panorama(texture, lens, SIZE))
    np.testing.assert_allclose(directions_of(lens, 25)[12, 12], -np.asarray(sphere_of(30.0, 10.0)), atol=1e-12)


def sphere_of(yaw_deg: float, pitch_deg: float) -> tuple[float, float, float]:
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    return float(np.sin(yaw) * np.cos(pitch)), float(np.sin(pitch)), float(np.cos(yaw) * np.cos(pitch))


@pytest.mark.parametrize("camera", [CAMERAS["any"], OrthographicCamera((0.0, 0.9, 0.0), 2.4, 205.0, 25.0)])
def test_a_crop_sees_its_part(camera: Camera) -> None:
    texture = panorama_texture(coded(sphere(32)))
    crop = crop_camera(camera, (-0.25, 0.5), 0.5)
    large = draw_panorama(texture, camera, 2 * SIZE, 0.4)
    part = large[SIZE : 2 * SIZE, SIZE // 4 : SIZE // 4 + SIZE]
    assert np.abs(draw_panorama(texture, crop, SIZE, 0.4).astype(int) - part).max() <= 1


def test_what_many_texels_make_is_their_mean() -> None:
    stripes = np.zeros((512, 1024, 3), np.uint8)
    stripes[:, ::2] = 200
    picture = draw_panorama(panorama_texture(stripes), CAMERAS["front"], 8)
    assert np.abs(picture.astype(int) - 100).max() <= 2


def test_light_comes_from_where_the_panorama_is_bright() -> None:
    panorama = np.full((32, 64, 3), 0.05, np.float32)
    panorama[10, 20] = 60.0
    yaw = 2.1
    light = rotate_light(expose(project_panorama(panorama)), yaw)
    towards = np.random.default_rng(0).normal(size=(4000, 3))
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    brightest = towards[np.argmax(sh_basis(towards) @ light[:, 1])]
    shown = np.rint(np.clip(panorama, 0, 1) * 255).astype(np.uint8)
    # A camera that looks there sees the bright texel in the middle of its picture.
    pitch = float(np.degrees(np.arcsin(-brightest[1])))
    turn = float(np.degrees(np.arctan2(-brightest[0], -brightest[2])))
    camera = PerspectiveCamera((0.0, 0.0, 0.0), 2.0, turn, pitch, fov_deg=60.0)
    picture = draw_panorama(panorama_texture(shown), camera, 61, yaw)[..., 1].astype(float)
    row, column = np.average(np.mgrid[:61, :61].reshape(2, -1), axis=1, weights=(picture - picture.min()).ravel())
    assert abs(row - 30) < 3
    assert abs(column - 30) < 3


def test_the_gain_is_what_light_was_multiplied_by() -> None:
    white = np.ones((16, 32, 3), np.float32) * np.array([0.3, 0.2, 0.1], np.float32)
    raw = project_panorama(white)
    light, gain = expose_with_gain(raw)
    np.testing.assert_allclose(light, raw * gain, rtol=1e-5, atol=1e-6)
