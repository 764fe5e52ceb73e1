"""The 33 landmarks of a person as the input of a network: in the frame of a square picture, and of a cut-out person."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F32, U8
from ...core.pictures import LIGHT_GREY, mask_of, over_background
from ..landmarks import POINTS, VALUES
from .finder import LANDMARKS, LEAST_PRESENCE, Person, PersonFinder
from .region import ENLARGED, Region


def other_side(name: str) -> str:
    """The name of a landmark in the mirror: left and right are exchanged."""
    exchanged = {"left": "right", "right": "left"}
    return "_".join(exchanged.get(part, part) for part in name.split("_"))


MIRRORED = tuple(LANDMARKS.index(other_side(name)) for name in LANDMARKS)
"""For each landmark, the place in `LANDMARKS` of the one that it becomes in the mirror."""


def no_landmarks() -> F32:
    """What stands for a person whose landmarks are not known: (33, 7) NaN."""
    return np.full((POINTS, VALUES), np.nan, np.float32)


def landmarks_in(person: Person, left: float, top: float, size: float) -> F32:
    """The landmarks of a person in the frame of a square of the picture.

    Args:
        person: from `PersonFinder`.
        left: column of the square's left edge, pixels of the picture.
        top: row of the square's upper edge, pixels of the picture.
        size: length of a side of the square, pixels.

    Returns:
        (33, 7) float32: x to the right and y down, -1 and 1 at the edges of the square, as `grid_sample` has them; z
        away from the camera in the same unit, relative to the hips; visibility, 0 to 1; metres to the right, down and
        away from the camera, relative to the hips, of a person of the size that the network assumes.
    """
    places = person.landmarks / (size / 2)
    places[:, :2] -= 2 * np.array([left, top]) / size + 1
    return np.concatenate([places, person.visibility[:, None], person.landmarks_m], axis=1).astype(np.float32)


def find_landmarks(finder: PersonFinder, picture: U8) -> F32:
    """The landmarks of a person who is cut out of a square picture, before grey; the mask says where to look.

    Args:
        finder: the networks.
        picture: (S, S, 4) uint8 RGBA, straight alpha; alpha is the mask of one person.

    Returns:
        (33, 7) float32, see `landmarks_in`; NaN where the network sees nobody.
    """
    mask = mask_of(picture)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return no_landmarks()
    top, bottom, left, right = (float(edge) for edge in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    region = Region((left + right) / 2, (top + bottom) / 2, ENLARGED * max(bottom - top, right - left))
    person = finder.look(over_background(picture, LIGHT_GREY), region, masked=False)
    return landmarks_in(person, 0.0, 0.0, len(picture)) if person.score >= LEAST_PRESENCE else no_landmarks()
