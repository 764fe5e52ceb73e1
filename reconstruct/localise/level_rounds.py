"""Warp kernels that take the answers of the field at doubtful nodes, and find more of them; for interpolate.py.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .call_kernels import answer_to, call_end
from .level_state import (
    DUE,
    FAR,
    HIGH,
    INSIDE,
    KNOWN,
    LEVEL,
    LOW,
    RECHECK,
    ROOTS,
    ROUND,
    SLOPE,
    WRONG,
    LevelState,
    Num,
    Round,
    Stat,
    add_node,
    ask_for,
    entry_of,
    is_in_doubt,
    level_of,
    logit_shift,
)
from .places import MIDDLE, in_grid, neighbour, place_of, spot_in

# Nothing here is differentiated; unrolled loops take long to compile.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})


@wp.func
def add_expected(state: wp.array(dtype=LevelState), entry: wp.int32):
    """A new node: no cell bounds its level; it is expected on the side on which the first wrong node around it was."""
    place = place_of(state[0].nodes[entry], state[0].resolution)
    state[0].guesses[entry, LEVEL] = wp.float64(0.0)
    state[0].guesses[entry, LOW] = -FAR
    state[0].guesses[entry, HIGH] = FAR
    state[0].guesses[entry, SLOPE] = state[0].stats[Stat.SLOPE]
    flags = state[0].regs[Num.ROUND] << ROUND
    way = wp.int32(26)  # the node itself lies before the nodes that are named by the first ways
    while way >= 0:
        there = entry_of(state, neighbour(place, way, 1))
        if (
            way != MIDDLE
            and there >= 0
            and there < state[0].regs[Num.OLD_NODES]
            and (state[0].flags[there] & WRONG) != 0
        ):
            flags = flags | (state[0].flags[there] & INSIDE)
            way = wp.int32(-1)
        way -= 1
    state[0].flags[entry] = flags


@wp.func
def tighten(guesses: wp.array2d(dtype=wp.float64), entry: wp.int32, level: wp.float64, room: wp.float64):
    """Tighten the bounds of a node by a level, from which its own differs by at most `room`."""
    wp.atomic_max(guesses, entry, LOW, level - room)
    wp.atomic_min(guesses, entry, HIGH, level + room)


@wp.func
def distance_of(way: wp.int32) -> wp.float64:
    """How far the `way`-th of the 27 nodes around a node is from it, in spacings."""
    away = neighbour(wp.vec3i(0, 0, 0), way, 1)
    return ROOTS[wp.dot(away, away)]


@wp.func
def tighten_around(state: wp.array(dtype=LevelState), entry: wp.int32):
    """Tighten the bounds of the unknown nodes around an evaluated one, where this can make a side certain.

    A level that is less than the change over one spacing cannot. What it says about the nodes around it is asked when
    they are looked at again (`tighten_by_answers`).
    """
    level, slope = state[0].guesses[entry, LEVEL], state[0].guesses[entry, SLOPE]
    if wp.abs(level) > slope:
        place = place_of(state[0].nodes[entry], state[0].resolution)
        for way in range(27):
            other = entry_of(state, neighbour(place, way, 1))
            if other >= 0 and (state[0].flags[wp.max(other, 0)] & KNOWN) == 0:
                tighten(state[0].guesses, other, level, slope * distance_of(way))


@wp.func
def tighten_by_answers(
    index: wp.array(dtype=wp.int32),
    guesses: wp.array2d(dtype=wp.float64),
    flags: wp.array(dtype=wp.int32),
    size: wp.vec3i,
    entry: wp.int32,
    place: wp.vec3i,
):
    """Tighten the bounds of a node by the nodes around it that were evaluated since it was put on the lists.

    Args:
        index: see `LevelState`, like the next two.
        guesses: see there.
        flags: see there.
        size: of the box that `index` covers.
        entry: the node.
        place: its place in that box.
    """
    low, high = guesses[entry, LOW] + wp.float64(0.0), guesses[entry, HIGH] + wp.float64(0.0)  # numbers of their own
    since = flags[entry] >> ROUND
    for row in range(9):
        x, y = place[0] + row / 3 - 1, place[1] + row % 3 - 1
        if x >= 0 and y >= 0 and x < size[0] and y < size[1]:
            first = (x * size[1] + y) * size[2]
            for z in range(wp.max(place[2] - 1, 0), wp.min(place[2] + 2, size[2])):
                other = index[first + z] - 1
                if other >= 0:
                    told = flags[other]
                    if (told & KNOWN) != 0 and (told & DUE) != 0 and (told >> ROUND) >= since:
                        room = guesses[other, SLOPE] * distance_of(3 * row + z - place[2] + 1)
                        low = wp.max(low, guesses[other, LEVEL] - room)
                        high = wp.min(high, guesses[other, LEVEL] + room)
    guesses[entry, LOW] = low
    guesses[entry, HIGH] = high


@wp.func
def look_again(state: wp.array(dtype=LevelState), entry: wp.int32, place: wp.vec3i):
    """Ask for a node beside one that contradicted the interpolation, if its side is in doubt."""
    unknown = (state[0].flags[entry] & (KNOWN | DUE)) == 0
    if unknown and state[0].guesses[entry, LOW] < wp.float64(0.0) and state[0].guesses[entry, HIGH] > wp.float64(0.0):
        tighten_by_answers(state[0].index, state[0].guesses, state[0].flags, state[0].size, entry, place - state[0].low)
        low, high = state[0].guesses[entry, LOW], state[0].guesses[entry, HIGH]
        if is_in_doubt(state[0].guesses[entry, LEVEL], low, high, RECHECK):
            ask_for(state, entry)


@wp.func
def work_on_answer(state: wp.array(dtype=LevelState), job: wp.int32, question: wp.int32):
    """What an answer of a round that contradicts the interpolation tells about the nodes around it."""
    entry = state[0].asks[question]
    if (state[0].flags[entry] & WRONG) != 0:
        place, last = place_of(state[0].nodes[entry], state[0].resolution), state[0].resolution - 1
        for row in range(9):
            lowest = wp.vec3i(place[0] + row / 3 - 1, place[1] + row % 3 - 1, wp.max(place[2] - 1, 0))
            highest = wp.vec3i(lowest[0], lowest[1], wp.min(place[2] + 1, last))
            if in_grid(lowest, last):
                first = spot_in(state[0].low, state[0].size, lowest)
                if first < 0 or spot_in(state[0].low, state[0].size, highest) < 0:
                    state[0].regs[Num.OVERFLOW] = 1
                else:
                    for k in range(highest[2] - lowest[2] + 1):
                        spot, there = first + k, lowest + wp.vec3i(0, 0, k)
                        bit = wp.uint32(1) << wp.uint32(spot & 31)
                        if job == Round.SPREAD:
                            add_node(state, spot, there)
                            wp.atomic_or(state[0].pending, spot >> 5, bit)
                        elif (wp.atomic_and(state[0].pending, spot >> 5, ~bit) & bit) != wp.uint32(0):
                            look_again(state, state[0].index[spot] - 1, there)


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
            state[0].regs[Num.ROUND] = state[0].regs[Num.ROUND] + 1
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
    value = answer_to(state[0].regs, state[0].answers, question)
    entry = state[0].asks[question]
    level = level_of(value, state[0].threshold, shift)
    flags = (state[0].flags[entry] & ((1 << ROUND) - 1)) | KNOWN | ((state[0].regs[Num.ROUND] + 1) << ROUND)
    if (level > wp.float64(0.0)) != ((flags & INSIDE) != 0):
        flags = flags | WRONG
    state[0].guesses[entry, LEVEL] = level
    state[0].flags[entry] = flags
    state[0].values[entry] = value
    tighten_around(state, entry)


@wp.kernel
def proceed_level(state: wp.array(dtype=LevelState)):
    """On a CPU, where one thread does everything: take the answers of a call, and go on until the next is due."""
    end = call_end(state[0].regs, state[0].answers)
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
    while question < call_end(state[0].regs, state[0].answers):
        learn(state, question, shift)
        question += threads


@wp.kernel
def decide_next_round(state: wp.array(dtype=LevelState)):
    """Choose the next job, in one thread; it has to be worked on before the next is chosen."""
    decide_round(state)


@wp.kernel
def work_all_rounds(state: wp.array(dtype=LevelState), threads: wp.int32):
    work_round(state, wp.tid(), threads)
