"""The work of a search, job by job: what many threads do at once between two decisions (search_program.py).

This file imports Warp, so it is imported inside functions only. A job reads the registers and never changes them but by
counting; thread `thread` of `threads` takes every `threads`-th of the job's items.
"""

# mypy: ignore-errors

import warp as wp

from .cubes import cells_with, cube_around, is_at_surface
from .places import MIDDLE, in_grid, neighbour, place_of, unit
from .search_state import Reg, SearchState, ask, claim, differ, is_masked, is_proved, side_of


class Job:
    """The jobs."""

    NONE, RECORD, ALL, BRACKET, PART, BOX, INNER, NEAR_FACES, FACES = map(wp.constant, range(9))
    CLEAR, COUNT, SCAN, PLACE, SORT, SELECT, HALVE, CELLS = map(wp.constant, range(9, 17))
    FOLLOW, DIAGONALS, LOOK, SEEDS, SEED_WALKS, NODE_WALKS, BEGIN_WALK, GO, MOVE = map(wp.constant, range(17, 26))
    CLEAR_BLOCKS, PICK, TELL, COLUMNS, FINISH = map(wp.constant, range(26, 31))


NOBODY = wp.constant(2147483647)


@wp.func
def claim_start(state: wp.array(dtype=SearchState), job: wp.int32, item: wp.int32):
    """One node of the start grid, in all jobs that begin a search."""
    stride, last = state[0].strides[0], state[0].resolution - 1
    side = last / stride + 1
    place = wp.vec3i(item / (side * side), item / side % side, item % side) * stride
    faces, even, odd, near = wp.bool(False), wp.bool(True), wp.bool(True), wp.bool(True)
    for axis in range(3):
        faces = faces or place[axis] == 0 or place[axis] == last
        half = place[axis] % (2 * stride)
        even = even and half == 0
        odd = odd and half != 0
        near = near and place[axis] >= state[0].regs[Reg.LOW + axis] - stride
        near = near and place[axis] <= state[0].regs[Reg.HIGH + axis] + stride
    if job == Job.ALL:
        claim(state, place)
    elif job == Job.BRACKET:
        # One node at least, since what nothing is known about has no sides.
        if item == 0 or not is_proved(state[0].bracketed, state[0].first, state[0].last, place):
            claim(state, place)
        if not is_proved(state[0].bracketed, state[0].first, state[0].last, place):
            claim_neighbours(state, place, stride, False)
    elif job == Job.FACES:
        if faces:
            claim(state, place)
    elif not faces and (job == Job.INNER or (job == Job.PART and (even or odd)) or (job == Job.BOX and near)):
        claim(state, place)


@wp.func
def claim_neighbours(state: wp.array(dtype=SearchState), place: wp.vec3i, stride: wp.int32, faces: wp.bool):
    """Claim the 26 nodes around a node; with `faces`, only those on the faces of the cube."""
    last = state[0].resolution - 1
    for way in range(27):
        beside = neighbour(place, way, stride)
        if way != MIDDLE and in_grid(beside, last):
            outer = not faces
            for axis in range(3):
                outer = outer or beside[axis] == 0 or beside[axis] == last
            if outer:
                claim(state, beside)


@wp.func
def follow_node(state: wp.array(dtype=SearchState), entry: wp.int32, ways: wp.int32):
    """Claim the corners of the cells that hold a node and one of the other side, among the nodes that `ways` names."""
    stride, last = state[0].regs[Reg.STRIDE], state[0].resolution - 1
    place = place_of(state[0].nodes[entry], state[0].resolution)
    cube = cube_around(state[0].sides, state[0].resolution, place, stride)
    others = cube[1]
    if ((cube[1] >> MIDDLE) & 1) != 0:
        others = cube[2]
    corners = wp.int32(0)
    if (others & ways) != 0:
        corners = cells_with(state[0].front, last, place, stride, others & ways, state[0].regs[Reg.HIDE])
    claimed = corners & cube[0]
    way = wp.int32(0)
    while claimed != 0:
        if (claimed & 1) != 0:
            claim(state, neighbour(place, way, stride))
        claimed = claimed >> 1
        way += 1


@wp.func
def look_around(state: wp.array(dtype=SearchState), entry: wp.int32):
    """Claim all neighbours of a node of this level that lies at the surface."""
    stride = state[0].regs[Reg.STRIDE]
    place = place_of(state[0].nodes[entry], state[0].resolution)
    of_level = place[0] % stride == 0 and place[1] % stride == 0 and place[2] % stride == 0
    if of_level and is_at_surface(state[0].sides, state[0].resolution, place, stride):
        claim_neighbours(state, place, stride, False)


@wp.func
def pick_column(state: wp.array(dtype=SearchState), column: wp.int32):
    """Note a column that shows the person and holds nothing, for its block of columns."""
    r, spacing = state[0].resolution, state[0].regs[Reg.SPACING]
    i = column / r
    j = column % r
    if state[0].filled[i, j] != wp.uint8(0):
        # A column beside one that holds a part of the person may lie outside: the edge of the mask is uncertain.
        held = wp.bool(False)
        for a in range(wp.max(i - 1, 0), wp.min(i + 2, r)):
            for b in range(wp.max(j - 1, 0), wp.min(j + 2, r)):
                held = held or state[0].found[a, b] != wp.uint8(0)
        if not held:
            wp.atomic_add(state[0].regs, Reg.CANDIDATES, 1)
            wp.atomic_min(state[0].winners, i / spacing * r + j / spacing, column)


@wp.func
def look_behind(state: wp.array(dtype=SearchState), job: wp.int32, block: wp.int32):
    """Count, or claim, the unknown nodes of the column that stands for a block."""
    r, spacing = state[0].resolution, state[0].regs[Reg.SPACING]
    column = state[0].winners[block]
    if column != NOBODY:
        for step in range((r - 1) / spacing + 1):
            place = wp.vec3i(column / r, column % r, step * spacing)
            if job == Job.COLUMNS:
                claim(state, place)
            elif side_of(state[0].sides, state[0].resolution, place) == 0:
                wp.atomic_add(state[0].regs, Reg.UNKNOWNS, 1)


@wp.func
def finish(state: wp.array(dtype=SearchState), entry: wp.int32):
    """Bound the cells that the surface passes, and have nodes beside it evaluated that a bracket ruled out.

    Their side is proved, and where the surface lies between them and their neighbours depends on their values.
    """
    place = place_of(state[0].nodes[entry], state[0].resolution)
    side = side_of(state[0].sides, state[0].resolution, place)
    mixed = wp.bool(False)
    for axis in range(3):
        beside = place + unit(axis)
        if in_grid(beside, state[0].resolution - 1):
            mixed = mixed or differ(side, side_of(state[0].sides, state[0].resolution, beside))
    if mixed:
        for axis in range(3):
            if place[axis] < state[0].regs[Reg.BOX_LOW + axis]:
                wp.atomic_min(state[0].regs, Reg.BOX_LOW + axis, place[axis])
            if place[axis] > state[0].regs[Reg.BOX_HIGH + axis]:
                wp.atomic_max(state[0].regs, Reg.BOX_HIGH + axis, place[axis])
    if (
        is_proved(state[0].bracketed, state[0].first, state[0].last, place)
        and not is_masked(state[0].masked, state[0].empty, place)
        and is_at_surface(state[0].sides, state[0].resolution, place, 1)
    ):
        ask(state[0].regs, state[0].asks, state[0].points, state[0].axis, entry, place)
