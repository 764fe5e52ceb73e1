"""Requests to stop (Ctrl-C, SIGTERM), which training obeys between two steps, after saving its state.

In a file of its own because signal handlers belong to the process and not to the loop that reads the flag.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """Whether the user has asked the run to stop.

    Attributes:
        requested: set by a signal; the loop reads it after every step.
    """

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def stop_between_steps() -> Iterator[StopFlag]:
    """While the context is open, the first SIGINT or SIGTERM sets the flag; a second SIGINT interrupts at once.

    Python allows signal handlers in the main thread alone; in any other thread the flag is never set.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if flag.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        flag.requested = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
