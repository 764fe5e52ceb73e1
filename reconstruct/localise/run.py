"""Runs searches: on a CPU in step with the field, or ahead of a GPU, which the host then waits for once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...core.kernels import load_warp
from .asker import Asker
from .field import BatchOccupancy, FieldError, FieldQuery, evaluate_there
from .interpolate import InterpolatedLevel
from .search import Found, Search

# Greatest number of points of one field in a call of a host that works ahead. Most calls need two or three thousand;
# the others are evaluated for nothing.
CHUNK_AHEAD = 1 << 13
# Calls of the field that are queued before the host looks whether the search has ended. At 257 nodes a search takes
# about 50, and the last level of "fast" about 10.
CALLS_AHEAD = 64
CALLS_OF_LEVEL = 16


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known of one field in the end.

    Attributes:
        found: nodes, values, and what they cost.
        calls: number of calls that evaluated points of the field.
        there: nodes and values as they are on the device; None on a CPU, where `found` shares its memory.
    """

    found: Found
    calls: int
    there: tuple[Any, Any] | None = None


def run_in_step(searches: Sequence[Search], occupancy: BatchOccupancy, max_batch: int, *, fast: bool) -> list[Answer]:
    """Answer searches together: each call of the field serves all that have not ended.

    Args:
        searches: one for each field.
        occupancy: see `localise_many`.
        max_batch: greatest number of points in one call.
        fast: a level is interpolated after the search.
    """
    query = FieldQuery(occupancy, max_batch)
    _answer_all(searches, query)
    found = [search.found(lists=not fast) for search in searches]
    if fast:
        levels = [InterpolatedLevel(search, max_batch) for search in searches]
        _answer_all(levels, query)
        found = [level.found(coarse) for level, coarse in zip(levels, found, strict=True)]
    return [Answer(one, query.calls.get(index, 0)) for index, one in enumerate(found)]


def _answer_all(searches: Sequence[Asker], query: FieldQuery) -> None:
    running = dict(enumerate(searches))
    while running:
        due = {index: points for index, search in running.items() if (points := search.proceed()) is not None}
        running = {index: running[index] for index in due}
        if due:
            for index, values in zip(due, query(list(due.values()), list(due)), strict=True):
                running[index].give(values)


def run_ahead(searches: Sequence[Search], occupancy: BatchOccupancy, *, fast: bool) -> list[Answer]:
    """Queue everything that searches are likely to need, and wait once.

    A search that needs more calls, or more room, goes on after the wait, and costs another.

    Args:
        searches: one for each field, all of one device.
        occupancy: see `localise_many`; where it has `on_device`, no call waits.
        fast: a level is interpolated after the search.

    Raises:
        FieldError: the occupancy returned values that are not finite.
    """
    calls, levels, ended = 0, list[InterpolatedLevel](), False
    coarse: list[Any] = []
    fine: list[Any] = []
    while not ended:
        searched = bool(levels)
        if not searched:
            _queue_calls(searches, occupancy, CALLS_AHEAD)
            calls += CALLS_AHEAD
            levels = [InterpolatedLevel(search, search.chunk) for search in searches] if fast else []
        _queue_calls(levels, occupancy, CALLS_OF_LEVEL)
        calls += CALLS_OF_LEVEL * bool(levels)
        coarse, fine = _read(searches, levels)
        ended = searched or _have_ended(searches, coarse)
        if not ended:
            levels = []  # of a search that goes on
        ended = ended and _have_ended(levels, fine if levels else [])
    answers = []
    for index, search in enumerate(searches):
        found, (_, nodes, values) = search.read(*coarse[index], lists=not fast), search.arrays
        bad = found.bad
        if fast:
            found, (_, nodes, values) = levels[index].read(found, *fine[index]), levels[index].arrays
            bad += found.bad
        if bad and getattr(occupancy, "retry", bool)():
            for one in searches:
                one.restart()
            return run_ahead(searches, occupancy, fast=fast)
        if bad:
            raise FieldError(f"the occupancy returned {bad} values that are not finite (NaN)")
        count = len(found.nodes)
        answers.append(Answer(found, calls, (nodes[:count], values[:count])))
    return answers


def _queue_calls(searches: Sequence[Asker], occupancy: BatchOccupancy, calls: int) -> None:
    """Queue calls of the field for all searches together, each with all the work before and after it."""
    import torch

    if not searches:
        return
    wp, device, chunk = load_warp(), searches[0].device, searches[0].chunk
    points = torch.zeros((len(searches), chunk, 3), device=device.name)
    rows = [wp.from_torch(row, dtype=wp.vec3) for row in points]
    answers = [wp.to_torch(search.state.answers) for search in searches]
    for _ in range(calls):
        for search, row in zip(searches, rows, strict=True):
            search.queue_jobs()
            search.queue_points(row)
        values = evaluate_there(occupancy, points)
        for search, answer, value in zip(searches, answers, values, strict=True):
            answer.copy_(value)
            search.queue_answers()
    for search in searches:
        search.queue_jobs()
        search.queue_end()


def _have_ended(searches: Sequence[Asker], read: list[Any]) -> bool:
    """Whether all have ended. All are asked, since one that has no room begins anew."""
    ended = [search.has_ended(regs) for search, (regs, _, _) in zip(searches, read, strict=True)]
    return all(ended)


def _read(searches: Sequence[Search], levels: Sequence[InterpolatedLevel]) -> tuple[list[Any], list[Any]]:
    """Registers, nodes and values of searches and levels, in one wait."""
    every: list[Asker] = [*searches, *levels]
    arrays = [array for one in every for array in one.arrays]
    read = searches[0].device.read(*arrays)
    each = [read[first : first + 3] for first in range(0, len(read), 3)]
    return each[: len(searches)], each[len(searches) :]
