"""A mesh on the screen: its vertices in pixels, and the tiles of the picture that its faces may cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I32, Bools
from ..geometry.camera import Camera, project, view_to_pixels

# Edge of a tile, pixels.
TILE = 8


@dataclass(frozen=True, eq=False)
class Screen:
    """A mesh's vertices in the picture of a camera.

    Attributes:
        columns: (V,) float64, pixels, centres at whole numbers.
        rows: (V,) float64, pixels, centres at whole numbers.
        depth_m: (V,) float64, metres, see `Camera.depth_m`.
    """

    columns: F64
    rows: F64
    depth_m: F64


def on_screen(vertices: F64, camera: Camera, height: int, width: int) -> Screen:
    """Project vertices (V, 3), world metres, onto the picture of a camera."""
    rows, columns = view_to_pixels(project(vertices, camera.calibration), height, width).T
    return Screen(np.ascontiguousarray(columns), np.ascontiguousarray(rows), camera.depth_m(vertices))


def touched_pixels(screen: Screen, corners: I32, height: int, width: int) -> tuple[slice, slice, Bools]:
    """The pixels in those tiles that the bounding box of some face overlaps.

    Args:
        screen: the mesh's vertices.
        corners: (3, F) the mesh's faces.
        height: of the picture, pixels.
        width: of the picture, pixels.

    Returns:
        Rows of the box around these pixels.
        Columns of that box.
        (rows, columns) bool, which pixels of the box are meant.
    """
    down, across = -(-height // TILE), -(-width // TILE)
    # Tiles of the vertices. The first row and column are for what lies above or left of the picture, the last for what
    # lies below or right of it.
    row, column = _tiles(screen.rows, down), _tiles(screen.columns, across)
    shape = (down + 2, across + 2)
    touched = np.zeros(shape, bool)
    touched[row, column] = True
    # Faces across several tiles: the boxes are added by their four corners in a summed-area table.
    tile = row * shape[1] + column
    first, second, third = (tile.take(corner) for corner in corners)
    wide = corners[:, (first != second) | (second != third)]
    top, left, bottom, right = (
        bound.reduce([values.take(corner) for corner in wide])
        for bound, values in ((np.minimum, row), (np.minimum, column), (np.maximum, row), (np.maximum, column))
    )
    table = np.zeros((shape[0] + 1, shape[1] + 1), np.int64)
    for r, c, sign in ((top, left, 1), (top, right + 1, -1), (bottom + 1, left, -1), (bottom + 1, right + 1, 1)):
        table += sign * np.bincount(r * table.shape[1] + c, minlength=table.size).reshape(table.shape)
    touched |= table.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
    touched = touched[1:-1, 1:-1]
    used = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    if not len(used[0]):
        return slice(0, 0), slice(0, 0), np.zeros((0, 0), bool)
    low = used[0][0] * TILE, used[1][0] * TILE
    high = min((used[0][-1] + 1) * TILE, height), min((used[1][-1] + 1) * TILE, width)
    pixels = touched.repeat(TILE, axis=0).repeat(TILE, axis=1)
    rows, columns = slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))
    return rows, columns, pixels[rows, columns]


def _tiles(pixels: F64, count: int) -> I32:
    """Row (or column) of the tile of each vertex: (V,), from 1; 0 before the picture, count + 1 after it."""
    return np.clip((pixels + 0.5) * (1.0 / TILE) + 1.0, 0.0, count + 1.0).astype(np.int32)
