"""Warp kernels of search.py: they run the program and its jobs, and hand questions and answers on.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .call_kernels import answer_to, call_end
from .cubes import AXES, DIAGONALS
from .edge_jobs import (
    claim_around_waiting,
    go_on,
    halve_edge,
    list_edges,
    move,
    scan_bins,
    select_edges,
    sort_bin,
    start_walk,
)
from .places import place_of
from .search_jobs import (
    NOBODY,
    Job,
    claim_neighbours,
    claim_start,
    finish,
    follow_node,
    look_around,
    look_behind,
    pick_column,
)
from .search_program import Step, decide  # noqa: F401 - the host reads the steps
from .search_state import Reg, SearchState, claim, record, side_of

# Loops are left as they are: unrolled, these kernels take a minute to compile. Nothing here is differentiated.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})


@wp.func
def items_of(state: wp.array(dtype=SearchState), job: wp.int32) -> wp.int32:
    """Number of items of a job."""
    side = (state[0].resolution - 1) / wp.max(state[0].regs[Reg.COARSE], 1) + 1
    count = state[0].regs[Reg.TO]
    if job == Job.NONE:
        count = wp.int32(0)
    elif job == Job.SCAN:
        count = wp.int32(1)
    elif job >= Job.ALL and job <= Job.FACES and job != Job.NEAR_FACES:
        start = (state[0].resolution - 1) / state[0].strides[0] + 1
        count = start * start * start
    elif job == Job.CLEAR or job == Job.SORT:
        count = side * side
    elif job == Job.SELECT:
        count = state[0].regs[Reg.EDGES]
        if state[0].regs[Reg.BATCH] == 0 and state[0].regs[Reg.HIDE] != 0:
            count = side * side
    elif job == Job.HALVE or job == Job.CELLS:
        count = state[0].regs[Reg.WAITING]
    elif job == Job.SEEDS or job == Job.SEED_WALKS:
        count = state[0].seeds.shape[0]
    elif job == Job.BEGIN_WALK or job == Job.GO or job == Job.MOVE:
        count = state[0].regs[Reg.WALKERS]
    elif job >= Job.CLEAR_BLOCKS and job <= Job.COLUMNS:
        count = state[0].resolution * state[0].resolution
    return count


@wp.func
def work_on(state: wp.array(dtype=SearchState), job: wp.int32, item: wp.int32):
    """One item of a job."""
    if job == Job.RECORD:
        record(state, item)
    elif job == Job.FOLLOW:
        follow_node(state, item, AXES)
    elif job == Job.DIAGONALS:
        follow_node(state, item, DIAGONALS)
    elif job == Job.NEAR_FACES:
        place = place_of(state[0].nodes[item], state[0].resolution)
        if side_of(state[0].sides, state[0].resolution, place) == 2:
            claim_neighbours(state, place, state[0].strides[0], True)
    elif job <= Job.FACES:
        claim_start(state, job, item)
    elif job == Job.CLEAR:
        state[0].bins[item] = 0
    elif job == Job.COUNT or job == Job.PLACE:
        list_edges(state, job, item)
    elif job == Job.SCAN:
        scan_bins(state)
    elif job == Job.SORT:
        sort_bin(state, item)
    elif job == Job.SELECT:
        select_edges(state, item)
    elif job == Job.HALVE:
        halve_edge(state, item)
    elif job == Job.CELLS:
        claim_around_waiting(state, item)
    elif job == Job.LOOK:
        look_around(state, item)
    elif job == Job.SEEDS:
        claim(state, place_of(state[0].seeds[item], state[0].resolution))
    elif job == Job.SEED_WALKS:
        start_walk(state, state[0].seeds[item])
    elif job == Job.NODE_WALKS:
        start_walk(state, state[0].nodes[item])
    elif job == Job.BEGIN_WALK or job == Job.GO:
        go_on(state, item, job == Job.BEGIN_WALK)
    elif job == Job.MOVE:
        move(state, item)
    elif job == Job.CLEAR_BLOCKS:
        state[0].winners[item] = NOBODY
    elif job == Job.PICK:
        pick_column(state, item)
    elif job == Job.TELL or job == Job.COLUMNS:
        look_behind(state, job, item)
    elif job == Job.FINISH:
        finish(state, item)


@wp.func
def work(state: wp.array(dtype=SearchState), thread: wp.int32, threads: wp.int32):
    """The items of the chosen job that are one thread's."""
    job = state[0].regs[Reg.JOB]
    item = thread
    every = wp.int32(1)
    if job == Job.RECORD or job == Job.NEAR_FACES or job == Job.FOLLOW or job == Job.DIAGONALS or job == Job.NODE_WALKS:
        item += state[0].regs[Reg.FROM]
    if job == Job.SELECT and state[0].regs[Reg.BATCH] == 0 and state[0].regs[Reg.HIDE] == 0:
        every = wp.int32(8)
    item *= every
    count = items_of(state, job)
    while item < count:
        work_on(state, job, item)
        item += threads * every


@wp.func
def take_answer(state: wp.array(dtype=SearchState), question: wp.int32):
    """Keep the value of a node; beside the surface, a node that a bracket ruled out stays outside."""
    value = answer_to(state[0].regs, state[0].answers, question)
    if state[0].regs[Reg.SETTLING] != 0:
        value = wp.min(value, state[0].threshold)
    state[0].values[state[0].asks[question]] = value


@wp.kernel
def proceed(state: wp.array(dtype=SearchState)):
    """On a CPU, where one thread does everything: take the answers of a call, and go on until the next is due."""
    end = call_end(state[0].regs, state[0].answers)
    for question in range(state[0].regs[Reg.ANSWERED], end):
        take_answer(state, question)
    state[0].regs[Reg.ANSWERED] = end
    going = wp.bool(end == state[0].regs[Reg.ASKED])
    while going:
        decide(state)
        going = state[0].regs[Reg.JOB] != Job.NONE
        if going:
            work(state, 0, 1)


@wp.kernel
def take_answers(state: wp.array(dtype=SearchState), threads: wp.int32):
    question = state[0].regs[Reg.ANSWERED] + wp.tid()
    while question < call_end(state[0].regs, state[0].answers):
        take_answer(state, question)
        question += threads


@wp.kernel
def decide_next(state: wp.array(dtype=SearchState)):
    """Choose the next job, in one thread; it has to be worked on before the next is chosen."""
    decide(state)


@wp.kernel
def work_all(state: wp.array(dtype=SearchState), threads: wp.int32):
    work(state, wp.tid(), threads)
