"""The number of threads on a CPU, chosen by the time that steps take and chosen again when that changes."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

# Each number of threads is tried for so many steps, of which the first, which starts threads, does not count.
TRIAL = 4
# So many steps later the numbers are tried again: the machine may have become busy or idle.
AGAIN = 300
# They are tried at once where the last steps took so many times longer than in the trial.
SLOWER, LATEST = 1.7, 3
# The second number is given up after one such step.
HOPELESS = 3.0


class ThreadChooser:
    """Chooses between all threads and one.

    Threads of one step wait for each other in thousands of short regions. On an idle machine two threads beat one.
    Where another process keeps a core busy, each region lasts until the thread that lost its core gets it back, and a
    step can take many times as long. No fixed number suits both, and nobody tells a program which of them it is in.

    Args:
        most: number of threads to try beside one; with 1 there is nothing to choose.
        use: sets the number of threads; torch's function by default.
    """

    def __init__(self, most: int, use: Callable[[int], None] = torch.set_num_threads) -> None:
        self.most, self._use = most, use
        self.threads = most
        self._times: dict[int, list[float]] = {}
        self._latest: list[float] = []
        self._steps, self._usual = 0, 0.0
        self._trying = most > 1

    def note(self, seconds: float) -> None:
        """Take the time of the step that has just been done, and set the number of threads of the next one."""
        if self.most <= 1:
            return
        if self._trying:
            self._try(seconds)
            return
        self._steps += 1
        self._latest = [*self._latest, seconds][-LATEST:]
        slow = len(self._latest) == LATEST and min(self._latest) > SLOWER * self._usual
        if slow or self._steps >= AGAIN:
            self._times, self._trying = {}, True

    def _try(self, seconds: float) -> None:
        """Collect times of the current number; go on to the other one, or choose."""
        times = self._times.setdefault(self.threads, [])
        times.append(seconds)
        others = [statistics.median(values[1:]) for threads, values in self._times.items() if threads != self.threads]
        hopeless = len(times) > 1 and others and seconds > HOPELESS * others[0]
        if len(times) < TRIAL and not hopeless:
            return
        if len(self._times) == 1:
            self._set(1 if self.threads > 1 else self.most)
            return
        medians = {threads: statistics.median(values[1:]) for threads, values in self._times.items()}
        best = min(medians, key=lambda threads: medians[threads])
        self._set(best)
        self._usual, self._steps, self._latest, self._trying = medians[best], 0, [], False

    def _set(self, threads: int) -> None:
        self.threads = threads
        self._use(threads)
