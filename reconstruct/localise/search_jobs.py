"""The work of a search, job by job: what many threads do at once between two decisions (search_program.py).

This file imports Warp, so it is imported inside functions only. A job reads the registers and never changes them but by
counting; thread `thread` of `threads` takes every `threads`-th of the job's items.
"""

# mypy: ignore-errors

import warp as wp

from .search_state import (
    Reg,
    SearchState,
    ask,
    cells_with,
    claim,
    claim_cell,
    cube_around,
    differ,
    in_grid,
    is_at_surface,
    is_hidden,
    is_masked,
    is_proved,
    name_of,
    place_of,
    side_of,
    unit,
)


class Job:
    """The jobs."""

    NONE, RECORD, ALL, BRACKET, PART, BOX, INNER, NEAR_FACES, FACES = map(wp.constant, range(9))
    CLEAR, COUNT, SCAN, PLACE, SORT, SELECT, HALVE, CELLS = map(wp.constant, range(9, 17))
    FOLLOW, DIAGONALS, LOOK, SEEDS, SEED_WALKS, NODE_WALKS, BEGIN_WALK, GO, MOVE = map(wp.constant, range(17, 26))
    CLEAR_BLOCKS, PICK, TELL, COLUMNS, FINISH = map(wp.constant, range(26, 31))


NOBODY = wp.constant(2147483647)
MIDDLE = wp.constant(1 << 13)


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
        beside = place + wp.vec3i(way / 9 - 1, way / 3 % 3 - 1, way % 3 - 1) * stride
        if way != 13 and in_grid(beside, last):
            outer = not faces
            for axis in range(3):
                outer = outer or beside[axis] == 0 or beside[axis] == last
            if outer:
                claim(state, beside)


@wp.func
def column_of(state: wp.array(dtype=SearchState), place: wp.vec3i) -> wp.int32:
    """The bin of the edges whose lower ends are in the column of a node."""
    stride = state[0].regs[Reg.COARSE]
    return place[0] / stride * ((state[0].resolution - 1) / stride + 1) + place[1] / stride


@wp.func
def list_edges(state: wp.array(dtype=SearchState), job: wp.int32, entry: wp.int32):
    """Count (or put in their places) the mixed edges whose lower end is a node."""
    stride = state[0].regs[Reg.COARSE]
    node = state[0].nodes[entry]
    place = place_of(node, state[0].resolution)
    if place[0] % stride == 0 and place[1] % stride == 0 and place[2] % stride == 0:
        side = side_of(state[0].sides, state[0].resolution, place)
        for axis in range(3):
            beside = place + unit(axis) * stride
            if in_grid(beside, state[0].resolution - 1) and differ(
                side, side_of(state[0].sides, state[0].resolution, beside)
            ):
                at = wp.atomic_add(state[0].bins, column_of(state, place), 1)
                if job == Job.PLACE:
                    state[0].edges[at] = node * wp.int64(3) + wp.int64(axis)


@wp.func
def scan_bins(state: wp.array(dtype=SearchState)):
    """From the number of edges in each bin to the place of its first one."""
    side = (state[0].resolution - 1) / state[0].regs[Reg.COARSE] + 1
    total = wp.int32(0)
    for column in range(side * side):
        count = state[0].bins[column]
        state[0].bins[column] = total
        total += count
    state[0].regs[Reg.EDGES] = total
    if total > state[0].edges.shape[0]:
        state[0].regs[Reg.OVERFLOW] = 1


@wp.func
def first_of_bin(state: wp.array(dtype=SearchState), column: wp.int32) -> wp.int32:
    first = wp.int32(0)
    if column > 0:
        first = state[0].bins[column - 1]
    return first


@wp.func
def sort_bin(state: wp.array(dtype=SearchState), column: wp.int32):
    """Sort the few edges of a column."""
    first = first_of_bin(state, column)
    for place in range(first + 1, state[0].bins[column]):
        edge = state[0].edges[place]
        at = place
        while at > first and state[0].edges[wp.max(at - 1, 0)] > edge:
            state[0].edges[at] = state[0].edges[at - 1]
            at -= 1
        state[0].edges[at] = edge


@wp.func
def wait_for(state: wp.array(dtype=SearchState), edge: wp.int64, half: wp.int32):
    """Put an edge among those that are halved; its middle, `half` from its lower end, is evaluated next."""
    place = place_of(edge / wp.int64(3), state[0].resolution)
    entry = wp.atomic_add(state[0].regs, Reg.WAITING, 1)
    state[0].wait_edges[entry] = edge
    if half >= state[0].regs[Reg.FINE]:
        state[0].wait_halves[entry] = half
        claim(state, place + unit(wp.int32(edge % wp.int64(3))) * half)
        wp.atomic_add(state[0].regs, Reg.ACTIVE, 1)
    else:
        state[0].wait_halves[entry] = 0


@wp.func
def select_edge(state: wp.array(dtype=SearchState), edge: wp.int64):
    """Have an edge halved, unless a mixed edge of the next level is known along it, or it is hidden."""
    coarse, fine = state[0].regs[Reg.COARSE], state[0].regs[Reg.FINE]
    place = place_of(edge / wp.int64(3), state[0].resolution)
    step = unit(wp.int32(edge % wp.int64(3))) * fine
    resolved = wp.bool(False)
    side = side_of(state[0].sides, state[0].resolution, place)
    for part in range(1, coarse / fine + 1):
        there = side_of(state[0].sides, state[0].resolution, place + step * part)
        resolved = resolved or differ(side, there)
        side = there
    if not resolved:
        if state[0].regs[Reg.HIDE] != 0:
            resolved = is_hidden(state[0].front, state[0].resolution - 1, place)
        if not resolved:
            wait_for(state, edge, coarse / 2)


