"""What a search for a surface keeps on its device, and what every part of it does there: warp functions.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .call_kernels import Call
from .places import corner_of, in_grid, name_of, place_of

# "from __future__ import annotations" is missing on purpose: Warp reads the annotations as objects.


class Reg(Call):
    """Registers: the numbers in `SearchState.regs`.

    Nodes [HEAD, TAIL) of the list of nodes are claimed and not recorded yet. FROM and TO bound the nodes that a job
    works on. MARK is where the list ended before the last job, DIAGONAL the first node whose diagonals have not been
    looked at.
    """

    HEAD, TAIL, FROM, TO, MARK, DIAGONAL = map(wp.constant, range(Call.NEXT, 10))
    JOB, STEP, RETURN, RETURN_WALK, HOLD, SETTLING = map(wp.constant, range(10, 16))
    LEVEL, NEXT, COARSE, FINE, STRIDE, BATCH, HIDE, HALF = map(wp.constant, range(16, 24))
    EDGES, WAITING, ACTIVE, STARTING, INSIDES, OUTSIDES, SKIPPED, LIMIT = map(wp.constant, range(24, 32))
    WALKERS, RISING, ALIVE, LENGTH, DIRECTION, CANDIDATES, UNKNOWNS, SPACING = map(wp.constant, range(32, 40))
    LOW, HIGH, BOX_LOW, BOX_HIGH = (wp.constant(first) for first in (40, 43, 46, 49))  # three numbers each
    MARKS = wp.constant(52)  # questions up to the end of each level
    COUNT = wp.constant(60)


@wp.struct
class SearchState:
    """One search: its settings, its registers, and its lists.

    Attributes:
        resolution: R, nodes along each side of the finest lattice; node (i, j, k) is (i * R + j) * R + k.
        levels: number of levels.
        strides: spacing of each level, in nodes of the finest lattice.
        whole: evaluate the whole start grid.
        visible: on the last level, skip cells that nodes known to be inside hide.
        spare: skip the level before the last one unless all levels before it were cheap.
        masked: a mask rules out columns.
        bracketed: a bracket rules out parts of columns.
        threshold: values above it are inside.
        regs: registers, see `Reg`.
        sides: two bits for each node, sixteen nodes a word: 0 unknown, 1 outside, 2 inside, 3 claimed.
        axis: view-space coordinates of the nodes along any axis.
        nodes: all nodes met, in the order in which they were claimed.
        values: their values.
        asks: for each question to the field, its place in `nodes`.
        points: its position.
        answers: the answers to the questions of one call, from the first that was open.
        edges: mixed edges of the level, node * 3 + axis, rising.
        bins: for each column of the level, the end of its edges.
        wait_edges: edges that are halved: lower node * 3 + axis.
        wait_halves: distance of the middle whose value comes next; 0 once an edge is as short as those of its level.
        walk_nodes: where walks from seeds have come.
        walk_states: 0 on the way, 1 resting at a face of the cube, 2 over.
        seeds: nodes that may lie inside.
        front: for each column, the first node known to be inside.
        found: columns that hold a node known to be inside.
        empty: columns that a mask rules out.
        filled: columns that the mask shows the person in.
        winners: for each block of columns, the first that shows the person and holds nothing.
        first: the first node of each column that the bracket does not rule out.
        last: the last one.
    """

    resolution: wp.int32
    levels: wp.int32
    strides: wp.array(dtype=wp.int32)
    whole: wp.int32
    visible: wp.int32
    spare: wp.int32
    masked: wp.int32
    bracketed: wp.int32
    threshold: wp.float32
    regs: wp.array(dtype=wp.int32)
    sides: wp.array(dtype=wp.uint32)
    axis: wp.array(dtype=wp.float32)
    nodes: wp.array(dtype=wp.int64)
    values: wp.array(dtype=wp.float32)
    asks: wp.array(dtype=wp.int32)
    points: wp.array(dtype=wp.vec3)
    answers: wp.array(dtype=wp.float32)
    edges: wp.array(dtype=wp.int64)
    bins: wp.array(dtype=wp.int32)
    wait_edges: wp.array(dtype=wp.int64)
    wait_halves: wp.array(dtype=wp.int32)
    walk_nodes: wp.array(dtype=wp.int64)
    walk_states: wp.array(dtype=wp.int32)
    seeds: wp.array(dtype=wp.int64)
    front: wp.array2d(dtype=wp.int32)
    found: wp.array2d(dtype=wp.uint8)
    empty: wp.array2d(dtype=wp.uint8)
    filled: wp.array2d(dtype=wp.uint8)
    winners: wp.array(dtype=wp.int32)
    first: wp.array2d(dtype=wp.int32)
    last: wp.array2d(dtype=wp.int32)


# Warp passes structures by value, and this one is large. It is therefore passed as an array of one.


@wp.func
def side_of(sides: wp.array(dtype=wp.uint32), resolution: wp.int32, place: wp.vec3i) -> wp.int32:
    """0 unknown, 1 outside, 2 inside, 3 claimed."""
    node = name_of(place, resolution)
    word = sides[wp.int32(node >> wp.int64(4))]
    return wp.int32((word >> (wp.uint32(node & wp.int64(15)) * wp.uint32(2))) & wp.uint32(3))


@wp.func
def differ(one: wp.int32, other: wp.int32) -> wp.bool:
    """Whether one side is inside and the other outside, both known."""
    return one * other == 2


@wp.func
def is_masked(masked: wp.int32, empty: wp.array2d(dtype=wp.uint8), place: wp.vec3i) -> wp.bool:
    """Whether a mask rules out the column of a node."""
    out = wp.bool(False)
    if masked != 0:
        out = empty[place[0], place[1]] != wp.uint8(0)
    return out


@wp.func
def is_proved(
    bracketed: wp.int32, first: wp.array2d(dtype=wp.int32), last: wp.array2d(dtype=wp.int32), place: wp.vec3i
) -> wp.bool:
    """Whether the bracket says that a node is outside."""
    out = wp.bool(False)
    if bracketed != 0:
        out = place[2] < first[place[0], place[1]] or place[2] > last[place[0], place[1]]
    return out


@wp.func
def ask(
    regs: wp.array(dtype=wp.int32),
    asks: wp.array(dtype=wp.int32),
    points: wp.array(dtype=wp.vec3),
    axis: wp.array(dtype=wp.float32),
    entry: wp.int32,
    place: wp.vec3i,
):
    """Have the node at `entry` of the list evaluated."""
    question = wp.atomic_add(regs, Reg.ASKED, 1)
    asks[question] = entry
    points[question] = wp.vec3(axis[place[0]], axis[place[1]], axis[place[2]])


@wp.func
def claim_unknown(state: wp.array(dtype=SearchState), place: wp.vec3i):
    """Put a node on the list unless another thread does; have it evaluated unless mask or bracket rule it out."""
    node = name_of(place, state[0].resolution)
    word = wp.int32(node >> wp.int64(4))
    shift = wp.uint32(node & wp.int64(15)) * wp.uint32(2)
    three = wp.uint32(3)
    before = wp.atomic_or(state[0].sides, word, three << shift)
    if ((before >> shift) & three) == wp.uint32(0):
        entry = wp.atomic_add(state[0].regs, Reg.TAIL, 1)
        if entry >= state[0].nodes.shape[0]:
            state[0].regs[Reg.OVERFLOW] = 1
        else:
            state[0].nodes[entry] = node
            out = is_masked(state[0].masked, state[0].empty, place)
            if out or is_proved(state[0].bracketed, state[0].first, state[0].last, place):
                state[0].values[entry] = state[0].threshold - 0.5
            else:
                ask(state[0].regs, state[0].asks, state[0].points, state[0].axis, entry, place)


@wp.func
def claim(state: wp.array(dtype=SearchState), place: wp.vec3i):
    """Put a node on the list unless it is there; have it evaluated unless mask or bracket rule it out."""
    if side_of(state[0].sides, state[0].resolution, place) == 0:
        claim_unknown(state, place)


@wp.func
def record(state: wp.array(dtype=SearchState), entry: wp.int32):
    """Keep the side of a claimed node, now that its value is there."""
    node = state[0].nodes[entry]
    place = place_of(node, state[0].resolution)
    word = wp.int32(node >> wp.int64(4))
    shift = wp.uint32(node & wp.int64(15)) * wp.uint32(2)
    if state[0].values[entry] > state[0].threshold:
        wp.atomic_and(state[0].sides, word, ~(wp.uint32(1) << shift))
        if state[0].masked != 0:
            state[0].found[place[0], place[1]] = wp.uint8(1)
        if state[0].visible != 0:
            wp.atomic_min(state[0].front, place[0], place[1], place[2])
    else:
        wp.atomic_and(state[0].sides, word, ~(wp.uint32(2) << shift))
    if state[0].regs[Reg.STARTING] != 0:
        last = state[0].resolution - 1
        inner = wp.bool(True)
        for axis in range(3):
            inner = inner and place[axis] > 0 and place[axis] < last
        if inner and state[0].values[entry] > state[0].threshold:
            wp.atomic_add(state[0].regs, Reg.INSIDES, 1)
            for axis in range(3):
                wp.atomic_min(state[0].regs, Reg.LOW + axis, place[axis])
                wp.atomic_max(state[0].regs, Reg.HIGH + axis, place[axis])
        elif inner:
            wp.atomic_add(state[0].regs, Reg.OUTSIDES, 1)


@wp.func
def is_hidden(front: wp.array2d(dtype=wp.int32), top: wp.int32, place: wp.vec3i) -> wp.bool:
    """Whether nodes known to be inside lie before a cell in all four columns: then it holds no first surface."""
    deepest = wp.int32(-1)
    for a in range(2):
        for b in range(2):
            deepest = wp.max(deepest, front[wp.min(place[0] + a, top), wp.min(place[1] + b, top)])
    return deepest < place[2]


@wp.func
def claim_cell(state: wp.array(dtype=SearchState), low: wp.vec3i, stride: wp.int32):
    """Claim the corners of a cell, unless the cell leaves the grid or is hidden."""
    last = state[0].resolution - 1
    if in_grid(low, last - stride):
        hidden = wp.bool(False)
        if state[0].regs[Reg.HIDE] != 0:
            hidden = is_hidden(state[0].front, last, low)
        if not hidden:
            for corner in range(8):
                place = corner_of(low, corner, stride)
                if side_of(state[0].sides, state[0].resolution, place) == 0:
                    claim_unknown(state, place)
