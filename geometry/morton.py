"""Points along a Morton curve: neighbours in the order are mostly so in space."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64, I64, U32, Floats

# Bits an axis of a code: three times as many fit 32.
BITS = 10


def morton_codes(points: Floats) -> tuple[U32, F64, float]:
    """The cube around the points, cut into 1024 cells along each axis, and the number of each point's cell.

    Args:
        points: (N, 3), N at least 1, metres.

    Returns:
        (N,) uint32 codes, the cell's x, y and z in every third bit; shifted down by 3 k they are the codes of cells 2^k
        times as wide. (3,) float64 the cube's low corner and the edge of a cell, metres.
    """
    low = points.min(axis=0).astype(np.float64)
    edge = max(float((points - low).max()), 1e-30) / (2**BITS - 1)
    cells = ((points - low) / edge).astype(np.uint32)
    codes = np.zeros(len(points), np.uint32)
    for axis in range(3):
        codes |= _spread(cells[:, axis]) << np.uint32(axis)
    return codes, low, edge


def morton_cells(codes: U32) -> U32:
    """(N, 3) uint32 x, y and z of cells from their codes (N,)."""
    return np.stack([_gather(codes >> np.uint32(axis)) for axis in range(3)], axis=-1)


def spatial_order(points: Floats) -> I64:
    """(N,) int64 numbers of points (N, 3) along the curve."""
    if not len(points):
        return np.zeros(0, np.int64)
    return np.argsort(morton_codes(points)[0], kind="stable").astype(np.int64)


def _spread(bits: U32) -> U32:
    for shift, keep in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        bits = (bits | (bits << np.uint32(shift))) & np.uint32(keep)
    return bits


def _gather(bits: U32) -> U32:
    bits = bits & np.uint32(0x09249249)
    for shift, keep in ((2, 0x030C30C3), (4, 0x0300F00F), (8, 0x030000FF), (16, 0x000003FF)):
        bits = (bits | (bits >> np.uint32(shift))) & np.uint32(keep)
    return bits
