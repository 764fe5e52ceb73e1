"""Nodes of a cubic grid, named by integers with one bit field for each coordinate, so that shifting them is cheap."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mpc.core.arrays import F32, I64, Bools

AROUND = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if i or j or k]
"""Offsets of the 26 nodes around a node."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """Nodes linspace(-1, 1, resolution)^3; node (i, j, k) along x, y, z is (i << 2 bits) | (j << bits) | k.

    Attributes:
        resolution: nodes along each side.
        bits: bits for one coordinate, at least 4.
        steps: (3,) int64, the difference of the names of two neighbours along each axis.
        axis: (resolution,) float32, view-space coordinates of the nodes along any axis.
    """

    resolution: int
    bits: int = field(init=False)
    steps: I64 = field(init=False)
    axis: F32 = field(init=False)

    def __post_init__(self) -> None:
        bits = max(int(self.resolution - 1).bit_length(), 4)
        object.__setattr__(self, "bits", bits)
        object.__setattr__(self, "steps", np.array([1 << 2 * bits, 1 << bits, 1], np.int64))
        object.__setattr__(self, "axis", np.linspace(-1.0, 1.0, self.resolution).astype(np.float32))

    def coordinate(self, nodes: I64, axis: int) -> I64:
        """Coordinate `axis` (0, 1 or 2) of nodes, (N,)."""
        position: I64 = (nodes >> (2 - axis) * self.bits) & ((1 << self.bits) - 1)
        return position

    def split(self, nodes: I64) -> tuple[I64, I64, I64]:
        """Coordinates i, j, k of nodes."""
        return self.coordinate(nodes, 0), self.coordinate(nodes, 1), self.coordinate(nodes, 2)

    def join(self, i: I64, j: I64, k: I64) -> I64:
        """Names of nodes (i, j, k); the arguments broadcast."""
        return (i << 2 * self.bits) | (j << self.bits) | k

    def every(self, stride: int) -> I64:
        """Every `stride`-th node along each axis, in rising order."""
        ticks = np.arange(0, self.resolution, stride, dtype=np.int64)
        return self.join(ticks[:, None, None], ticks[None, :, None], ticks[None, None, :]).ravel()

    def points(self, nodes: I64) -> F32:
        """View-space positions of nodes, (N, 3) float32."""
        return np.stack([self.axis[position] for position in self.split(nodes)], axis=1)

    def nearest(self, points: F32) -> I64:
        """The node nearest to each point (N, 3) of view space."""
        ticks = np.rint((np.asarray(points, np.float64) + 1) / 2 * (self.resolution - 1))
        ijk = np.clip(ticks, 0, self.resolution - 1).astype(np.int64)
        return self.join(ijk[:, 0], ijk[:, 1], ijk[:, 2])

    def shift(self, nodes: I64, offset: tuple[int, int, int], stride: int, room: int = 0) -> tuple[I64, Bools]:
        """Move nodes.

        Args:
            nodes: (N,).
            offset: in strides along each axis.
            stride: in nodes.
            room: strides that must be left between a moved node and the upper end of each axis.

        Returns:
            The moved nodes, and which of them lie in the grid with that room.
        """
        fits = np.ones(len(nodes), np.bool_)
        for axis, step in enumerate(offset):
            if step or room:
                moved = self.coordinate(nodes, axis) + step * stride
                fits &= (moved >= 0) & (moved <= self.resolution - 1 - room * stride)
        return nodes + int(np.dot(offset, self.steps)) * stride, fits

    def flat(self, nodes: I64) -> I64:
        """Indices into the flattened grid: (i * resolution + j) * resolution + k."""
        i, j, k = self.split(nodes)
        return (i * self.resolution + j) * self.resolution + k
