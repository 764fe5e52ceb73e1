"""The person finder: a picture to masks and landmarks of the people in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.arrays import F32, F64, U8, Floats
from .detect import Detection, detect_people, guess_region
from .engines import Engine, open_engine
from .refine import drop_strays, refine_mask
from .region import Region, cut_square, paste_square, region_around, whole_square
from .store import require_networks

# Names of the 33 landmarks, in the order of the network.
LANDMARKS = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb",
    "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel",
    "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
# Below this presence the landmark network says that nobody is in its square.
LEAST_PRESENCE = 0.5
# Where the detector finds nobody in the picture, it looks again from this much farther away.
FARTHER = 1.4
SIZE = 256
# After the 33 landmarks come the middle of the hips and the rim of the circle around the person, for the next square.
_HIPS, _RIM = 33, 34
# Two detections are one person if their squares' middles are so near, as a share of the square, or if their masks share
# more than this part of the smaller one.
_SAME_PLACE, _SAME_MASK = 0.08, 0.3
# People are painted over with this margin, as a share of the picture's longer side.
_MARGIN = 0.02


@dataclass(frozen=True, eq=False)
class Person:
    """A person in a picture.

    Attributes:
        score: presence by the landmark network, 0 to 1.
        detection: score of the detector, 0 to 1; 0 where the square comes from elsewhere.
        region: the square that the networks looked at.
        next_region: the square around the person as it is now known; a film's next frame is looked at there.
        landmarks: (33, 3) float64, pixels of the picture: column, row, and depth relative to the hips (away from the
            camera is positive). They may lie outside of the picture.
        visibility: (33,) float64, 0 to 1: whether a landmark is in the picture and not hidden.
        landmarks_m: (33, 3) float64, metres from the middle of the hips: right, down, away from the camera. The network
            assumes a size.
        mask: (H, W) float32, 0 to 1; (0, 0) where it was not asked for.
    """

    score: float
    detection: float
    region: Region
    next_region: Region
    landmarks: F64
    visibility: F64
    landmarks_m: F64
    mask: F32

    @property
    def is_there(self) -> bool:
        """Whether both networks say that somebody is there.

        Presence alone is no proof: the landmark network gives 0.8 to a cat, and 1.0 to a square of a garden.
        """
        return self.detection > 0 and self.score >= LEAST_PRESENCE


class PersonFinder:
    """Finds people: BlazePose's detector, then its landmark network twice, the second time with a better square.

    Args:
        detector: runs "pose_detection".
        landmarks: runs "pose_landmark_full".
        selfie: runs "selfie_segmentation".
    """

    def __init__(self, detector: Engine, landmarks: Engine, selfie: Engine) -> None:
        self._detector, self._landmarks, self._selfie = detector, landmarks, selfie

    @classmethod
    def open(cls, engine: str = "auto", folder: Path | None = None) -> PersonFinder:
        """Load the networks.

        Args:
            engine: "torch", "litert" or "auto", see `open_engine`.
            folder: of the networks; None: where `mpc fetch` puts them.

        Raises:
            MpcError: they were not fetched.
        """
        place = require_networks(folder)
        detector, landmarks, selfie = (
            open_engine(place, name, engine) for name in ("pose_detection", "pose_landmark_full", "selfie_segmentation")
        )
        return cls(detector, landmarks, selfie)

    def detect(self, picture: U8) -> list[Detection]:
        """People that the detector finds in a picture (H, W, 3) uint8, by falling score."""
        return detect_people(picture, self._detector)

    def find(self, picture: U8, most: int = 1) -> list[Person]:
        """Find people.

        Args:
            picture: (H, W, 3) uint8.
            most: the greatest number of people to return.

        Returns:
            People who are there: those that the detector sees at once, by falling score; then those that it sees when
            the ones before are painted over, since it tends to see the most prominent person only. Where nobody is: all
            that was looked at, none of whom `is_there`; empty where the networks see nothing at all.
        """
        people: list[Person] = []
        doubtful: list[Person] = []
        for detections in self._detections(picture):
            doubtful += self._take(picture, detections, people, most)
            if people:
                break
        while 0 < len(people) < most:
            known, seen = len(people), _painted_over(picture, people)
            for region in _whole_and_farther(picture):
                self._take(picture, detect_people(seen, self._detector, region), people, most)
                if len(people) > known:
                    break
            else:
                break
        if people:
            return people
        guess = guess_region(picture, self._selfie) if not doubtful else None
        return doubtful if guess is None else [self.look(picture, guess)]

    def _take(self, picture: U8, detections: list[Detection], people: list[Person], most: int) -> list[Person]:
        """Look at detections, and add those who are there and new to `people`; returns those who are not there."""
        doubtful = []
        for detection in detections:
            if len(people) == most:
                break
            if any(_is_near(detection.region, one) for one in people):
                continue
            person = self.look(picture, detection.region, detection=detection.score)
            if not person.is_there:
                doubtful.append(person)
            elif all(_shared(person.mask, other.mask) < _SAME_MASK for other in people):
                people.append(person)
        return doubtful

    def _detections(self, picture: U8) -> Iterator[list[Detection]]:
        """What the detector finds in the picture; then from farther away, mirrored, and from nearer by."""
        whole, farther = _whole_and_farther(picture)
        yield self.detect(picture)
        yield detect_people(picture, self._detector, farther)
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        for region in (whole, farther):
            found = detect_people(mirrored, self._detector, region)
            yield [replace(one, region=one.region.mirrored(picture.shape[1])) for one in found]
        guess = guess_region(picture, self._selfie)
        if guess is not None:
            yield detect_people(picture, self._detector, guess)

    def sees(self, picture: U8, region: Region) -> bool:
        """Whether the detector sees somebody in a square of a picture (H, W, 3) uint8, near by or from farther away."""
        squares = (region, replace(region, size=FARTHER * region.size))
        return any(detect_people(picture, self._detector, square) for square in squares)

    def look(
        self, picture: U8, region: Region, *, passes: int = 2, detection: float = 0.0, masked: bool = True
    ) -> Person:
        """Look at a square of a picture.

        Args:
            picture: (H, W, 3) uint8.
            region: the square.
            passes: how often the landmark network runs, each time in the square that its last answer suggests.
            detection: score of the detector, which is passed on.
            masked: whether the mask is made; without it, which saves a third of the time, the mask is (0, 0).
        """
        height, width = picture.shape[:2]
        for number in range(passes):
            outputs = self._landmarks(cut_square(picture, region, SIZE))
            values = outputs[0].reshape(-1, 5).astype(np.float64)
            points = region.to_picture(values[:, :2] / SIZE)
            following = region_around(points[_HIPS], points[_RIM])
            score = float(outputs[1].ravel()[0])
            # An answer about nobody would lead the square astray.
            if number == passes - 1 or score < LEAST_PRESENCE or following.size < 1:
                break
            region = following
        metres = outputs[4].reshape(-1, 3)[: len(LANDMARKS)].astype(np.float64)
        cosine, sine = math.cos(region.turn), math.sin(region.turn)
        metres[:, :2] = metres[:, :2] @ np.array([[cosine, sine], [-sine, cosine]])
        visibility = _sigmoid(values[: len(LANDMARKS), 3]).astype(np.float64)
        mask = np.zeros((0, 0), np.float32)
        if masked:
            coarse = paste_square(_sigmoid(outputs[2][0, :, :, 0]).astype(np.float32), region, (height, width))
            refined = refine_mask(picture, coarse, region.size / SIZE)
            mask = drop_strays(refined, points[: len(LANDMARKS)][visibility > 0.5])
        depths = values[: len(LANDMARKS), 2:3] * region.size / SIZE
        return Person(
            score=score, detection=detection, region=region, next_region=following,
            landmarks=np.concatenate([points[: len(LANDMARKS)], depths], axis=1),
            visibility=visibility, landmarks_m=metres, mask=mask,
        )  # fmt: skip


def _whole_and_farther(picture: U8) -> tuple[Region, Region]:
    whole = whole_square(picture)
    return whole, replace(whole, size=FARTHER * whole.size)


def _painted_over(picture: U8, people: list[Person]) -> U8:
    """The picture with people, and a margin around them, in grey."""
    from scipy.ndimage import uniform_filter  # slow to import

    cover = np.max([person.mask for person in people], axis=0)
    near = uniform_filter(cover, 2 * round(_MARGIN * max(cover.shape)) + 1) > 0.02
    painted: U8 = np.where(near[..., None], np.uint8(128), picture)
    return painted


def _is_near(region: Region, person: Person) -> bool:
    """Whether a square is that of a person, or the one that the person's landmarks suggest."""
    return any(
        math.hypot(region.column - one.column, region.row - one.row) < _SAME_PLACE * min(region.size, one.size)
        for one in (person.region, person.next_region)
    )


def _shared(one: F32, other: F32) -> float:
    """The part of the smaller of two masks that they share; 0 where one is empty."""
    first, second = one >= 0.5, other >= 0.5
    smaller = min(int(first.sum()), int(second.sum()))
    return int((first & second).sum()) / smaller if smaller else 0.0


def mask_overlap(one: F32, other: F32) -> float:
    """Intersection over union of two masks, inside where they are at least 0.5; 0 where both are empty."""
    first, second = one >= 0.5, other >= 0.5
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0


def _sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(-values)), without overflow; of the precision of the values."""
    result: Floats = 0.5 + 0.5 * np.tanh(0.5 * values)
    return result
