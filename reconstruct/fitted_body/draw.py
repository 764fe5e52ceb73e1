"""A fitted body as the maps that a network reads: depth and normals of front and back at every pixel."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F32, F64, I32
from ...geometry.mesh import PosedMesh
from ...geometry.rays import RayScene

# Rays begin in front of the view cube, and behind it.
_OUTSIDE = 3.0


def draw_body(vertices_view: F64, faces: I32, size: int) -> F32:
    """Draw a body with one ray through the middle of each pixel, as `mpc render` draws body layers.

    Args:
        vertices_view: (V, 3) view space.
        faces: (F, 3) counter-clockwise seen from outside in the world, whose handedness view space has, too.
        size: pixels along each side.

    Returns:
        (8, size, size) float32: depth of front and back, and the unit normals of their faces; NaN outside.
    """
    mesh = PosedMesh(vertices_view, faces)
    scene = RayScene(mesh)
    middle = (2.0 * np.arange(size) + 1.0) / size - 1.0
    grid = np.stack(np.meshgrid(middle, middle, indexing="xy"), axis=-1).reshape(-1, 2)
    maps = np.full((8, size * size), np.nan, np.float32)
    for side, sign in enumerate((1.0, -1.0)):
        origins = np.concatenate([grid, np.full((len(grid), 1), -sign * _OUTSIDE)], axis=1)
        hits = scene.first_hit(origins, np.array([0.0, 0.0, sign]))
        hit = hits.hit
        maps[side, hit] = sign * (hits.distance[hit] - _OUTSIDE)
        normals = mesh.face_normals[hits.face[hit]]
        # A face that is seen from behind, where the body folds into itself, still faces the camera.
        maps[2 + 3 * side : 5 + 3 * side, hit] = (normals * -np.sign(sign * normals[:, 2:] + 1e-12)).T
    shown = np.isfinite(maps).all(axis=0)
    maps[:, ~shown] = np.nan
    return maps.reshape(8, size, size)
