"""What the landmarks of a person say about size, pose and place: stature, pelvis, roll, facing, what is cut off.

The network's joints are not an anatomist's, so the shares of the stature below are measured: means of 240 views of free
people (`benchmarks/segment.py` states what they leave).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...models.person.finder import LANDMARKS, Person
from ...models.person.region import Region

# From ankle to knee, knee to hip, hip to shoulder, and shoulder to ear, added up, as a share of the stature.
CHAIN_SHARE = 0.84
# From hip to shoulder alone.
TRUNK_SHARE = 0.286
# From the ear to the top of the head, hair included, and from heel or toes to the sole, as shares of the stature.
HEAD_SHARE = 0.10
SOLE_SHARE = 0.04
# Share of the body's surface (Wallace's rule of nines: head 9, each arm 9, trunk 37, each leg 18) and the landmarks
# whose mean is the middle of that part.
_SURFACE: Sequence[tuple[float, Sequence[str]]] = (
    (9.0, ("left_ear", "right_ear")),
    (37.0, ("left_shoulder", "right_shoulder", "left_hip", "right_hip")),
    *((4.0, (f"{side}_shoulder", f"{side}_elbow")) for side in ("left", "right")),
    *((3.0, (f"{side}_elbow", f"{side}_wrist")) for side in ("left", "right")),
    *((2.0, (f"{side}_wrist", f"{side}_index")) for side in ("left", "right")),
    *((9.5, (f"{side}_hip", f"{side}_knee")) for side in ("left", "right")),
    *((6.0, (f"{side}_knee", f"{side}_ankle")) for side in ("left", "right")),
    *((2.5, (f"{side}_heel", f"{side}_foot_index")) for side in ("left", "right")),
)
# Where the picture ends, told by the first of these joints that lies beyond its lower edge.
_DOWNWARD = (("hip", "above the hips"), ("knee", "above the knees"), ("ankle", "above the ankles"))


@dataclass(frozen=True)
class Body:
    """Size, pose and place of a person in a picture.

    Attributes:
        pelvis: column and row of the middle of the hips, pixels.
        surface: column and row of the centroid of the body's surface, pixels.
        stature_px: length of the person when standing, pixels.
        top: row of the highest point of the whole person, pixels; it may lie outside of the picture.
        bottom: row of the lowest point of the whole person, pixels; it may lie outside of the picture.
        roll_deg: angle by which the trunk leans to the right of the picture, degrees.
        facing_deg: 0: the person faces the camera; 90: the right of the picture; 180: away.
        cut: where the picture cuts the person off, in words; "" where the whole person is in the picture.
        sides: edges of the picture beyond which parts of the person lie: top, bottom, left, right.
    """

    pelvis: tuple[float, float]
    surface: tuple[float, float]
    stature_px: float
    top: float
    bottom: float
    roll_deg: float
    facing_deg: float
    cut: str
    sides: tuple[str, ...]

    @property
    def pose_share(self) -> float:
        """Height of the person in its pose, as a share of the stature."""
        return (self.bottom - self.top) / self.stature_px


def measure_body(person: Person) -> Body:
    """Measure a person.

    Args:
        person: from `PersonFinder`; its mask gives the size of the picture.
    """
    height, width = person.mask.shape
    metres, pixels = person.landmarks_m, person.landmarks[:, :2]
    scale = _pixels_per_metre(metres[:, :2], pixels, person.visibility)
    squeezed = _is_squeezed(person)
    stature = _stature(metres)
    if squeezed:
        stature = max(
            stature, float(np.linalg.norm(_middle(metres, "hip") - _middle(metres, "shoulder"))) / TRUNK_SHARE
        )
    stature_px = scale * stature
    trunk = _middle(pixels, "hip") - _middle(pixels, "shoulder")
    outline = np.concatenate([pixels, _crown(pixels, metres, HEAD_SHARE * stature_px)])
    outline = np.concatenate([outline, _soles(pixels, metres, SOLE_SHARE * stature_px)])
    if squeezed:
        lowest = np.array([[_middle(pixels, "hip")[0], max(outline[:, 1].min() + stature_px, 1.1 * height)]])
        outline = np.concatenate([outline, lowest])
    # From the person's right to the left.
    across = _at(metres, "left_hip") - _at(metres, "right_hip")
    across = across + _at(metres, "left_shoulder") - _at(metres, "right_shoulder")
    sides = _sides_beyond(outline, (height, width))
    pelvis, surface = _middle(pixels, "hip"), surface_middle(pixels)
    return Body(
        pelvis=(float(pelvis[0]), float(pelvis[1])), surface=(float(surface[0]), float(surface[1])),
        stature_px=stature_px, top=float(outline[:, 1].min()), bottom=float(outline[:, 1].max()),
        roll_deg=math.degrees(math.atan2(-trunk[0], trunk[1])),
        facing_deg=math.degrees(math.atan2(across[2], across[0])), cut=_cut_in_words(person, sides),
        sides=sides,
    )  # fmt: skip


def surface_middle(points: F64) -> F64:
    """Centroid of the surface of a body, from its landmarks (33, D), by the shares of the surface of its parts."""
    total = sum(share for share, _ in _SURFACE)
    middles = [share * np.mean([_at(points, name) for name in names], axis=0) for share, names in _SURFACE]
    middle: F64 = np.sum(middles, axis=0) / total
    return middle


def describe_person(person: Person, body: Body) -> dict[str, Any]:
    """Everything that is known about a person, for a JSON file. Lengths are pixels of the picture unless they say else.

    Args:
        person: from `PersonFinder`.
        body: from `measure_body`.
    """
    return {
        "presence": person.score, "detection": person.detection,
        "landmarks": {
            name: {"column": p[0], "row": p[1], "depth": p[2], "visibility": v}
            for name, p, v in zip(LANDMARKS, person.landmarks.tolist(), person.visibility.tolist(), strict=True)
        },
        "landmarks_m": {
            name: {"right": p[0], "down": p[1], "away": p[2]}
            for name, p in zip(LANDMARKS, person.landmarks_m.tolist(), strict=True)
        },
        "pelvis": list(body.pelvis), "surface_middle": list(body.surface), "stature_px": body.stature_px,
        "top": body.top, "bottom": body.bottom, "roll_deg": body.roll_deg, "facing_deg": body.facing_deg,
        "cut": body.cut, "beyond": list(body.sides),
        "square": _square(person.region), "next_square": _square(person.next_region),
    }  # fmt: skip


def _square(region: Region) -> dict[str, float]:
    return {"column": region.column, "row": region.row, "size": region.size, "turn_rad": region.turn}


def _at(points: F64, name: str) -> F64:
    point: F64 = points[LANDMARKS.index(name)]
    return point


def _middle(points: F64, part: str) -> F64:
    return (_at(points, f"left_{part}") + _at(points, f"right_{part}")) / 2


def _stature(metres: F64) -> float:
    """The length of the person when standing, in the metres of the network, from the lengths of limbs."""

    def length(one: str, other: str) -> float:
        return float(
            np.mean([np.linalg.norm(_at(metres, f"{side}_{one}") - _at(metres, f"{side}_{other}")) for side in _SIDES])
        )

    neck = float(np.linalg.norm(_middle(metres, "ear") - _middle(metres, "shoulder")))
    trunk = float(np.linalg.norm(_middle(metres, "hip") - _middle(metres, "shoulder")))
    return (length("ankle", "knee") + length("knee", "hip") + trunk + neck) / CHAIN_SHARE


_SIDES = ("left", "right")


def _pixels_per_metre(metres: F64, pixels: F64, visibility: F64) -> float:
    """The scale that best maps the landmarks in metres (33, 2) to those in the picture (33, 2)."""
    weights = (visibility + 0.01)[:, None]
    centred = [points - (weights * points).sum(axis=0) / weights.sum() for points in (metres, pixels)]
    return float((weights * centred[0] * centred[1]).sum() / (weights * centred[0] ** 2).sum())


def _crown(pixels: F64, metres: F64, length_px: float) -> F64:
    """The top of the head in the picture, (1, 2): beyond the ears, in the direction from the shoulders to the ears."""
    up = _middle(metres, "ear") - _middle(metres, "shoulder")
    return _beyond(_middle(pixels, "ear"), up, length_px)[None]


def _soles(pixels: F64, metres: F64, length_px: float) -> F64:
    """The soles in the picture, (4, 2): beyond heels and toes, in the direction from the knees to the ankles."""
    return np.stack(
        [
            _beyond(
                _at(pixels, f"{side}_{part}"), _at(metres, f"{side}_ankle") - _at(metres, f"{side}_knee"), length_px
            )
            for side in _SIDES
            for part in ("heel", "foot_index")
        ]
    )


def _beyond(point: F64, direction: F64, length_px: float) -> F64:
    """A point (2,) of the picture moved by a length along a direction (3,), as far as that shows in the picture."""
    moved: F64 = point + length_px * direction[:2] / max(float(np.linalg.norm(direction)), 1e-6)
    return moved


def _sides_beyond(outline: F64, shape: tuple[int, int]) -> tuple[str, ...]:
    """Edges beyond which points lie by more than a hundredth of the person's length."""
    height, width = shape
    room = 0.01 * float(np.ptp(outline, axis=0).max())
    (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
    beyond = {"top": top < -room, "bottom": bottom > height + room, "left": left < -room, "right": right > width + room}
    return tuple(side for side, is_beyond in beyond.items() if is_beyond)


def _is_squeezed(person: Person) -> bool:
    """Whether the mask goes on at the lower edge of the picture, and hidden feet were put above that edge."""
    height = person.mask.shape[0]
    ankles = [LANDMARKS.index(f"{side}_ankle") for side in _SIDES]
    above = person.landmarks[ankles, 1].max() < height
    return bool(above and person.visibility[ankles].max() < 0.5 and (person.mask[-1] >= 0.5).any())


def _cut_in_words(person: Person, sides: tuple[str, ...]) -> str:
    pixels, words = person.landmarks[:, :2], []
    for joint, place in _DOWNWARD:
        seen = max(person.visibility[LANDMARKS.index(f"{side}_{joint}")] for side in _SIDES)
        beyond = _middle(pixels, joint)[1] > person.mask.shape[0] or (_is_squeezed(person) and seen < 0.5)
        if "bottom" in sides and beyond:
            words.append(f"ends {place}")
            break
    else:
        if "bottom" in sides:
            words.append("ends at the feet")
    if "top" in sides:
        words.append("lacks the head" if _at(pixels, "nose")[1] < 0 else "lacks the top of the head")
    words += [f"leaves the picture on the {side}" for side in ("left", "right") if side in sides]
    return " and ".join(words)
