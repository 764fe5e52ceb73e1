"""Points sorted along a Morton curve: neighbours in this order are mostly neighbours in space."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64, I64, U32, Floats

# Bits of a code per axis: three axes fit 32 bits.
BITS = 10


def morton_codes(points: Floats) -> tuple[U32, F64, float]:
    """Divide the cube around the points into 1024 cells along each axis, and number each point's cell.

    Args:
        points: (N, 3), N at least 1, metres.

    Returns:
        (N,) uint32 codes, with the cell's x, y and z in every third bit. Shifted down by 3 k bits they are the codes of
        cells 2^k times as wide.
        (3,) float64 low corner of the cube, metres.
        Edge of a cell, metres.
    """
    low = points.min(axis=0).astype(np.float64)
    edge = max(float((points - low).max()), 1e-30) / (2**BITS - 1)
    cells = ((points - low) / edge).astype(np.uint32)
    codes = np.zeros(len(points), np.uint32)
    for axis in range(3):
        codes |= _spread(cells[:, axis]) << np.uint32(axis)
    return codes, low, edge


def morton_cells(codes: U32) -> U32:
    """Decode cells: (N, 3) uint32 x, y and z from codes (N,)."""
    return np.stack([_gather(codes >> np.uint32(axis)) for axis in range(3)], axis=-1)


def spatial_order(points: Floats) -> I64:
    """The order of points (N, 3) along the curve: (N,) int64 indices."""
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
