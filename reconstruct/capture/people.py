"""Finds the person, or the people, in pictures and films that have no mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, U8
from ...core.errors import InputError, MpcError, SettingsError
from ...core.pictures import LIGHT_GREY, over_background
from ...models.person.finder import LANDMARKS, LEAST_PRESENCE, Person, PersonFinder, mask_overlap
from ...models.person.region import Region
from .body import describe_person, measure_body

ALL = "all"
# In a film, somebody of at least this presence whose mask overlaps that of the frame before by so much is still there.
STEADY_PRESENCE, STEADY_OVERLAP = 0.9, 0.8
# In a crowd the detector sees at most this many people.
MOST_PEOPLE = 20


class NobodyError(MpcError):
    """A picture in which the networks see nobody.

    Args:
        doubtful: what was looked at and refused.
    """

    def __init__(self, doubtful: Sequence[Person]) -> None:
        best = max((person.score for person in doubtful if person.detection), default=None)
        reason = "the detector sees nobody"
        if best is not None:
            reason = f"presence {best:.2f}, at least {LEAST_PRESENCE:g} is asked for"
        super().__init__(f"nobody is there ({reason}); if somebody is, name a mask with --mask")
        self.doubtful = tuple(doubtful)


def check_person(value: str) -> None:
    """Check the setting `person`: "all", or a number from 1.

    Raises:
        SettingsError: it is neither.
    """
    if value != ALL and not (value.isdecimal() and int(value) >= 1):
        raise SettingsError(f"person is {value!r}, expected all, or a number from 1")


def lazy_finder(engine: str = "auto") -> Callable[[], PersonFinder]:
    """A function that opens the person finder when it is first called, so that pictures with masks need no networks."""
    opened: list[PersonFinder] = []

    def finder() -> PersonFinder:
        if not opened:
            opened.append(PersonFinder.open(engine))
        return opened[0]

    return finder


def find_people(finder: PersonFinder, picture: U8) -> list[Person]:
    """The people in a picture, by falling score of the detector; masks are rounded to bytes, as they are written.

    Args:
        finder: the networks.
        picture: (H, W, 3) uint8.

    Raises:
        NobodyError: nobody is there.
    """
    people = finder.find(picture, MOST_PEOPLE)
    if not any(person.is_there for person in people):
        raise NobodyError(people)
    return [rounded(person) for person in people]


def choose_people(people: Sequence[Person], person: str) -> list[tuple[int, Person]]:
    """The people that a user asks for, each with its number from 1.

    Args:
        people: from `find_people`.
        person: "all", or a number from 1.

    Raises:
        MpcError: there are fewer people.
    """
    if person == ALL:
        return list(enumerate(people, start=1))
    if int(person) > len(people):
        raise MpcError(f"--person {person}: {len(people)} people were found" if len(people) > 1 else
                       f"--person {person}: one person was found")  # fmt: skip
    return [(int(person), people[int(person) - 1])]


def film_person(path: Path, person: str) -> int:
    """The number of the person to follow in a film.

    Raises:
        InputError: all people are asked for.
    """
    if person == ALL:
        raise InputError(path, "--person all is for pictures; in a film, name one person by number")
    return int(person)


class FilmTracker:
    """Follows one person through a film: each frame is looked at where the person was in the one before.

    The landmark network alone is no proof of a person (it sees one in grass, once it has seen one there), so the
    detector is asked as well, unless the mask is nearly that of the frame before.

    Args:
        finder: the networks.
        person: number of the person in the first frame that shows somebody, from 1.
        trust: after the detector was asked, so many frames in a row may show somebody who moves before it is asked
            again, which takes as long as the landmark network.

    Attributes:
        square: where the person was last; None: in no frame yet.
    """

    def __init__(self, finder: PersonFinder, person: int = 1, trust: int = 0) -> None:
        self._finder, self._person, self._trust = finder, person, trust
        self._trusted = 0  # frames since the detector was asked
        self.square: Region | None = None
        self._mask: F32 | None = None  # of the frame before; None where it shows nobody

    def find(self, picture: U8) -> Person:
        """Find the person in the next frame (H, W, 3) uint8; after a frame without anybody, whoever is nearest.

        Raises:
            NobodyError: nobody is there.
        """
        last = self.square
        if last is not None:
            # The detector spoke for this person in an earlier frame.
            person = rounded(self._finder.look(picture, last, passes=1, detection=1.0))
            if person.is_there and (self._is_steady(person) or self._is_seen(picture, person)):
                return self.follow(person)
        try:
            people = find_people(self._finder, picture)
        except NobodyError:
            self.lose()
            raise
        if last is None:
            return self.follow(people[min(self._person, len(people)) - 1])
        column, row = last.column, last.row
        return self.follow(min(people, key=lambda one: np.hypot(one.region.column - column, one.region.row - row)))

    def follow(self, person: Person) -> Person:
        """Go on from the person who is in the next frame, as found now or by an earlier run."""
        self.square, self._mask = person.next_region, person.mask
        return person

    def lose(self) -> None:
        """Go on from a frame that shows nobody."""
        self._mask = None

    def _is_seen(self, picture: U8, person: Person) -> bool:
        """Whether the detector sees the person, or is not asked yet."""
        self._trusted += 1
        if self._trusted <= self._trust and self._mask is not None and person.score >= STEADY_PRESENCE:
            return True
        self._trusted = 0
        return self._finder.sees(picture, person.next_region)

    def _is_steady(self, person: Person) -> bool:
        if self._mask is None or self._mask.shape != person.mask.shape or person.score < STEADY_PRESENCE:
            return False
        return mask_overlap(self._mask, person.mask) >= STEADY_OVERLAP


def rounded(person: Person) -> Person:
    """The person with a mask of bytes / 255, as it is read from a file."""
    return with_mask(person, mask_bytes(person))


def mask_bytes(person: Person) -> U8:
    """The mask as it is written, (H, W) uint8."""
    values: U8 = np.rint(person.mask * 255).astype(np.uint8)
    return values


def with_mask(person: Person, mask: U8) -> Person:
    """The person with another mask, (H, W) uint8."""
    return Person(**{**vars(person), "mask": mask.astype(np.float32) / np.float32(255)})


def opaque(picture: U8) -> U8:
    """The colours of a picture (H, W, 3); what is transparent is laid over grey."""
    return over_background(picture, LIGHT_GREY) if picture.shape[2] == 4 else picture


def landmark_record(name: str, picture: U8, people: Sequence[Person], **more: Any) -> dict[str, Any]:
    """What is written as JSON about the people in a picture (docs/reconstruction.md).

    Args:
        name: of the picture's file.
        picture: (H, W) or (H, W, C) uint8, the picture or its mask; gives the size.
        people: in the order in which they are listed.
        more: further entries.
    """
    return {
        "format": "mpc-landmarks", "version": 1, "source": name, "width": picture.shape[1], "height": picture.shape[0],
        **more, "people": [describe_person(person, measure_body(person)) for person in people],
    }  # fmt: skip


def recorded_person(entry: dict[str, Any], mask: U8) -> Person:
    """The person that an entry of a `landmark_record` describes.

    Args:
        entry: of the list "people".
        mask: (H, W) uint8.
    """
    points, metres = (list(entry[key].values()) for key in ("landmarks", "landmarks_m"))
    assert len(points) == len(metres) == len(LANDMARKS)
    values = np.array([list(point.values()) for point in points], np.float64)
    squares = [Region(s["column"], s["row"], s["size"], s["turn_rad"]) for s in (entry["square"], entry["next_square"])]
    person = Person(
        score=entry["presence"], detection=entry["detection"], region=squares[0], next_region=squares[1],
        landmarks=values[:, :3], visibility=values[:, 3],
        landmarks_m=np.array([list(point.values()) for point in metres], np.float64),
        mask=np.zeros(mask.shape, np.float32),
    )  # fmt: skip
    return with_mask(person, mask)


def summary(person: Person, others: int = 0) -> str:
    """One line about a person that was found, for the user; where the picture cuts a person off, see `Body.cut`."""
    body = measure_body(person)
    words = [f"person found (presence {person.score:.2f})"]
    if abs(body.roll_deg) > 45:
        words.append(f"the trunk leans by {body.roll_deg:.0f} degrees: if the picture is turned, turn it upright first")
    if others:
        words.append(f"{others} more {'people are' if others > 1 else 'person is'} there")
    return "; ".join(words)
