"""Warp kernels of interpolate.py. This file imports Warp, so it is imported inside functions only."""

# mypy: ignore-errors

import warp as wp

from .search_state import SearchState, in_grid, is_masked, name_of, place_of, side_of

# Nothing here is differentiated; unrolled loops take long to compile.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

# A node is in doubt when its interpolated value is nearer to the surface than this part of the interval between its
# bounds. A greater part evaluates more nodes and leaves fewer errors.
DOUBT = wp.constant(wp.float64(0.15))
# The same part for the neighbours of a node that contradicted the interpolation.
RECHECK = wp.constant(wp.float64(0.5))
# A field is hard (a step, which says nothing about distance) when the corners of its cells are about equally far from
# the surface: when the tenth percentile of their levels is at least this part of the ninetieth.
FLAT = wp.constant(wp.float64(0.9))
TINY = wp.constant(wp.float64(1e-6))
FAR = wp.constant(wp.float64(1e9))
INFINITE = wp.constant(wp.float64(float("inf")))
NAN = wp.constant(wp.float64(float("nan")))


class Num:
    """The numbers in `LevelState.regs`; questions are counted as those of a search."""

    CELLS, SIZES, NODES, OLD_NODES, ASKED, ANSWERED, FIRST, LAST, JOB, OVERFLOW, BAD, OVER = map(wp.constant, range(12))
    COUNT = wp.constant(12)


class Stat:
    """The numbers in `LevelState.stats`: of the levels at corners of mixed cells, of slopes of cells, and of nodes."""

    LOW_TENTH, HIGH_TENTH, SIZE, CELL_SLOPE, SLOPE = map(wp.constant, range(5))
    COUNT = wp.constant(5)


class Round:
    """What is done with the answers of a round, job by job."""

    WAIT, SPREAD, ADD, TIGHTEN, RECHECK = map(wp.constant, range(5))


# Square roots of 0 to 12: distances of a node from the corners of a cell that it lies in.
ROOTS = wp.constant(wp.types.vector(length=13, dtype=wp.float64)(*(square**0.5 for square in range(13))))
LEVEL, LOW, HIGH, SLOPE = map(wp.constant, range(4))  # columns of `guesses`
KNOWN, INSIDE, WRONG, DUE = (wp.constant(1 << bit) for bit in range(4))


@wp.struct
class LevelState:
    """What is known and what is expected of the last level's nodes in or next to cells that the surface passes.

    Attributes:
        resolution: nodes along each side of the last level.
        threshold: values above it are inside.
        regs: registers, see `Num`.
        stats: order statistics, see `Stat`.
        span: least and greatest value of the level before.
        axis: view-space coordinates of the last level's nodes along any axis.
        empty: columns of the last level that a mask rules out.
        coarse_index: for each node of the level before, its place in the search's list plus 1; 0 for unknown nodes.
        coarse_levels: the levels of the search's nodes (see `level_of`).
        cell_of: for each node of the search, the cell of which it is the lowest corner, plus 1.
        cells: place in the search's list of the lowest corner of each mixed cell.
        cell_levels: levels at the eight corners of each cell.
        cell_masks: a bit for each corner that a mask rules out.
        slopes: of each cell, greatest change of the level over one spacing of the last level.
        sizes: distance from the surface of the evaluated corners of cells.
        index: for each node of the last level, its place in the lists below plus 1.
        nodes: the nodes.
        guesses: for each node its level, interpolated or evaluated, the lower and the upper bound of it, and the
            greatest change of the level over one spacing.
        flags: 1 evaluated, or ruled out by a mask; 2 expected inside; 4 contradicted the interpolation; 8 asked for.
        values: the values, in the end.
        asks: for each question to the field, its place in the lists.
        points: its position.
        answers: the answers to the questions of one call, from the first that was open.
    """

    resolution: wp.int32
    threshold: wp.float32
    regs: wp.array(dtype=wp.int32)
    stats: wp.array(dtype=wp.float64)
    span: wp.array(dtype=wp.float32)
    axis: wp.array(dtype=wp.float32)
    empty: wp.array2d(dtype=wp.uint8)
    coarse_index: wp.array(dtype=wp.int32)
    coarse_levels: wp.array(dtype=wp.float64)
    cell_of: wp.array(dtype=wp.int32)
    cells: wp.array(dtype=wp.int32)
    cell_levels: wp.array(dtype=wp.float64)
    cell_masks: wp.array(dtype=wp.int32)
    slopes: wp.array(dtype=wp.float64)
    sizes: wp.array(dtype=wp.float64)
    index: wp.array(dtype=wp.int32)
    nodes: wp.array(dtype=wp.int64)
    guesses: wp.array2d(dtype=wp.float64)
    flags: wp.array(dtype=wp.int32)
    values: wp.array(dtype=wp.float32)
    asks: wp.array(dtype=wp.int32)
    points: wp.array(dtype=wp.vec3)
    answers: wp.array(dtype=wp.float32)


