"""What the interpolated level keeps on its device, and what its kernels share: warp functions.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .call_kernels import Call
from .places import name_of, place_of, spot_in

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


class Num(Call):
    """The numbers in `LevelState.regs`."""

    CELLS, SIZES, NODES, OLD_NODES, FIRST, LAST, JOB, ROUND, OVER = map(wp.constant, range(Call.NEXT, 13))
    COUNT = wp.constant(13)


class Stat:
    """The numbers in `LevelState.stats`: of the levels at corners of mixed cells, of slopes of cells, and of nodes."""

    LOW_TENTH, HIGH_TENTH, SIZE, CELL_SLOPE, SLOPE = map(wp.constant, range(5))
    COUNT = wp.constant(5)


class Round:
    """What is done with the answers of a round, job by job."""

    WAIT, SPREAD, ADD, RECHECK = map(wp.constant, range(4))


# Square roots of 0 to 12: distances of a node from the corners of a cell that it lies in.
ROOTS = wp.constant(wp.types.vector(length=13, dtype=wp.float64)(*(square**0.5 for square in range(13))))
# What bounds a node of which nothing is known.
NO_BOUND = wp.constant(wp.float64(1.0e308))
LEVEL, LOW, HIGH, SLOPE = map(wp.constant, range(4))  # columns of `guesses`
KNOWN, INSIDE, WRONG, DUE = (wp.constant(1 << bit) for bit in range(4))
ROUND = wp.constant(4)  # from this bit on, flags tell a round


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
        coarse_low: on the level before, the least node that `coarse_index` covers, a box around all mixed cells.
        coarse_size: nodes that it covers along each axis.
        coarse_index: for each node in that box, its place in the search's list plus 1; 0 for unknown nodes.
        coarse_levels: the levels of the search's nodes in that box (see `level_of`).
        cells: the lowest corner of each mixed cell.
        cell_levels: levels at the eight corners of each cell.
        cell_masks: a bit for each corner that a mask rules out.
        slopes: of each cell, greatest change of the level over one spacing of the last level.
        sizes: distance from the surface of the evaluated corners of cells.
        low: on the last level, the least node that `index` covers, a box around all mixed cells.
        size: nodes that it covers along each axis.
        index: for each node in that box, its place in the lists below plus 1.
        pending: a bit for each node in that box: whether it is to be looked at again in this round.
        nodes: the nodes.
        guesses: for each node its level, interpolated or evaluated, the lower and the upper bound of it, and the
            greatest change of the level over one spacing.
        flags: 1 evaluated, or ruled out by a mask; 2 expected inside; 4 contradicted the interpolation; 8 asked for.
            Higher bits are the round in which it was evaluated, or before that the one in which it was listed.
        values: the answers, and in the end the values of all nodes.
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
    coarse_low: wp.vec3i
    coarse_size: wp.vec3i
    coarse_index: wp.array(dtype=wp.int32)
    coarse_levels: wp.array(dtype=wp.float64)
    cells: wp.array(dtype=wp.vec3i)
    cell_levels: wp.array(dtype=wp.float64)
    cell_masks: wp.array(dtype=wp.int32)
    slopes: wp.array(dtype=wp.float64)
    sizes: wp.array(dtype=wp.float64)
    low: wp.vec3i
    size: wp.vec3i
    index: wp.array(dtype=wp.int32)
    pending: wp.array(dtype=wp.uint32)
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
def entry_of(state: wp.array(dtype=LevelState), place: wp.vec3i) -> wp.int32:
    """Where a node is on the lists, or -1; also for places outside the grid."""
    entry = wp.int32(-1)
    spot = spot_in(state[0].low, state[0].size, place)
    if spot >= 0:
        entry = state[0].index[spot] - 1
    return entry


@wp.func
def add_node(state: wp.array(dtype=LevelState), spot: wp.int32, place: wp.vec3i):
    """Put the node at a spot of `index` on the lists unless it is there; nothing bounds it yet."""
    if state[0].index[spot] == 0 and wp.atomic_cas(state[0].index, spot, 0, -1) == 0:
        entry = wp.atomic_add(state[0].regs, Num.NODES, 1)
        if entry < state[0].nodes.shape[0]:
            state[0].nodes[entry] = name_of(place, state[0].resolution)
            state[0].guesses[entry, LEVEL] = wp.float64(0.0)
            state[0].guesses[entry, LOW] = -NO_BOUND
            state[0].guesses[entry, HIGH] = NO_BOUND
            state[0].guesses[entry, SLOPE] = wp.float64(0.0)
            state[0].flags[entry] = 0
            state[0].index[spot] = entry + 1
        else:
            state[0].regs[Num.OVERFLOW] = 1
            state[0].index[spot] = 0


@wp.func
def is_in_doubt(level: wp.float64, low: wp.float64, high: wp.float64, limit: wp.float64) -> wp.bool:
    """Whether the side of a node that was not asked for is in doubt."""
    doubtful = wp.bool(False)
    if low < wp.float64(0.0) and high > wp.float64(0.0):
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
