"""Kernels of boundary_term.py. Imports Warp: import inside functions only."""

# mypy: ignore-errors
# Kernels are Warp's own language in Python's clothes: their annotations are calls, which mypy cannot read.
# No "from __future__ import annotations" here: Warp reads the annotations as objects.

from typing import Any

import warp as wp


@wp.struct
class Node:
    """A node of boundary_tree.py."""

    centre: wp.vec3d
    radius: wp.float64
    first: wp.float64
    second: wp.float64
    area: wp.vec3d
    begin: wp.vec3d
    end: wp.vec3d
    chord: wp.float64


@wp.func
def triangle(a: wp.vec3d, b: wp.vec3d, d: wp.vec3d) -> wp.float64:
    """Solid angle of the triangle from the point at infinity -d to a and b, seen from the origin."""
    numerator = wp.dot(d, wp.cross(a, b))
    result = wp.float64(0.0)
    if numerator != wp.float64(0.0):  # a and b in line with the rays, or with the origin
        la = wp.length(a)
        lb = wp.length(b)
        denominator = la * lb + wp.dot(a, b) - wp.dot(d, a) * lb - wp.dot(d, b) * la
        if wp.abs(numerator) < wp.float64(0.4142135623730950) * denominator:
            # Below 45 degrees, most of them: a polynomial fitted there (error 3e-13) is far quicker than atan2.
            x = numerator / denominator
            s = x * x
            y = wp.float64(-0.037654956340561097) * s + wp.float64(0.06974188830207238)
            y = y * s + wp.float64(-0.08992550848104668)
            y = y * s + wp.float64(0.11103456669961673)
            y = y * s + wp.float64(-0.1428538653904181)
            y = y * s + wp.float64(0.19999993053083157)
            y = y * s + wp.float64(-0.3333333327691498)
            y = y * s + wp.float64(0.9999999999992443)
            result = wp.float64(2.0) * x * y
        else:
            result = wp.float64(2.0) * wp.atan2(numerator, denominator)
    return result


@wp.func
def from_afar(p: wp.vec3d, node: Node, d: wp.vec3d) -> wp.float64:
    """Solid angle of a run's triangle and, as a dipole, of what lies between run and chord."""
    r = node.centre - p
    square = wp.length_sq(r)
    dipole = wp.dot(node.area, r) / (square * wp.sqrt(square))
    if node.chord > wp.float64(0.0):
        dipole -= triangle(node.begin - p, node.end - p, d)
    return dipole


@wp.func
def quadratic(t: wp.float64, node: wp.int32) -> wp.float64:
    """Lagrange's polynomial of the nodes -1, 0, 1 that is 1 at node - 1."""
    if node == 0:
        return wp.float64(0.5) * t * (t - wp.float64(1.0))
    if node == 1:
        return wp.float64(1.0) - t * t
    return wp.float64(0.5) * t * (t + wp.float64(1.0))


