"""Frames a second, delays, and the milliseconds of each stage, over the last few frames."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

FRAMES = 30


class Meter:
    """Keeps the last times of each stage; all threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: dict[str, deque[float]] = {}
        self._ends: deque[float] = deque(maxlen=FRAMES)
        self._delays: deque[float] = deque(maxlen=FRAMES)
        self.frames = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block; one that fails is not counted."""
        began = time.perf_counter()
        yield
        took = time.perf_counter() - began
        with self._lock:
            self._stages.setdefault(name, deque(maxlen=FRAMES)).append(took)

    def drawn(self, taken: float, now: float) -> None:
        """Count a frame that came at `taken` and was drawn at `now`, seconds of one clock."""
        with self._lock:
            self.frames += 1
            self._ends.append(now)
            self._delays.append(now - taken)

    def report(self, now: float) -> dict[str, object]:
        """Frames a second up to `now`, the mean delay, and the mean time of each stage, in milliseconds."""
        with self._lock:
            ends = [end for end in self._ends if now - end < 5.0]
            rate = 0.0
            if len(ends) > 1:  # since the last frame the clock has gone on: a film that stopped has no rate
                rate = (len(ends) - 1) / max(ends[-1] - ends[0], now - ends[-1], 1e-3)
            return {
                "fps": round(rate, 1),
                "delay_ms": round(1000 * _mean(self._delays)),
                "stages_ms": {name: round(1000 * _mean(times), 1) for name, times in self._stages.items()},
                "frames": self.frames,
            }


def _mean(values: deque[float]) -> float:
    return sum(values) / len(values) if values else 0.0
