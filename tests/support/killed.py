"""Exports in processes of their own that are killed, as `kill -9` does, while they write or rename a chosen file."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

EXPORT = "mpc.datasets.exchange.export"
# Fewer points and smaller pictures, so that a run takes a fraction of a second.
SMALLER: dict[str, dict[str, int]] = {
    "mpc.datasets.exchange.pamir": {"SIZE": 32, "NEAR_POINTS": 2000, "UNIFORM_POINTS": 800},
    "mpc.datasets.exchange.monoport": {"SIZE": 24, "NEAR_POINTS": 800, "UNIFORM_POINTS": 160},
    "mpc.datasets.exchange.pictures": {"UV_SIZE": 16},
}


def export_killed(renders: Path, out: Path, layout: str, moment: int | None) -> int:
    """Export in a process that is killed at its `moment`-th opening or renaming of a file in `out`; None: never.

    Returns:
        How often it opened or renamed a file there, where it was not killed; else -1.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([EXPORT, __name__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_export, args=(renders, out, layout, moment, sender))
    process.start()
    sender.close()
    try:
        counted = receiver.recv() if receiver.poll(120) else None
    except EOFError:
        counted = None
    process.join(60)
    if moment is not None and counted is None:
        assert process.exitcode == -signal.SIGKILL
        return -1
    assert process.exitcode == 0
    assert counted is not None
    return int(counted)


def _export(renders: Path, out: Path, layout: Any, moment: int | None, sender: Any) -> None:
    for module, numbers in SMALLER.items():
        for name, value in numbers.items():
            setattr(importlib.import_module(module), name, value)
    count = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event not in ("open", "os.rename") or not str(arguments[0]).startswith(str(out)):
            return
        if event == "open" and isinstance(arguments[2], int) and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    export = importlib.import_module(EXPORT).export_renders
    summary = export(renders, out, layout, ratios=(1, 0, 0), size=32, jobs=1)
    assert summary.failures == ()
    sender.send(count)
