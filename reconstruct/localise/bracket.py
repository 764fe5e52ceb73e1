"""What a network proves about depth: nodes far from both predicted surfaces are outside without an evaluation.

A bounded head (models/head.py) amends a rule on predicted depths by less than a known amount. So before the front and
behind the back, by more than a margin, nothing can be inside: this is no estimate, and the answer stays the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.arrays import F32
from .device import Device
from .lattice import Lattice

DepthRange = Callable[[F32], F32 | None]
"""(N, 2) float32 view-space x and y -> (N, 2): nearest and farthest z at which a point can be inside, the first beyond
the second where none can; None from a network that proves nothing."""


@dataclass(frozen=True, eq=False)
class Bracket:
    """The nodes of each column along z that can be inside.

    Attributes:
        first: (R, R) int32, the first one of each column, i (along x) before j: an array, or a tensor of the device.
        last: the last one.
    """

    first: Any
    last: Any

    @classmethod
    def of(cls, lattice: Lattice, depth_range: DepthRange | None, device: Device | None = None) -> Bracket | None:
        """The bracket at the columns of a lattice; None where nothing is proved."""
        if depth_range is None:
            return None
        x, y = np.meshgrid(lattice.axis, lattice.axis, indexing="ij")
        columns = np.stack([x, y], axis=-1).reshape(-1, 2)
        if device is not None and device.ahead and hasattr(depth_range, "on_device"):
            return cls._there(lattice.resolution, depth_range.on_device, columns, device)
        ranges = depth_range(columns)
        return None if ranges is None else cls.of_ranges(lattice.resolution, ranges)

    @classmethod
    def of_ranges(cls, side: int, ranges: F32) -> Bracket:
        """The bracket of ranges (R * R, 2) from a `DepthRange` at every column; NaN proves nothing."""
        places = (ranges.astype(np.float64) + 1) / 2 * (side - 1)
        places = np.where(np.isnan(places), (-1.0, side), np.clip(places, -1.0, side)).reshape(side, side, 2)
        return cls(np.floor(places[..., 0]).astype(np.int32), np.ceil(places[..., 1]).astype(np.int32))

    @classmethod
    def _there(cls, side: int, depth_range: Any, columns: F32, device: Device) -> Bracket | None:
        """The same on the device, without a wait."""
        import torch

        ranges = depth_range(torch.from_numpy(columns).to(device.name, non_blocking=True))
        if ranges is None:
            return None
        places = (ranges.double() + 1) / 2 * (side - 1)
        free = torch.tensor((-1.0, side), dtype=torch.float64).to(device.name, non_blocking=True)
        places = torch.where(places.isnan(), free, places.clamp(-1.0, side)).reshape(side, side, 2)
        return cls(places[..., 0].floor().int().contiguous(), places[..., 1].ceil().int().contiguous())