# Warp passes structures by value, and this one is large. It is therefore passed as an array of one.


@wp.func
def logit_shift(threshold: wp.float32, span: wp.array(dtype=wp.float32)) -> wp.float64:
    """The logit of the threshold, or NaN where values are no occupancies in [0, 1]."""
    shift = wp.float64(NAN)
    if threshold > 0.0 and threshold < 1.0 and span[0] >= 0.0 and span[1] <= 1.0:
        shift = wp.log(wp.float64(threshold) / (wp.float64(1.0) - wp.float64(threshold)))
    return shift


@wp.func
def level_of(value: wp.float32, threshold: wp.float32, shift: wp.float64) -> wp.float64:
    """The level of a value: 0 on the surface and nearly linear across it.

    For occupancies in [0, 1] it is the logit minus that of the threshold; for other values, the value minus the
    threshold.
    """
    wide = wp.float64(value)
    level = wide - wp.float64(threshold)
    if not wp.isnan(shift):
        wide = wp.clamp(wide, wp.float64(1e-7), wp.float64(1.0) - wp.float64(1e-7))
        level = wp.log(wide / (wp.float64(1.0) - wide)) - shift
    return level


@wp.func
def value_of(level: wp.float64, threshold: wp.float32, shift: wp.float64) -> wp.float32:
    """The value of a level; rounding does not move it across the threshold."""
    value = wp.float32(level + wp.float64(threshold))
    if not wp.isnan(shift):
        value = wp.float32(wp.float64(1.0) / (wp.float64(1.0) + wp.exp(-(level + shift))))
    if level > wp.float64(0.0):
        if value <= threshold:
            value = threshold + wp.max(wp.abs(threshold) * 6e-8, 1e-38)  # the next number
    else:
        value = wp.min(value, threshold)
    return value


@wp.func
def corner_of(place: wp.vec3i, corner: wp.int32) -> wp.vec3i:
    return place + wp.vec3i(corner >> 2, (corner >> 1) & 1, corner & 1)


@wp.kernel
def measure_span(
    search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), tail: wp.int32, threads: wp.int32
):
    entry = wp.tid()
    while entry < search[0].regs[tail]:
        wp.atomic_min(state[0].span, 0, search[0].values[entry])
        wp.atomic_max(state[0].span, 1, search[0].values[entry])
        entry += threads


@wp.kernel
def index_nodes(
    search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), tail: wp.int32, threads: wp.int32
):
    entry = wp.tid()
    shift = logit_shift(state[0].threshold, state[0].span)
    while entry < search[0].regs[tail]:
        state[0].coarse_index[wp.int32(search[0].nodes[entry])] = entry + 1
        state[0].coarse_levels[entry] = level_of(search[0].values[entry], state[0].threshold, shift)
        entry += threads


@wp.func
def add_cell(search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), entry: wp.int32, place: wp.vec3i):
    """List a cell that the surface passes."""
    cell = wp.atomic_add(state[0].regs, Num.CELLS, 1)
    if cell >= state[0].cells.shape[0]:
        state[0].regs[Num.OVERFLOW] = 1
    else:
        state[0].cells[cell] = entry
        state[0].cell_of[entry] = cell + 1
        for corner in range(8):
            there = corner_of(place, corner)
            if not is_masked(search[0].masked, search[0].empty, there):
                known = state[0].coarse_index[wp.int32(name_of(there, search[0].resolution))] - 1
                state[0].sizes[wp.atomic_add(state[0].regs, Num.SIZES, 1)] = wp.abs(state[0].coarse_levels[known])


