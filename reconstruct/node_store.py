"""What is known about the nodes of a cubic grid: one byte a node, in memory that is only taken where it is written."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

OUTSIDE, INSIDE = np.uint8(1), np.uint8(2)
_CODE = np.uint8(3)


@dataclass(eq=False)
class NodeStore:
    """Sides and values of the nodes asked so far, for a grid of `resolution`^3 nodes.

    A node's flat index is (i * resolution + j) * resolution + k, with i, j, k along x, y, z of view space.

    Attributes:
        resolution: nodes a side.
        states: (resolution^3,) uint8. Bits 0 and 1: 0 unknown, 1 outside, 2 inside. The other bits mark, level by
            level, the cells (named by their lowest corner) whose corners have all been asked. The bytes are an
            anonymous memory map, so pages never written cost nothing: 1025^3 is 1.1 GB of addresses, not of memory.
    """

    resolution: int
    states: U8 = field(init=False)
    _nodes: list[I64] = field(init=False, default_factory=list)
    _values: list[F32] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        # Not np.zeros: NumPy asks the kernel for huge pages, which would fill the whole array on scattered writes.
        self.states = np.frombuffer(mmap.mmap(-1, self.resolution**3), np.uint8)

    def codes(self, nodes: I64) -> U8:
        """(N,) uint8: 0 unknown, 1 outside, 2 inside."""
        return self.states[nodes] & _CODE

    def record(self, nodes: I64, values: F32, inside: Bools) -> None:
        """Keep the answers for nodes (N,) that were unknown, each given once."""
        self.states[nodes] |= np.where(inside, INSIDE, OUTSIDE)
        self._nodes.append(nodes)
        self._values.append(values)

    def take_cells(self, cells: I64, level: int) -> I64:
        """Those of `cells` not taken before at this level, each once, in rising order; from now on they are taken."""
        bit = np.uint8(4 << level)
        fresh = np.unique(cells[(self.states[cells] & bit) == 0])
        self.states[fresh] |= bit
        return fresh

    def answers(self) -> tuple[I64, F32]:
        """All nodes asked (M,), in rising order, and their values (M,)."""
        if not self._nodes:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        nodes, values = np.concatenate(self._nodes), np.concatenate(self._values)
        order = np.argsort(nodes, kind="stable")
        return nodes[order], values[order]
