"""Smooth procedural noise, equal on every platform: lattice values from an integer hash, blended."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def _hash(cells: npt.NDArray[np.int64], seed: int) -> F64:
    """Lattice cells (..., D) to values in [0, 1)."""
    primes = np.array([0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D], np.uint64)[: cells.shape[-1]]
    mixed = (cells.astype(np.uint64) * primes).sum(axis=-1, dtype=np.uint64) + np.uint64(seed * 0x27D4EB2F & 0xFFFFFFFF)
    mixed = (mixed ^ (mixed >> np.uint64(15))) * np.uint64(0x2C1B3C6D)
    mixed &= np.uint64(0xFFFFFFFF)
    mixed = (mixed ^ (mixed >> np.uint64(12))) * np.uint64(0x297A2D39)
    mixed &= np.uint64(0xFFFFFFFF)
    mixed ^= mixed >> np.uint64(15)
    return mixed.astype(np.float64) / 4294967296.0


def value_noise(points: F64, seed: int) -> F64:
    """Noise in [-1, 1] at points (N, D), D at most 3; lattice spacing 1, smooth (Perlin's quintic blend)."""
    base = np.floor(points).astype(np.int64)
    part = points - base
    part = part * part * part * (part * (part * 6 - 15) + 10)
    dims = points.shape[1]
    total = np.zeros(len(points))
    for corner in range(2**dims):
        shift = np.array([corner >> d & 1 for d in range(dims)])
        share = np.prod(np.where(shift == 1, part, 1 - part), axis=1)
        total += share * _hash(base + shift, seed)
    return 2.0 * total - 1.0


def fractal_noise(points: F64, seed: int, octaves: int = 3) -> F64:
    """Sum of octaves of `value_noise`, each twice as fine and half as strong; roughly in [-1, 1]."""
    total, scale = np.zeros(len(points)), 1.0
    for octave in range(octaves):
        total += scale * value_noise(points * 2.0**octave, seed + 101 * octave)
        scale *= 0.5
    return total / (2.0 - 2.0 * scale)


def cell_noise(cells: npt.NDArray[np.int64], seed: int) -> F64:
    """A value in [0, 1) for each whole-numbered cell (N, D)."""
    return _hash(cells, seed)
