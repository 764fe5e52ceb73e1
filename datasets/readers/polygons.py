"""Polygons of any size into triangles: fans where convex, ear clipping where not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

MAX_CONCAVE_CORNERS = 512  # ear clipping is quadratic; larger polygons are fanned


def triangulate(vertices: F64, corner: I64, sizes: I64) -> tuple[I64, I64]:
    """Cut polygons into triangles.

    Args:
        vertices: (V, 3); indices out of range are tolerated here (the caller refuses them later).
        corner: (C,) vertex of each polygon corner, polygons one after the other.
        sizes: (P,) corners of each polygon, at least 3.

    Returns:
        (T, 3) positions in `corner`, so that other corner attributes can be cut alike, and (T,) the polygon of each
        triangle; triangles of one polygon follow one another, polygons keep their order.
    """
    starts = np.cumsum(sizes) - sizes
    if (sizes == 3).all():
        return starts[:, None] + np.arange(3), np.arange(len(sizes))
    safe = np.clip(corner, 0, max(len(vertices) - 1, 0))
    pieces: list[I64] = []
    owners: list[I64] = []
    for size in np.unique(sizes):
        which = np.flatnonzero(sizes == size)
        local = _cut_equal(vertices, safe, starts[which], int(size))  # (n, size - 2, 3)
        pieces.append((local + starts[which][:, None, None]).reshape(-1, 3))
        owners.append(np.repeat(which, size - 2))
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return np.concatenate(pieces)[order], owner[order]


def _cut_equal(vertices: F64, corner: I64, starts: I64, size: int) -> I64:
    """(n, size - 2, 3) local corners of the triangles of n polygons of equal size."""
    inner = np.arange(1, size - 1)
    fan = np.stack([np.zeros_like(inner), inner, inner + 1], axis=1)
    result = np.broadcast_to(fan, (len(starts), size - 2, 3)).copy()
    if size == 3 or not len(vertices):
        return result
    points = vertices[corner[starts[:, None] + np.arange(size)]]  # (n, size, 3)
    with np.errstate(invalid="ignore", over="ignore"):
        following = np.roll(points, -1, axis=1)
        normal = np.cross(points, following).sum(axis=1)  # Newell
        origin = points[:, :1]
        cross = np.cross(points[:, 1:-1] - origin, points[:, 2:] - origin)  # (n, size - 2, 3)
        concave = ~(np.einsum("nkc,nc->nk", cross, normal) >= 0).all(axis=1)
    for index in np.flatnonzero(concave):
        if size == 4:
            result[index] = [[1, 2, 3], [1, 3, 0]]
        elif size <= MAX_CONCAVE_CORNERS and np.isfinite(points[index]).all():
            result[index] = _clip_ears(points[index], normal[index])
    return result


def _clip_ears(points: F64, normal: F64) -> I64:
    """Ear clipping in the plane seen along `normal`; falls back to a fan of what is left when no ear is found."""
    drop = int(np.argmax(np.abs(normal)))
    flat = np.delete(points, drop, axis=1)
    if (normal[drop] < 0) != (drop == 1):
        flat = flat[:, ::-1]
    left = list(range(len(points)))
    triangles: list[tuple[int, int, int]] = []
    while len(left) > 3:
        ear = _find_ear(flat, left)
        count = len(left)
        triangles.append((left[ear - 1], left[ear], left[(ear + 1) % count]))
        del left[ear]
    triangles.append((left[0], left[1], left[2]))
    return np.array(triangles, np.int64)


def _find_ear(flat: F64, left: list[int]) -> int:
    ring = flat[left]
    before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
    turn = _cross2(ring - before, after - ring)
    for ear in np.flatnonzero(turn > 0):
        a, b, c = before[ear], ring[ear], after[ear]
        inside = (_cross2(b - a, ring - a) >= 0) & (_cross2(c - b, ring - b) >= 0) & (_cross2(a - c, ring - c) >= 0)
        inside[[ear - 1, ear, (ear + 1) % len(left)]] = False
        if not inside.any():
            return int(ear)
    return 0


def _cross2(a: F64, b: F64) -> F64:
    result: F64 = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return result
