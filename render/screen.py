"""Where a mesh is on the screen: its vertices in pixels, and the tiles of the picture that its faces can touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I32, Bools
from ..geometry.camera import Camera, project, view_to_pixels

# Edge of a tile, pixels.
TILE = 8


@dataclass(frozen=True, eq=False)
class Screen:
    """A mesh's vertices as a camera sees them.

    Attributes:
        columns, rows: (V,) float64, pixels, centres at whole numbers.
        depth_m: (V,) float64, as `Camera.depth_m` gives it.
    """

    columns: F64
    rows: F64
    depth_m: F64


def on_screen(vertices: F64, camera: Camera, height: int, width: int) -> Screen:
    """The screen of a mesh's vertices (V, 3), world metres."""
    rows, columns = view_to_pixels(project(vertices, camera.calibration), height, width).T
    return Screen(np.ascontiguousarray(columns), np.ascontiguousarray(rows), camera.depth_m(vertices))


def touched_pixels(screen: Screen, corners: I32, height: int, width: int) -> tuple[slice, slice, Bools]:
    """The pixels in tiles that the bounding box of some face reaches into.

    Args:
        screen: of the mesh.
        corners: (3, F) its faces.
        height, width: of the picture.

    Returns:
        Rows and columns of the box around them, and which of its pixels they are.
    """
    down, across = -(-height // TILE), -(-width // TILE)
    # Tiles of the vertices. The first row and column hold what lies before the picture, the last what lies behind it.
    row, column = _tiles(screen.rows, down), _tiles(screen.columns, across)
    shape = (down + 2, across + 2)
    touched = np.zeros(shape, bool)
    touched[row, column] = True
    # A face across several tiles: its box, as four corners of a summed table.
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
    """(V,) which row (or column) of tiles a vertex is in, from 1; 0 before the picture, count + 1 behind it."""
    return np.clip((pixels + 0.5) * (1.0 / TILE) + 1.0, 0.0, count + 1.0).astype(np.int32)