@wp.kernel
def find_cells(
    search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), tail: wp.int32, threads: wp.int32
):
    """List the cells that the surface passes, and how far from it their corners are."""
    entry = wp.tid()
    while entry < search[0].regs[tail]:
        place = place_of(search[0].nodes[entry], search[0].resolution)
        state[0].cell_of[entry] = 0
        if in_grid(place, search[0].resolution - 2):
            least, most = wp.int32(3), wp.int32(0)
            for corner in range(8):
                side = side_of(search[0].sides, search[0].resolution, corner_of(place, corner))
                least, most = wp.min(least, side), wp.max(most, side)
            if least == 1 and most == 2:
                add_cell(search, state, entry, place)
        entry += threads


@wp.kernel
def measure_slopes(search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), threads: wp.int32):
    """Levels at the corners of cells, and how steep they are.

    Nodes that the mask rules out have no value of their own. They count as far outside as the median distance of the
    others from the surface, and bound nothing.
    """
    cell = wp.tid()
    while cell < wp.min(state[0].regs[Num.CELLS], state[0].cells.shape[0]):
        place = place_of(search[0].nodes[state[0].cells[cell]], search[0].resolution)
        masked = wp.int32(0)
        for corner in range(8):
            there = corner_of(place, corner)
            level = -state[0].stats[Stat.SIZE]
            if is_masked(search[0].masked, search[0].empty, there):
                masked = masked | (1 << corner)
            else:
                level = state[0].coarse_levels[
                    state[0].coarse_index[wp.int32(name_of(there, search[0].resolution))] - 1
                ]
            state[0].cell_levels[8 * cell + corner] = level
        steepest = wp.vec3d()
        for corner in range(8):
            for axis in range(3):
                bit = 4 >> axis
                if (corner & bit) == 0:
                    change = state[0].cell_levels[8 * cell + (corner | bit)] - state[0].cell_levels[8 * cell + corner]
                    steepest[axis] = wp.max(steepest[axis], wp.abs(change) / wp.float64(2.0))
        state[0].slopes[cell] = wp.length(steepest)
        state[0].cell_masks[cell] = masked
        cell += threads


@wp.func
def add_node(
    index: wp.array(dtype=wp.int32),
    nodes: wp.array(dtype=wp.int64),
    regs: wp.array(dtype=wp.int32),
    resolution: wp.int32,
    place: wp.vec3i,
):
    """Put a node on the lists unless it is there."""
    name = wp.int32(name_of(place, resolution))
    if index[name] == 0 and wp.atomic_cas(index, name, 0, -1) == 0:
        entry = wp.atomic_add(regs, Num.NODES, 1)
        if entry < nodes.shape[0]:
            nodes[entry] = wp.int64(name)
            index[name] = entry + 1
        else:
            regs[Num.OVERFLOW] = 1
            index[name] = 0


@wp.kernel
def add_children(search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), threads: wp.int32):
    """Put the nodes of the last level in all mixed cells on the lists."""
    cell = wp.tid()
    while cell < wp.min(state[0].regs[Num.CELLS], state[0].cells.shape[0]):
        low = place_of(search[0].nodes[state[0].cells[cell]], search[0].resolution) * 2
        for child in range(27):
            there = low + wp.vec3i(child / 9, child / 3 % 3, child % 3)
            add_node(state[0].index, state[0].nodes, state[0].regs, state[0].resolution, there)
        cell += threads


@wp.func
def is_hard(state: wp.array(dtype=LevelState)) -> wp.bool:
    return state[0].regs[Num.SIZES] == 0 or state[0].stats[Stat.LOW_TENTH] > FLAT * state[0].stats[Stat.HIGH_TENTH]


@wp.func
def bounds_of(
    levels: wp.array(dtype=wp.float64), cell: wp.int32, masked: wp.int32, at: wp.vec3i, slope: wp.float64
) -> wp.vec2d:
    """Bounds of the level of a node by the corners of a cell that it lies in, `at` from the cell's lowest corner."""
    low, high = wp.float64(-1.0e308), wp.float64(1.0e308)
    for corner in range(8):
        if ((masked >> corner) & 1) == 0:
            away = at - wp.vec3i(corner >> 2, (corner >> 1) & 1, corner & 1) * 2
            room = slope * ROOTS[wp.dot(away, away)]
            low = wp.max(low, levels[8 * cell + corner] - room)
            high = wp.min(high, levels[8 * cell + corner] + room)
    return wp.vec2d(low, high)


