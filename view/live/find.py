"""The first stage: the person in a frame, followed from frame to frame, and how many people are in sight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...core.arrays import U8
from ...core.errors import MpcError
from ...models.person.finder import PersonFinder
from ...reconstruct.capture.frame_pictures import with_alpha
from ...reconstruct.capture.masks import clean_mask
from ...reconstruct.capture.people import FilmTracker, NobodyError, find_people, mask_bytes
from .shots import Seen, Shot, decode

# The detector looks at the whole picture so often, to see whether somebody else has come.
COUNT_EVERY_S = 1.0
# Of frames in which the person moves much, each one after so many is shown to the detector.
TRUST = 3
SEVERAL = "{count} people are in sight; the one who was seen first is shown"


class NobodyHereError(MpcError):
    """A frame in which nobody is to be seen; the words are for the page."""


class StageOfFinding:
    """Finds and cuts out the person in each frame.

    Args:
        finder: opens the networks that find people when a frame needs them; raises MpcError while they are not here.
    """

    def __init__(self, finder: Callable[[], PersonFinder]) -> None:
        self._open = finder
        self._tracker: FilmTracker | None = None
        self._shape: tuple[int, ...] = ()
        self._count, self._counted = 1, 0.0

    def find(self, shot: Shot) -> Seen:
        """Cut the person out of a frame.

        Raises:
            BrokenFrameError: the frame cannot be decoded.
            NobodyHereError: nobody is in it.
            MpcError: the networks are not here; the message says how to get them.
        """
        picture = decode(shot.content)
        if picture.shape[2] == 4:
            return _masked(shot, picture)
        finder = self._open()
        if self._tracker is None or picture.shape != self._shape:  # another camera, or the telephone was turned
            self._tracker, self._shape = FilmTracker(finder, trust=TRUST), picture.shape
        person = None
        try:
            if self._tracker.square is None:  # nobody was there yet: look for everybody
                people = find_people(finder, picture)
                self._count, self._counted = len(people), shot.taken
                person = self._tracker.follow(people[0])
            else:
                person = self._tracker.find(picture)
        except NobodyError as error:
            self._count = 1
            raise NobodyHereError("nobody is in sight: step back until the camera sees you whole") from error
        if shot.taken - self._counted > COUNT_EVERY_S:
            self._count, self._counted = max(len(finder.detect(picture)), 1), shot.taken
        note = SEVERAL.format(count=self._count) if self._count > 1 else ""
        return Seen(shot, with_alpha(picture, mask_bytes(person)), person, note)


def _masked(shot: Shot, picture: U8) -> Seen:
    """A frame that brings its mask along, as transparency."""
    mask, note = clean_mask(picture[..., 3])
    if not np.any(mask > 127):
        raise NobodyHereError("nobody is in sight: the mask of the frame is empty")
    return Seen(shot, with_alpha(picture, mask), None, note)
