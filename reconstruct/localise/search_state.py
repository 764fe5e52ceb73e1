"""What a search for a surface keeps on its device, and what every part of it does there: warp functions.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

# "from __future__ import annotations" is missing on purpose: Warp reads the annotations as objects.


class Reg:
    """Registers: the numbers in `SearchState.regs`.

    Nodes [HEAD, TAIL) of the list of nodes are claimed and not recorded yet; of all questions to the field, those
    before ANSWERED have an answer, those before ASKED are known. FROM and TO bound the nodes that a job works on. MARK
    is where the list ended before the last job, DIAGONAL the first node whose diagonals have not been looked at.
    """

    HEAD, TAIL, ASKED, ANSWERED, FROM, TO, MARK, DIAGONAL = map(wp.constant, range(8))
    JOB, STEP, RETURN, RETURN_WALK, HOLD, OVERFLOW, BAD, SETTLING = map(wp.constant, range(8, 16))
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
                place = low + wp.vec3i(corner >> 2, (corner >> 1) & 1, corner & 1) * stride
                if side_of(state[0].sides, state[0].resolution, place) == 0:
                    claim_unknown(state, place)


@wp.func
def unit(axis: wp.int32) -> wp.vec3i:
    step = wp.vec3i(0, 0, 0)
    step[axis] = 1
    return step


# The 27 nodes of a 3 x 3 x 3 cube are bits of an integer: (i * 3 + j) * 3 + k. The middle one is 13.
AXES = wp.constant(1 << 4 | 1 << 10 | 1 << 12 | 1 << 14 | 1 << 16 | 1 << 22)
DIAGONALS = wp.constant((1 << 27) - 1 - (1 << 13) - AXES)
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
            node = name_of(first, resolution)
            word = wp.int32(node >> wp.int64(4))
            bits = wp.uint64(sides[word]) | (wp.uint64(sides[word + 1]) << wp.uint64(32))
            codes = wp.uint32((bits >> (wp.uint64(node & wp.int64(15)) * wp.uint64(2))) & wp.uint64(63))
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
