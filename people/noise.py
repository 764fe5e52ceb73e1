"""Smooth procedural noise that is equal on every platform: interpolated lattice values from an integer hash."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64, I64, U32

_PRIMES = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)


def _mix(value: U32) -> U32:
    """Scramble bits in place (a 32-bit finaliser)."""
    value ^= value >> np.uint32(15)
    value *= np.uint32(0x2C1B3C6D)
    value ^= value >> np.uint32(12)
    value *= np.uint32(0x297A2D39)
    value ^= value >> np.uint32(15)
    return value


def _start(seed: int) -> np.uint32:
    return np.uint32(seed * 0x27D4EB2F & 0xFFFFFFFF)


def value_noise(points: F64, seed: int) -> F64:
    """Noise in [-1, 1] at points (N, D), D at most 3, with lattice spacing 1 and Perlin's quintic interpolation."""
    dims = points.shape[1]
    sums = [np.full(len(points), _start(seed), np.uint32)]
    parts = []
    for axis in range(dims):
        base = np.floor(points[:, axis])
        part = (points[:, axis] - base).astype(np.float32)
        parts.append(part * part * part * (part * (part * np.float32(6) - np.float32(15)) + np.float32(10)))
        product = base.astype(np.int64).astype(np.uint32) * np.uint32(_PRIMES[axis])
        near = [total + product for total in sums]
        sums = near + [total + np.uint32(_PRIMES[axis]) for total in near]
    values = [_mix(total).astype(np.float32) for total in sums]
    for axis in reversed(range(dims)):
        half = len(values) // 2
        values = [a + parts[axis] * (b - a) for a, b in zip(values[:half], values[half:], strict=True)]
    return values[0].astype(np.float64) * (2.0 / 4294967296.0) - 1.0


def fractal_noise(points: F64, seed: int, octaves: int = 3) -> F64:
    """Sum of octaves of `value_noise`, each twice as fine and half as strong; roughly in [-1, 1]."""
    total, scale = np.zeros(len(points)), 1.0
    for octave in range(octaves):
        total += scale * value_noise(points * 2.0**octave, seed + 101 * octave)
        scale *= 0.5
    return total / (2.0 - 2.0 * scale)


def cell_noise(cells: I64, seed: int) -> F64:
    """A random value in [0, 1) for each cell (N, D) of integers."""
    total = np.full(len(cells), _start(seed), np.uint32)
    for axis in range(cells.shape[1]):
        total = total + cells[:, axis].astype(np.uint32) * np.uint32(_PRIMES[axis])
    return _mix(total).astype(np.float64) / 4294967296.0
