"""Warp kernels that interpolate the nodes of a level, and compute their values in the end; for interpolate.py.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

from collections.abc import Sequence

import warp as wp

from .level_cells import corner_level, known_nodes
from .level_state import (
    DOUBT,
    DUE,
    FLAT,
    HIGH,
    INSIDE,
    KNOWN,
    LEVEL,
    LOW,
    NO_BOUND,
    ROOTS,
    SLOPE,
    TINY,
    LevelState,
    Num,
    Round,
    Stat,
    add_node,
    ask_for,
    entry_of,
    is_in_doubt,
    logit_shift,
    value_of,
)
from .places import name_of, place_of, spot_in
from .search_state import SearchState, is_masked

# Nothing here is differentiated; unrolled loops take long to compile.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

# A number for each of the 27 nodes of the last level in a cell: (i * 3 + j) * 3 + k.
Cube = wp.types.vector(length=27, dtype=wp.float64)


def nodes_between() -> list[int]:
    """Nodes halfway between two others of a cell: along z, then along y, and then along x."""
    found = []
    for step in (1, 3, 9):
        found += [node for node in range(27) if node // step % 3 == 1]
    return found


def bounds_within() -> list[tuple[int, int, int]]:
    """What bounds a node of a cell by its corners, which are taken together where they are equally far away.

    The corners nearest to a node are the corners of an edge, a face, or the cell, whose middle it is; those that are
    farther away by one step are nearest to the node on the opposite side of the cell.

    Returns:
        Triples: a node that is no corner; the node to which a group of corners is nearest; the square of the distance
        of the first node from these corners.
    """
    found = []
    for node in range(27):
        place = node // 9, node // 3 % 3, node % 3
        middles = place.count(1)
        for flips in range(8 if middles else 0):
            turned = [axis for axis in range(3) if flips >> axis & 1]
            if all(place[axis] != 1 for axis in turned):
                other = [2 - place[axis] if axis in turned else place[axis] for axis in range(3)]
                found.append((node, (other[0] * 3 + other[1]) * 3 + other[2], middles + 4 * len(turned)))
    return found


def _numbers(numbers: Sequence[int]) -> wp.constant:
    return wp.constant(wp.types.vector(length=len(numbers), dtype=wp.int32)(*numbers))


BETWEEN = _numbers(nodes_between())
STEPS = _numbers([step for step in (1, 3, 9) for _ in range(9)])
BOUNDED, BOUNDING, SQUARES = zip(*bounds_within(), strict=True)
FIRST_BOUND = _numbers([sum(node < at for node in BOUNDED) for at in range(28)])  # of each node, and the end
BOUNDING, SQUARES = _numbers(BOUNDING), _numbers(SQUARES)


@wp.func
def cells_of(state: wp.array(dtype=LevelState)) -> wp.int32:
    """Number of cells on the list."""
    return wp.min(state[0].regs[Num.CELLS], state[0].cells.shape[0])


@wp.func
def nodes_of(state: wp.array(dtype=LevelState)) -> wp.int32:
    """Number of nodes on the lists."""
    return wp.min(state[0].regs[Num.NODES], state[0].nodes.shape[0])


@wp.func
def is_hard(state: wp.array(dtype=LevelState)) -> wp.bool:
    return state[0].regs[Num.SIZES] == 0 or state[0].stats[Stat.LOW_TENTH] > FLAT * state[0].stats[Stat.HIGH_TENTH]


@wp.func
def keep_level(state: wp.array(dtype=LevelState), entry: wp.int32, level: wp.float64, flags: wp.int32):
    """Keep the level of a node, and the side on which it is expected."""
    expected = wp.int32(flags)
    if level > wp.float64(0.0):
        expected = expected | INSIDE
    state[0].guesses[entry, LEVEL] = level
    state[0].flags[entry] = expected


@wp.func
def keep_guess(state: wp.array(dtype=LevelState), entry: wp.int32, level: wp.float64, out: wp.bool):
    """Keep the interpolated level of a node; one that a mask rules out is outside."""
    if out:
        keep_level(state, entry, wp.min(level, -TINY), KNOWN)
    else:
        keep_level(state, entry, level, 0)


@wp.func
def guess_in_cell(search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), cell: wp.int32):
    """Interpolate the nodes in a cell, and bound them by its corners."""
    levels, least, most = Cube(), Cube(), Cube()
    lowest, highest = wp.float64(0.0), wp.float64(0.0)
    for corner in range(8):
        at = (corner >> 2) * 18 + ((corner >> 1) & 1) * 6 + (corner & 1) * 2
        level = corner_level(state, cell, corner)
        lowest, highest = wp.min(lowest, level), wp.max(highest, level)
        levels[at] = level
        least[at] = level
        most[at] = level
        if ((state[0].cell_masks[cell] >> corner) & 1) != 0:
            least[at] = NO_BOUND
            most[at] = -NO_BOUND
    for turn in range(27):
        at, step = BETWEEN[turn], STEPS[turn]
        levels[at] = (levels[at - step] + levels[at + step]) / wp.float64(2.0)
        least[at] = wp.min(least[at - step], least[at + step])
        most[at] = wp.max(most[at - step], most[at + step])
    hard, widest = is_hard(state), NO_BOUND
    slope = wp.max(state[0].slopes[cell], state[0].stats[Stat.CELL_SLOPE])
    if hard:  # it says nothing about distance: there is doubt where about as many corners lie on either side
        slope = NO_BOUND
        widest = (highest - lowest) / wp.float64(6.0)
    for row in range(9):
        there = state[0].cells[cell] * 2 + wp.vec3i(row / 3, row % 3, 0)
        spot = spot_in(state[0].low, state[0].size, there)
        out = is_masked(search[0].masked, state[0].empty, there)
        for k in range(3):
            at = 3 * row + k
            entry = state[0].index[spot + k] - 1
            if entry >= 0:
                wp.atomic_max(state[0].guesses, entry, SLOPE, slope)
                first, end = FIRST_BOUND[at], FIRST_BOUND[at + 1]
                if first < end:
                    low, high = -widest, wp.float64(widest)
                    if not hard:
                        for bound in range(first, end):
                            near, room = BOUNDING[bound], slope * ROOTS[SQUARES[bound]]
                            low, high = wp.max(low, most[near] - room), wp.min(high, least[near] + room)
                    wp.atomic_max(state[0].guesses, entry, LOW, low)
                    wp.atomic_min(state[0].guesses, entry, HIGH, high)
                    keep_guess(state, entry, levels[at], out)
                else:  # a corner, whose value is known
                    corner = row / 6 * 4 + row % 3 + k / 2
                    keep_level(state, entry, state[0].cell_levels[8 * cell + corner], KNOWN)


@wp.func
def add_children(state: wp.array(dtype=LevelState), cell: wp.int32):
    """Put the nodes of the last level in a cell on the lists."""
    for row in range(9):
        there = state[0].cells[cell] * 2 + wp.vec3i(row / 3, row % 3, 0)
        spot = spot_in(state[0].low, state[0].size, there)
        for k in range(3):
            add_node(state, spot + k, there + wp.vec3i(0, 0, k))


@wp.kernel
def guess_nodes(
    search: wp.array(dtype=SearchState),
    state: wp.array(dtype=LevelState),
    add: wp.bool,
    guess: wp.bool,
    threads: wp.int32,
):
    """Put the nodes of the last level in the mixed cells on the lists; interpolate and bound them.

    One thread does both cell by cell. Of many threads, none may guess before all have added their nodes.
    """
    cell = wp.tid()
    while cell < cells_of(state):
        if add:
            add_children(state, cell)
        if guess:
            guess_in_cell(search, state, cell)
        cell += threads


@wp.kernel
def doubt_all(state: wp.array(dtype=LevelState), threads: wp.int32):
    """Ask for the nodes in doubt."""
    entry = wp.tid()
    while entry < nodes_of(state):
        if (state[0].flags[entry] & KNOWN) == 0:
            low, high = state[0].guesses[entry, LOW], state[0].guesses[entry, HIGH]
            if is_in_doubt(state[0].guesses[entry, LEVEL], low, high, DOUBT):
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
    while entry < nodes_of(state):
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
        if (state[0].flags[entry] & DUE) == 0:  # the others have their answers
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
        if entry_of(state, place) < 0:
            there = wp.atomic_add(state[0].regs, Num.NODES, 1)
            if there < state[0].nodes.shape[0]:
                state[0].nodes[there] = name_of(place, state[0].resolution)
                state[0].values[there] = search[0].values[entry]
            else:
                state[0].regs[Num.OVERFLOW] = 1
        entry += threads
