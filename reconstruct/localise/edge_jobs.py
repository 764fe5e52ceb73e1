"""The work of a search on edges that lead across the surface: list them, halve them, and walk to them from seeds.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .places import in_grid, name_of, place_of, unit
from .search_jobs import Job
from .search_state import Reg, SearchState, claim, claim_cell, differ, is_hidden, side_of


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
