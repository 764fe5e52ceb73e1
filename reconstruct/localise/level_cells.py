"""Warp kernels that find the cells that the surface passes on the level before the last one; for interpolate.py.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .cubes import is_mixed
from .level_state import INFINITE, LevelState, Num, Stat, level_of, logit_shift
from .places import corner_of, in_grid, place_in, place_of, spot_in
from .search_state import SearchState, is_masked

# Nothing here is differentiated; unrolled loops take long to compile.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})


@wp.func
def known_nodes(search: wp.array(dtype=SearchState), tail: wp.int32) -> wp.int32:
    """Number of nodes of the search; one that had no room has counted more than it has kept."""
    return wp.min(search[0].regs[tail], search[0].nodes.shape[0])


@wp.kernel
def measure_span(
    search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), tail: wp.int32, threads: wp.int32
):
    entry = wp.tid()
    least, most = wp.float32(INFINITE), wp.float32(-INFINITE)
    while entry < known_nodes(search, tail):
        least, most = wp.min(least, search[0].values[entry]), wp.max(most, search[0].values[entry])
        entry += threads
    wp.atomic_min(state[0].span, 0, least)
    wp.atomic_max(state[0].span, 1, most)


@wp.kernel
def index_nodes(
    search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), tail: wp.int32, threads: wp.int32
):
    """Levels of the search's nodes in the box around the surface, and where they are on its list."""
    entry = wp.tid()
    shift = logit_shift(state[0].threshold, state[0].span)
    while entry < known_nodes(search, tail):
        place = place_of(search[0].nodes[entry], search[0].resolution)
        spot = spot_in(state[0].coarse_low, state[0].coarse_size, place)
        if spot >= 0:
            state[0].coarse_index[spot] = entry + 1
            state[0].coarse_levels[entry] = level_of(search[0].values[entry], state[0].threshold, shift)
        entry += threads


@wp.func
def add_cell(search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), lowest: wp.int32, low: wp.vec3i):
    """List a cell that the surface passes, with the levels at its corners; `lowest` is the spot of its lowest one."""
    cell = wp.atomic_add(state[0].regs, Num.CELLS, 1)
    if cell >= state[0].cells.shape[0]:
        state[0].regs[Num.OVERFLOW] = 1
    else:
        state[0].cells[cell] = low
        masked = wp.int32(0)
        for corner in range(8):
            there = corner_of(wp.vec3i(0, 0, 0), corner, 1)
            spot = lowest + (there[0] * state[0].coarse_size[1] + there[1]) * state[0].coarse_size[2] + there[2]
            level = state[0].coarse_levels[state[0].coarse_index[spot] - 1]
            state[0].cell_levels[8 * cell + corner] = level
            if is_masked(search[0].masked, search[0].empty, low + there):
                masked = masked | (1 << corner)
            else:
                state[0].sizes[wp.atomic_add(state[0].regs, Num.SIZES, 1)] = wp.abs(level)
        state[0].cell_masks[cell] = masked


@wp.kernel
def find_cells(search: wp.array(dtype=SearchState), state: wp.array(dtype=LevelState), threads: wp.int32):
    """List the cells that the surface passes, and how far from it their corners are.

    One thread lists them line by line, so that neighbours are close in memory.
    """
    spot = wp.tid()
    while spot < state[0].coarse_index.shape[0]:
        if state[0].coarse_index[spot] > 0:
            place = state[0].coarse_low + place_in(state[0].coarse_size, spot)
            if in_grid(place, search[0].resolution - 2) and is_mixed(search[0].sides, search[0].resolution, place):
                add_cell(search, state, spot, place)
        spot += threads


@wp.func
def corner_level(state: wp.array(dtype=LevelState), cell: wp.int32, corner: wp.int32) -> wp.float64:
    """The level at a corner of a cell.

    Nodes that the mask rules out have no value of their own. They count as far outside as the median distance of the
    others from the surface, and bound nothing.
    """
    level = state[0].cell_levels[8 * cell + corner]
    if ((state[0].cell_masks[cell] >> corner) & 1) != 0:
        level = -state[0].stats[Stat.SIZE]
    return level


@wp.kernel
def measure_slopes(state: wp.array(dtype=LevelState), threads: wp.int32):
    """How steep the field is in each cell."""
    cell = wp.tid()
    while cell < wp.min(state[0].regs[Num.CELLS], state[0].cells.shape[0]):
        steepest = wp.vec3d()
        for corner in range(8):
            level = corner_level(state, cell, corner)
            for axis in range(3):
                bit = 4 >> axis
                if (corner & bit) == 0:
                    change = corner_level(state, cell, corner | bit) - level
                    steepest[axis] = wp.max(steepest[axis], wp.abs(change) / wp.float64(2.0))
        state[0].slopes[cell] = wp.length(steepest)
        cell += threads
