"""What is known of the nodes around a node, as bits of integers: warp functions.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .places import in_grid, name_of, unit
from .search_state import differ, is_hidden, side_of

# The 27 nodes of a 3 x 3 x 3 cube are bits of an integer: (i * 3 + j) * 3 + k. The middle one is 13.
AXES = wp.constant(1 << 4 | 1 << 10 | 1 << 12 | 1 << 14 | 1 << 16 | 1 << 22)
DIAGONALS = wp.constant((1 << 27) - 1 - (1 << 13) - AXES)
# The lower bits of the sides of eight nodes, two bits each.
LOWER_BITS = wp.constant(wp.uint32(0x5555))
# The corners of the eight cells around the middle: the first cell has the lowest corners.
CELL_NODES = wp.constant(
    wp.types.vector(length=8, dtype=wp.int32)(
        *(
            sum(1 << (i + a) * 9 + (j + b) * 3 + k + c for a in (0, 1) for b in (0, 1) for c in (0, 1))
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        )
    )
)


@wp.func
def sides_from(sides: wp.array(dtype=wp.uint32), node: wp.int64) -> wp.uint32:
    """Sides of sixteen nodes, two bits each, from a node on along z."""
    word = wp.int32(node >> wp.int64(4))
    bits = wp.uint64(sides[word]) | (wp.uint64(sides[word + 1]) << wp.uint64(32))
    return wp.uint32(bits >> (wp.uint64(node & wp.int64(15)) * wp.uint64(2)))


@wp.func
def codes_of_row(
    sides: wp.array(dtype=wp.uint32), resolution: wp.int32, place: wp.vec3i, stride: wp.int32
) -> wp.uint32:
    """Sides of three nodes along z, the second one at `place`, two bits each; 0 outside the grid's columns.

    Nodes beyond the ends of a column have any side.
    """
    codes = wp.uint32(0)
    last = resolution - 1
    if place[0] >= 0 and place[1] >= 0 and place[0] <= last and place[1] <= last:
        if stride == 1:
            first = wp.vec3i(place[0], place[1], wp.max(place[2] - 1, 0))
            codes = sides_from(sides, name_of(first, resolution)) & wp.uint32(63)
            if place[2] == 0:
                codes = (codes << wp.uint32(2)) & wp.uint32(63)
        else:
            for step in range(3):
                there = wp.vec3i(place[0], place[1], place[2] + (step - 1) * stride)
                if there[2] >= 0 and there[2] <= last:
                    codes = codes | (wp.uint32(side_of(sides, resolution, there)) << wp.uint32(2 * step))
    return codes


@wp.func
def cube_around(sides: wp.array(dtype=wp.uint32), resolution: wp.int32, place: wp.vec3i, stride: wp.int32) -> wp.vec3i:
    """Which of the 27 nodes around a node are unknown, outside and inside."""
    low, high = wp.int32(0), wp.int32(0)
    for row in range(9):
        there = place + wp.vec3i(row / 3 - 1, row % 3 - 1, 0) * stride
        codes = wp.int32(codes_of_row(sides, resolution, there, stride))
        low = low | (((codes & 1) | ((codes >> 1) & 2) | ((codes >> 2) & 4)) << (3 * row))
        high = high | ((((codes >> 1) & 1) | ((codes >> 2) & 2) | ((codes >> 3) & 4)) << (3 * row))
    return wp.vec3i(~(low | high), low & ~high, high & ~low)


@wp.func
def cells_with(
    front: wp.array2d(dtype=wp.int32),
    last: wp.int32,
    place: wp.vec3i,
    stride: wp.int32,
    nodes: wp.int32,
    hide: wp.int32,
) -> wp.int32:
    """The corners of those cells around a node, in the grid and not hidden, that hold one of `nodes`."""
    corners = wp.int32(0)
    for cell in range(8):
        if (CELL_NODES[cell] & nodes) != 0:
            low = place + wp.vec3i((cell >> 2) - 1, ((cell >> 1) & 1) - 1, (cell & 1) - 1) * stride
            if in_grid(low, last - stride) and (hide == 0 or not is_hidden(front, last, low)):
                corners = corners | CELL_NODES[cell]
    return corners


@wp.func
def is_at_surface(sides: wp.array(dtype=wp.uint32), resolution: wp.int32, place: wp.vec3i, stride: wp.int32) -> wp.bool:
    """Whether a known node has a neighbour of the other side."""
    side = side_of(sides, resolution, place)
    found = wp.bool(False)
    for way in range(6):
        beside = place + unit(way >> 1) * ((way & 1) * 2 - 1) * stride
        if in_grid(beside, resolution - 1):
            found = found or differ(side, side_of(sides, resolution, beside))
    return found


@wp.func
def is_mixed(sides: wp.array(dtype=wp.uint32), resolution: wp.int32, low: wp.vec3i) -> wp.bool:
    """Whether the corners of a cell are known, and lie on both sides."""
    node, r = name_of(low, resolution), wp.int64(resolution)
    codes = wp.uint32(0)
    for edge in range(4):  # along z
        lower = node + wp.int64(edge >> 1) * r * r + wp.int64(edge & 1) * r
        codes = (codes << wp.uint32(4)) | (sides_from(sides, lower) & wp.uint32(15))
    outside, inside = codes & LOWER_BITS, (codes >> wp.uint32(1)) & LOWER_BITS
    return (outside ^ inside) == LOWER_BITS and outside != wp.uint32(0) and inside != wp.uint32(0)
