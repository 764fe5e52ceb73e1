"""Kernels of boundary_term.py. Imports Warp: import this file inside functions only."""

# mypy: ignore-errors
# Warp compiles these functions itself, and mypy cannot follow its types. There is no
# "from __future__ import annotations" because Warp reads the annotations as objects.

import sys
from typing import Any

import warp as wp


@wp.struct
class Node:
    """A node of `BoundaryTree` (boundary_tree.py), whose attributes these are.

    Attributes:
        chord: length of the straight line from `begin` to `end`, metres; 0 for a closed loop.
    """

    centre: wp.vec3d
    radius: wp.float64
    first: wp.float64
    second: wp.float64
    area: wp.vec3d
    begin: wp.vec3d
    end: wp.vec3d
    chord: wp.float64


@wp.struct
class Tree:
    """A `BoundaryTree`, and how it is evaluated.

    Attributes:
        nodes: (T,) in depth-first order.
        skip: (T,) the node after all those below this one.
        direction: unit direction of the rays.
        allowed: error allowed for a run of edges, steradians.
    """

    nodes: wp.array(dtype=Node)
    skip: wp.array(dtype=wp.int32)
    direction: wp.vec3d
    allowed: wp.float64


@wp.struct
class Cells:
    """Cubes that points are grouped into; `gather` writes all but the first two.

    Attributes:
        middles: (C,) centres of the cells, metres.
        edge: of every cell, metres.
        places: (C, 27) solid angle of the far nodes at the 27 interpolation nodes of each cell.
        bounds: (C,) bound of the error of interpolating it.
        lists: (C, L) nodes that are too near to interpolate.
        counts: (C,) how many of them.
    """

    middles: wp.array(dtype=wp.vec3d)
    edge: wp.float64
    places: wp.array2d(dtype=wp.float64)
    bounds: wp.array(dtype=wp.float64)
    lists: wp.array2d(dtype=wp.int32)
    counts: wp.array(dtype=wp.int32)


