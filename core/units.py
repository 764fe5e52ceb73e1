"""Units of work: the same code on one core, on the processes of joblib's loky, or on a cluster (core/cluster.py)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import joblib

from .cluster import check_backend, refuse_missing_client, run_on_ray
from .machine import usable_cores, usable_memory

Unit = TypeVar("Unit")
Record = TypeVar("Record")


MEMORY_EACH = 1 << 30  # below so much memory a worker could do little


def worker_count(jobs: int) -> int:
    """The number of worker processes for `jobs`.

    0 gives one for each usable core, but no more than have a GiB of memory each; -n gives all cores but n - 1.
    """
    cores = usable_cores()
    if jobs == 0:
        return max(1, min(cores, usable_memory() // MEMORY_EACH))
    return max(1, cores + 1 + jobs) if jobs < 0 else jobs


def run_units(
    function: Callable[[Unit], Record], units: Iterable[Unit], *, jobs: int = 0, backend: str = "loky"
) -> Iterator[Record]:
    """Call `function` on each unit and yield the records as they finish, in no fixed order.

    Args:
        function: pure and at the top level of a module. It catches the errors that its record is to report; any other
            error ends the run.
        units: small and picklable.
        jobs: see `worker_count`; 1 runs in this process.
        backend: "loky", "threading", "dask", "ray", or one that joblib has been told of. On a cluster `jobs` is of no
            meaning: all its workers are used.

    Raises:
        SettingsError: there is no such backend, or no connection to its cluster.
    """
    check_backend(backend)
    workers = worker_count(jobs)
    if workers == 1 and backend == "loky":
        for unit in units:  # not map(): a StopIteration of the function would silently end it, and so the whole work
            yield function(unit)
        return
    # loky replaces a worker whose memory has grown. No unit is lost, so the warning would only worry users.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
    options: dict[str, Any] = {"inner_max_num_threads": 1} if backend == "loky" else {}
    work = function if backend == "threading" else _InFolder(function, os.getcwd())
    if backend == "ray":
        yield from run_on_ray(work, units)
        return
    if backend == "dask":
        refuse_missing_client()
        workers = -1
    with joblib.parallel_config(backend=backend, n_jobs=workers, **options):
        yield from joblib.Parallel(return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1)(
            joblib.delayed(work)(unit) for unit in units
        )


@dataclass(frozen=True)
class _InFolder(Generic[Unit, Record]):
    """A function that runs in the caller's working folder, so that relative paths mean the same in every process.

    loky keeps its workers for later calls, in the folder where they were started; workers of a cluster have their own.

    Attributes:
        function: see `run_units`.
        folder: absolute path of the caller's working folder.
    """

    function: Callable[[Unit], Record]
    folder: str

    def __call__(self, unit: Unit) -> Record:
        os.chdir(self.folder)
        return self.function(unit)
