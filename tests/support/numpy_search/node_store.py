"""What is known about the nodes of a grid: one byte per node, in bricks that exist only near evaluated nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mpc.core.arrays import F32, I32, I64, U8, Bools

from .lattice import Lattice

OUTSIDE, INSIDE = np.uint8(1), np.uint8(2)
_CODE = np.uint8(3)
# A brick has 16 x 16 x 16 nodes and 4 KiB. A surface fills about a tenth of the bricks that it passes.
_SHIFT, _LOW = 4, 15
_BRICK = 1 << 3 * _SHIFT


@dataclass(eq=False)
class NodeStore:
    """Sides and values of the nodes known so far.

    Attributes:
        lattice: names the nodes.
        table: (bricks,) int32, which entry of the pool holds a brick; 0 for bricks that hold no known node.
        pool: (capacity * 4096,) uint8, one byte per node. Bits 0 and 1: 0 unknown, 1 outside, 2 inside. The other bits
            mark, level by level, the cells (named by their lowest corners) that have been visited.
    """

    lattice: Lattice
    table: I32 = field(init=False)
    pool: U8 = field(init=False)
    _used: int = field(init=False, default=1)  # brick 0 of the pool stays empty
    _nodes: list[I64] = field(init=False, default_factory=list)
    _values: list[F32] = field(init=False, default_factory=list)
    _amended: tuple[I64, F32] = field(init=False, default=(np.zeros(0, np.int64), np.zeros(0, np.float32)))

    def __post_init__(self) -> None:
        self.table = np.zeros(1 << 3 * (self.lattice.bits - _SHIFT), np.int32)
        self.pool = np.zeros(64 * _BRICK, np.uint8)

    def codes(self, nodes: I64) -> U8:
        """Sides of nodes (...), uint8: 0 unknown, 1 outside, 2 inside."""
        return self.pool[self._find(nodes)] & _CODE

    def unknown(self, nodes: I64) -> I64:
        """Those of `nodes` that are not known yet, each once, in rising order."""
        return np.unique(nodes[self.codes(nodes) == 0])

    def record(self, nodes: I64, values: F32, inside: Bools) -> None:
        """Keep the values of nodes (N,) that were unknown; no node may be given twice."""
        places = self._place(nodes)  # before the pool is used, since this may replace it
        self.pool[places] |= np.where(inside, INSIDE, OUTSIDE)
        self._nodes.append(nodes)
        self._values.append(values)

    def amend(self, nodes: I64, values: F32) -> None:
        """Replace the values of known nodes (N,); their sides stay. This can be done once."""
        self._amended = nodes, values

    def take_cells(self, cells: I64, level: int) -> I64:
        """Mark cells as visited at this level; returns those that were not marked before, each once, rising."""
        bit = np.uint8(4 << level)
        fresh = np.unique(cells[(self.pool[self._find(cells)] & bit) == 0])
        places = self._place(fresh)
        self.pool[places] |= bit
        return fresh

    def answers(self) -> tuple[I64, F32]:
        """All known nodes (M,), in rising order, and their values (M,)."""
        if not self._nodes:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        nodes, values = np.concatenate(self._nodes), np.concatenate(self._values)
        order = np.argsort(nodes, kind="stable")
        nodes, values = nodes[order], values[order]
        again, better = self._amended
        values[np.searchsorted(nodes, again)] = better
        return nodes, values

    def _bricks(self, nodes: I64) -> I64:
        """The bricks that nodes lie in."""
        bits, high = self.lattice.bits, (1 << self.lattice.bits - _SHIFT) - 1
        i, j, k = nodes >> 2 * bits + _SHIFT, (nodes >> bits + _SHIFT) & high, (nodes >> _SHIFT) & high
        bricks: I64 = (i << 2 * (bits - _SHIFT)) | (j << bits - _SHIFT) | k
        return bricks

    def _find(self, nodes: I64) -> I64:
        """The places of nodes in the pool; those in missing bricks are in the empty brick 0."""
        bits = self.lattice.bits
        local = ((nodes >> 2 * bits) & _LOW) << 2 * _SHIFT | ((nodes >> bits) & _LOW) << _SHIFT | (nodes & _LOW)
        places: I64 = self.table[self._bricks(nodes)].astype(np.int64) * _BRICK + local
        return places

    def _place(self, nodes: I64) -> I64:
        """The same as `_find`, after adding the missing bricks to the pool."""
        bricks = self._bricks(nodes)
        missing = np.unique(bricks[self.table[bricks] == 0])
        if len(missing):
            last = self._used + len(missing)
            if last * _BRICK > len(self.pool):
                grown = np.zeros(max(last, 2 * self._used) * _BRICK, np.uint8)
                grown[: len(self.pool)] = self.pool
                self.pool = grown
            self.table[missing] = np.arange(self._used, last, dtype=np.int32)
            self._used = last
        return self._find(nodes)
