"""Warp kernels of closest.py. Imports Warp: import this file inside functions only."""

# mypy: ignore-errors
# ruff: noqa: UP018  (to Warp a bare True is a constant, bool(True) a variable)
# Warp compiles these functions itself, and mypy cannot follow its types. There is no
# "from __future__ import annotations" because Warp reads the annotations as objects.
import warp as wp

from .sample_kernels import Triangles

# Boxes in a node, triangles in a leaf, and triangles tested for the first guess.
CHILDREN = wp.constant(2)
LEAF = wp.constant(2)
GUESSES = wp.constant(4)
# A triangle whose squared height over its longest edge is below this share of that edge's square counts as a segment.
FLAT = wp.constant(wp.float64(1.0e-22))


@wp.struct
class BoxTree:
    """A hierarchy of boxes over triangles in the order of a space-filling curve.

    Node n of a level has the children 2n and 2n + 1 of the level below; level 0 holds the leaves.

    Attributes:
        lows: (N,) low corners of all boxes, level after level.
        highs: (N,) high corners.
        firsts: (L,) number of each level's first box.
        counts: (L,) boxes of each level.
        corners: (3 F,) corners of the triangles in their order.
        face_of: (F,) the mesh's face that each triangle is.
        keys: (F,) position of each triangle on the curve, ascending.
    """

    lows: wp.array(dtype=wp.vec3)
    highs: wp.array(dtype=wp.vec3)
    firsts: wp.array(dtype=wp.int32)
    counts: wp.array(dtype=wp.int32)
    corners: wp.array(dtype=wp.vec3d)
    face_of: wp.array(dtype=wp.int32)
    keys: wp.array(dtype=wp.int32)


@wp.func
def spread_bits(value: wp.uint32) -> wp.uint32:
    """Move ten bits apart, so that two zeros follow each."""
    code = value
    code = (code | (code << wp.uint32(16))) & wp.uint32(0x030000FF)
    code = (code | (code << wp.uint32(8))) & wp.uint32(0x0300F00F)
    code = (code | (code << wp.uint32(4))) & wp.uint32(0x030C30C3)
    return (code | (code << wp.uint32(2))) & wp.uint32(0x09249249)


@wp.func
def place_on_curve(point: wp.vec3) -> wp.int32:
    """Position of a point of [-1, 1]^3 on the Hilbert curve, 30 bits (Skilling, "Programming the Hilbert curve")."""
    x = wp.uint32(wp.clamp((point[0] + 1.0) * 512.0, 0.0, 1023.0))
    y = wp.uint32(wp.clamp((point[1] + 1.0) * 512.0, 0.0, 1023.0))
    z = wp.uint32(wp.clamp((point[2] + 1.0) * 512.0, 0.0, 1023.0))
    bit = wp.uint32(512)
    while bit > wp.uint32(1):
        below = bit - wp.uint32(1)
        if (x & bit) != wp.uint32(0):
            x = x ^ below
        if (y & bit) != wp.uint32(0):
            x = x ^ below
        else:
            swap = (x ^ y) & below
            x = x ^ swap
            y = y ^ swap
        if (z & bit) != wp.uint32(0):
            x = x ^ below
        else:
            swap = (x ^ z) & below
            x = x ^ swap
            z = z ^ swap
        bit = bit >> wp.uint32(1)
    y = y ^ x
    z = z ^ y
    turn = wp.uint32(0)
    bit = wp.uint32(512)
    while bit > wp.uint32(1):
        if (z & bit) != wp.uint32(0):
            turn = turn ^ (bit - wp.uint32(1))
        bit = bit >> wp.uint32(1)
    x = spread_bits(x ^ turn)
    y = spread_bits(y ^ turn)
    return wp.int32((x << wp.uint32(2)) | (y << wp.uint32(1)) | spread_bits(z ^ turn))


@wp.kernel(enable_backward=False)
def order_triangles(
    mesh: Triangles,
    large: wp.float32,
    first: wp.int32,
    keys: wp.array(dtype=wp.int32),
    order: wp.array(dtype=wp.int32),
):
    """Key each triangle by its position on the curve; large ones sort last, where they enlarge no others' box."""
    index = first + wp.tid()
    face = mesh.faces[index]
    a = wp.vec3(mesh.vertices[face[0]])
    b = wp.vec3(mesh.vertices[face[1]])
    c = wp.vec3(mesh.vertices[face[2]])
    low = wp.min(wp.min(a, b), c)
    high = wp.max(wp.max(a, b), c)
    key = place_on_curve(0.5 * (low + high))
    size = high - low
    if wp.max(wp.max(size[0], size[1]), size[2]) > large:
        key = key | (1 << 30)
    keys[index] = key
    order[index] = index


