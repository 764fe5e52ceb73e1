"""The outcome of localisation: the nodes that were asked, and the sides of all others by inference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...core.arrays import F32, F64, I64, U8, Bools
from .blocks import SurfaceBlocks, fill_sides, gather_blocks
from .march import Marcher

Box = tuple[tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True, eq=False)
class LocalisedGrid:
    """An occupancy on the nodes linspace(-1, 1, resolution)^3 of view space, asked only near its surface.

    Attributes:
        resolution: nodes a side.
        threshold: values above it are inside.
        nodes: (M,) int64, rising: flat indices (i * resolution + j) * resolution + k of the nodes known, i along x.
        values: (M,) float32: answers, for nodes ruled out by a mask half a unit below the threshold, and in fast mode
            interpolations.
        levels: resolutions visited, coarse to fine.
        evaluations: nodes asked at each of them; they sum to M in lossless mode without a mask.
        calls: how often the occupancy was called.
        surface_box: least and greatest node (exclusive) of a box around all cells the surface passes, with one node to
            spare where the grid goes on; None without a surface.
        device: where rays walk through it and meshes are made: "cpu", "cuda:0", …
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

    @property
    def total_evaluations(self) -> int:
        """Points the occupancy was asked about."""
        return sum(self.evaluations)

    @property
    def axis(self) -> F64:
        """(resolution,) float64: view-space coordinate of the nodes along any axis."""
        return np.linspace(-1.0, 1.0, self.resolution)

    @cached_property
    def blocks(self) -> SurfaceBlocks:
        """The values around the surface."""
        return gather_blocks(self.nodes, self.values, self.resolution, self.threshold)

    @cached_property
    def marcher(self) -> Marcher:
        """The same, to walk through."""
        return Marcher(self.blocks, self.threshold, self.device)

    def sides(self, box: Box | None = None) -> Bools:
        """Which nodes are inside, in the whole grid or in `box` (least node, greatest node exclusive).

        Nodes never asked lie away from the surface, so they have the side of the nearest known node along a line.
        """
        return fill_sides(self._scatter(box)[0])

    def volume(self, box: Box | None = None) -> F32:
        """Values in the whole grid or in `box`, float32: as answered, else 1 inside and 0 outside."""
        codes, values = self._scatter(box)
        unknown = codes == 0
        values[unknown] = fill_sides(codes)[unknown]
        return values

    def _scatter(self, box: Box | None) -> tuple[U8, F32]:
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
        if not within.any():  # a box away from every node asked: the side of the nearest node of the grid will do
            nearest = int(np.argmin(i * i + j * j + k * k))
            codes[0, 0, 0] = 2 if self.values[nearest] > self.threshold else 1
        return codes, values