@wp.func
def hard_bounds_of(levels: wp.array(dtype=wp.float64), cell: wp.int32) -> wp.vec2d:
    """The same in a hard field, which says nothing about distance.

    There is doubt where about as many corners lie on either side.
    """
    least, most = wp.float64(0.0), wp.float64(0.0)
    for corner in range(8):
        least = wp.min(least, levels[8 * cell + corner])
        most = wp.max(most, levels[8 * cell + corner])
    step = (most - least) / wp.float64(6.0)
    return wp.vec2d(-step, step)


@wp.func
def interpolated(levels: wp.array(dtype=wp.float64), cell: wp.int32, at: wp.vec3i) -> wp.float64:
    """The trilinear level at a node, `at` from a cell's lowest corner: the mean of the nearest corners."""
    level, count = wp.float64(0.0), wp.float64(0.0)
    for corner in range(8):
        x, y, z = at[0] - 2 * (corner >> 2), at[1] - 2 * (corner >> 1 & 1), at[2] - 2 * (corner & 1)
        if wp.abs(x) < 2 and wp.abs(y) < 2 and wp.abs(z) < 2:
            level += levels[8 * cell + corner]
            count += wp.float64(1.0)
    return level / count


@wp.func
def cell_at(
    coarse_index: wp.array(dtype=wp.int32), cell_of: wp.array(dtype=wp.int32), resolution: wp.int32, low: wp.vec3i
) -> wp.int32:
    """The mixed cell with this lowest corner, or -1."""
    cell = wp.int32(-1)
    if in_grid(low, resolution - 2):
        entry = coarse_index[wp.int32(name_of(low, resolution))] - 1
        if entry >= 0:
            cell = cell_of[entry] - 1
    return cell


@wp.kernel
def guess_nodes(search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), threads: wp.int32):
    """Interpolate the nodes on the lists, and bound them by the corners of all cells that they lie in."""
    entry = wp.tid()
    hard, least_slope = is_hard(state), state[0].stats[Stat.CELL_SLOPE]
    while entry < wp.min(state[0].regs[Num.NODES], state[0].nodes.shape[0]):
        place = place_of(state[0].nodes[entry], state[0].resolution)
        base = wp.vec3i(place[0] >> 1, place[1] >> 1, place[2] >> 1)
        odd = wp.vec3i(place[0] & 1, place[1] & 1, place[2] & 1)
        low, high, steepest = wp.float64(-1.0e308), wp.float64(1.0e308), wp.float64(0.0)
        level, flags = wp.float64(0.0), wp.int32(0)
        of_cell = wp.int32(0)
        at = odd
        for around in range(8):  # the cells that the node lies in
            back = wp.vec3i(around >> 2, (around >> 1) & 1, around & 1)
            cell = wp.int32(-1)
            if wp.dot(back, odd) == 0:
                cell = cell_at(state[0].coarse_index, state[0].cell_of, search[0].resolution, base - back)
            if cell >= 0:
                slope = wp.max(state[0].slopes[cell], least_slope)
                steepest = wp.max(steepest, slope)
                if odd[0] + odd[1] + odd[2] > 0:  # the others are known
                    of_cell = cell
                    at = odd + back * 2
                    bounds = bounds_of(state[0].cell_levels, cell, state[0].cell_masks[cell], at, slope)
                    if hard:
                        bounds = hard_bounds_of(state[0].cell_levels, cell)
                    low = wp.max(low, bounds[0])
                    high = wp.min(high, bounds[1])
        if hard:
            steepest = wp.float64(1.0e308)
        if odd[0] + odd[1] + odd[2] == 0:
            level = state[0].coarse_levels[state[0].coarse_index[wp.int32(name_of(base, search[0].resolution))] - 1]
            flags = wp.int32(KNOWN)
        else:
            level = interpolated(state[0].cell_levels, of_cell, at)
            if is_masked(search[0].masked, state[0].empty, place):
                level = wp.min(level, -TINY)
                flags = wp.int32(KNOWN)
        if level > wp.float64(0.0):
            flags = flags | INSIDE
        state[0].guesses[entry, LOW] = low
        state[0].guesses[entry, HIGH] = high
        state[0].guesses[entry, SLOPE] = steepest
        state[0].guesses[entry, LEVEL] = level
        state[0].flags[entry] = flags
        entry += threads


