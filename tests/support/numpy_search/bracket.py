"""What a network proves about depth: nodes far from both predicted surfaces are outside without an evaluation.

A bounded head (models/head.py) amends a rule on predicted depths by less than a known amount. So before the front and
behind the back, by more than a margin, nothing can be inside: this is no estimate, and the answer stays the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mpc.core.arrays import F32, I32, I64, Bools

from .lattice import Lattice

DepthRange = Callable[[F32], F32 | None]
"""(N, 2) float32 view-space x and y -> (N, 2): nearest and farthest z at which a point can be inside, the first beyond
the second where none can; None from a network that proves nothing."""


@dataclass(eq=False)
class Bracket:
    """The nodes of each column along z that can be inside.

    Attributes:
        lattice: the lattice of the finest level.
        ranges: (R * R, 2), from a `DepthRange` at every column, i (along x) before j; NaN proves nothing.
    """

    lattice: Lattice
    ranges: F32
    _first: I32 = field(init=False)
    _last: I32 = field(init=False)

    def __post_init__(self) -> None:
        side = self.lattice.resolution
        places = (self.ranges.astype(np.float64) + 1) / 2 * (side - 1)
        places = np.where(np.isnan(places), (-1.0, side), np.clip(places, -1.0, side)).reshape(side, side, 2)
        self._first, self._last = (
            rounded.astype(np.int32) for rounded in (np.floor(places[..., 0]), np.ceil(places[..., 1]))
        )

    @classmethod
    def of(cls, lattice: Lattice, depth_range: DepthRange | None) -> Bracket | None:
        """The bracket at the columns of a lattice; None where nothing is proved."""
        if depth_range is None:
            return None
        x, y = np.meshgrid(lattice.axis, lattice.axis, indexing="ij")
        ranges = depth_range(np.stack([x, y], axis=-1).reshape(-1, 2))
        return None if ranges is None else cls(lattice, ranges)

    def outside(self, nodes: I64) -> Bools:
        """Which nodes cannot be inside."""
        i, j, k = self.lattice.split(nodes)
        proved: Bools = (k < self._first[i, j]) | (k > self._last[i, j])
        return proved
