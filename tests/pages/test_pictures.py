"""Pictures in a page: cameras, colours and where a triangle is drawn."""

import numpy as np
import pytest

from mpc.core.pictures import BACKGROUND, contact_sheet, over_background, resample, used_box
from mpc.geometry.camera import OrthographicCamera
from mpc.geometry.mesh import PosedMesh
from mpc.pages.pictures import draw_coloured, heat_colours, turned_camera


def test_the_camera_comes_back_from_its_calibration():
    camera = OrthographicCamera((0.2, 0.9, -0.1), 2.2, 130.0, 12.0)
    found = turned_camera(camera.calibration)
    assert np.allclose(found.calibration, camera.calibration)
    turned = turned_camera(camera.calibration, 90.0)
    assert turned.yaw_deg == pytest.approx(220.0)
    assert np.allclose(turned.centre_world, camera.centre_world)


def test_a_coloured_triangle_is_drawn_where_it_stands():
    corners = np.array([[-0.5, -0.5, 0.0], [0.5, -0.5, 0.0], [0.0, 0.5, 0.0]])
    mesh = PosedMesh(corners, np.array([[0, 1, 2]], np.int32))
    camera = OrthographicCamera((0, 0, 0), 2.0)
    picture = draw_coloured(mesh, camera, np.full((3, 3), [200, 50, 20], np.uint8), 64)
    assert picture[40, 32].tolist() == [200, 50, 20, 255]
    assert picture[4, 32, 3] == 0
    box = used_box([picture], margin=0.0)
    assert 14 <= box[0] <= 17
    assert 47 <= box[2] <= 49
    assert over_background(picture)[0, 0].tolist() == list(BACKGROUND)
    sheet = contact_sheet([picture] * 3, 2, gap=4)
    assert sheet.shape == (132, 132, 3)


def test_resizing_keeps_colours_clean_at_the_rim():
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[:, :31] = [250, 10, 10, 255]
    small = resample(picture, 32)
    rim = small[small[..., 3] > 0]
    assert (np.abs(rim[:, :3].astype(int) - [250, 10, 10]) <= 2).all()


def test_heat_goes_from_blue_to_red():
    colours = heat_colours(np.array([0.0, 2.5, 5.0, 50.0]), 5.0).astype(int)
    assert colours[0, 2] > colours[0, 0]
    assert colours[2, 0] > colours[2, 2]
    assert (colours[2] == colours[3]).all()