@wp.func
def is_in_doubt(level: wp.float64, low: wp.float64, high: wp.float64, flags: wp.int32, limit: wp.float64) -> wp.bool:
    """Whether the side of a node is in doubt."""
    doubtful = wp.bool(False)
    if (flags & (KNOWN | DUE)) == 0 and low < wp.float64(0.0) and high > wp.float64(0.0):
        doubtful = wp.abs(wp.min(wp.max(level, low), high)) < limit * (high - low)
    return doubtful


@wp.func
def ask_for(state: wp.array(dtype=LevelState), entry: wp.int32):
    """Have a node evaluated, unless another thread does."""
    if (wp.atomic_or(state[0].flags, entry, DUE) & DUE) == 0:
        question = wp.atomic_add(state[0].regs, Num.ASKED, 1)
        place = place_of(state[0].nodes[entry], state[0].resolution)
        state[0].asks[question] = entry
        state[0].points[question] = wp.vec3(state[0].axis[place[0]], state[0].axis[place[1]], state[0].axis[place[2]])


@wp.kernel
def doubt_all(state: wp.array(dtype=LevelState), threads: wp.int32):
    entry = wp.tid()
    while entry < wp.min(state[0].regs[Num.NODES], state[0].nodes.shape[0]):
        level, low, high = state[0].guesses[entry, LEVEL], state[0].guesses[entry, LOW], state[0].guesses[entry, HIGH]
        if is_in_doubt(level, low, high, state[0].flags[entry], DOUBT):
            ask_for(state, entry)
        entry += threads


@wp.func
def neighbour(place: wp.vec3i, way: wp.int32) -> wp.vec3i:
    """The `way`-th of the 26 nodes around a node, and the node itself as the 13th."""
    return place + wp.vec3i(way / 9 - 1, way / 3 % 3 - 1, way % 3 - 1)


@wp.func
def place_in_lists(index: wp.array(dtype=wp.int32), resolution: wp.int32, place: wp.vec3i) -> wp.int32:
    """Where a node is on the lists, or -1; also for places outside the grid."""
    entry = wp.int32(-1)
    if in_grid(place, resolution - 1):
        entry = index[wp.int32(name_of(place, resolution))] - 1
    return entry


@wp.func
def add_expected(state: wp.array(dtype=LevelState), entry: wp.int32):
    """A new node: no cell bounds its level; it is expected on the side on which the first wrong node around it was."""
    place = place_of(state[0].nodes[entry], state[0].resolution)
    state[0].guesses[entry, LEVEL] = wp.float64(0.0)
    state[0].guesses[entry, LOW] = -FAR
    state[0].guesses[entry, HIGH] = FAR
    state[0].guesses[entry, SLOPE] = state[0].stats[Stat.SLOPE]
    flags = wp.int32(0)
    way = wp.int32(26)  # the node itself lies before the nodes that are named by the first ways
    while way >= 0:
        there = place_in_lists(state[0].index, state[0].resolution, neighbour(place, way))
        if way != 13 and there >= 0 and there < state[0].regs[Num.OLD_NODES] and (state[0].flags[there] & WRONG) != 0:
            flags = state[0].flags[there] & INSIDE
            way = wp.int32(-1)
        way -= 1
    state[0].flags[entry] = flags


@wp.func
def tighten(guesses: wp.array2d(dtype=wp.float64), entry: wp.int32, low: wp.float64, high: wp.float64):
    """Tighten the bounds of a node."""
    if low > guesses[entry, LOW]:
        wp.atomic_max(guesses, entry, LOW, low)
    if high < guesses[entry, HIGH]:
        wp.atomic_min(guesses, entry, HIGH, high)


