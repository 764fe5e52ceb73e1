"""Warp kernels that interpolate a level, and those that compute its values in the end; for interpolate.py.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .level_state import (
    DOUBT,
    FLAT,
    HIGH,
    INSIDE,
    KNOWN,
    LEVEL,
    LOW,
    ROOTS,
    SLOPE,
    TINY,
    LevelState,
    Num,
    Round,
    Stat,
    add_node,
    ask_for,
    is_in_doubt,
    level_of,
    logit_shift,
    value_of,
)
from .search_state import SearchState, in_grid, is_masked, name_of, place_of, side_of

# Nothing here is differentiated; unrolled loops take long to compile.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})


@wp.func
def corner_of(place: wp.vec3i, corner: wp.int32) -> wp.vec3i:
    return place + wp.vec3i(corner >> 2, (corner >> 1) & 1, corner & 1)


@wp.func
def known_nodes(search: wp.array(dtype=SearchState), tail: wp.int32) -> wp.int32:
    """Number of nodes of the search; one that had no room has counted more than it has kept."""
    return wp.min(search[0].regs[tail], search[0].nodes.shape[0])


@wp.kernel
def measure_span(
    search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), tail: wp.int32, threads: wp.int32
):
    entry = wp.tid()
    while entry < known_nodes(search, tail):
        wp.atomic_min(state[0].span, 0, search[0].values[entry])
        wp.atomic_max(state[0].span, 1, search[0].values[entry])
        entry += threads


@wp.kernel
def index_nodes(
    search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), tail: wp.int32, threads: wp.int32
):
    entry = wp.tid()
    shift = logit_shift(state[0].threshold, state[0].span)
    while entry < known_nodes(search, tail):
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
    while entry < known_nodes(search, tail):
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


@wp.kernel
def doubt_all(state: wp.array(dtype=LevelState), threads: wp.int32):
    entry = wp.tid()
    while entry < wp.min(state[0].regs[Num.NODES], state[0].nodes.shape[0]):
        level, low, high = state[0].guesses[entry, LEVEL], state[0].guesses[entry, LOW], state[0].guesses[entry, HIGH]
        if is_in_doubt(level, low, high, state[0].flags[entry], DOUBT):
            ask_for(state, entry)
        entry += threads


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
        entry = known_nodes(search, tail)
    while entry < known_nodes(search, tail):
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
