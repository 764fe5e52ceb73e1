"""Landmarks, and bodies fitted to them, for networks that read them, in the frame of the square that is cut out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...core.arrays import F32, U8
from ...core.errors import MpcError
from ...models.person.finder import Person, PersonFinder
from ...models.person.landmarks import find_landmarks, landmarks_in
from ...models.runs import LoadedRun
from ..fitted_body.maps import fitted_maps, why_no_bodies
from .framing import Framing, cut

# The landmark network sees 256 pixels; the networks of a run may see fewer.
_SIZE = 256


class LandmarkGiver:
    """Gives the landmarks of framed people to a run whose networks read them, or a body that is fitted to them.

    For other runs nothing is looked for.

    Args:
        run: whose networks are to be told.
        finder: opens the person finder.
        bodies: whether bodies will be fitted (`body_of`) for a run that reads them.

    Attributes:
        note: why the last person's landmarks or body are not given, in words, or that a body is fitted; "" where
            nobody reads more than landmarks, and those are given.
    """

    def __init__(self, run: LoadedRun, finder: Callable[[], PersonFinder], *, bodies: bool = True) -> None:
        bodies = bodies and run.body_source != "none"
        self._wanted, self._finder = run.reads_landmarks or bodies, finder
        self._of_body = ""
        if bodies:
            lacking = why_no_bodies()
            self._of_body = (
                f"reconstructed without a body: {lacking}" if lacking else "a body is fitted to the landmarks"
            )
        self.note = self._of_body

    def of_person(self, person: Person, framing: Framing) -> F32 | None:
        """(33, 7) of a person that was found in the whole picture; None where they are not wanted."""
        side = framing.extent_m * framing.pixels_per_metre
        self.note = self._of_body
        if not self._wanted:
            return None
        return landmarks_in(person, framing.column - side / 2, framing.row - side / 2, side)

    def of_mask(self, picture: U8, framing: Framing) -> F32 | None:
        """(33, 7) of the person whom alpha cuts out of a picture (H, W, 4).

        None where they are not wanted, where the networks of `mpc fetch` are not there, or where they see nobody.
        """
        self.note = self._of_body
        if not self._wanted:
            return None
        try:
            found = find_landmarks(self._finder(), cut(picture, framing, _SIZE))
        except MpcError as error:
            self.note = f"reconstructed without landmarks: {error}"
            return None
        if np.isnan(found).any():
            self.note = "reconstructed without landmarks: the networks that find them see nobody"
            return None
        return found


def body_of(run: LoadedRun, square: U8, landmarks: F32 | None, framing: Framing) -> F32 | None:
    """The body that a run's networks are given for a framed person.

    Args:
        run: whose networks read a body, or not.
        square: (S, S, 4) uint8 RGBA, what is cut out of the picture.
        landmarks: (33, 7) in its frame, from `LandmarkGiver`; None: not known.
        framing: of the square.

    Returns:
        (8, S, S), see `fitted_maps`; None where the networks read no body, or where none can be fitted.
    """
    if run.body_source == "none" or landmarks is None or why_no_bodies():
        return None
    return fitted_maps(square, landmarks, framing.extent_m)
