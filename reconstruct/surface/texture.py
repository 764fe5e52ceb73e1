"""A texture for a reconstructed mesh: the texture network's colour at the point of every texel, and padded seams."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...core.arrays import F32, F64, I32
from ...geometry.mesh import Material, PosedMesh
from .atlas import make_atlas


def bake_texture(vertices: F64, faces: I32, size: int, colours: Callable[[F64, F64], F32]) -> PosedMesh:
    """Lay a mesh out on a texture and colour it.

    Args:
        vertices: (V, 3) float64.
        faces: (F, 3) int32, outward.
        size: texels along each side of the texture.
        colours: points (N, 3) in the space of the vertices and unit normals (N, 3) there -> (N, 3) display colours in
            [0, 1].

    Returns:
        The same surface with one material, whose texture is (size, size, 4) uint8, opaque; seams cut the texture alone.

    Raises:
        SettingsError: the texture is too small for the charts of the mesh.
    """
    from scipy.ndimage import distance_transform_edt  # slow to import

    atlas = make_atlas(vertices, faces, size)
    placed, normals = vertices[atlas.source], PosedMesh(vertices, faces).vertex_normals[atlas.source]
    where, face, weights = atlas.texels()
    points, facing = ((of[atlas.faces[face]] * weights[..., None]).sum(axis=1) for of in (placed, normals))
    # Slivers and charts smaller than a texel hold no texel's centre. Their texels get the colour of a vertex in them.
    column, row = np.floor(atlas.uv).astype(np.int64).T
    slivers, first = np.unique(row * size + column, return_index=True)
    free = ~np.isin(slivers, where)
    where, points = np.concatenate([where, slivers[free]]), np.concatenate([points, placed[first[free]]])
    facing = np.concatenate([facing, normals[first[free]]])
    facing = facing / np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    texture = np.zeros((size * size, 3), np.uint8)
    texture[where] = np.rint(np.clip(colours(points, facing), 0.0, 1.0) * 255)
    empty = np.ones(size * size, np.bool_)
    empty[where] = False
    nearest = distance_transform_edt(empty.reshape(size, size), return_distances=False, return_indices=True)
    filled = texture.reshape(size, size, 3)[nearest[0], nearest[1]]
    opaque = np.concatenate([filled, np.full((size, size, 1), 255, np.uint8)], axis=2)
    uv = np.stack([atlas.uv[:, 0] / size, 1.0 - atlas.uv[:, 1] / size], axis=1)  # the atlas counts rows from above
    return PosedMesh(
        vertices, faces, (Material("person", opaque),), uv=uv.astype(np.float32), face_uv=atlas.faces.astype(np.int32)
    )
