"""The values around a localised surface, in blocks: memory grows with the surface and not with the volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ...core.arrays import F32, I32, U8, Bools
from ...core.kernels import load_warp
from .device import Device

# Cells along each side of a block. A block has one node more, which it shares with the next block, so that every cell
# lies in one block completely.
EDGE = 32
SIDE = EDGE + 1
# A host that works ahead does not know how many blocks hold both sides; it takes room for so many faces of the grid.
BLOCKS_OF_FACES = 8


@dataclass(frozen=True, eq=False)
class SurfaceBlocks:
    """Values at the nodes of all blocks that hold both sides; each of the other blocks lies on one side.

    Attributes:
        resolution: nodes along each side of the whole grid.
        table_there: (B, B, B) int32 on the device: the entry of the pool that holds a block; -1: all outside, -2: all
            inside.
        pool_there: float32 on the device, 33^3 values of each entry: evaluated ones; 1 at other nodes inside and 0 at
            other nodes outside.
        count_there: (1,) int32 on the device: the number of entries.
        device: where the arrays are.
    """

    resolution: int
    table_there: Any
    pool_there: Any
    count_there: Any
    device: Device

    @cached_property
    def table(self) -> I32:
        """The table, on the host."""
        table: I32 = self.device.read(self.table_there)[0]
        return table

    @cached_property
    def pool(self) -> F32:
        """(P, 33, 33, 33) the values, on the host."""
        count, values = self.device.read(self.count_there, self.pool_there)
        pool: F32 = values.reshape(-1, SIDE, SIDE, SIDE)[: int(count[0])]
        return pool

    def each(self) -> Iterator[tuple[tuple[int, int, int], F32]]:
        """Lowest node and values of each block that holds both sides, in rising order, cut where the grid ends."""
        for i, j, k in np.argwhere(self.table >= 0).tolist():
            low = (i * EDGE, j * EDGE, k * EDGE)
            size = [min(SIDE, self.resolution - start) for start in low]
            yield low, self.pool[self.table[i, j, k], : size[0], : size[1], : size[2]]


def gather_blocks(nodes: Any, values: Any, resolution: int, threshold: float, device: Device) -> SurfaceBlocks:
    """Blocks of a localised grid.

    Nodes that were never evaluated lie away from the surface, so each has the side of the nearest known node on a line.

    Args:
        nodes: (M,) int64 Warp array of the device: flat indices of the known nodes, in any order.
        values: (M,) float32 Warp array of the device.
        resolution: see `LocalisedGrid`.
        threshold: see `LocalisedGrid`.
        device: where the blocks are gathered.
    """
    wp = load_warp()
    names, threads = _kernels(), device.threads
    per_axis = max(-(-(resolution - 1) // EDGE), 1)
    known = [nodes, values]
    has, sides, table = (device.zeros(per_axis**3, wp.int32) for _ in range(3))
    count = device.zeros(1, wp.int32)
    device.launch(names.mark_blocks, [*known, threshold, resolution, per_axis, has, threads])
    device.launch(names.number_blocks, [has, sides, per_axis, table, count], 1)
    mixed = min(per_axis**3, BLOCKS_OF_FACES * per_axis**2) if device.ahead else int(device.look(count)[0])
    pool = device.empty(mixed * SIDE**3, wp.float32)
    device.launch(names.clear_pool, [pool, count, threads])
    device.launch(names.fill_pool, [*known, resolution, per_axis, table, pool, threads])
    for size in (1, SIDE, SIDE**2):
        device.launch(names.spread_sides, [pool, count, threshold, size, threads])
    return SurfaceBlocks(resolution, table.reshape((per_axis,) * 3), pool, count, device)


@lru_cache(maxsize=1)
def _kernels() -> Any:
    load_warp()
    from . import block_kernels

    return block_kernels


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