@wp.kernel
def gather(
    middles: wp.array(dtype=wp.vec3d),
    edge: wp.float64,
    nodes: wp.array(dtype=Node),
    skip: wp.array(dtype=wp.int32),
    direction: wp.vec3d,
    allowed: wp.float64,
    places: wp.array2d(dtype=wp.float64),
    bounds: wp.array(dtype=wp.float64),
    lists: wp.array2d(dtype=wp.int32),
    counts: wp.array(dtype=wp.int32),
):
    """One cell: the far nodes' sum at 27 places of it, a bound of what interpolating it errs, and the nodes left."""
    i = wp.tid()
    m = middles[i]
    half = edge * wp.float64(0.5)
    reach = half * wp.float64(1.7320508075688772)
    # Quadratic interpolation along an axis errs by at most 0.00802 edge^3 times the third derivative and makes no value
    # more than 1.25 times as large: along three axes 1 + 1.25 + 1.25^2 times that.
    bend = wp.float64(0.0306) * edge * edge * edge
    for c in range(27):
        places[i, c] = wp.float64(0.0)
    bound = wp.float64(0.0)
    count = wp.int32(0)
    node = wp.int32(0)
    while node < skip.shape[0]:
        n = nodes[node]
        r = n.centre - m
        distance = wp.length(r)
        # From the run's centre to the cube itself: nearer than to its corners' ball.
        x = wp.max(wp.abs(r[0]) - half, wp.float64(0.0))
        y = wp.max(wp.abs(r[1]) - half, wp.float64(0.0))
        z = wp.max(wp.abs(r[2]) - half, wp.float64(0.0))
        near = wp.length(wp.vec3d(x, y, z))
        gap = near - n.radius
        far = wp.int32(0)
        if gap > wp.float64(0.0):
            cube = gap * gap * gap
            near2 = near * near
            error = (n.first + n.second * (wp.float64(3.0) * gap + n.radius) / (gap * gap)) / (near2 * near)
            error += bend * wp.float64(24.0) * wp.length(n.area) / (near2 * near2 * near)
            error += bend * wp.float64(6.0) * n.chord / (cube * gap)
            if error < allowed:
                # No ray from the cell may pass the run: crossings were counted at the run, not at its chord.
                along = wp.dot(r, direction)
                aside = wp.sqrt(wp.max(distance * distance - along * along, wp.float64(0.0))) - n.radius - reach
                behind = along < -(n.radius + reach)
                if behind:
                    aside = gap
                if aside > wp.float64(0.0):
                    # The two rays from the chord's ends to infinity, apart or as a pair.
                    cubed = aside * aside * aside
                    apart = wp.float64(18.85) / cubed
                    pair = wp.float64(32.0) * n.chord / (cubed * aside)
                    if n.chord > wp.float64(0.0):
                        error += bend * wp.min(apart, pair)
                    if error < allowed:
                        far = 1
                        bound += error
        if far == 1:
            for c in range(27):
                place = wp.vec3d(wp.float64(c % 3 - 1), wp.float64((c // 3) % 3 - 1), wp.float64(c // 9 - 1))
                places[i, c] = places[i, c] + from_afar(m + half * place, n, direction)
            node = skip[node]
        elif skip[node] == node + 1 or n.radius < wp.float64(1.6) * edge:
            # Small beside the cell: each point decides for itself how deep to go.
            if count < lists.shape[1]:
                lists[i, count] = node
            count += 1
            node = skip[node]
        else:
            node += 1
    if count > lists.shape[1]:
        # Too much lies near: points walk the whole tree.
        for c in range(27):
            places[i, c] = wp.float64(0.0)
        bound = wp.float64(0.0)
        lists[i, 0] = 0
        count = 1
    bounds[i] = bound
    counts[i] = count


@wp.kernel
def evaluate(
    points: wp.array(dtype=wp.vec3d),
    cells: wp.array(dtype=wp.int32),
    middles: wp.array(dtype=wp.vec3d),
    edge: wp.float64,
    nodes: wp.array(dtype=Node),
    skip: wp.array(dtype=wp.int32),
    direction: wp.vec3d,
    allowed: wp.float64,
    places: wp.array2d(dtype=wp.float64),
    bounds: wp.array(dtype=wp.float64),
    lists: wp.array2d(dtype=wp.int32),
    counts: wp.array(dtype=wp.int32),
    part: wp.array(dtype=wp.float64),
    errors: wp.array(dtype=wp.float64),
):
    """One point: its cell's far nodes by interpolation, the others by walking down from each."""
    i = wp.tid()
    k = cells[i]
    p = points[i]
    one = wp.float64(1.0)
    t = (p - middles[k]) / (wp.float64(0.5) * edge)
    x0 = quadratic(t[0], 0)
    x1 = quadratic(t[0], 1)
    x2 = quadratic(t[0], 2)
    total = wp.float64(0.0)
    for c in range(9):
        row = x0 * places[k, 3 * c] + x1 * places[k, 3 * c + 1] + x2 * places[k, 3 * c + 2]
        total += quadratic(t[1], c % 3) * quadratic(t[2], c // 3) * row
    bound = bounds[k]
    for j in range(counts[k]):
        node = lists[k, j]
        last = skip[node]
        while node < last:
            after = skip[node]
            take = after == node + 1
            if not take:
                r = nodes[node].centre - p
                rho = nodes[node].radius
                square = wp.length_sq(r)
                distance = wp.sqrt(square)
                gap = distance - rho
                if gap > wp.float64(0.0):
                    # (first + second (3 gap + rho) / gap^2) / distance^3 < allowed, without dividing
                    gap2 = gap * gap
                    cube = square * distance
                    miss = nodes[node].first * gap2 + nodes[node].second * (wp.float64(3.0) * gap + rho)
                    if miss < allowed * cube * gap2:
                        along = wp.dot(r, direction)
                        if square - along * along > rho * rho or along < -rho:
                            take = True
                            inverse = one / (cube * gap2)
                            bound += miss * inverse
                            total += wp.dot(nodes[node].area, r) * gap2 * inverse
            if take:
                if nodes[node].chord > wp.float64(0.0):
                    total -= triangle(nodes[node].begin - p, nodes[node].end - p, direction)
                node = after
            else:
                node += 1
    part[i] = total
    errors[i] = bound


def load_boundary() -> tuple[Any, Any, Any]:
    """Compile (or load from Warp's cache); returns the struct, `gather` and `evaluate`."""
    wp.load_module(__name__, device="cpu")
    return Node, gather, evaluate
