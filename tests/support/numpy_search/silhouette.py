"""What the mask of a picture says without an evaluation, and the search behind its pixels, for NumPy's search."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mpc.core.arrays import I64, Bools
from mpc.reconstruct.localise import silhouette
from mpc.reconstruct.localise.silhouette import SEARCH_LIMIT

from .lattice import Lattice
from .node_store import NodeStore


@dataclass(eq=False)
class Silhouette:
    """A mask over the columns of nodes along z; which columns show what is told by the package's own rules.

    Attributes:
        lattice: the lattice of the finest level.
        mask: (H, W) bool, the person in the picture whose view space the lattice fills.
        limit: greatest number of nodes that may still be evaluated in search of what the levels have missed.
    """

    lattice: Lattice
    mask: Bools
    limit: int = SEARCH_LIMIT
    _empty: Bools = field(init=False)
    _filled: Bools = field(init=False)
    _found: Bools = field(init=False)

    def __post_init__(self) -> None:
        columns = silhouette.Silhouette(self.lattice, self.mask)
        self._empty, self._filled = columns.empty, columns.filled
        self._found = np.zeros((self.lattice.resolution,) * 2, np.bool_)

    def outside(self, nodes: I64) -> Bools:
        """Which nodes lie in columns that show the background."""
        i, j, _ = self.lattice.split(nodes)
        ruled_out: Bools = self._empty[i, j]
        return ruled_out

    def see(self, nodes: I64) -> None:
        """Take note of nodes that turned out to be inside."""
        i, j, _ = self.lattice.split(nodes)
        self._found[i, j] = True

    def strides(self, coarse: int) -> list[int]:
        """Spacings along a column, coarse to fine, for the search behind pixels without a surface."""
        return [1 << power for power in range(int(coarse).bit_length() - 1, -1, -1)]

    def seeds(self, store: NodeStore, stride: int) -> I64:
        """Nodes, `stride` apart along z, in columns that show the person and hold no node known to be inside.

        Only one column of each block of `stride` x `stride` columns is taken, which meets every part as large as a
        block. No node is returned once the limit is reached.
        """
        from scipy.ndimage import maximum_filter

        # A column beside one that holds a part of the person may lie outside: the edge of the mask is uncertain.
        i, j = np.nonzero(self._filled & ~maximum_filter(self._found, 3))
        if not len(i):
            return np.zeros(0, np.int64)
        _, first = np.unique((i // stride) * self.lattice.resolution + j // stride, return_index=True)
        depths = np.arange(0, self.lattice.resolution, stride, dtype=np.int64)
        nodes = self.lattice.join(
            i[first].astype(np.int64)[:, None], j[first].astype(np.int64)[:, None], depths
        ).ravel()
        nodes = store.unknown(nodes)
        if len(nodes) > self.limit:
            self.limit = 0
            return np.zeros(0, np.int64)
        self.limit -= len(nodes)
        return nodes
