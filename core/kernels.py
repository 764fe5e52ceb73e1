"""Warp, started without its banner; its kernels on a GPU, or spread over the cores of a CPU."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from .arrays import Array
from .units import usable_cores

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def load_warp() -> Any:
    """The warp module, initialised without its banner."""
    import warp

    wp: Any = warp
    if hasattr(wp, "LOG_ERROR"):
        wp.config.log_level = wp.LOG_ERROR
    else:
        wp.config.quiet = True
    with _captured_stderr():
        wp.init()
    return wp


def kernels_or_reason(load: Callable[[], Any]) -> tuple[Any, str]:
    """What `load` returns, which compiles kernels or finds them in Warp's cache; or None, and the reason why not."""
    try:
        load_warp()
        return load(), ""
    except (ImportError, OSError, RuntimeError) as error:
        return None, str(error)


def on_cpu(array: Array, dtype: Any) -> Any:
    """A contiguous NumPy array as a warp array of the CPU, not copied: what a kernel writes stands in both."""
    return load_warp().array(array, dtype=dtype, device="cpu", copy=False)


def find_device(name: str) -> str:
    """The device that "auto" stands for: a GPU where warp finds one; every other name as it is."""
    return str(load_warp().get_preferred_device()) if name == "auto" else name


def usable_threads() -> int:
    """Threads a kernel may use: the cores of this process, bounded by OMP_NUM_THREADS, which worker processes get."""
    bound = os.environ.get("OMP_NUM_THREADS", "")
    cores = usable_cores()
    return min(int(bound), cores) if bound.isdigit() and int(bound) else cores


def launch(
    kernel: Any,
    count: int,
    inputs: Sequence[Any],
    outputs: Sequence[Any] = (),
    *,
    device: str,
    per_thread: int = 1 << 13,
) -> None:
    """Run a kernel for the rows 0 to `count`, on a CPU by as many threads as it has cores.

    Args:
        kernel: takes `inputs`, the number of its first row, and `outputs`; its rows do not meet.
        count: rows; none is no work.
        inputs, outputs: warp arrays and numbers.
        device: of warp.
        per_thread: rows that a thread takes at a time.
    """
    wp = load_warp()

    def work(first: int, size: int) -> None:
        wp.launch(kernel, dim=size, inputs=[*inputs, first, *outputs], device=device)

    threads = usable_threads() if device == "cpu" else 1
    if threads > 1 and count > per_thread:
        # A kernel runs on one core and lets go of the interpreter meanwhile.
        firsts = range(0, count, per_thread)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, firsts, (min(per_thread, count - first) for first in firsts)))
    elif count:
        work(0, count)


@contextmanager
def _captured_stderr() -> Iterator[None]:
    """Send what native code writes to the standard error to the log: warp complains there of a missing driver."""
    with tempfile.TemporaryFile() as caught:
        kept = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                log.debug("warp: %s", line)
