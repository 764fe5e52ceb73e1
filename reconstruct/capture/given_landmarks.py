"""Landmarks for networks that read them, in the frame of the square that is cut out of the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...core.arrays import F32, U8
from ...core.errors import MpcError
from ...models.person.finder import Person, PersonFinder
from ...models.person.landmarks import find_landmarks, landmarks_in
from ...models.runs import LoadedRun
from .framing import Framing, cut

# The landmark network sees 256 pixels; the networks of a run may see fewer.
_SIZE = 256


class LandmarkGiver:
    """Gives the landmarks of framed people to a run whose networks read them; otherwise nothing is looked for.

    Args:
        run: whose networks are to be told.
        finder: opens the person finder.

    Attributes:
        note: why the last person's landmarks are not given, in words; "" where they are, or where nobody reads them.
    """

    def __init__(self, run: LoadedRun, finder: Callable[[], PersonFinder]) -> None:
        self._wanted, self._finder = run.reads_landmarks, finder
        self.note = ""

    def of_person(self, person: Person, framing: Framing) -> F32 | None:
        """(33, 7) of a person that was found in the whole picture; None where they are not wanted."""
        side = framing.extent_m * framing.pixels_per_metre
        if not self._wanted:
            return None
        return landmarks_in(person, framing.column - side / 2, framing.row - side / 2, side)

    def of_mask(self, picture: U8, framing: Framing) -> F32 | None:
        """(33, 7) of the person whom alpha cuts out of a picture (H, W, 4).

        None where they are not wanted, where the networks of `mpc fetch` are not there, or where they see nobody.
        """
        self.note = ""
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