@wp.func
def tighten_around(
    index: wp.array(dtype=wp.int32),
    guesses: wp.array2d(dtype=wp.float64),
    flags: wp.array(dtype=wp.int32),
    resolution: wp.int32,
    entry: wp.int32,
    place: wp.vec3i,
):
    """Tighten the bounds of the unknown nodes around an evaluated one."""
    level, slope = guesses[entry, LEVEL], guesses[entry, SLOPE]
    for row in range(9):
        i, j = row / 3 - 1, row % 3 - 1
        first = place + wp.vec3i(i, j, -1)
        if first[0] >= 0 and first[1] >= 0 and first[0] < resolution and first[1] < resolution:
            name = wp.int32(name_of(first, resolution))
            for step in range(3):
                k = step - 1
                if first[2] + step >= 0 and first[2] + step < resolution:
                    other = index[name + step] - 1
                    if other >= 0 and (flags[other] & KNOWN) == 0:
                        room = slope * ROOTS[i * i + j * j + k * k]
                        tighten(guesses, other, level - room, level + room)


@wp.func
def work_on_answer(state: wp.array(dtype=LevelState), job: wp.int32, question: wp.int32):
    """What one answer of a round tells about the nodes around it."""
    entry = state[0].asks[question]
    place = place_of(state[0].nodes[entry], state[0].resolution)
    if job == Round.TIGHTEN:
        tighten_around(state[0].index, state[0].guesses, state[0].flags, state[0].resolution, entry, place)
    elif (state[0].flags[entry] & WRONG) != 0:
        for way in range(27):
            there = neighbour(place, way)
            if way != 13 and in_grid(there, state[0].resolution - 1):
                other = place_in_lists(state[0].index, state[0].resolution, there)
                if job == Round.SPREAD and other < 0:
                    add_node(state[0].index, state[0].nodes, state[0].regs, state[0].resolution, there)
                elif job == Round.RECHECK and other >= 0:
                    level, low = state[0].guesses[other, LEVEL], state[0].guesses[other, LOW]
                    if is_in_doubt(level, low, state[0].guesses[other, HIGH], state[0].flags[other], RECHECK):
                        ask_for(state, other)


@wp.func
def decide_round(state: wp.array(dtype=LevelState)):
    """The next job of a round; a round begins once all questions of the one before are answered."""
    job = state[0].regs[Num.JOB]
    if job == Round.WAIT:
        if (
            state[0].regs[Num.ANSWERED] == state[0].regs[Num.ASKED]
            and state[0].regs[Num.LAST] < state[0].regs[Num.ASKED]
        ):
            state[0].regs[Num.FIRST] = state[0].regs[Num.LAST]
            state[0].regs[Num.LAST] = state[0].regs[Num.ASKED]
            state[0].regs[Num.OLD_NODES] = state[0].regs[Num.NODES]
            state[0].regs[Num.JOB] = Round.SPREAD
    elif job == Round.RECHECK:
        state[0].regs[Num.JOB] = Round.WAIT
    else:
        state[0].regs[Num.JOB] = job + 1
    if state[0].regs[Num.OVERFLOW] != 0:
        state[0].regs[Num.JOB] = Round.WAIT
        state[0].regs[Num.ANSWERED] = state[0].regs[Num.ASKED]
        state[0].regs[Num.LAST] = state[0].regs[Num.ASKED]


@wp.func
def work_round(state: wp.array(dtype=LevelState), thread: wp.int32, threads: wp.int32):
    job = state[0].regs[Num.JOB]
    if job == Round.ADD:
        entry = state[0].regs[Num.OLD_NODES] + thread
        while entry < state[0].regs[Num.NODES]:
            add_expected(state, entry)
            entry += threads
    elif job != Round.WAIT:
        question = state[0].regs[Num.FIRST] + thread
        while question < state[0].regs[Num.LAST]:
            work_on_answer(state, job, question)
            question += threads


@wp.func
def learn(state: wp.array(dtype=LevelState), question: wp.int32, shift: wp.float64):
    """Keep the answer to a question, and whether it contradicts the interpolation."""
    value = state[0].answers[question - state[0].regs[Num.ANSWERED]]
    if not wp.isfinite(value):
        wp.atomic_add(state[0].regs, Num.BAD, 1)
    entry = state[0].asks[question]
    level = level_of(value, state[0].threshold, shift)
    flags = state[0].flags[entry] | KNOWN
    if (level > wp.float64(0.0)) != ((flags & INSIDE) != 0):
        flags = flags | WRONG
    state[0].guesses[entry, LEVEL] = level
    state[0].flags[entry] = flags


@wp.func
def open_answers(state: wp.array(dtype=LevelState)) -> wp.int32:
    return wp.min(state[0].regs[Num.ANSWERED] + state[0].answers.shape[0], state[0].regs[Num.ASKED])


