"""The outcome of localisation: the nodes that were asked, and the sides of all others by inference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Box = tuple[tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True, eq=False)
class LocalisedGrid:
    """An occupancy on the nodes linspace(-1, 1, resolution)^3 of view space, asked only near its surface.

    Attributes:
        resolution: nodes a side.
        threshold: values above it are inside.
        nodes: (M,) int64, rising: flat indices (i * resolution + j) * resolution + k of the nodes asked, i along x.
        values: (M,) float32, their answers.
        levels: resolutions visited, coarse to fine.
        evaluations: nodes asked at each of them; they sum to M.
        calls: how often the occupancy was called.
        surface_box: least and greatest node (exclusive) of a box around all cells the surface passes, with one node to
            spare where the grid goes on; None without a surface.
    """

    resolution: int
    threshold: float
    nodes: I64
    values: F32
    levels: tuple[int, ...]
    evaluations: tuple[int, ...]
    calls: int
    surface_box: Box | None

    @property
    def total_evaluations(self) -> int:
        """Points the occupancy was asked about."""
        return sum(self.evaluations)

    @property
    def axis(self) -> F64:
        """(resolution,) float64: view-space coordinate of the nodes along any axis."""
        return np.linspace(-1.0, 1.0, self.resolution)

    def sides(self, box: Box | None = None) -> Bools:
        """Which nodes are inside, in the whole grid or in `box` (least node, greatest node exclusive).

        Nodes never asked lie away from the surface, so they have the side of the nearest known node along a line.
        """
        return _fill(self._scatter(box)[0])

    def volume(self, box: Box | None = None) -> F32:
        """Values in the whole grid or in `box`, float32: as answered, else 1 inside and 0 outside."""
        codes, values = self._scatter(box)
        unknown = codes == 0
        values[unknown] = _fill(codes)[unknown]
        return values

    def _scatter(self, box: Box | None) -> tuple[npt.NDArray[np.uint8], F32]:
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


def _fill(codes: npt.NDArray[np.uint8]) -> Bools:
    """Spread known sides (1 outside, 2 inside) over unknown nodes (0), line by line, then plane by plane."""
    filled = codes.copy()
    for axis in (2, 1, 0):
        lines = np.moveaxis(filled, axis, -1)
        # A slab at a time: the index of the last known node takes two more bytes a node.
        for slab in lines if lines.shape[0] > 1 else [lines]:
            _fill_lines(slab)
    inside: Bools = filled == 2
    return inside


def _fill_lines(lines: npt.NDArray[np.uint8]) -> None:
    """Fill along the last axis from the last known node before; nodes before the first known one take its side."""
    known = lines != 0
    if known.all() or not known.any():
        return
    ticks = np.arange(lines.shape[-1], dtype=np.int16)
    last = np.maximum.accumulate(np.where(known, ticks, np.int16(-1)), axis=-1)
    first = np.argmax(known, axis=-1)[..., None].astype(np.int16)
    source = np.where(last < 0, first, last).astype(np.int64)
    lines[...] = np.take_along_axis(lines, source, axis=-1)
