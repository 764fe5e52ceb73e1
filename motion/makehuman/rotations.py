"""Rotations as 3x3 matrices, from axes in degrees and from directions."""

from __future__ import annotations

import math

import numpy as np

from ...core.arrays import F64


def rotation_about(axis: F64 | tuple[float, float, float], degrees: float) -> F64:
    """Rotation (3, 3) about an axis by the right-hand rule (Rodrigues)."""
    x, y, z = float(axis[0]), float(axis[1]), float(axis[2])
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    rest = 1.0 - cosine
    return np.array(
        [
            [cosine + x * x * rest, x * y * rest - z * sine, x * z * rest + y * sine],
            [y * x * rest + z * sine, cosine + y * y * rest, y * z * rest - x * sine],
            [z * x * rest - y * sine, z * y * rest + x * sine, cosine + z * z * rest],
        ]
    )


def cross(one: F64, other: F64) -> F64:
    """The cross product of two vectors (3,), without the overhead of `numpy.cross`, which costs most of a pose."""
    (a, b, c), (x, y, z) = one.tolist(), other.tolist()
    return np.array([b * z - c * y, c * x - a * z, a * y - b * x])


def frame_of(direction: F64, pole: F64) -> F64:
    """Rotation (3, 3) whose first column is `direction` and whose third is `pole` made orthogonal to it."""
    first = direction / np.linalg.norm(direction)
    third = pole - first * (pole @ first)
    third = third / np.linalg.norm(third)
    return np.stack([first, cross(third, first), third], axis=1)


def between(start: F64, end: F64) -> F64:
    """The smallest rotation (3, 3) that takes the unit vector `start` to the unit vector `end`."""
    axis = cross(start, end)
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        return np.eye(3)
    return rotation_about(axis, float(np.degrees(np.arctan2(length, start @ end))))
