"""Join vertices that a file split at texture seams, so that the surface is connected again."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64, I64

OPPOSITE = -0.95  # cosine: sheets back to back (hair cards, cloth) share positions but must stay two surfaces


def weld_vertices(vertices: F64, faces: I64, extra: F64 | None = None) -> tuple[I64, I64]:
    """Find vertices that are one point of one surface.

    Vertices are joined where positions and `extra` are exactly equal, except where their surfaces face away from one
    another: joined, the normals of such sheets would cancel.

    Args:
        vertices: (V, 3).
        faces: (F, 3) into vertices, in range.
        extra: (V, E) further values that must agree (joints and weights).

    Returns:
        (W,) the vertices to keep, in order of first appearance, and (V,) the position of each vertex among them.
    """
    rows = np.ascontiguousarray(vertices if extra is None else np.concatenate([vertices, extra], axis=1)) + 0.0
    group = _group(rows)
    normals = _normals(vertices, faces)
    first = np.full(group.max() + 1 if len(group) else 0, len(vertices), np.int64)
    np.minimum.at(first, group, np.arange(len(vertices)))
    opposite = np.einsum("vc,vc->v", normals, normals[first[group]]) < OPPOSITE
    key = group * 2 + opposite
    _, keep, inverse = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(keep, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return keep[order], rank[inverse.ravel()]


def _group(rows: F64) -> I64:
    """(V,) number of the class of equal rows."""
    bits = rows.view(np.uint64)
    factors = np.random.Generator(np.random.PCG64(0)).integers(1, 2**63, rows.shape[1], np.uint64) | np.uint64(1)
    mixed = bits ^ (bits >> np.uint64(29))  # float32 values leave the low bits empty
    digest = (mixed * factors).sum(axis=1, dtype=np.uint64)
    _, first, group = np.unique(digest, return_index=True, return_inverse=True)
    group = group.ravel()
    if np.array_equal(bits[first[group]], bits):
        return group
    exact = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return np.unique(exact, return_inverse=True)[1].ravel()


def _normals(vertices: F64, faces: I64) -> F64:
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, corner], cross[:, axis], minlength=len(vertices))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    unit: F64 = np.divide(total, length, out=np.zeros_like(total), where=length > 0)
    return unit
