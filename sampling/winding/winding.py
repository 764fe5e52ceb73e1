"""The generalized winding number by brute force: the exact, slow reference that every faster path is tested against."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F64

# Pairs (point, triangle) per step: bounds the temporaries to about 100 MiB.
CHUNK_PAIRS = 1 << 20


def winding_number(corners: F64, points: F64) -> F64:
    """Sum signed solid angles over 4 pi: 1 inside a closed outward-facing surface, 0 outside; adds up over surfaces.

    The definition is Jacobson et al., "Robust inside-outside segmentation using generalized winding numbers"
    (SIGGRAPH 2013), section 3; a triangle's solid angle is van Oosterom and Strackee (1983), equation 8.

    Args:
        corners: (F, 3, 3) float64, metres, counter-clockwise seen from outside.
        points: (N, 3) float64, metres.

    Returns:
        (N,) float64; undefined on the surface itself, where it jumps.
    """
    total = np.zeros(len(points))
    step = max(1, CHUNK_PAIRS // max(1, len(points)))
    for start in range(0, len(corners), step):
        part = corners[start : start + step]
        total += solid_angles(part[None] - points[:, None, None, :]).sum(axis=1)
    return total / (4.0 * np.pi)


def solid_angles(corners: F64) -> F64:
    """Signed solid angles (...,) of triangles (..., 3, 3) seen from the origin; positive seen from behind."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    la, lb, lc = (np.sqrt(np.einsum("...i,...i->...", side, side)) for side in (a, b, c))
    determinant = np.einsum("...i,...i->...", a, np.cross(b, c))
    denominator = (
        la * lb * lc
        + np.einsum("...i,...i->...", a, b) * lc
        + np.einsum("...i,...i->...", b, c) * la
        + np.einsum("...i,...i->...", c, a) * lb
    )
    return np.asarray(2.0 * np.arctan2(determinant, denominator))
