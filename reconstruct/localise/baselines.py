"""The schemes that localisation is compared with: the dense grid, and PIFu's octree (Saito et al., ICCV 2019).

In reconstruct, although only tests and benchmarks use them, so that all three schemes share `Lattice` and `as_values`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F32, Bools
from ...core.errors import SettingsError
from .lattice import Lattice
from .localise import MAX_BATCH, Occupancy, as_values


@dataclass(frozen=True, eq=False)
class DenseGrid:
    """A whole grid of values.

    Attributes:
        values: (R, R, R) float32 along x, y, z; evaluated, or filled in by the octree.
        evaluations: number of points evaluated on each level, coarse to fine.
    """

    values: F32
    evaluations: tuple[int, ...]

    @property
    def total_evaluations(self) -> int:
        """Number of points at which the occupancy was evaluated."""
        return sum(self.evaluations)


def dense_grid(occupancy: Occupancy, resolution: int = 257, *, max_batch: int = MAX_BATCH) -> DenseGrid:
    """Evaluate every node of linspace(-1, 1, resolution)^3.

    Args:
        occupancy: as for `localise`.
        resolution: nodes along each side.
        max_batch: greatest number of points in one call.
    """
    lattice = Lattice(resolution)
    values = np.empty((resolution,) * 3, np.float32)
    rows = max(max_batch // (resolution * resolution), 1)
    ticks = np.arange(resolution, dtype=np.int64)
    for first in range(0, resolution, rows):
        nodes = lattice.join(ticks[first : first + rows, None, None], ticks[None, :, None], ticks).ravel()
        for begin in range(0, len(nodes), max_batch):
            part = nodes[begin : begin + max_batch]
            values[lattice.split(part)] = as_values(occupancy(lattice.points(part)), len(part))
    return DenseGrid(values, (resolution**3,))


def octree_grid(
    occupancy: Occupancy,
    resolution: int = 257,
    *,
    difference: float = 0.01,
    start: int = 65,
    max_batch: int = MAX_BATCH,
) -> DenseGrid:
    """Evaluate coarse cells at their corners; fill a cell whose corners nearly agree with their middle value.

    PIFu starts at a quarter of the resolution and takes 0.01 as the difference. It leaves out the last node of each
    axis, which is evaluated here.

    Args:
        occupancy: as for `localise`.
        resolution: nodes along each side.
        difference: a cell is filled when the values at its corners differ by less than this.
        start: nodes along each side of the grid that is evaluated completely; `resolution` - 1 is a power of two times
            `start` - 1.
        max_batch: greatest number of points in one call.

    Raises:
        SettingsError: `start` does not divide the resolution in this way.
    """
    ratio, rest = divmod(resolution - 1, start - 1)
    if rest or ratio & (ratio - 1):
        raise SettingsError(f"octree: {resolution} - 1 is not a power of two times {start} - 1")
    lattice = Lattice(resolution)
    values = np.zeros((resolution,) * 3, np.float32)
    settled = np.zeros((resolution,) * 3, np.bool_)
    counts, stride = [], ratio
    while True:
        level = ~settled[::stride, ::stride, ::stride]
        i, j, k = (axis.astype(np.int64) * stride for axis in np.nonzero(level))
        nodes = lattice.join(i, j, k)
        for begin in range(0, len(nodes), max_batch):
            part = nodes[begin : begin + max_batch]
            values[lattice.split(part)] = as_values(occupancy(lattice.points(part)), len(part))
        settled[i, j, k] = True
        counts.append(len(nodes))
        if stride == 1:
            return DenseGrid(values, tuple(counts))
        _fill_flat_cells(values, settled, stride, difference)
        stride //= 2


def _fill_flat_cells(values: F32, settled: Bools, stride: int, difference: float) -> None:
    """Settle the nodes of cells whose corners agree, apart from those that are settled already."""
    coarse = values[::stride, ::stride, ::stride]
    ends = slice(None, -1), slice(1, None)
    corners = [coarse[a, b, c] for a in ends for b in ends for c in ends]
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    flat, middle = high - low < difference, (low + high) / 2
    cells = len(flat)
    for a in range(stride + 1):
        for b in range(stride + 1):
            for c in range(stride + 1):
                here = tuple(slice(x, x + (cells - 1) * stride + 1, stride) for x in (a, b, c))
                free = flat & ~settled[here]
                values[here][free] = middle[free]
                settled[here] |= free
