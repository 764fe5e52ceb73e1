"""The search for the surface of one field, as a program that one thread of its device runs.

`decide` looks at what is known and chooses the next job (search_jobs.py); a job claims nodes; the field is evaluated at
the claimed nodes that no mask or bracket rules out; their sides are recorded; and so on. The host need not see any of
it: it may queue as many rounds as it likes, since a search that has ended, or that waits for answers, does nothing.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from .search_jobs import Job
from .search_state import Reg, SearchState

# From this number of nodes along each side on, the faces of the start grid are left out at first. A coarser grid has
# few nodes inside its faces.
LEAST_WITHOUT_FACES = wp.constant(9)
# From this number on, only a part of the inner nodes is evaluated at first. A part of a coarser grid could miss a
# person.
LEAST_IN_PART = wp.constant(17)
# The optional level is visited where the levels before it cost at most this part (1 / SPARE_SHARE) of what the last
# level will cost.
SPARE_SHARE = wp.constant(12)


class Step:
    """The steps of the program: what is decided next."""

    START, GROW, WHOLE, FACES, LEVEL, COUNT, SCAN, PLACE, SORT = map(wp.constant, range(9))
    SELECT, HALVE, FOLLOW, AFTER_BATCH, LOOKED, NEXT_LEVEL, SEEDS, SEEDED = map(wp.constant, range(9, 17))
    WALK, TURN, ARRIVE, GO, ARRIVED, WALKED = map(wp.constant, range(17, 23))
    MASK, BLOCKS, PICK, PICKED, TOLD, BEHIND, NEXT_BLOCKS, FINISH, END = map(wp.constant, range(23, 32))


@wp.func
def begin(state: wp.array(dtype=SearchState), job: wp.int32, then: wp.int32):
    """Choose a job, and the step after it."""
    state[0].regs[Reg.MARK] = state[0].regs[Reg.TAIL]
    state[0].regs[Reg.JOB] = job
    state[0].regs[Reg.STEP] = then


@wp.func
def begin_on(state: wp.array(dtype=SearchState), job: wp.int32, first: wp.int32, then: wp.int32):
    """Choose a job for all nodes on the list from `first` on, and the step after it."""
    state[0].regs[Reg.FROM] = first
    state[0].regs[Reg.TO] = state[0].regs[Reg.TAIL]
    begin(state, job, then)


@wp.func
def follow_from(state: wp.array(dtype=SearchState), job: wp.int32, then: wp.int32):
    """Choose a job whose nodes the surface is followed from, as far as it is connected, and the step after that."""
    state[0].regs[Reg.DIAGONAL] = state[0].regs[Reg.TAIL]
    state[0].regs[Reg.RETURN] = then
    begin(state, job, Step.FOLLOW)


@wp.func
def decide_start(state: wp.array(dtype=SearchState), step: wp.int32):
    """Evaluate as little of the start grid as shows the person.

    A person fills little of the cube, and rarely reaches its faces, where a third of the start grid's nodes lie.
    Therefore every second inner node along each axis is evaluated first, and the nodes in the middle of the cells
    between them. The next are all nodes in the bounding box of those that turned out to be inside, enlarged by one
    spacing, for as long as this enlarges the box. On the faces, only the nodes next to inside nodes are evaluated.
    Where none of this shows a surface, the whole grid is evaluated. With a bracket it says where a person can be: all
    of those nodes are evaluated.
    """
    side = (state[0].resolution - 1) / state[0].strides[0] + 1
    shown = state[0].regs[Reg.INSIDES] > 0 and state[0].regs[Reg.OUTSIDES] > 0
    if step == Step.START:
        if state[0].whole != 0 or side < LEAST_WITHOUT_FACES:
            begin(state, Job.ALL, Step.LEVEL)
        elif state[0].bracketed != 0:
            begin(state, Job.BRACKET, Step.LEVEL)
        elif side < LEAST_IN_PART:
            state[0].regs[Reg.STEP] = Step.WHOLE
        else:
            begin(state, Job.PART, Step.GROW)
            state[0].regs[Reg.MARK] = -1  # even where a mask leaves nothing of the part
    elif step == Step.GROW:
        if state[0].regs[Reg.INSIDES] > 0 and state[0].regs[Reg.TAIL] > state[0].regs[Reg.MARK]:
            begin(state, Job.BOX, Step.GROW)
        else:
            state[0].regs[Reg.STEP] = Step.WHOLE
    elif step == Step.WHOLE:
        if shown:
            state[0].regs[Reg.STEP] = Step.FACES
        else:
            begin(state, Job.INNER, Step.FACES)
    else:
        state[0].regs[Reg.STARTING] = 0
        if shown:
            begin_on(state, Job.NEAR_FACES, 0, Step.LEVEL)
        else:
            begin(state, Job.FACES, Step.LEVEL)


@wp.func
def begin_level(state: wp.array(dtype=SearchState)):
    """Choose the next level."""
    level, asked = state[0].regs[Reg.LEVEL], state[0].regs[Reg.ASKED]
    state[0].regs[Reg.MARKS + level] = asked
    following = level + 1
    if state[0].spare != 0 and level == state[0].levels - 3:
        before = wp.int32(0)
        if level > 0:
            before = state[0].regs[Reg.MARKS + wp.max(level - 1, 0)]
        # At half the spacing, a surface has four times the nodes.
        last_cost = wp.int64(asked - before) * wp.int64(state[0].strides[level]) * wp.int64(state[0].strides[level])
        if wp.int64(asked) * wp.int64(SPARE_SHARE) > last_cost:
            state[0].regs[Reg.SKIPPED] = 1
            following = level + 2
    if level == state[0].levels - 1:
        state[0].regs[Reg.STEP] = Step.SEEDS
    else:
        state[0].regs[Reg.NEXT] = following
        state[0].regs[Reg.COARSE] = state[0].strides[level]
        state[0].regs[Reg.FINE] = state[0].strides[following]
        state[0].regs[Reg.STRIDE] = state[0].strides[following]
        state[0].regs[Reg.HIDE] = 0
        if following == state[0].levels - 1:
            state[0].regs[Reg.HIDE] = state[0].visible
        state[0].regs[Reg.BATCH] = 0
        begin(state, Job.CLEAR, Step.COUNT)


@wp.func
def decide_level(state: wp.array(dtype=SearchState), step: wp.int32):
    """From the mixed edges of one level to those of the next.

    From an eighth of the edges, all of the surface is usually reached; the other edges then cost nothing. Around the
    surface of the second level, all nodes are evaluated, which finds parts close to it.
    """
    if step == Step.LEVEL:
        begin_level(state)
    elif step == Step.COUNT:
        begin_on(state, Job.COUNT, 0, Step.SCAN)
    elif step == Step.SCAN:
        begin(state, Job.SCAN, Step.PLACE)
    elif step == Step.PLACE:
        begin_on(state, Job.PLACE, 0, Step.SORT)
    elif step == Step.SORT:
        begin(state, Job.SORT, Step.SELECT)
    elif step == Step.SELECT:
        state[0].regs[Reg.WAITING] = 0
        state[0].regs[Reg.HALF] = state[0].regs[Reg.COARSE] / 2
        begin(state, Job.SELECT, Step.HALVE)
    elif step == Step.HALVE:
        if state[0].regs[Reg.WAITING] == 0:
            state[0].regs[Reg.STEP] = Step.AFTER_BATCH
        elif state[0].regs[Reg.HALF] >= state[0].regs[Reg.FINE]:
            state[0].regs[Reg.HALF] = state[0].regs[Reg.HALF] / 2
            begin(state, Job.HALVE, Step.HALVE)
        else:
            follow_from(state, Job.CELLS, Step.AFTER_BATCH)
    elif step == Step.AFTER_BATCH:
        if state[0].regs[Reg.BATCH] == 0:
            state[0].regs[Reg.BATCH] = 1
            state[0].regs[Reg.STEP] = Step.SELECT
        elif state[0].regs[Reg.LEVEL] == 0 and state[0].regs[Reg.NEXT] < state[0].levels - 1:
            begin_on(state, Job.LOOK, 0, Step.LOOKED)
        else:
            state[0].regs[Reg.STEP] = Step.NEXT_LEVEL
    elif step == Step.LOOKED:  # the surface is followed from what was seen, but not across its diagonals
        state[0].regs[Reg.DIAGONAL] = state[0].regs[Reg.TAIL]
        state[0].regs[Reg.RETURN] = Step.NEXT_LEVEL
        state[0].regs[Reg.STEP] = Step.FOLLOW
    else:
        state[0].regs[Reg.LEVEL] = state[0].regs[Reg.NEXT]
        state[0].regs[Reg.STEP] = Step.LEVEL


@wp.func
def decide_follow(state: wp.array(dtype=SearchState)):
    """Evaluate all corners of all mixed cells that are connected: first across faces of cells, then diagonally."""
    if state[0].regs[Reg.TAIL] > state[0].regs[Reg.MARK]:
        begin_on(state, Job.FOLLOW, state[0].regs[Reg.MARK], Step.FOLLOW)
    elif state[0].regs[Reg.TAIL] > state[0].regs[Reg.DIAGONAL]:
        first = state[0].regs[Reg.DIAGONAL]
        state[0].regs[Reg.DIAGONAL] = state[0].regs[Reg.TAIL]
        begin_on(state, Job.DIAGONALS, first, Step.FOLLOW)
    else:
        state[0].regs[Reg.STEP] = state[0].regs[Reg.RETURN]


@wp.func
def decide_walk(state: wp.array(dtype=SearchState), step: wp.int32):
    """Walk from seeds that are inside to mixed edges: along x, in steps of 1, 2, 4, …

    Where the next step leaves the grid, half of it is taken, and half of that. A walk that reaches a face of the cube
    continues from there along another axis, or back.
    """
    if step == Step.WALK:
        state[0].regs[Reg.WAITING] = 0
        state[0].regs[Reg.ACTIVE] = 0
        state[0].regs[Reg.DIRECTION] = 0
        state[0].regs[Reg.STEP] = state[0].regs[Reg.RETURN_WALK]
        if state[0].regs[Reg.WALKERS] > 0:
            state[0].regs[Reg.STEP] = Step.TURN
    elif step == Step.TURN:
        state[0].regs[Reg.LENGTH] = state[0].regs[Reg.STRIDE]
        begin(state, Job.BEGIN_WALK, Step.ARRIVE)
    elif step == Step.ARRIVE:
        state[0].regs[Reg.HOLD] = 1  # halves of edges and steps are evaluated together
        state[0].regs[Reg.ACTIVE] = 0
        begin(state, Job.HALVE, Step.GO)
    elif step == Step.GO:
        state[0].regs[Reg.RISING] = 0
        state[0].regs[Reg.ALIVE] = 0
        begin(state, Job.MOVE, Step.ARRIVED)
    elif step == Step.ARRIVED:
        state[0].regs[Reg.HOLD] = 0
        length = state[0].regs[Reg.LENGTH] / 2
        if state[0].regs[Reg.RISING] > 0:
            length = 2 * state[0].regs[Reg.LENGTH]
        if length >= state[0].regs[Reg.STRIDE] and state[0].regs[Reg.ALIVE] > 0:
            state[0].regs[Reg.LENGTH] = length
            begin(state, Job.GO, Step.ARRIVE)
        else:
            state[0].regs[Reg.DIRECTION] = state[0].regs[Reg.DIRECTION] + 1
            state[0].regs[Reg.STEP] = Step.WALKED
            if state[0].regs[Reg.ALIVE] > 0 and state[0].regs[Reg.DIRECTION] < 6:
                state[0].regs[Reg.STEP] = Step.TURN
    elif state[0].regs[Reg.ACTIVE] > 0:
        state[0].regs[Reg.ACTIVE] = 0
        begin(state, Job.HALVE, Step.WALKED)
    else:
        follow_from(state, Job.CELLS, state[0].regs[Reg.RETURN_WALK])


@wp.func
def decide_seeds(state: wp.array(dtype=SearchState), step: wp.int32):
    """Search at seeds, and behind pixels of the mask that show no surface, from coarse steps to single nodes."""
    if step == Step.SEEDS:
        state[0].regs[Reg.STRIDE] = state[0].strides[state[0].levels - 1]
        state[0].regs[Reg.FINE] = state[0].regs[Reg.STRIDE]
        state[0].regs[Reg.HIDE] = 0
        state[0].regs[Reg.STEP] = Step.MASK
        if state[0].seeds.shape[0] > 0:
            begin(state, Job.SEEDS, Step.SEEDED)
    elif step == Step.SEEDED:
        state[0].regs[Reg.WALKERS] = 0
        state[0].regs[Reg.RETURN_WALK] = Step.MASK
        begin(state, Job.SEED_WALKS, Step.WALK)
    elif step == Step.MASK:
        state[0].regs[Reg.SPACING] = 0
        if state[0].masked != 0:
            state[0].regs[Reg.SPACING] = state[0].strides[0]
        state[0].regs[Reg.STEP] = Step.BLOCKS
    elif step == Step.BLOCKS:
        state[0].regs[Reg.CANDIDATES] = 0
        state[0].regs[Reg.UNKNOWNS] = 0
        state[0].regs[Reg.STEP] = Step.FINISH
        if state[0].regs[Reg.SPACING] > 0:
            begin(state, Job.CLEAR_BLOCKS, Step.PICK)
    elif step == Step.PICK:
        begin(state, Job.PICK, Step.PICKED)
    elif step == Step.PICKED:
        state[0].regs[Reg.STEP] = Step.FINISH
        if state[0].regs[Reg.CANDIDATES] > 0:
            begin(state, Job.TELL, Step.TOLD)
    elif step == Step.TOLD:
        if state[0].regs[Reg.UNKNOWNS] > state[0].regs[Reg.LIMIT]:
            state[0].regs[Reg.STEP] = Step.FINISH
        else:
            state[0].regs[Reg.LIMIT] = state[0].regs[Reg.LIMIT] - state[0].regs[Reg.UNKNOWNS]
            begin(state, Job.COLUMNS, Step.BEHIND)
    elif step == Step.BEHIND:
        state[0].regs[Reg.WALKERS] = 0
        state[0].regs[Reg.RETURN_WALK] = Step.NEXT_BLOCKS
        begin_on(state, Job.NODE_WALKS, state[0].regs[Reg.MARK], Step.WALK)
    else:
        state[0].regs[Reg.SPACING] = state[0].regs[Reg.SPACING] / 2
        state[0].regs[Reg.STEP] = Step.BLOCKS


@wp.func
def take_step(state: wp.array(dtype=SearchState), step: wp.int32):
    """One step of the program, which chooses a job or the step after it."""
    if step <= Step.FACES:
        decide_start(state, step)
    elif step == Step.FOLLOW:
        decide_follow(state)
    elif step <= Step.NEXT_LEVEL:
        decide_level(state, step)
    elif step >= Step.WALK and step <= Step.WALKED:
        decide_walk(state, step)
    elif step == Step.FINISH:
        state[0].regs[Reg.MARKS + state[0].levels - 1] = state[0].regs[Reg.ASKED]
        state[0].regs[Reg.SETTLING] = 1
        begin_on(state, Job.FINISH, 0, Step.END)
    else:
        decide_seeds(state, step)


@wp.func
def decide(state: wp.array(dtype=SearchState)):
    """Choose the next job; none while the field has questions to answer, or at the end."""
    state[0].regs[Reg.JOB] = Job.NONE
    if state[0].regs[Reg.OVERFLOW] != 0:
        state[0].regs[Reg.STEP] = Step.END
        state[0].regs[Reg.ANSWERED] = state[0].regs[Reg.ASKED]
        state[0].regs[Reg.HEAD] = state[0].regs[Reg.TAIL]
    going = wp.bool(True)
    while going:
        held = state[0].regs[Reg.HOLD] != 0
        if state[0].regs[Reg.ANSWERED] < state[0].regs[Reg.ASKED] and not held:
            going = False
        elif state[0].regs[Reg.HEAD] < state[0].regs[Reg.TAIL] and not held:
            state[0].regs[Reg.FROM] = state[0].regs[Reg.HEAD]
            state[0].regs[Reg.TO] = state[0].regs[Reg.TAIL]
            state[0].regs[Reg.HEAD] = state[0].regs[Reg.TAIL]
            state[0].regs[Reg.JOB] = Job.RECORD
            going = False
        elif state[0].regs[Reg.STEP] == Step.END:
            going = False
        else:
            take_step(state, state[0].regs[Reg.STEP])
            going = state[0].regs[Reg.JOB] == Job.NONE