@wp.kernel(enable_backward=False)
def order_points(
    points: wp.array(dtype=wp.vec3d),
    first: wp.int32,
    keys: wp.array(dtype=wp.int32),
    order: wp.array(dtype=wp.int32),
):
    """Key each point by its position on the curve."""
    index = first + wp.tid()
    keys[index] = place_on_curve(wp.vec3(points[index]))
    order[index] = index


@wp.kernel(enable_backward=False)
def box_leaves(mesh: Triangles, margin: wp.float32, first: wp.int32, tree: BoxTree):
    """Copy the corners of the triangles of one leaf into the tree, and box them; `tree.face_of` is their order."""
    leaf = first + wp.tid()
    low = wp.vec3(1.0e30)
    high = wp.vec3(-1.0e30)
    for place in range(leaf * LEAF, wp.min((leaf + 1) * LEAF, mesh.faces.shape[0])):
        face = mesh.faces[tree.face_of[place]]
        for corner in range(3):
            vertex = mesh.vertices[face[corner]]
            tree.corners[3 * place + corner] = vertex
            low = wp.min(low, wp.vec3(vertex))
            high = wp.max(high, wp.vec3(vertex))
    reach = wp.vec3(margin)  # what rounding to float32 may have cut off
    tree.lows[leaf] = low - reach
    tree.highs[leaf] = high + reach


@wp.kernel(enable_backward=False)
def box_nodes(level: wp.int32, first: wp.int32, tree: BoxTree):
    """Box up to CHILDREN boxes of the level below in one box of `level`."""
    node = first + wp.tid()
    children = tree.firsts[level - 1]
    low = wp.vec3(1.0e30)
    high = wp.vec3(-1.0e30)
    for child in range(node * CHILDREN, wp.min((node + 1) * CHILDREN, tree.counts[level - 1])):
        low = wp.min(low, tree.lows[children + child])
        high = wp.max(high, tree.highs[children + child])
    tree.lows[tree.firsts[level] + node] = low
    tree.highs[tree.firsts[level] + node] = high


@wp.func
def squared_to_box(p: wp.vec3, low: wp.vec3, high: wp.vec3) -> wp.float32:
    """Squared distance of a point to a box, 0 inside it."""
    x = wp.max(wp.max(low[0] - p[0], p[0] - high[0]), 0.0)
    y = wp.max(wp.max(low[1] - p[1], p[1] - high[1]), 0.0)
    z = wp.max(wp.max(low[2] - p[2], p[2] - high[2]), 0.0)
    return x * x + y * y + z * z


@wp.func
def on_segment(offset: wp.vec3d, start: wp.vec3d, edge: wp.vec3d) -> wp.vec3d:
    """The nearest point of a segment, for a point at an offset from its start."""
    squared = wp.dot(edge, edge)
    along = wp.float64(0.0)
    if squared > wp.float64(0.0):
        along = wp.clamp(wp.dot(offset, edge) / squared, wp.float64(0.0), wp.float64(1.0))
    return start + along * edge


@wp.func
def on_triangle(p: wp.vec3d, a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, within: wp.float64) -> wp.vec3d:
    """The nearest point of a triangle; some point of its plane where none lies within a squared distance.

    That is the foot on the plane where it lies within the triangle, else a point of one of the edges that p is beyond.
    """
    zero = wp.float64(0.0)
    first = b - a
    second = c - a
    offset = p - a
    normal = wp.cross(first, second)
    squared = wp.dot(normal, normal)
    longest = wp.max(wp.dot(first, first), wp.dot(second, second))
    beyond_ab = bool(True)
    beyond_bc = bool(True)
    beyond_ca = bool(True)
    if squared > FLAT * longest * longest:
        height = wp.dot(offset, normal)
        foot = p - (height / squared) * normal
        if height * height > within * squared * wp.float64(1.0000001):
            return foot
        u = wp.dot(wp.cross(offset, second), normal)
        v = wp.dot(wp.cross(first, offset), normal)
        beyond_ab = v < zero
        beyond_bc = u + v > squared
        beyond_ca = u < zero
        if not (beyond_ab or beyond_bc or beyond_ca):
            return foot
    best = a
    gap = wp.float64(1.0e300)
    if beyond_ab:
        best = on_segment(offset, a, first)
        gap = wp.length_sq(p - best)
    if beyond_bc:
        other = on_segment(p - b, b, c - b)
        nearer = wp.length_sq(p - other)
        if nearer < gap:
            best = other
            gap = nearer
    if beyond_ca:
        other = on_segment(offset, a, second)
        if wp.length_sq(p - other) < gap:
            best = other
    return best


