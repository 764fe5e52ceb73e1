"""Warp kernels that take the answers of the field at doubtful nodes, and find more of them; for interpolate.py.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .level_state import (
    FAR,
    HIGH,
    INSIDE,
    KNOWN,
    LEVEL,
    LOW,
    RECHECK,
    ROOTS,
    SLOPE,
    WRONG,
    LevelState,
    Num,
    Round,
    Stat,
    add_node,
    ask_for,
    is_in_doubt,
    level_of,
    logit_shift,
)
from .search_state import in_grid, name_of, place_of

# Nothing here is differentiated; unrolled loops take long to compile.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})


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
