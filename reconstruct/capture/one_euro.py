"""The One-Euro filter: steady where nothing moves, without lag where something does."""

from __future__ import annotations

import math

import numpy as np

from ...core.arrays import F64


class OneEuroFilter:
    """Smooths a signal sample by sample.

    Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
    Systems", CHI 2012, with the authors' cutoff of 1 Hz for the speed.

    Args:
        cutoff_hz: of a signal that stands still; lower is steadier.
        speed_weight: by how much the cutoff rises with the speed of the signal, Hz per unit a second; higher follows
            faster.
    """

    SPEED_CUTOFF_HZ = 1.0

    def __init__(self, cutoff_hz: float, speed_weight: float) -> None:
        self.cutoff_hz, self.speed_weight = cutoff_hz, speed_weight
        self._value: F64 | None = None
        self._speed: F64 = np.zeros(0)
        self._seconds = 0.0

    def smooth(self, value: F64, seconds: float) -> F64:
        """The smoothed value at a time.

        Args:
            value: (D,) the new sample.
            seconds: its time; later than the one before (a sample that is not is taken as it is).
        """
        step = seconds - self._seconds
        if self._value is None or step <= 0:
            self._value, self._speed, self._seconds = value, np.zeros_like(value), seconds
            return value
        speed = (value - self._value) / step
        self._speed = self._speed + _weight(self.SPEED_CUTOFF_HZ, step) * (speed - self._speed)
        cutoff = self.cutoff_hz + self.speed_weight * np.abs(self._speed)
        self._value = self._value + _weight(cutoff, step) * (value - self._value)
        self._seconds = seconds
        return self._value


def _weight(cutoff_hz: F64 | float, step: float) -> F64 | float:
    """Weight of a new sample in exponential smoothing: 1 / (1 + tau / T) with tau = 1 / (2 pi f)."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * step))
