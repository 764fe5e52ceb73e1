"""Run units of work that may hang, take all memory or kill their process; each is bounded, and its failure recorded.

Each unit runs in a child process (core/child.py), which is kept for the next unit as long as no unit fails. Threads of
joblib own the children, or the processes of a cluster do, so the same code runs on one core, on many, or on a cluster.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from .. import __version__
from .child import Child, ChildDied, ChildLate, tell_alive
from .errors import SettingsError
from .machine import usable_memory
from .messages import OUT_OF_MEMORY
from .units import run_units, worker_count

Unit = TypeVar("Unit")
Record = TypeVar("Record")

__all__ = ["Limits", "Lost", "run_guarded", "tell_alive"]

logger = logging.getLogger(__name__)

MEMORY_SHARE = 0.8  # of the usable memory, for all subjects that are worked on at a time, unless the user sets a bound
LEAST_MEMORY = 1 << 29  # the libraries alone need some memory


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Time and memory that one subject may take.

    Attributes:
        timeout_s: seconds from the start of the unit, or from its last call of `tell_alive`, to its record; None sets
            no bound.
        memory_bytes: private memory of its process, bytes, bounded on Linux only; None is `default_memory`.
    """

    timeout_s: float | None = 1800.0
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise SettingsError(f"the subject timeout is {self.timeout_s} s, expected more than 0")
        if self.memory_bytes is not None and self.memory_bytes < LEAST_MEMORY:
            raise SettingsError(
                f"the subject memory is {self.memory_bytes / 2**30:.3g} GiB, expected at least {LEAST_MEMORY / 2**30:g}"
            )


@dataclass(frozen=True)
class Lost(Generic[Unit]):
    """Takes the place of a record where the process of a unit was stopped or died.

    Attributes:
        unit: the unit of work.
        reason: why it has no record, in words for the user.
    """

    unit: Unit
    reason: str


def run_guarded(
    function: Callable[[Unit], Record],
    units: Iterable[Unit],
    *,
    limits: Limits | None,
    jobs: int = 0,
    backend: str = "loky",
    on_alive: Callable[[Unit, int], None] | None = None,
) -> Iterator[Record | Lost[Unit]]:
    """Call a function on each unit like `units.run_units`; a unit that exceeds its limits or dies gives a `Lost`.

    Args:
        function: see `run_units`. It may raise MemoryError, which also gives a `Lost`.
        units: see `run_units`.
        limits: None runs without a guard, as `run_units` does.
        jobs: see `run_units`.
        backend: see `run_units`.
        on_alive: receives a unit and the number of its calls of `tell_alive` since the last time, from any thread of
            this process; on a cluster, and where units have no process of their own, it is not called.
    """
    if limits is None:
        yield from run_units(function, units, jobs=jobs, backend=backend)
        return
    # Each unit already has its own process, so on this machine threads suffice to wait for them.
    submitting = "threading" if backend == "loky" else backend
    if submitting == "threading":
        limits = replace(limits, memory_bytes=limits.memory_bytes or default_memory(worker_count(jobs)))
    else:
        on_alive = None  # it cannot travel
    try:
        yield from run_units(_Guarded(function, limits, Path.cwd(), on_alive), units, jobs=jobs, backend=submitting)
    finally:
        end_children()


@dataclass(frozen=True)
class _Guarded(Generic[Unit, Record]):
    """Calls a function in a child process; `folder` is where the command was started, which relative paths refer to."""

    function: Callable[[Unit], Record]
    limits: Limits
    folder: Path
    on_alive: Callable[[Unit, int], None] | None = None
    version: str = __version__

    def __call__(self, unit: Unit) -> Record | Lost[Unit]:
        if self.version != __version__:
            here = platform.node()
            raise SettingsError(f"mpc is {__version__} on {here}, and {self.version} where the command was started")
        child = _take_child(self.limits, self.folder)
        healthy = False
        tell = None if self.on_alive is None else partial(self.on_alive, unit, 1)
        try:
            record: Record = child.call(self.function, unit, self.limits.timeout_s, tell)
            healthy = True
            return record
        except ChildLate:
            return Lost(unit, f"stopped after {self.limits.timeout_s:g} s (--subject-timeout)")
        except ChildDied as death:
            return Lost(unit, str(death))
        except MemoryError:
            return Lost(unit, OUT_OF_MEMORY)
        finally:
            _give_back(child, (self.limits, self.folder), healthy)


_lock = threading.Lock()
_idle: dict[tuple[Limits, Path], list[Child]] = {}
_all: set[Child] = set()


def _take_child(limits: Limits, folder: Path) -> Child:
    with _lock:
        waiting = _idle.setdefault((limits, folder), [])
        while waiting:
            child = waiting.pop()
            if child.is_fresh:
                return child
            _all.discard(child)
            child.end()
        child = Child(partial(_prepare, limits.memory_bytes or default_memory(worker_count(0))), folder)
        _all.add(child)
        return child


def _give_back(child: Child, key: tuple[Limits, Path], healthy: bool) -> None:
    """Keep a child for the next unit; end it where it is not healthy, or where all have been ended."""
    with _lock:
        if healthy and child in _all:
            _idle[key].append(child)
            return
        _all.discard(child)
    child.end()


def end_children() -> None:
    """End all child processes, idle ones and, after an interrupt, those that still work."""
    with _lock:
        children = list(_all)
        _all.clear()
        _idle.clear()
    for child in children:
        child.end()


def default_memory(workers: int) -> int:
    """Memory that one subject may take unless the user sets a bound, bytes: an equal part for each worker."""
    return max(LEAST_MEMORY, int(usable_memory() * MEMORY_SHARE / workers))


def _prepare(memory_bytes: int) -> None:
    """Bound the private memory of the new process, so that numpy raises MemoryError before the machine runs out."""
    try:
        import resource
    except ImportError:
        return
    # The bound is on private writable memory, not on address space, of which graphics drivers reserve hundreds of
    # gigabytes that they never use.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _die_first()


def _die_first() -> None:
    """Make the kernel end this process, and not the command, where the machine runs out of memory all the same."""
    try:
        with open("/proc/self/oom_score_adj", "w") as stream:
            stream.write("500")
    except OSError:
        logger.debug("cannot set oom_score_adj in process %d", os.getpid())
