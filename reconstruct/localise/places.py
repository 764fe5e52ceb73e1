"""Nodes of a grid and their neighbours, by name and by place: warp functions.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

# Of the 27 nodes around a node (see `neighbour`), the node itself.
MIDDLE = wp.constant(13)


@wp.func
def name_of(place: wp.vec3i, resolution: wp.int32) -> wp.int64:
    """The node at (i, j, k)."""
    r = wp.int64(resolution)
    return (wp.int64(place[0]) * r + wp.int64(place[1])) * r + wp.int64(place[2])


@wp.func
def place_of(node: wp.int64, resolution: wp.int32) -> wp.vec3i:
    """The coordinates (i, j, k) of a node."""
    r = wp.int64(resolution)
    line = node / r
    i = line / r
    return wp.vec3i(wp.int32(i), wp.int32(line - i * r), wp.int32(node - line * r))


@wp.func
def in_grid(place: wp.vec3i, last: wp.int32) -> wp.bool:
    return (
        place[0] >= 0 and place[1] >= 0 and place[2] >= 0 and place[0] <= last and place[1] <= last and place[2] <= last
    )


@wp.func
def corner_of(low: wp.vec3i, corner: wp.int32, stride: wp.int32) -> wp.vec3i:
    """The `corner`-th of the eight corners of a cell, from its lowest one."""
    return low + wp.vec3i(corner >> 2, (corner >> 1) & 1, corner & 1) * stride


@wp.func
def neighbour(place: wp.vec3i, way: wp.int32, stride: wp.int32) -> wp.vec3i:
    """The `way`-th of the 26 nodes around a node, and the node itself as the 13th (`MIDDLE`)."""
    return place + wp.vec3i(way / 9 - 1, way / 3 % 3 - 1, way % 3 - 1) * stride


@wp.func
def unit(axis: wp.int32) -> wp.vec3i:
    step = wp.vec3i(0, 0, 0)
    step[axis] = 1
    return step


@wp.func
def spot_in(low: wp.vec3i, size: wp.vec3i, place: wp.vec3i) -> wp.int32:
    """Where a box of nodes, `size` of them from `low` on, line by line, holds a node; -1 outside the box."""
    x, y, z = place[0] - low[0], place[1] - low[1], place[2] - low[2]
    spot = wp.int32(-1)
    if x >= 0 and y >= 0 and z >= 0 and x < size[0] and y < size[1] and z < size[2]:
        spot = (x * size[1] + y) * size[2] + z
    return spot


@wp.func
def place_in(size: wp.vec3i, spot: wp.int32) -> wp.vec3i:
    """The node at a spot of a box, from its least node."""
    line = spot / size[2]
    return wp.vec3i(line / size[1], line % size[1], spot - line * size[2])
