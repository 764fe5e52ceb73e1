"""Compiled twins of NumPy code beside: crossings.py and winding.py. Imports Warp: import inside functions only."""

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


@wp.kernel
def boundary_term(
    points: wp.array(dtype=wp.vec3d),
    begin: wp.array(dtype=wp.vec3d),
    end: wp.array(dtype=wp.vec3d),
    centre: wp.array(dtype=wp.vec3d),
    area: wp.array(dtype=wp.vec3d),
    radius: wp.array(dtype=wp.float64),
    spanned: wp.array(dtype=wp.float64),
    skip: wp.array(dtype=wp.int32),
    direction: wp.vec3d,
    tolerance: wp.float64,
    part: wp.array(dtype=wp.float64),
    error: wp.array(dtype=wp.float64),
):
    """One point: walk the tree, take far runs as one, sum solid angles of (-direction, begin, end)."""
    i = wp.tid()
    p = points[i]
    four_pi = wp.float64(12.566370614359172)
    total = wp.float64(0.0)
    bound = wp.float64(0.0)
    node = wp.int32(0)
    while node < skip.shape[0]:
        rho = radius[node]
        take = rho < wp.float64(0.0)
        if not take and tolerance > wp.float64(0.0):
            r = centre[node] - p
            distance = wp.length(r)
            gap = distance - rho
            if gap > rho:
                miss = wp.float64(2.0) * spanned[node] * rho / (gap * gap * gap) / four_pi
                along = wp.dot(r, direction)
                aside = wp.length(r - along * direction)
                # A run that the ray itself may pass cannot be replaced by its chord: crossings were counted at the run.
                if miss < tolerance and (aside > rho or along < -rho):
                    take = True
                    bound += miss
                    total += wp.dot(area[node], r) / (distance * distance * distance)
        if take:
            a = begin[node] - p
            b = end[node] - p
            numerator = wp.dot(direction, wp.cross(a, b))
            if numerator != wp.float64(0.0):  # closed loops have no chord
                la = wp.length(a)
                lb = wp.length(b)
                denominator = la * lb + wp.dot(a, b) - wp.dot(direction, a) * lb - wp.dot(direction, b) * la
                if wp.abs(numerator) < wp.float64(0.01) * denominator:
                    # Most edges are small from afar: the series is right to 1e-15 and spares the arc tangent.
                    x = numerator / denominator
                    square = x * x
                    third = wp.float64(1.0 / 3.0)
                    total -= wp.float64(2.0) * x * (wp.float64(1.0) - square * (third - square * wp.float64(0.2)))
                else:
                    total -= wp.float64(2.0) * wp.atan2(numerator, denominator)
            node = skip[node]
        else:
            node += 1
    part[i] = total / four_pi
    error[i] = bound


def load_crossings() -> Any:
    """Compile (or load from Warp's cache) and return the kernel."""
    wp.load_module(__name__, device="cpu")
    return crossings


def load_boundary_term() -> Any:
    """Compile (or load from Warp's cache) and return the kernel."""
    wp.load_module(__name__, device="cpu")
    return boundary_term
