"""A person of sticks with known lengths, as the person finder would return one; and a finder that sees such people."""

import numpy as np

from mpc.models.person.finder import LANDMARKS, Person
from mpc.models.person.region import Region
from mpc.reconstruct.capture.body import CHAIN_SHARE, HEAD_SHARE, SOLE_SHARE

# Standing, metres: right, down, away from the camera; the person faces the camera, so the left is on the right.
_HALF = {
    "ear": (0.07, -0.58, 0.0), "eye": (0.03, -0.6, -0.08), "eye_inner": (0.02, -0.6, -0.08),
    "eye_outer": (0.05, -0.6, -0.07), "shoulder": (0.18, -0.45, 0.0), "elbow": (0.2, -0.2, 0.0),
    "wrist": (0.2, 0.04, 0.0), "pinky": (0.22, 0.12, 0.0), "index": (0.19, 0.13, 0.0), "thumb": (0.18, 0.08, 0.0),
    "hip": (0.1, 0.0, 0.0), "knee": (0.1, 0.4, 0.0), "ankle": (0.1, 0.8, 0.0), "heel": (0.1, 0.84, 0.02),
    "foot_index": (0.1, 0.84, -0.12),
}  # fmt: skip
CHAIN_M = 0.4 + 0.4 + 0.45 + 0.13
STATURE_M = CHAIN_M / CHAIN_SHARE
TOP_M, BOTTOM_M = -0.58 - HEAD_SHARE * STATURE_M, 0.84 + SOLE_SHARE * STATURE_M


def standing() -> np.ndarray:
    """The landmarks (33, 3) of the standing person."""
    points = np.zeros((len(LANDMARKS), 3))
    for number, name in enumerate(LANDMARKS):
        side, _, part = name.partition("_")
        if name == "nose":
            points[number] = (0, -0.56, -0.12)
        elif side == "mouth":
            points[number] = (0.03 if part == "left" else -0.03, -0.52, -0.08)
        else:
            points[number] = np.array(_HALF[part]) * (1 if side == "left" else -1, 1, 1)
    return points


def stick_person(metres=None, *, hips=(80.0, 100.0), scale=90.0, shape=(200, 160), mask=None, score=0.95) -> Person:
    """A person whose hips lie at a place of the picture; the mask is the box from crown to soles, unless given."""
    metres = standing() if metres is None else metres
    landmarks = metres * scale + (*hips, 0.0)
    if mask is None:
        mask = np.zeros(shape, np.float32)
        top, bottom = (max(round(hips[1] + scale * edge), 0) for edge in (TOP_M, BOTTOM_M))
        left, right = (max(round(hips[0] + scale * edge), 0) for edge in (-0.22, 0.22))
        mask[top:bottom, left:right] = 1
    region = Region(hips[0], hips[1], 2.5 * scale * -TOP_M)
    return Person(
        score=score, detection=0.9, region=region, next_region=region, landmarks=landmarks,
        visibility=np.full(len(LANDMARKS), 0.99), landmarks_m=metres, mask=mask,
    )  # fmt: skip


class StickFinder:
    """Sees a person in every block of red columns of a picture, biggest block first; counts what it was asked."""

    def __init__(self) -> None:
        self.found = self.looked = 0

    def _people(self, picture):
        red = (picture[..., 0] > 120) & (picture[..., 2] < 120)
        columns = np.flatnonzero(np.diff(np.concatenate([[0], red.any(axis=0).astype(int), [0]])))
        people = []
        for left, right in columns.reshape(-1, 2):
            mask = np.zeros(red.shape, np.float32)
            mask[:, left:right] = red[:, left:right]
            rows = np.flatnonzero(mask.any(axis=1))
            scale = (rows[-1] + 1 - rows[0]) / (BOTTOM_M - TOP_M)
            hips = ((left + right) / 2, rows[0] - TOP_M * scale)
            people.append(stick_person(hips=hips, scale=scale, mask=mask))
        return sorted(people, key=lambda person: -person.mask.sum())

    def find(self, picture, most=1):
        self.found += 1
        people = self._people(picture)
        return people[:most] or [stick_person(shape=picture.shape[:2], score=0.2)]

    def look(self, picture, region, *, passes=2, detection=0.0, masked=True):
        """The person whose hips are within a quarter of the square; otherwise nobody."""
        self.looked += 1
        for person in self._people(picture):
            if abs(person.region.column - region.column) < region.size / 4:
                return person
        return stick_person(shape=picture.shape[:2], score=0.1)

    def sees(self, picture, region):
        """Whether somebody's hips are within a quarter of the square."""
        return any(abs(person.region.column - region.column) < region.size / 4 for person in self._people(picture))
