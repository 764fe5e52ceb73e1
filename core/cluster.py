"""Connections to clusters, whose workers do units of work: Dask through joblib's own backend, Ray by its tasks.

joblib's backend for Ray cannot hand on records while others are being made (it has no generators), hence Ray's tasks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .errors import SettingsError
from .messages import unknown_name

Unit = TypeVar("Unit")
Record = TypeVar("Record")

LOCAL, CLUSTERS = ("loky", "threading"), ("dask", "ray")
CONNECT_S, WORKERS_S = 30, 120  # seconds until the scheduler, and until a worker must be there
RETRIES = 3  # of a unit whose machine went away


def check_backend(name: str) -> None:
    """Raise SettingsError where a name is none of the backends, nor one that joblib has been told of."""
    import joblib

    # joblib's "multiprocessing" cannot hand on records while others are being made.
    if name not in (*LOCAL, *CLUSTERS, *set(joblib.parallel.BACKENDS) - {"multiprocessing"}):
        raise SettingsError(unknown_name("backend", name, sorted((*LOCAL, *CLUSTERS))))


@contextlib.contextmanager
def connect(backend: str, scheduler: str | None) -> Iterator[None]:
    """Be connected to the cluster that a backend needs while the block runs; other backends need nothing.

    Args:
        backend: see `check_backend`.
        scheduler: of "dask" the scheduler's address or its scheduler file; of "ray" the address of the cluster's head,
            or None for one that is started on this machine.

    Raises:
        SettingsError: there is no such backend, its package is missing, the cluster does not answer, or it has no
            worker.
    """
    check_backend(backend)
    if backend == "dask":
        with _connect_dask(scheduler):
            yield
    elif backend == "ray":
        with _connect_ray(scheduler):
            yield
    else:
        yield


@contextlib.contextmanager
def _connect_dask(scheduler: str | None) -> Iterator[None]:
    distributed = _import("distributed", "dask")
    if scheduler is None:
        raise SettingsError("--backend dask needs --scheduler: HOST:PORT, or the file that dask-scheduler wrote")
    where = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
    try:
        client = distributed.Client(**where, timeout=CONNECT_S)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"--scheduler {scheduler}: no Dask scheduler answers ({_first_line(error)})") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError as error:
            raise SettingsError(f"--scheduler {scheduler}: it has no worker after {WORKERS_S} s") from error
        yield


@contextlib.contextmanager
def _connect_ray(scheduler: str | None) -> Iterator[None]:
    ray = _import("ray", "ray")
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address=scheduler, include_dashboard=False if scheduler is None else None, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise SettingsError(f"--scheduler {scheduler}: no Ray cluster answers ({_first_line(error)})") from error
    try:
        yield
    finally:
        ray.shutdown()


def refuse_missing_client() -> None:
    """Raise SettingsError where this process is not connected to a Dask cluster."""
    distributed = _import("distributed", "dask")
    try:
        distributed.get_client()
    except ValueError:
        raise SettingsError("the backend dask needs a distributed.Client; make one first") from None


def run_on_ray(function: Callable[[Unit], Record], units: Iterable[Unit]) -> Iterator[Record]:
    """Call a function on each unit in tasks of Ray and yield the records as they finish; see `units.run_units`."""
    ray = _import("ray", "ray")
    with _connect_ray(None):
        task = ray.remote(max_retries=RETRIES)(_call)
        packed = ray.put(function)
        most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))  # few enough that units are made as needed
        running: list[Any] = []
        for unit in units:
            running.append(task.remote(packed, unit))
            if len(running) >= most:
                (done,), running = ray.wait(running)
                yield _record(ray, done)
        while running:
            (done,), running = ray.wait(running)
            yield _record(ray, done)


def _call(function: Callable[[Unit], Record], unit: Unit) -> Record:
    return function(unit)


def _record(ray: Any, done: Any) -> Any:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error  # what the function raised


def _import(module: str, backend: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        reason = f"the backend {backend} needs the package {module}: pip install 'mpc[cluster]'"
        raise SettingsError(reason) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
