"""Rectangles packed into a square on shelves, as large as they fit: the layout of both texture atlases.

It stands in geometry since `people` and `reconstruct`, which lay textures out, have no other room of shapes in common.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.arrays import F64

Place = Callable[[float], F64 | None]
"""The places of the boxes at a scale, or None where they do not fit."""


def place_on_shelves(boxes: F64, side: float, *, margin: float = 0.0, start: float | None = None) -> F64 | None:
    """Place boxes side by side on shelves, each shelf as tall as its tallest box, from low coordinates to high ones.

    Args:
        boxes: (N, 2) widths and heights in the order of placing; by falling height, little room is lost.
        side: of the square.
        margin: room kept around each box.
        start: where the first shelf begins; None: at the margin.

    Returns:
        (N, 2) low corners of the boxes, without their margins; None where the boxes do not fit.
    """
    places = np.zeros((len(boxes), 2))
    x, y, tall = margin if start is None else start, margin, 0.0
    for index, (width, height) in enumerate(boxes.tolist()):
        if x + width + margin > side:
            x, y, tall = margin, y + tall + 2 * margin, 0.0
        if x + width + margin > side or y + height + margin > side:
            return None
        places[index] = x, y
        x += width + 2 * margin
        tall = max(tall, height)
    return places


def largest_scale(place: Place, fits: float, fails: float, rounds: int) -> tuple[F64, float] | None:
    """Bisect for the largest scale at which boxes fit.

    Args:
        place: lays the boxes out at a scale.
        fits: a scale at which they fit.
        fails: a larger scale, at which they do not fit.
        rounds: how often the interval between both is halved.

    Returns:
        The places at the largest scale found, and that scale; None where the boxes do not even fit at `fits`.
    """
    best = place(fits)
    if best is None:
        return None
    for _ in range(rounds):
        middle = (fits + fails) / 2
        places = place(middle)
        if places is None:
            fails = middle
        else:
            best, fits = places, middle
    return best, fits
