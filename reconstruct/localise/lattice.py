"""Nodes of a cubic grid, named by their places in the flattened grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...core.arrays import F32, I64


@dataclass(frozen=True, eq=False)
class Lattice:
    """Nodes linspace(-1, 1, resolution)^3; node (i, j, k) along x, y, z is (i * resolution + j) * resolution + k.

    Attributes:
        resolution: nodes along each side.
        axis: (resolution,) float32, view-space coordinates of the nodes along any axis.
    """

    resolution: int
    axis: F32 = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", np.linspace(-1.0, 1.0, self.resolution).astype(np.float32))

    def split(self, nodes: I64) -> tuple[I64, I64, I64]:
        """Coordinates i, j, k of nodes."""
        r = self.resolution
        return nodes // (r * r), nodes // r % r, nodes % r

    def join(self, i: I64, j: I64, k: I64) -> I64:
        """Names of nodes (i, j, k); the arguments broadcast."""
        return (i * self.resolution + j) * self.resolution + k

    def points(self, nodes: I64) -> F32:
        """View-space positions of nodes, (N, 3) float32."""
        return np.stack([self.axis[position] for position in self.split(nodes)], axis=1)

    def nearest(self, points: F32) -> I64:
        """The node nearest to each point (N, 3) of view space."""
        ticks = np.rint((np.asarray(points, np.float64) + 1) / 2 * (self.resolution - 1))
        ijk = np.clip(ticks, 0, self.resolution - 1).astype(np.int64)
        return self.join(ijk[:, 0], ijk[:, 1], ijk[:, 2])
