"""What the mask of a picture says without an evaluation: nobody is outside it, and somebody is behind its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...core.arrays import F64, Bools
from ...core.errors import SettingsError
from .lattice import Lattice

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
        empty: (R, R) bool, i before j: columns that show the background.
        filled: (R, R) bool: columns that show the person.
    """

    lattice: Lattice
    mask: Bools
    empty: Bools = field(init=False)
    filled: Bools = field(init=False)
    _outside: F64 = field(init=False)

    def __post_init__(self) -> None:
        from scipy.ndimage import distance_transform_edt, maximum_filter  # slow to import

        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise SettingsError(f"the mask is {self.mask.dtype} {self.mask.shape}, expected bool (H, W)")
        height, width = self.mask.shape
        ring = np.pad(self.mask, 1)  # nobody is outside the picture
        outside = distance_transform_edt(~ring)[1:-1, 1:-1] if ring.any() else np.full(self.mask.shape, np.inf)
        inside = distance_transform_edt(ring)[1:-1, 1:-1]
        self._outside = outside
        self.empty = self.empty_at(self.lattice)
        # Parts thinner than the margin count along their middle lines, for every node whose part of the picture holds
        # a point of the line.
        nodes = self.lattice.resolution
        width_px = MARGIN_PX + 0.5 + max(height, width) / nodes
        thin = (inside > 0) & (inside <= width_px) & (inside == maximum_filter(inside, 3))
        share = tuple(2 * int(np.ceil((edge / nodes - 1) / 2)) + 1 for edge in (height, width))
        thin = maximum_filter(thin, [max(edge, 1) for edge in share])
        self.filled = self._at_columns((inside > MARGIN_PX + 0.5) | thin, self.lattice)

    def empty_at(self, lattice: Lattice) -> Bools:
        """The columns (R, R) of another lattice that show the background."""
        return self._at_columns(self._outside > MARGIN_PX + 0.5, lattice)

    def _at_columns(self, pixels: Bools, lattice: Lattice) -> Bools:
        """What is true of the pixel that each column of nodes is seen in, i before j."""
        height, width = self.mask.shape
        axis = lattice.axis.astype(np.float64)
        # Pixels are the cells of the cube's front face: an outermost node lies on the outer edge of an outermost pixel.
        column = np.clip(np.floor((axis + 1) / 2 * width), 0, width - 1).astype(np.int64)
        row = np.clip(np.floor((axis + 1) / 2 * height), 0, height - 1).astype(np.int64)
        return np.ascontiguousarray(pixels[row][:, column].T)
