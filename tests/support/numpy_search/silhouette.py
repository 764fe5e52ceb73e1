"""What the mask of a picture says without an evaluation: nobody is outside it, and somebody is behind its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mpc.core.arrays import I64, Bools
from mpc.core.errors import SettingsError

from .lattice import Lattice
from .node_store import NodeStore

# The edge of a mask is uncertain by a pixel, so only pixels farther from the edge count, on either side.
MARGIN_PX = 1.0
# Greatest number of evaluations in the search behind pixels without a surface. Where a network misses an arm, an
# unlimited search would take millions.
SEARCH_LIMIT = 1 << 15


@dataclass(eq=False)
class Silhouette:
    """A mask over the columns of nodes along z, which are the rays of the picture's camera.

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
        from scipy.ndimage import distance_transform_edt, maximum_filter  # slow to import

        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise SettingsError(f"the mask is {self.mask.dtype} {self.mask.shape}, expected bool (H, W)")
        self._found = np.zeros((self.lattice.resolution,) * 2, np.bool_)
        height, width = self.mask.shape
        axis = self.lattice.axis.astype(np.float64)
        # Pixels are the cells of the cube's front face: an outermost node lies on the outer edge of an outermost pixel.
        column = np.clip(np.floor((axis + 1) / 2 * width), 0, width - 1).astype(np.int64)
        row = np.clip(np.floor((axis + 1) / 2 * height), 0, height - 1).astype(np.int64)
        ring = np.pad(self.mask, 1)  # nobody is outside the picture
        outside = distance_transform_edt(~ring)[1:-1, 1:-1] if ring.any() else np.full(self.mask.shape, np.inf)
        inside = distance_transform_edt(ring)[1:-1, 1:-1]
        self._empty = np.ascontiguousarray((outside > MARGIN_PX + 0.5)[row][:, column].T)
        # Parts thinner than the margin count along their middle lines, for every node whose part of the picture holds
        # a point of the line.
        width_px = MARGIN_PX + 0.5 + max(height, width) / len(axis)
        thin = (inside > 0) & (inside <= width_px) & (inside == maximum_filter(inside, 3))
        share = tuple(2 * int(np.ceil((edge / len(axis) - 1) / 2)) + 1 for edge in (height, width))
        thin = maximum_filter(thin, [max(edge, 1) for edge in share])
        self._filled = np.ascontiguousarray(((inside > MARGIN_PX + 0.5) | thin)[row][:, column].T)

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
