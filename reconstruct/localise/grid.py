"""The result of localisation: the nodes that were evaluated, and the inferred sides of all others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...core.arrays import F32, F64, I64, U8, Bools
from ...core.kernels import load_warp
from .blocks import SurfaceBlocks, fill_sides, gather_blocks
from .device import Device
from .march import Marcher
from .search import Box


@dataclass(frozen=True, eq=False)
class LocalisedGrid:
    """An occupancy on the nodes linspace(-1, 1, resolution)^3 of view space, evaluated near its surface alone.

    Attributes:
        resolution: nodes along each side.
        threshold: values above it are inside.
        nodes: (M,) int64, rising: flat indices (i * resolution + j) * resolution + k of the known nodes, i along x.
        values: (M,) float32, evaluated values. Nodes ruled out by a mask or a bracket have half a unit less than the
            threshold, those of a bracket only away from the surface; in fast mode, some values are interpolated.
        levels: resolutions visited, coarse to fine.
        evaluations: nodes evaluated on each level; in lossless mode without a mask or a bracket they sum to M.
        calls: how often the occupancy was called.
        surface_box: least and greatest node (exclusive) of a box around all cells that the surface passes, enlarged by
            one node where the grid continues; None without a surface.
        device: where rays walk through the grid and meshes are made: "cpu", "cuda:0", …
        there: nodes and values, in any order, where the search has left them on that device; None: on the host alone.
    """

    resolution: int
    threshold: float
    nodes: I64
    values: F32
    levels: tuple[int, ...]
    evaluations: tuple[int, ...]
    calls: int
    surface_box: Box | None
    device: str = "cpu"
    there: tuple[Any, Any] | None = None

    @cached_property
    def lists(self) -> tuple[Any, Any]:
        """Nodes and values on the device, as Warp arrays."""
        if self.there is not None and str(self.there[0].device) == self.device:
            return self.there
        wp, device = load_warp(), Device(self.device)
        return device.upload(self.nodes, wp.int64), device.upload(self.values, wp.float32)

    @property
    def total_evaluations(self) -> int:
        """Number of points at which the occupancy was evaluated."""
        return sum(self.evaluations)

    @property
    def axis(self) -> F64:
        """View-space coordinates of the nodes along any axis, (resolution,) float64."""
        return np.linspace(-1.0, 1.0, self.resolution)

    @cached_property
    def blocks(self) -> SurfaceBlocks:
        """The values around the surface."""
        return gather_blocks(*self.lists, self.resolution, self.threshold, Device(self.device))

    @cached_property
    def marcher(self) -> Marcher:
        """The same values, ready for walks along rays."""
        return Marcher(self.blocks, self.threshold)

    def sides(self, box: Box | None = None) -> Bools:
        """Which nodes are inside, in the whole grid or in `box` (least node, greatest node exclusive).

        Nodes that were never evaluated lie away from the surface, so each has the side of the nearest known node on a
        line.
        """
        return fill_sides(self._scatter(box)[0])

    def volume(self, box: Box | None = None) -> F32:
        """Values in the whole grid or in `box`, float32; 1 or 0 at nodes inside or outside that are not known."""
        codes, values = self._scatter(box)
        unknown = codes == 0
        values[unknown] = fill_sides(codes)[unknown]
        return values

    def _scatter(self, box: Box | None) -> tuple[U8, F32]:
        """Dense arrays of the sides (0 unknown, 1 outside, 2 inside) and values of the known nodes."""
        (low, high) = box if box is not None else ((0, 0, 0), (self.resolution,) * 3)
        shape = (high[0] - low[0], high[1] - low[1], high[2] - low[2])
        r = self.resolution
        i, j, k = self.nodes // (r * r) - low[0], self.nodes // r % r - low[1], self.nodes % r - low[2]
        within = (i >= 0) & (j >= 0) & (k >= 0) & (i < shape[0]) & (j < shape[1]) & (k < shape[2])
        codes = np.zeros(shape, np.uint8)
        values = np.zeros(shape, np.float32)
        here, answers = (i[within], j[within], k[within]), self.values[within]
        values[here] = answers
        codes[here] = np.where(answers > self.threshold, 2, 1)
        if not within.any():  # no known node lies in the box: all of it has the side of the nearest known node
            nearest = int(np.argmin(i * i + j * j + k * k))
            codes[0, 0, 0] = 2 if self.values[nearest] > self.threshold else 1
        return codes, values
