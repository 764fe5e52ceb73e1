"""The compiled twin of crossings.py. Imports Warp: import this file inside functions only."""

# mypy: ignore-errors
# Warp compiles these functions itself, and mypy cannot follow its types. There is no
# "from __future__ import annotations" because Warp reads the annotations as objects.

from typing import Any

import warp as wp


@wp.struct
class Index:
    """A `CrossingIndex` of crossings.py, whose attributes these are; `corners` is flat, three to a face."""

    corners: wp.array(dtype=wp.vec3d)
    start: wp.array(dtype=wp.int32)
    members: wp.array(dtype=wp.int32)
    low: wp.vec2d
    cell: wp.vec2d
    cells: wp.vec2i


@wp.func
def edge(a: wp.vec3d, b: wp.vec3d, p: wp.vec3d) -> int:
    """+1 (upward) or -1 (downward) where the edge passes right of the point; equal from both of its faces."""
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
    index: Index,
    counts: wp.array(dtype=wp.int32),
):
    """Count the signed crossings of one point's ray among the faces of its cell."""
    # The arrays are taken out of the struct once, before the loop: a few percent faster on a CPU.
    corners = index.corners
    start = index.start
    members = index.members
    i = wp.tid()
    p = points[i]
    row = int(wp.floor((p[0] - index.low[0]) / index.cell[0]))
    column = int(wp.floor((p[1] - index.low[1]) / index.cell[1]))
    total = wp.int32(0)  # a plain 0 would be a constant to Warp
    if row >= 0 and row < index.cells[0] and column >= 0 and column < index.cells[1]:
        place = row * index.cells[1] + column
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


def load_crossings() -> tuple[Any, Any]:
    """Compile (or load from Warp's cache) and return the struct and the kernel."""
    wp.load_module(__name__, device="cpu")
    return Index, crossings
