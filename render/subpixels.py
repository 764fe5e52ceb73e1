"""Where within a pixel both renderers sample its edges: the graphics card's four places, or several shifted sets."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64
from ..core.errors import SettingsError

# A pixel's four samples (row, column from its centre): the rotated grid of graphics cards (Direct3D 11's standard
# pattern, also Mesa's), flipped because OpenGL counts rows from below.
FOUR = np.array([(3, -1), (1, 3), (-1, -3), (-3, 1)]) / 8.0
# Shifts of the four by which more samples lie on as many rows and as many columns, evenly spaced around the centre: a
# graphics card draws the picture once for each.
SHIFTS: dict[int, F64] = {
    4: np.zeros((1, 2)),
    8: np.array([(-1, -1), (1, 1)]) / 16.0,
    16: np.array([(-3, -1), (-1, 3), (1, -3), (3, 1)]) / 32.0,
}
ANTIALIAS = tuple(SHIFTS)


def subpixels(samples: int) -> F64:
    """The places of a pixel's samples: (samples, 2) rows and columns from its centre, in pixels.

    Raises:
        SettingsError: the number is not in ANTIALIAS.
    """
    return (FOUR + shifts(samples)[:, None]).reshape(-1, 2)


def shifts(samples: int) -> F64:
    """The shifts (samples / 4, 2) of FOUR, rows and columns in pixels, that give so many samples.

    Raises:
        SettingsError: the number is not in ANTIALIAS.
    """
    if samples not in SHIFTS:
        raise SettingsError(f"antialias is {samples}, expected one of {', '.join(map(str, ANTIALIAS))}")
    return SHIFTS[samples]
