"""Colours from the photograph: closed forms on balls, and no background at the outline."""

import numpy as np
import pytest
import trimesh

from mpc.core.errors import SettingsError
from mpc.geometry.camera import OrthographicCamera, PerspectiveCamera, project
from mpc.geometry.mesh import PosedMesh
from mpc.reconstruct.surface.photo import FACING, PhotoColours
from mpc.reconstruct.surface.texture import bake_texture

CAMERA = OrthographicCamera((0.0, 1.0, 0.0), 2.4)
BLUE = np.array([0.0, 0.0, 1.0], np.float32)
SIZE = 256


def ball(radius=0.5, centre=(0.0, 1.0, 0.0)):
    """A ball as a mesh whose vertex normals are known."""
    made = trimesh.creation.icosphere(4, radius).apply_translation(centre)
    return PosedMesh(np.asarray(made.vertices, np.float64), np.asarray(made.faces, np.int32))


def picture_of(colour_at, radius=0.5, ring=(0, 255, 0)):
    """A disk of `radius` metres before green, whose outermost pixels are mixed with the green; straight alpha."""
    row, column = np.mgrid[:SIZE, :SIZE] + 0.5
    distance = np.hypot(row - SIZE / 2, column - SIZE / 2) * 2.4 / SIZE
    share = np.clip((radius - distance) / (2.4 / SIZE) + 0.5, 0.0, 1.0)[..., None]
    inside = np.broadcast_to(np.asarray(colour_at(row, column), np.float64), (SIZE, SIZE, 3))
    picture = np.zeros((SIZE, SIZE, 4), np.uint8)
    picture[..., :3] = np.rint(inside * share + np.array(ring) * (1 - share))
    picture[..., 3] = np.rint(255 * share[..., 0])
    return picture


def blue(points):
    """What the network paints, everywhere."""
    return np.tile(BLUE, (len(points), 1))


def test_front_is_the_photograph_back_the_network_and_nothing_the_background():
    mesh, picture = ball(), picture_of(lambda row, column: (200.0, 0.0, 0.0))
    normals = mesh.vertex_normals
    found = PhotoColours(mesh, picture, CAMERA.calibration).blend(mesh.vertices, normals, blue(normals))
    facing = normals[:, 2]  # the camera looks along -z
    front = facing > FACING + 0.05
    assert found[front] * 255 == pytest.approx(np.tile([200.0, 0.0, 0.0], (front.sum(), 1)), abs=1)
    assert (found[facing < 0.1] == BLUE).all()
    assert found[:, 1].max() == 0.0  # no green anywhere, though the outline's pixels hold it
    between = found[(facing > 0.2) & (facing < 0.5), 0]
    assert between.min() < 0.1
    assert between.max() > 0.5


@pytest.mark.parametrize("camera", [CAMERA, PerspectiveCamera((0.0, 1.0, 0.0), 2.4, fov_deg=30.0)])
def test_points_get_the_pixel_that_shows_them(camera):
    """A picture whose red grows with the column and whose green grows with the row."""
    mesh, picture = ball(), np.full((SIZE, SIZE, 4), 255, np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(SIZE), np.arange(SIZE)[:, None]
    normals = mesh.vertex_normals
    found = PhotoColours(mesh, picture, camera.calibration).blend(mesh.vertices, normals, blue(normals))
    xy = project(mesh.vertices, camera.calibration)[:, :2]
    front = normals[:, 2] > 0.75
    expected = (xy[front] + 1) / 2 * SIZE - 0.5
    assert found[front, :2] * 255 == pytest.approx(expected, abs=0.51)


def test_what_stands_behind_something_keeps_the_colours_of_the_network():
    """A small ball before a large one: the picture shows red where the small one hides the large one, else yellow."""
    small, large = ball(0.2, (0.0, 1.0, 0.8)), ball(0.5, (0.0, 1.0, 0.0))
    count = len(small.vertices)
    faces = np.concatenate([small.faces, large.faces + count])
    mesh = PosedMesh(np.concatenate([small.vertices, large.vertices]), faces)

    def before(row, column):
        hidden = np.hypot(row - SIZE / 2, column - SIZE / 2) * 2.4 / SIZE < 0.2
        return np.where(hidden[..., None], (200.0, 0.0, 0.0), (200.0, 200.0, 0.0))

    normals = np.concatenate([small.vertex_normals, large.vertex_normals])
    painter = PhotoColours(mesh, picture_of(before), CAMERA.calibration)
    found = painter.blend(mesh.vertices, normals, blue(normals))
    x, y = mesh.vertices[count:, 0], mesh.vertices[count:, 1] - 1
    behind = np.hypot(x, y) < 0.2
    assert (found[count:][behind] == BLUE).all()
    shown = (np.hypot(x, y) > 0.24) & (large.vertex_normals[:, 2] > FACING + 0.05)
    assert found[count:][shown] * 255 == pytest.approx(np.tile([200.0, 200.0, 0.0], (shown.sum(), 1)), abs=1)


def test_texels_are_painted_as_vertices_are():
    mesh, picture = ball(), picture_of(lambda row, column: (200.0, 0.0, 0.0))
    painter = PhotoColours(mesh, picture, CAMERA.calibration)
    textured = bake_texture(mesh.vertices, mesh.faces, 256, lambda p, n: painter.blend(p, n, blue(p)))
    texels = textured.materials[0].texture[..., :3].reshape(-1, 3)
    assert texels[:, 1].max() == 0
    assert (texels == (0, 0, 255)).all(axis=1).mean() > 0.4
    assert (texels == (200, 0, 0)).all(axis=1).mean() > 0.15  # a quarter of a ball faces the camera by 60 degrees


def test_a_picture_that_is_no_square_is_refused():
    with pytest.raises(SettingsError, match="square"):
        PhotoColours(ball(), np.zeros((4, 5, 4), np.uint8), CAMERA.calibration)