@wp.func
def triangle(a: wp.vec3d, b: wp.vec3d, d: wp.vec3d) -> wp.float64:
    """Solid angle of the triangle from the point at infinity -d to a and b, seen from the origin."""
    numerator = wp.dot(d, wp.cross(a, b))
    result = wp.float64(0.0)
    if numerator != wp.float64(0.0):  # 0 where a and b are in line with the rays or with the origin
        la = wp.length(a)
        lb = wp.length(b)
        denominator = la * lb + wp.dot(a, b) - wp.dot(d, a) * lb - wp.dot(d, b) * la
        if wp.abs(numerator) < wp.float64(0.4142135623730950) * denominator:
            # Most angles are below 45 degrees: there a fitted polynomial (error 3e-13) is much faster than atan2.
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
    """Solid angle of the triangle of a run's chord plus, as a dipole, of the surface between the run and its chord."""
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
def gather(tree: Tree, cells: Cells):
    """Sum a cell's far nodes at its 27 interpolation nodes, bound the error, and list the nodes that are near."""
    i = wp.tid()
    m = cells.middles[i]
    edge = cells.edge
    direction = tree.direction
    half = edge * wp.float64(0.5)
    reach = half * wp.float64(1.7320508075688772)
    # The error of quadratic interpolation along an axis is at most 0.00802 edge^3 times the third derivative, and it
    # enlarges no value by more than 1.25 times; along three axes the error is at most 1 + 1.25 + 1.25^2 times that.
    bend = wp.float64(0.0306) * edge * edge * edge
    for c in range(27):
        cells.places[i, c] = wp.float64(0.0)
    bound = wp.float64(0.0)
    count = wp.int32(0)
    node = wp.int32(0)
    while node < tree.skip.shape[0]:
        n = tree.nodes[node]
        r = n.centre - m
        distance = wp.length(r)
        # Distance to the cube itself, which is a tighter bound than that to the ball around its corners.
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
            if error < tree.allowed:
                # No ray from the cell may cross between run and chord: crossings were counted against the run.
                along = wp.dot(r, direction)
                aside = wp.sqrt(wp.max(distance * distance - along * along, wp.float64(0.0))) - n.radius - reach
                behind = along < -(n.radius + reach)
                if behind:
                    aside = gap
                if aside > wp.float64(0.0):
                    # Interpolation error of the two rays from the chord's ends to infinity, singly or as a pair.
                    cubed = aside * aside * aside
                    apart = wp.float64(18.85) / cubed
                    pair = wp.float64(32.0) * n.chord / (cubed * aside)
                    if n.chord > wp.float64(0.0):
                        error += bend * wp.min(apart, pair)
                    if error < tree.allowed:
                        far = 1
                        bound += error
        if far == 1:
            for c in range(27):
                place = wp.vec3d(wp.float64(c % 3 - 1), wp.float64((c // 3) % 3 - 1), wp.float64(c // 9 - 1))
                cells.places[i, c] = cells.places[i, c] + from_afar(m + half * place, n, direction)
            node = tree.skip[node]
        elif tree.skip[node] == node + 1 or n.radius < wp.float64(1.6) * edge:
            # The run is small compared with the cell: each point decides how deep to descend.
            if count < cells.lists.shape[1]:
                cells.lists[i, count] = node
            count += 1
            node = tree.skip[node]
        else:
            node += 1
    if count > cells.lists.shape[1]:
        # Too many nodes are near: points descend the whole tree.
        for c in range(27):
            cells.places[i, c] = wp.float64(0.0)
        bound = wp.float64(0.0)
        cells.lists[i, 0] = 0
        count = 1
    cells.bounds[i] = bound
    cells.counts[i] = count


@wp.kernel
def evaluate(
    points: wp.array(dtype=wp.vec3d),
    cell_of: wp.array(dtype=wp.int32),
    tree: Tree,
    cells: Cells,
    part: wp.array(dtype=wp.float64),
    errors: wp.array(dtype=wp.float64),
):
    """Evaluate one point: its cell's far nodes by interpolation, the listed ones by descending the tree from each."""
    i = wp.tid()
    k = cell_of[i]
    p = points[i]
    direction = tree.direction
    one = wp.float64(1.0)
    t = (p - cells.middles[k]) / (wp.float64(0.5) * cells.edge)
    x0 = quadratic(t[0], 0)
    x1 = quadratic(t[0], 1)
    x2 = quadratic(t[0], 2)
    total = wp.float64(0.0)
    for c in range(9):
        row = x0 * cells.places[k, 3 * c] + x1 * cells.places[k, 3 * c + 1] + x2 * cells.places[k, 3 * c + 2]
        total += quadratic(t[1], c % 3) * quadratic(t[2], c // 3) * row
    bound = cells.bounds[k]
    for j in range(cells.counts[k]):
        node = cells.lists[k, j]
        last = tree.skip[node]
        while node < last:
            after = tree.skip[node]
            take = after == node + 1
            if not take:
                r = tree.nodes[node].centre - p
                rho = tree.nodes[node].radius
                square = wp.length_sq(r)
                distance = wp.sqrt(square)
                gap = distance - rho
                if gap > wp.float64(0.0):
                    # (first + second (3 gap + rho) / gap^2) / distance^3 < allowed, without dividing
                    gap2 = gap * gap
                    cube = square * distance
                    miss = tree.nodes[node].first * gap2 + tree.nodes[node].second * (wp.float64(3.0) * gap + rho)
                    if miss < tree.allowed * cube * gap2:
                        along = wp.dot(r, direction)
                        if square - along * along > rho * rho or along < -rho:
                            take = True
                            inverse = one / (cube * gap2)
                            bound += miss * inverse
                            total += wp.dot(tree.nodes[node].area, r) * gap2 * inverse
            if take:
                if tree.nodes[node].chord > wp.float64(0.0):
                    total -= triangle(tree.nodes[node].begin - p, tree.nodes[node].end - p, direction)
                node = after
            else:
                node += 1
    part[i] = total
    errors[i] = bound


def load_boundary() -> Any:
    """Compile (or load from Warp's cache); returns this module."""
    wp.load_module(__name__, device="cpu")
    return sys.modules[__name__]
