"""Run units of work that may hang, take all memory or kill their process; each is bounded, and its failure recorded.

Each unit runs in a process of its own: a loky pool with one worker, which is kept for the next unit as long as no unit
fails. joblib's workers own the pools, so the same code runs on one core, on many, or on a cluster.
"""

from __future__ import annotations

import logging
import math
import os
import re
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from loky import BrokenProcessPool, ProcessPoolExecutor
from loky import TimeoutError as LateError

from .errors import SettingsError
from .machine import usable_memory
from .messages import OUT_OF_MEMORY
from .units import run_units, worker_count

Unit = TypeVar("Unit")
Record = TypeVar("Record")

logger = logging.getLogger(__name__)

MEMORY_SHARE = 0.8  # of the usable memory, for all subjects that are worked on at a time, unless the user sets a bound
LOOK_S = 1.0  # seconds between two looks at a unit's signs of life
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
    # Each unit already has its own process, so on this machine threads suffice to submit the units to the pools.
    submitting = "threading" if backend == "loky" else backend
    if submitting == "threading":
        limits = replace(limits, memory_bytes=limits.memory_bytes or default_memory(worker_count(jobs)))
    else:
        on_alive = None  # it cannot travel
    try:
        yield from run_units(_Guarded(function, limits, on_alive), units, jobs=jobs, backend=submitting)
    finally:
        close_pools()


@dataclass(frozen=True)
class _Guarded(Generic[Unit, Record]):
    function: Callable[[Unit], Record]
    limits: Limits
    on_alive: Callable[[Unit, int], None] | None = None

    def __call__(self, unit: Unit) -> Record | Lost[Unit]:
        pool = _take_pool(self.limits)
        healthy = False
        tell = None if self.on_alive is None else partial(self.on_alive, unit)
        try:
            record: Record = _wait(pool, pool.executor.submit(self.function, unit), self.limits.timeout_s, tell)
            healthy = True
            return record
        except _Late:
            return Lost(unit, f"stopped after {self.limits.timeout_s:g} s (--subject-timeout)")
        except BrokenProcessPool as error:
            return Lost(unit, _death(error))
        except MemoryError:
            return Lost(unit, OUT_OF_MEMORY)
        finally:
            _give_back(pool, self.limits, healthy)


def tell_alive() -> None:
    """Restart the time that the running unit may take; a unit calls this whenever a part of its work is done."""
    if _beat is not None:
        with _beat.open("ab") as file:
            file.write(b".")


class _Late(Exception):
    """A unit did not end in time."""


@dataclass(frozen=True, eq=False)
class _Pool:
    executor: Any
    beat: Path  # holds one byte for each sign of life of the units so far; its time of change is that of the last one


_lock = threading.Lock()
_idle: dict[Limits, list[_Pool]] = {}
_all: set[_Pool] = set()
_beat: Path | None = None


def _wait(pool: _Pool, future: Any, timeout_s: float | None, tell: Callable[[int], None] | None) -> Any:
    """Wait for the unit's record; raise _Late when `timeout_s` have passed since its last sign of life.

    Args:
        pool: where the unit runs.
        future: its record to be.
        timeout_s: see Limits.
        tell: receives the number of new signs of life, every LOOK_S seconds; None where nobody wants to know.
    """
    last, seen = time.time(), pool.beat.stat().st_size
    while True:
        left = math.inf if timeout_s is None else max(0.0, last + timeout_s - time.time())
        wait_s = left if tell is None else min(left, LOOK_S)
        try:
            return future.result(None if math.isinf(wait_s) else wait_s)
        except LateError:
            if future.done():  # either the unit's own error, or it has ended since
                return future.result()
        beat = pool.beat.stat()
        last = max(last, beat.st_mtime)
        if tell is not None and beat.st_size > seen:
            tell(beat.st_size - seen)
            seen = beat.st_size
        if timeout_s is not None and time.time() >= last + timeout_s:
            raise _Late


def _take_pool(limits: Limits) -> _Pool:
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
    with _lock:
        waiting = _idle.setdefault(limits, [])
        if waiting:
            return waiting.pop()
        handle, name = tempfile.mkstemp(prefix="mpc-alive-")
        os.close(handle)
        executor = ProcessPoolExecutor(
            max_workers=1, timeout=60, initializer=_prepare,
            initargs=(limits.memory_bytes or default_memory(worker_count(0)), Path(name)),
            env=dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        )  # fmt: skip
        pool = _Pool(executor, Path(name))
        _all.add(pool)
        return pool


def _give_back(pool: _Pool, limits: Limits, healthy: bool) -> None:
    """Keep a pool for the next unit; end it where it is not healthy, or where all pools have been closed."""
    with _lock:
        if healthy and pool in _all:
            _idle[limits].append(pool)
            return
        _all.discard(pool)
    _end(pool)


def _end(pool: _Pool) -> None:
    pool.executor.shutdown(wait=True, kill_workers=True)
    pool.beat.unlink(missing_ok=True)


def close_pools() -> None:
    """End all worker processes, idle ones and, after an interrupt, those that still work."""
    with _lock:
        pools = list(_all)
        _all.clear()
        _idle.clear()
    for pool in pools:
        _end(pool)


def default_memory(workers: int) -> int:
    """Memory that one subject may take unless the user sets a bound, bytes: an equal part for each worker."""
    return max(LEAST_MEMORY, int(usable_memory() * MEMORY_SHARE / workers))


def _prepare(memory_bytes: int, beat: Path) -> None:
    """Bound the private memory of the new process, so that numpy raises MemoryError before the machine runs out."""
    global _beat
    _beat = beat
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


def _death(error: BaseException) -> str:
    """Why a process died, from the exit codes that loky's message lists; a message without any gives no cause."""
    found = re.search(r"\{\s*(\w+)\((-?\d+)\)", str(error))
    if found is None:
        return "its process died"
    name, code = found.groups()
    if name == "SIGKILL":
        return "its process was killed (SIGKILL), most likely for want of memory"
    return f"its process died ({name if int(code) < 0 else f'exit status {code}'})"
