"""Questions to the field and their answers, call by call, as a search and an interpolated level keep them.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

# Nothing here is differentiated; unrolled loops take long to compile.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})


class Call:
    """The first registers of both.

    Of all questions to the field, those before ANSWERED have an answer, those before ASKED are known. OVERFLOW tells
    that a list had no room, and BAD counts answers that were not finite.
    """

    ASKED, ANSWERED, OVERFLOW, BAD = map(wp.constant, range(4))
    NEXT = 4


@wp.func
def call_end(regs: wp.array(dtype=wp.int32), answers: wp.array(dtype=wp.float32)) -> wp.int32:
    """The question after the last one of the call."""
    return wp.min(regs[Call.ANSWERED] + answers.shape[0], regs[Call.ASKED])


@wp.func
def answer_to(regs: wp.array(dtype=wp.int32), answers: wp.array(dtype=wp.float32), question: wp.int32) -> wp.float32:
    """The answer to a question of the call."""
    value = answers[question - regs[Call.ANSWERED]]
    if not wp.isfinite(value):
        wp.atomic_add(regs, Call.BAD, 1)
    return value


@wp.kernel
def close_call(regs: wp.array(dtype=wp.int32), answers: wp.array(dtype=wp.float32)):
    """The answers of a call have been taken."""
    regs[Call.ANSWERED] = call_end(regs, answers)


@wp.kernel
def show_points(regs: wp.array(dtype=wp.int32), known: wp.array(dtype=wp.vec3), points: wp.array(dtype=wp.vec3)):
    """The positions of the next call's questions; those that are not needed are the middle of the cube."""
    question = regs[Call.ANSWERED] + wp.tid()
    point = wp.vec3(0.0, 0.0, 0.0)
    if question < regs[Call.ASKED]:
        point = known[question]
    points[wp.tid()] = point