@wp.func
def nearest_of(
    p: wp.vec3d, corners: wp.array(dtype=wp.vec3d), begin: wp.int32, end: wp.int32, best: wp.float64, place: wp.int32
):
    """Least squared distance and triangle, of those found so far and the triangles from `begin` to `end`."""
    least = wp.float64(best)
    where = wp.int32(place)
    for triangle in range(begin, end):
        corner = 3 * triangle
        foot = on_triangle(p, corners[corner], corners[corner + 1], corners[corner + 2], least)
        squared = wp.length_sq(p - foot)
        if squared < least:
            least = squared
            where = triangle
    return least, where


@wp.kernel(enable_backward=False)
def closest(
    tree: BoxTree,
    points: wp.array(dtype=wp.vec3d),
    order: wp.array(dtype=wp.int32),
    first: wp.int32,
    faces: wp.array(dtype=wp.int32),
    feet: wp.array(dtype=wp.vec3d),
    squares: wp.array(dtype=wp.float64),
):
    """Find the nearest triangle of each point, the point on it and its squared distance; in `order` of the points."""
    # The arrays are taken out of the struct once, before the loops: a few percent faster on a CPU.
    lows = tree.lows
    highs = tree.highs
    firsts = tree.firsts
    counts = tree.counts
    corners = tree.corners
    face_of = tree.face_of
    row = order[first + wp.tid()]
    p = points[row]
    rough = wp.vec3(p)
    slack = 4.0e-7 * (1.0 + wp.max(wp.max(wp.abs(rough[0]), wp.abs(rough[1])), wp.abs(rough[2])))
    top = firsts.shape[0] - 1
    best = wp.float64(wp.inf)
    place = wp.int32(0)
    # A first guess: the triangles that lie around the point on the curve.
    middle = wp.lower_bound(tree.keys, place_on_curve(rough))
    begin = wp.max(wp.min(middle, face_of.shape[0]) - GUESSES / 2, 0)
    end = wp.min(begin + GUESSES, face_of.shape[0])
    best, place = nearest_of(p, corners, begin, end, best, place)
    reach = wp.float32(wp.sqrt(best)) * 1.000001 + slack
    limit = reach * reach
    # The way back up is one bit per height: set where the other child of the node above is still to be visited.
    trail = wp.int32(0)
    node = wp.int32(0)
    height = top
    while height <= top:
        descended = bool(False)
        if height > 0:
            left = 2 * node
            right = wp.min(left + 1, counts[height - 1] - 1)
            box = firsts[height - 1]
            left_gap = squared_to_box(rough, lows[box + left], highs[box + left])
            right_gap = squared_to_box(rough, lows[box + right], highs[box + right])
            if wp.min(left_gap, right_gap) <= limit:
                descended = True
                height -= 1
                node = wp.where(right_gap < left_gap, right, left)
                if left != right and wp.max(left_gap, right_gap) <= limit:
                    trail = trail | (1 << height)
        else:
            end = wp.min((node + 1) * LEAF, face_of.shape[0])
            best, place = nearest_of(p, corners, node * LEAF, end, best, place)
            reach = wp.float32(wp.sqrt(best)) * 1.000001 + slack
            limit = reach * reach
        while not descended:
            while height < top and ((trail >> height) & 1) == 0:
                node = node / 2
                height += 1
            if height >= top:
                height = top + 1
                descended = True
            else:
                trail = trail & ~(1 << height)
                node = node + 1 - 2 * (node % 2)
                box = firsts[height] + node
                descended = squared_to_box(rough, lows[box], highs[box]) <= limit
    faces[row] = face_of[place]
    a = corners[3 * place]
    b = corners[3 * place + 1]
    c = corners[3 * place + 2]
    feet[row] = on_triangle(p, a, b, c, wp.float64(1.0e300))
    squares[row] = best