@wp.func
def select_edges(state: wp.array(dtype=SearchState), item: wp.int32):
    """One item of a batch of edges: all, every eighth, or, where hidden cells are skipped, the first of a column."""
    if state[0].regs[Reg.BATCH] == 0 and state[0].regs[Reg.HIDE] != 0:
        first = first_of_bin(state, item)
        if first < state[0].bins[item]:
            select_edge(state, state[0].edges[first])
    else:
        select_edge(state, state[0].edges[item])


@wp.func
def halve_edge(state: wp.array(dtype=SearchState), entry: wp.int32):
    """Keep the half whose ends lie on different sides, and claim its middle."""
    half = state[0].wait_halves[entry]
    if half > 0:
        edge = state[0].wait_edges[entry]
        axis = wp.int32(edge % wp.int64(3))
        place = place_of(edge / wp.int64(3), state[0].resolution)
        middle = place + unit(axis) * half
        if side_of(state[0].sides, state[0].resolution, middle) == side_of(state[0].sides, state[0].resolution, place):
            place = middle
            state[0].wait_edges[entry] = name_of(place, state[0].resolution) * wp.int64(3) + wp.int64(axis)
        half = half / 2
        if half >= state[0].regs[Reg.FINE]:
            claim(state, place + unit(axis) * half)
            wp.atomic_add(state[0].regs, Reg.ACTIVE, 1)
        else:
            half = wp.int32(0)
        state[0].wait_halves[entry] = half


@wp.func
def claim_around_waiting(state: wp.array(dtype=SearchState), entry: wp.int32):
    """Claim the corners of the four cells around an edge that has been halved."""
    stride, edge = state[0].regs[Reg.STRIDE], state[0].wait_edges[entry]
    axis = wp.int32(edge % wp.int64(3))
    lower = place_of(edge / wp.int64(3), state[0].resolution)
    for cell in range(4):
        back = unit((axis + 1) % 3) * (cell >> 1) + unit((axis + 2) % 3) * (cell & 1)
        claim_cell(state, lower - back * stride, stride)


@wp.func
def follow_node(state: wp.array(dtype=SearchState), entry: wp.int32, ways: wp.int32):
    """Claim the corners of the cells that hold a node and one of the other side, among the nodes that `ways` names."""
    stride, last = state[0].regs[Reg.STRIDE], state[0].resolution - 1
    place = place_of(state[0].nodes[entry], state[0].resolution)
    cube = cube_around(state[0].sides, state[0].resolution, place, stride)
    others = cube[1]
    if (cube[1] & MIDDLE) != 0:
        others = cube[2]
    corners = wp.int32(0)
    if (others & ways) != 0:
        corners = cells_with(state[0].front, last, place, stride, others & ways, state[0].regs[Reg.HIDE])
    claimed = corners & cube[0]
    way = wp.int32(0)
    while claimed != 0:
        if (claimed & 1) != 0:
            claim(state, place + wp.vec3i(way / 9 - 1, way / 3 % 3 - 1, way % 3 - 1) * stride)
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
def start_walk(state: wp.array(dtype=SearchState), node: wp.int64):
    """A walk from a seed that turned out to be inside."""
    if side_of(state[0].sides, state[0].resolution, place_of(node, state[0].resolution)) == 2:
        walk = wp.atomic_add(state[0].regs, Reg.WALKERS, 1)
        state[0].walk_nodes[walk] = node
        state[0].walk_states[walk] = 0


@wp.func
def stepped(state: wp.array(dtype=SearchState), node: wp.int64) -> wp.vec3i:
    """Where the next step of a walk leads: along x, y and z, and then back along each."""
    length = state[0].regs[Reg.LENGTH]
    direction = state[0].regs[Reg.DIRECTION]
    if direction >= 3:
        length = -length
    return place_of(node, state[0].resolution) + unit(direction % 3) * length


@wp.func
def go_on(state: wp.array(dtype=SearchState), walk: wp.int32, begin: wp.bool):
    """Claim the node that a walk comes to next."""
    if state[0].walk_states[walk] < 2:
        if begin:
            state[0].walk_states[walk] = 0
        there = stepped(state, state[0].walk_nodes[walk])
        if in_grid(there, state[0].resolution - 1):
            claim(state, there)


@wp.func
def move(state: wp.array(dtype=SearchState), walk: wp.int32):
    """Take a step that stays inside; have an edge that leads outside halved, which ends the walk."""
    if state[0].walk_states[walk] < 2:
        node = state[0].walk_nodes[walk]
        there = stepped(state, node)
        if not in_grid(there, state[0].resolution - 1):
            state[0].walk_states[walk] = 1
        elif side_of(state[0].sides, state[0].resolution, there) == 2:
            state[0].walk_nodes[walk] = name_of(there, state[0].resolution)
        else:
            lower = wp.min(node, name_of(there, state[0].resolution))
            axis = wp.int64(state[0].regs[Reg.DIRECTION] % 3)
            wait_for(state, lower * wp.int64(3) + axis, state[0].regs[Reg.LENGTH] / 2)
            state[0].walk_states[walk] = 2
    if state[0].walk_states[walk] < 2:
        wp.atomic_add(state[0].regs, Reg.ALIVE, 1)
        if state[0].walk_states[walk] == 0:
            wp.atomic_add(state[0].regs, Reg.RISING, 1)


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
