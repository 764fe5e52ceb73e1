"""The compiled twin of crossings.py. Imports Warp: import inside functions only."""

# mypy: ignore-errors
# Kernels are Warp's own language in Python's clothes: their annotations are calls, which mypy cannot read.
# No "from __future__ import annotations" here: Warp reads the annotations as objects.

from typing import Any

import warp as wp


@wp.func
def edge(a: wp.vec3d, b: wp.vec3d, p: wp.vec3d) -> int:
    """+1 or -1 where the edge passes the point on its right, upward or downward; the same value from both faces."""
    up = a[1] <= p[1]
    if up == (b[1] <= p[1]):
        return 0
    low = b
    high = a
    sign = -1
    if up:
        low = a
        high = b
        sign = 1
    side = (high[0] - low[0]) * (p[1] - low[1]) - (high[1] - low[1]) * (p[0] - low[0])
    if side > wp.float64(0.0):
        return sign
    return 0


@wp.kernel
def crossings(
    points: wp.array(dtype=wp.vec3d),
    corners: wp.array(dtype=wp.vec3d),
    start: wp.array(dtype=wp.int32),
    members: wp.array(dtype=wp.int32),
    low: wp.vec2d,
    cell: wp.vec2d,
    cells: wp.vec2i,
    counts: wp.array(dtype=wp.int32),
):
    """One point: go through the faces of its cell."""
    i = wp.tid()
    p = points[i]
    row = int(wp.floor((p[0] - low[0]) / cell[0]))
    column = int(wp.floor((p[1] - low[1]) / cell[1]))
    total = wp.int32(0)  # a plain 0 would be a constant to Warp
    if row >= 0 and row < cells[0] and column >= 0 and column < cells[1]:
        place = row * cells[1] + column
        for k in range(start[place], start[place + 1]):
            face = members[k]
            a = corners[3 * face]
            b = corners[3 * face + 1]
            c = corners[3 * face + 2]
            if a[2] > p[2] or b[2] > p[2] or c[2] > p[2]:
                cover = edge(a, b, p) + edge(b, c, p) + edge(c, a, p)
                if cover != 0:
                    volume = wp.dot(a - p, wp.cross(b - p, c - p))
                    if volume * wp.float64(cover) > wp.float64(0.0):
                        total += cover
    counts[i] = total


def load_crossings() -> Any:
    """Compile (or load from Warp's cache) and return the kernel."""
    wp.load_module(__name__, device="cpu")
    return crossings
