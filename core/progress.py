"""Report the progress of long work: the library calls these methods, and `cli` draws the bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """Receives the progress of one command, which consists of stages, one after the other."""

    def start(self, title: str, total: int) -> None:
        """Begin a stage of `total` units."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Report that `count` more units are done; `note` is a short remark, such as a loss or a name."""

    def skip(self, count: int) -> None:
        """Report that `count` units were done before: they are no measure of how long the others take."""

    def finish(self) -> None:
        """End the stage."""

    def message(self, text: str) -> None:
        """Show one line to the user, above the bar."""


class NoProgress:
    """Ignores all reports; the default of library functions."""

    def start(self, title: str, total: int) -> None:
        """Ignored."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Ignored."""

    def skip(self, count: int) -> None:
        """Ignored."""

    def finish(self) -> None:
        """Ignored."""

    def message(self, text: str) -> None:
        """Ignored."""


class Pace:
    """Counts the units of one stage and estimates how long the others will take, from the mean over all done so far.

    Units that were done before the stage began count as done, but not as work: a run that is continued would otherwise
    seem to be much faster than it is.

    Args:
        total: number of units of the stage.
        clock: gives seconds.

    Attributes:
        total: number of units of the stage.
        done: units that are done, those of earlier runs included.
        worked: units that were done in this stage.
        started: when the stage began, seconds of the clock.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.done, self.worked = total, 0, 0
        self._clock, self.started = clock, clock()

    def advance(self, count: int) -> None:
        """Count units that were done in this stage."""
        self.done += count
        self.worked += count

    def skip(self, count: int) -> None:
        """Count units that were done before."""
        self.done += count

    @property
    def elapsed_s(self) -> float:
        """Seconds since the stage began."""
        return self._clock() - self.started

    @property
    def per_second(self) -> float | None:
        """Units done a second; None where none is done yet."""
        return self.worked / max(self.elapsed_s, 1e-9) if self.worked else None

    @property
    def left_s(self) -> float | None:
        """Estimated seconds until all units are done; None where none is done yet."""
        pace = self.per_second
        return None if pace is None else max(0, self.total - self.done) / pace
