"""Which pixels a mesh can touch, against the faces themselves."""

import numpy as np
import pytest

from mpc.geometry.camera import OrthographicCamera, PerspectiveCamera
from mpc.render.screen import TILE, on_screen, touched_pixels

HEIGHT, WIDTH = 83, 101


def triangles(count, spread_m, rng):
    """Loose triangles (3 count, 3) around the origin, many of them partly or wholly outside the picture."""
    middles = rng.uniform(-1.6, 1.6, (count, 1, 3)) * (1.0, 1.0, 0.3)
    return (middles + rng.normal(0.0, spread_m, (count, 3, 3))).reshape(-1, 3), np.arange(3 * count).reshape(
        3, -1, order="F"
    )


@pytest.mark.parametrize(
    "camera", [OrthographicCamera((0, 0, 0), 2.0, 20.0), PerspectiveCamera((0, 0, 0), 2.0, fov_deg=40.0)]
)
@pytest.mark.parametrize(("count", "spread_m"), [(60, 0.005), (12, 0.05), (3, 0.6)])
def test_touched_pixels_hold_every_face_and_little_else(camera, count, spread_m):
    for seed in range(8):
        vertices, corners = triangles(count, spread_m, np.random.default_rng(seed))
        screen = on_screen(vertices, camera, HEIGHT, WIDTH)
        rows, columns, inside = touched_pixels(screen, corners.astype(np.int32), HEIGHT, WIDTH)
        touched = np.zeros((HEIGHT, WIDTH), bool)
        touched[rows, columns] = inside
        near = np.zeros((HEIGHT + 2 * TILE, WIDTH + 2 * TILE), bool)  # pixels within a tile of a face's box
        grid = np.random.default_rng(9).dirichlet(np.ones(3), 400)
        for face in corners.T:
            row, column = np.rint(grid @ screen.rows[face]), np.rint(grid @ screen.columns[face])
            seen = (row >= 0) & (row < HEIGHT) & (column >= 0) & (column < WIDTH)
            assert touched[row[seen].astype(int), column[seen].astype(int)].all()
            box = [
                slice(max(int(np.rint(values.min())), 0), max(int(np.rint(values.max())) + 1 + 2 * TILE, 0))
                for values in (screen.rows[face], screen.columns[face])
            ]
            near[box[0], box[1]] = True
        assert not (touched & ~near[TILE:-TILE, TILE:-TILE]).any()


def test_nothing_in_the_picture():
    screen = on_screen(np.full((3, 3), 5.0), OrthographicCamera((0, 0, 0), 2.0), HEIGHT, WIDTH)
    assert touched_pixels(screen, np.array([[0], [1], [2]], np.int32), HEIGHT, WIDTH)[2].size == 0
