"""MonoPort's surface localisation re-stated from the paper (Li et al., ECCV 2020) and its released behaviour.

Works on dense arrays of the finest grid, like the original; only counts and errors compare, not seconds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage


def upsample(values: np.ndarray) -> np.ndarray:
    """Trilinear doubling with shared corners: (n, n, n) -> (2n - 1, 2n - 1, 2n - 1)."""
    for axis in range(3):
        moved = np.moveaxis(values, axis, 0)
        out = np.empty((2 * len(moved) - 1, *moved.shape[1:]), np.float32)
        out[::2] = moved
        out[1::2] = (moved[:-1] + moved[1:]) / 2
        values = np.moveaxis(out, 0, axis)
    return values


def monoport(
    ask: Callable[[np.ndarray], np.ndarray], nodes: np.ndarray, *, stride: int, fast: bool = False
) -> np.ndarray:
    """Sides of all nodes.

    Args:
        ask: flat node numbers -> values.
        nodes: numbers of the nodes of the finest level, (a, b, c); each edge minus one is a multiple of `stride`.
        stride: of the first level.
        fast: dilate by 9, 7, 3 without the conflict loop and interpolate the last level; else lossless: the boundary of
            the upsampled binary field dilated by 3, then the neighbours of nodes that contradict the interpolation.
    """
    first = nodes[::stride, ::stride, ::stride]
    values = ask(first.ravel()).reshape(first.shape)
    known, dilations = np.ones_like(values, bool), [9, 7, 3]
    while stride > 1:
        stride //= 2
        if fast and stride == 1:
            return upsample(values) > 0.5
        binary = upsample((values > 0.5).astype(np.float32))
        grown = np.zeros(binary.shape, bool)
        grown[::2, ::2, ::2] = known
        values, known = upsample(values), grown
        here = nodes[::stride, ::stride, ::stride]
        width = (dilations.pop(0) if len(dilations) > 1 else dilations[0]) if fast else 3
        todo = ndimage.maximum_filter((binary > 0) & (binary < 1), width) & ~known
        while todo.any():
            answers = ask(here[todo])
            conflict = np.zeros_like(todo)
            conflict[todo] = (values[todo] > 0.5) != (answers > 0.5)
            values[todo] = answers
            known |= todo
            todo = ndimage.maximum_filter(conflict, 3) & ~known if not fast else np.zeros_like(todo)
    return values > 0.5
