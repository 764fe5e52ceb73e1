"""The values around a localised surface, in blocks: memory grows with the surface and not with the volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.arrays import F32, I32, I64, U8, Bools

# Cells along each side of a block. A block has one node more, which it shares with the next block, so that every cell
# lies in one block completely.
EDGE = 32
SIDE = EDGE + 1
_SHARED = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]


@dataclass(frozen=True, eq=False)
class SurfaceBlocks:
    """Values at the nodes of all blocks that hold both sides; each of the other blocks lies on one side.

    Attributes:
        resolution: nodes along each side of the whole grid.
        table: (B, B, B) int32, the entry of the pool that holds a block; -1: all outside, -2: all inside.
        pool: (P, 33, 33, 33) float32, evaluated values; 1 at other nodes inside and 0 at other nodes outside.
    """

    resolution: int
    table: I32
    pool: F32

    def each(self) -> Iterator[tuple[tuple[int, int, int], F32]]:
        """Lowest node and values of each block that holds both sides, in rising order, cut where the grid ends."""
        for i, j, k in np.argwhere(self.table >= 0).tolist():
            low = (i * EDGE, j * EDGE, k * EDGE)
            size = [min(SIDE, self.resolution - start) for start in low]
            yield low, self.pool[self.table[i, j, k], : size[0], : size[1], : size[2]]


def gather_blocks(nodes: I64, values: F32, resolution: int, threshold: float) -> SurfaceBlocks:
    """Blocks of a localised grid.

    Nodes that were never evaluated lie away from the surface, so each has the side of the nearest known node on a line.

    Args:
        nodes: as in `LocalisedGrid`, like the other arguments.
        values: see `LocalisedGrid`.
        resolution: see `LocalisedGrid`.
        threshold: see `LocalisedGrid`.
    """
    per_axis = max(-(-(resolution - 1) // EDGE), 1)
    ijk = np.stack([nodes // (resolution * resolution), nodes // resolution % resolution, nodes % resolution])
    inside = values > threshold
    members = [_members(ijk, offset, per_axis) for offset in _SHARED]
    has = np.zeros((2, per_axis**3), np.bool_)
    for chosen, block, _ in members:
        has[1, block[inside[chosen]]] = True
        has[0, block[~inside[chosen]]] = True
    mixed = np.flatnonzero(has[0] & has[1])
    sides = np.where(has[1], 2, np.where(has[0], 1, 0)).astype(np.uint8).reshape((per_axis,) * 3)
    table = np.where(fill_sides(sides), -2, -1).astype(np.int32).reshape(-1)
    table[mixed] = np.arange(len(mixed))
    pool = np.zeros((len(mixed), SIDE**3), np.float32)
    codes = np.zeros((len(mixed), SIDE**3), np.uint8)
    for chosen, block, local in members:
        entry = table[block]
        kept = entry >= 0
        at = entry[kept], local[kept]
        pool[at] = values[chosen][kept]
        codes[at] = np.where(inside[chosen][kept], 2, 1)
    for one, code in zip(pool, codes, strict=True):
        unknown = code == 0
        one[unknown] = fill_sides(code.reshape(SIDE, SIDE, SIDE)).reshape(-1)[unknown]
    return SurfaceBlocks(resolution, table.reshape((per_axis,) * 3), pool.reshape(-1, SIDE, SIDE, SIDE))


def _members(ijk: I64, offset: tuple[int, int, int], per_axis: int) -> tuple[npt.NDArray[np.intp], I64, I64]:
    """Which nodes lie in a block as its own (offset 0) or on its last plane (1), the block, and their places."""
    shift = np.array(offset)[:, None]
    block = (ijk - shift) // EDGE
    block = np.where((shift == 0) & (block == per_axis), per_axis - 1, block)  # the last plane of the grid
    local = ijk - block * EDGE
    good = ((block >= 0) & (local < SIDE) & ((shift == 0) | (local == EDGE))).all(axis=0)
    chosen = np.flatnonzero(good)
    b, at = block[:, chosen], local[:, chosen]
    return chosen, (b[0] * per_axis + b[1]) * per_axis + b[2], (at[0] * SIDE + at[1]) * SIDE + at[2]


def fill_sides(codes: U8) -> Bools:
    """Spread known sides (1 outside, 2 inside) over unknown nodes (0), line by line, then plane by plane.

    Returns:
        Which nodes are inside, in the shape of `codes`.
    """
    filled = codes.copy()
    for axis in (2, 1, 0):
        lines = np.moveaxis(filled, axis, -1)
        # Large grids are filled slab by slab, since the index of the last known node takes two more bytes per node.
        for slab in lines if lines.shape[0] > 1 and lines.size > 1 << 18 else [lines]:
            _fill_lines(slab)
    inside: Bools = filled == 2
    return inside


def _fill_lines(lines: U8) -> None:
    """Give each unknown node the side of the last known node before it on its line, or else of the first known node."""
    known = lines != 0
    if known.all() or not known.any():
        return
    ticks = np.arange(lines.shape[-1], dtype=np.int16)
    last = np.maximum.accumulate(np.where(known, ticks, np.int16(-1)), axis=-1)
    first = np.argmax(known, axis=-1)[..., None].astype(np.int16)
    source = np.where(last < 0, first, last).astype(np.int64)
    lines[...] = np.take_along_axis(lines, source, axis=-1)
