"""What a network proves about depth, for NumPy's search."""

from __future__ import annotations

from dataclasses import dataclass

from mpc.core.arrays import I64, Bools
from mpc.reconstruct.localise import bracket
from mpc.reconstruct.localise.bracket import DepthRange

from .lattice import Lattice


@dataclass(eq=False)
class Bracket:
    """The package's bracket over the columns of a lattice.

    Attributes:
        lattice: the lattice of the finest level.
        columns: the first and the last node of each column that can be inside.
    """

    lattice: Lattice
    columns: bracket.Bracket

    @classmethod
    def of(cls, lattice: Lattice, depth_range: DepthRange | None) -> Bracket | None:
        """The bracket at the columns of a lattice; None where nothing is proved."""
        columns = bracket.Bracket.of(lattice, depth_range)
        return None if columns is None else cls(lattice, columns)

    def outside(self, nodes: I64) -> Bools:
        """Which nodes cannot be inside."""
        i, j, k = self.lattice.split(nodes)
        proved: Bools = (k < self.columns.first[i, j]) | (k > self.columns.last[i, j])
        return proved
