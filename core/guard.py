"""Units that may hang, take all memory or kill their process: each is bounded, and recorded when it goes wrong.

Each unit runs in a process apart: a loky pool of one, kept for the next unit while all goes well and ended when it
does not. The pools hang below joblib's workers, so the same code runs on one core, on many, or on a cluster.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import psutil
from loky import BrokenProcessPool, ProcessPoolExecutor
from loky import TimeoutError as LateError

from .errors import SettingsError
from .messages import OUT_OF_MEMORY
from .units import run_units

Unit = TypeVar("Unit")
Record = TypeVar("Record")

logger = logging.getLogger(__name__)

MEMORY_SHARE = 0.8  # of the machine's, for one subject, where nothing else is asked for
LEAST_MEMORY = 1 << 29  # the libraries themselves need some


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one subject may take.

    Attributes:
        timeout_s: seconds from hand-over, or from the last `tell_alive`, to record; None: no bound.
        memory_bytes: private memory of its process (Linux; elsewhere not bounded); None: 80 % of the machine's.
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
    """In place of a record: the unit whose process was stopped or died, and why, in words for the user."""

    unit: Unit
    reason: str


def run_guarded(
    function: Callable[[Unit], Record],
    units: Iterable[Unit],
    *,
    limits: Limits | None,
    jobs: int = 0,
    backend: str = "loky",
) -> Iterator[Record | Lost[Unit]]:
    """As `units.run_units`, but a unit that hangs, outgrows its memory or kills its process gives a `Lost`.

    Args:
        function, units, jobs, backend: as of `run_units`; `function` raises MemoryError onwards or lets it be recorded.
        limits: None runs without guard, as `run_units` does.
    """
    if limits is None:
        yield from run_units(function, units, jobs=jobs, backend=backend)
        return
    # One process a unit at a time: threads here hand the units over. A cluster's workers do so for themselves.
    handing = "threading" if backend == "loky" else backend
    try:
        yield from run_units(_Guarded(function, limits), units, jobs=jobs, backend=handing)
    finally:
        close_pools()


@dataclass(frozen=True)
class _Guarded(Generic[Unit, Record]):
    function: Callable[[Unit], Record]
    limits: Limits

    def __call__(self, unit: Unit) -> Record | Lost[Unit]:
        pool = _take_pool(self.limits)
        whole = False
        try:
            record: Record = _wait(pool, pool.executor.submit(self.function, unit), self.limits.timeout_s)
            whole = True
            return record
        except _Late:
            return Lost(unit, f"stopped after {self.limits.timeout_s:g} s (--subject-timeout)")
        except BrokenProcessPool as error:
            return Lost(unit, _death(error))
        except MemoryError:
            return Lost(unit, OUT_OF_MEMORY)
        finally:
            _give_back(pool, self.limits, whole)


def tell_alive() -> None:
    """Called in a unit whenever a part of its work is done: the time it may take starts anew."""
    if _beat is not None:
        os.utime(_beat)


class _Late(Exception):
    """A unit did not end in time."""


@dataclass(frozen=True, eq=False)
class _Pool:
    executor: Any
    beat: Path  # an empty file, whose time of change is the unit's last sign of life


_lock = threading.Lock()
_idle: dict[Limits, list[_Pool]] = {}
_all: set[_Pool] = set()
_beat: Path | None = None


def _wait(pool: _Pool, future: Any, timeout_s: float | None) -> Any:
    """The unit's record; _Late once `timeout_s` have passed since the start and since the last sign of life."""
    last = time.time()
    while True:
        try:
            return future.result(None if timeout_s is None else max(0.0, last + timeout_s - time.time()))
        except LateError as late:
            if future.done():  # the unit's own
                raise
            beaten = pool.beat.stat().st_mtime
            if beaten <= last:
                raise _Late from late
            last = beaten


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
            initargs=(limits.memory_bytes or default_memory(), Path(name)),
            env=dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        )  # fmt: skip
        pool = _Pool(executor, Path(name))
        _all.add(pool)
        return pool


def _give_back(pool: _Pool, limits: Limits, whole: bool) -> None:
    with _lock:
        if whole and pool in _all:
            _idle[limits].append(pool)
            return
        _all.discard(pool)
    _end(pool)


def _end(pool: _Pool) -> None:
    pool.executor.shutdown(wait=True, kill_workers=True)
    pool.beat.unlink(missing_ok=True)


def close_pools() -> None:
    """End every process that stands ready, and those still at work (after an interrupt)."""
    with _lock:
        pools = list(_all)
        _all.clear()
        _idle.clear()
    for pool in pools:
        _end(pool)


def default_memory() -> int:
    """Bytes one subject may take where the user does not say."""
    return max(LEAST_MEMORY, int(psutil.virtual_memory().total * MEMORY_SHARE))


def _prepare(memory_bytes: int, beat: Path) -> None:
    """In the new process: bound its private memory, so that numpy says MemoryError before the machine suffers."""
    global _beat
    _beat = beat
    try:
        import resource
    except ImportError:
        return
    # Private writable memory, not address space: graphics drivers reserve hundreds of gigabytes they never use.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _die_first()


def _die_first() -> None:
    """Where memory runs out all the same, the kernel should end a subject's process, not the command."""
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