@wp.kernel
def proceed_level(state: wp.array(dtype=LevelState)):
    """On a CPU, where one thread does everything: take the answers of a call, and go on until the next is due."""
    end = open_answers(state)
    shift = logit_shift(state[0].threshold, state[0].span)
    for question in range(state[0].regs[Num.ANSWERED], end):
        learn(state, question, shift)
    state[0].regs[Num.ANSWERED] = end
    decide_round(state)
    while state[0].regs[Num.JOB] != Round.WAIT:
        work_round(state, 0, 1)
        decide_round(state)


@wp.kernel
def learn_all(state: wp.array(dtype=LevelState), threads: wp.int32):
    question = state[0].regs[Num.ANSWERED] + wp.tid()
    shift = logit_shift(state[0].threshold, state[0].span)
    while question < open_answers(state):
        learn(state, question, shift)
        question += threads


@wp.kernel
def close_answers(state: wp.array(dtype=LevelState)):
    """The answers of a call have been taken."""
    state[0].regs[Num.ANSWERED] = open_answers(state)


@wp.kernel
def decide_next_round(state: wp.array(dtype=LevelState)):
    """Choose the next job, in one thread; it has to be worked on before the next is chosen."""
    decide_round(state)


@wp.kernel
def work_all_rounds(state: wp.array(dtype=LevelState), threads: wp.int32):
    work_round(state, wp.tid(), threads)


@wp.kernel
def show_level_points(state: wp.array(dtype=LevelState), points: wp.array(dtype=wp.vec3)):
    """The positions of the next call's questions; those that are not needed are the middle of the cube."""
    question = state[0].regs[Num.ANSWERED] + wp.tid()
    point = wp.vec3(0.0, 0.0, 0.0)
    if question < state[0].regs[Num.ASKED]:
        point = state[0].points[question]
    points[wp.tid()] = point


@wp.func
def is_over(state: wp.array(dtype=LevelState)) -> wp.bool:
    """Whether nothing is left to ask, and the end has not been computed yet."""
    return (
        state[0].regs[Num.OVER] == 0
        and state[0].regs[Num.JOB] == Round.WAIT
        and state[0].regs[Num.LAST] == state[0].regs[Num.ASKED]
    )


@wp.kernel
def close_level(state: wp.array(dtype=LevelState)):
    """The end has been computed."""
    if is_over(state):
        state[0].regs[Num.OVER] = 1


@wp.kernel
def finish_nodes(state: wp.array(dtype=LevelState), threads: wp.int32):
    """Values of the nodes. One that was never evaluated has the certain side of its bounds, or the expected one."""
    entry = wp.tid()
    shift = logit_shift(state[0].threshold, state[0].span)
    if not is_over(state):
        entry = state[0].nodes.shape[0]
    while entry < wp.min(state[0].regs[Num.NODES], state[0].nodes.shape[0]):
        level = state[0].guesses[entry, LEVEL]
        if (state[0].flags[entry] & KNOWN) == 0:
            inside = (state[0].flags[entry] & INSIDE) != 0
            if state[0].guesses[entry, LOW] > wp.float64(0.0):
                inside = True
            elif state[0].guesses[entry, HIGH] < wp.float64(0.0):
                inside = False
            if inside:
                level = wp.max(level, TINY)
            else:
                level = wp.min(level, -TINY)
        state[0].values[entry] = value_of(level, state[0].threshold, shift)
        entry += threads


@wp.kernel
def add_far_nodes(
    search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), tail: wp.int32, threads: wp.int32
):
    """Put the nodes of the level before that lie away from the surface on the lists, with their values."""
    entry = wp.tid()
    if not is_over(state):
        entry = search[0].regs[tail]
    while entry < search[0].regs[tail]:
        place = place_of(search[0].nodes[entry], search[0].resolution) * 2
        name = name_of(place, state[0].resolution)
        if state[0].index[wp.int32(name)] == 0:
            there = wp.atomic_add(state[0].regs, Num.NODES, 1)
            if there < state[0].nodes.shape[0]:
                state[0].nodes[there] = name
                state[0].values[there] = search[0].values[entry]
            else:
                state[0].regs[Num.OVERFLOW] = 1
        entry += threads
