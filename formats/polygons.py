"""Cut polygons of any size into triangles: as a fan where they are convex, by ear clipping where they are not."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64, I64

# Ear clipping takes about 0.1 ms for each corner and grows with the cube for large polygons; a file full of them must
# not hang the reader, so after about ten seconds' worth the rest is cut as fans.
MAX_CONCAVE_CORNERS = 512
MAX_CLIP_WORK = 100_000.0


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
    if size == 4:
        result[concave] = [[1, 2, 3], [1, 3, 0]]
        return result
    work = size + size**3 / 5000.0
    affordable = int(MAX_CLIP_WORK / work) if size <= MAX_CONCAVE_CORNERS else 0
    for index in np.flatnonzero(concave & np.isfinite(points).all(axis=(1, 2)))[:affordable]:
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
    """Position in `left` of a convex corner whose triangle holds no other corner; 0 where there is none."""
    ring = flat[left]
    before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
    ears = np.flatnonzero(_cross2(ring - before, after - ring) > 0)
    a, b, c = before[ears, None], ring[ears, None], after[ears, None]  # (E, 1, 2) against (1, R, 2)
    point = ring[None]
    inside = (_cross2(b - a, point - a) >= 0) & (_cross2(c - b, point - b) >= 0) & (_cross2(a - c, point - c) >= 0)
    for shift in (-1, 0, 1):
        inside[np.arange(len(ears)), (ears + shift) % len(left)] = False
    free = ears[~inside.any(axis=1)]
    return int(free[0]) if len(free) else 0


def _cross2(a: F64, b: F64) -> F64:
    result: F64 = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return result
