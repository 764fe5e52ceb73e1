"""Start Warp without its banner, and run its kernels on a GPU or on all cores of a CPU."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from .arrays import Array
from .machine import usable_cores

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
    _choose_cache()
    with _captured_stderr():
        wp.init()
    return wp


def _choose_cache() -> None:
    """Keep compiled kernels in a temporary folder where the user's cache cannot be written (a read-only home)."""
    if os.environ.get("WARP_CACHE_PATH"):
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    there = next((folder for folder in (cache, *cache.parents) if folder.exists()), cache)
    if os.access(there, os.W_OK | os.X_OK):
        return
    folder = tempfile.mkdtemp(prefix="mpc-kernels-")
    os.environ["WARP_CACHE_PATH"] = folder  # for the processes that are started from here, too
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    log.warning(
        "%s cannot be written; kernels are compiled anew into %s (set WARP_CACHE_PATH to keep them)", cache, folder
    )


def kernels_or_reason(load: Callable[[], Any]) -> tuple[Any, str]:
    """Load kernels, which compiles them unless they are in Warp's cache.

    Returns:
        What `load` returns, and ""; where it fails, None and the reason.
    """
    try:
        load_warp()
        return load(), ""
    except (ImportError, OSError, RuntimeError) as error:
        return None, str(error)


def on_cpu(array: Array, dtype: Any) -> Any:
    """A contiguous NumPy array as a Warp array of the CPU; both share the memory that a kernel writes to."""
    return load_warp().array(array, dtype=dtype, device="cpu", copy=False)


def find_device(name: str) -> str:
    """The name of a device; "auto" becomes a GPU where Warp finds one, other names are returned as they are."""
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
    """Run a kernel for the rows 0 to `count`; on a CPU with one thread per core.

    Args:
        kernel: takes `inputs`, the number of its first row, and `outputs`; its rows are independent.
        count: number of rows; 0 does nothing.
        inputs: Warp arrays and numbers that the kernel reads.
        outputs: Warp arrays that the kernel writes.
        device: name of a Warp device.
        per_thread: number of rows that a thread processes at a time.
    """
    wp = load_warp()

    def work(first: int, size: int) -> None:
        wp.launch(kernel, dim=size, inputs=[*inputs, first, *outputs], device=device)

    threads = usable_threads() if device == "cpu" else 1
    if threads > 1 and count > per_thread:
        # A kernel runs on one core and releases the interpreter's lock while it does.
        firsts = range(0, count, per_thread)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, firsts, (min(per_thread, count - first) for first in firsts)))
    elif count:
        work(0, count)


@contextmanager
def _captured_stderr() -> Iterator[None]:
    """Send to the log what native code writes to stderr: Warp reports a missing driver there."""
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
