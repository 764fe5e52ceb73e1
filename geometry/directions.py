"""Unit directions spread evenly over the sphere."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64


def fibonacci_directions(count: int) -> F64:
    """Fibonacci lattice: (count, 3) float64 unit directions (Gonzalez, "Measurement of Areas on a Sphere", 2010)."""
    index = np.arange(count) + 0.5
    height = 1.0 - 2.0 * index / count
    turn = np.pi * (1.0 + np.sqrt(5.0)) * index
    radius = np.sqrt(1.0 - height * height)
    return np.stack([radius * np.cos(turn), height, radius * np.sin(turn)], axis=1)
