"""Positions stored as whole numbers: exact in float32 and float64, six bytes per point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I16, Floats
from ..core.errors import SettingsError

LIMIT = 32767
# float32 holds whole multiples of the step exactly up to this many of them.
EXACT_FLOAT32 = 1 << 24


@dataclass(frozen=True)
class Lattice:
    """A cubic lattice around a scene: position = origin + step * q with q (N, 3) int16.

    The step is a power of two and the origin a multiple of it, so the position comes out the same, to the last bit, in
    float32 and in float64: points are rounded first and labelled after, so a label belongs to the stored position.

    Attributes:
        origin_world: position of the lattice point (0, 0, 0), metres.
        step_m: distance of neighbouring lattice points, metres.
    """

    origin_world: tuple[float, float, float]
    step_m: float

    def round(self, points_world: Floats) -> I16:
        """The nearest lattice points (N, 3) int16 of points (N, 3), world metres; clipped to the lattice."""
        whole = np.rint((np.asarray(points_world, np.float64) - self.origin_world) / self.step_m)
        return np.clip(whole, -LIMIT, LIMIT).astype(np.int16)

    def positions(self, q: I16) -> F64:
        """Positions (N, 3) float64, world metres, of lattice points (N, 3) int16."""
        return np.asarray(q * self.step_m + np.asarray(self.origin_world), np.float64)


def make_lattice(centre_world: tuple[float, float, float], reach_m: float) -> Lattice:
    """The finest lattice that spans `reach_m` (metres) to each side of the centre: 2^-14 m up to a reach of 2 m.

    Raises:
        SettingsError: the centre is so far from the world's origin that float32 cannot represent the points exactly.
    """
    step = 2.0 ** math.ceil(math.log2(reach_m / LIMIT))
    if max(abs(value) for value in centre_world) + LIMIT * step >= EXACT_FLOAT32 * step:
        raise SettingsError(f"the scene lies too far from the world's origin (centre at {centre_world} m)")
    x, y, z = (round(value / step) * step for value in centre_world)
    return Lattice((x, y, z), step)
