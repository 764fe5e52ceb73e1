"""Requests to stop (Ctrl-C, SIGTERM, a time limit), which training obeys between two steps, after saving its state.

In a file of its own because signal handlers belong to the process and not to the loop that reads the flag.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TrainingPaused(Exception):  # nothing has gone wrong
    """The minutes that one call of training was given are over; the run can be resumed."""


class StopFlag:
    """Whether the run is to stop.

    Attributes:
        requested: set by a signal; the loop reads it after every step.
        deadline: `time.monotonic()` at which this call of training ends; None: never.
    """

    def __init__(self, minutes: float = 0.0) -> None:
        self.requested = False
        self.deadline = time.monotonic() + minutes * 60.0 if minutes else None

    def due(self) -> bool:
        """Whether to stop after this step."""
        return self.requested or (self.deadline is not None and time.monotonic() >= self.deadline)

    def error(self) -> BaseException:
        """What to raise once the state is saved: KeyboardInterrupt if the user asked, otherwise TrainingPaused."""
        return KeyboardInterrupt() if self.requested or self.deadline is None else TrainingPaused()


@contextmanager
def stop_between_steps(minutes: float = 0.0) -> Iterator[StopFlag]:
    """While the context is open, the first SIGINT or SIGTERM sets the flag; a second SIGINT interrupts at once.

    Python allows signal handlers in the main thread alone; in any other thread only the time limit stops training.

    Args:
        minutes: until training stops by itself; 0: no limit.
    """
    flag = StopFlag(minutes)
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
