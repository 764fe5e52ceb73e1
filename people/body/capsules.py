"""A body as capsules (segments with a radius), to tell whether its limbs pass through each other or the torso."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from ...core.arrays import F64, I32, I64
from ...motion.makehuman.body import BODY_VERTICES, Body, skeleton

# Flesh gives way by this much, and a belly and a thigh by this share of their radii; more is a penetration.
TOUCH_M, BELLY_SHARE = 0.01, 0.3
# Parts that are joined, and so may meet: the ranges of elbows, knees and hips keep them apart.
_JOINED = (
    ("upperarm", "forearm"),
    ("upperarm", "hand"),
    ("forearm", "hand"),
    ("thigh", "shin"),
    ("thigh", "foot"),
    ("shin", "foot"),
    ("thigh", "pelvis"),
)


# Name, the bones that the ends move with, the ends (2, 3), the radius.
_Fitted = tuple[str, tuple[int, int], F64, float]


@dataclass(frozen=True, eq=False)
class Capsules:
    """Capsules that move with a body's bones.

    Attributes:
        names: of the N capsules, such as "forearm L".
        bones: (N, 2) int32, the bone that each end moves with.
        ends: (N, 2, 3) float64, the ends of the segments in the rest pose, metres.
        radii: (N,) float64, metres.
        pairs: (P, 2) int32, capsules that should not meet.
        give: (P,) float64, how deep each pair may be in each other, metres.
    """

    names: tuple[str, ...]
    bones: I32
    ends: F64
    radii: F64
    pairs: I32
    give: F64


def body_capsules(body: Body) -> Capsules:
    """Capsules fitted to a naked body: arms, hands, legs, feet, head, and two beside each other along the torso."""
    names = skeleton().names
    index = {name: number for number, name in enumerate(names)}
    points = body.vertices
    found: list[_Fitted] = []

    def add(name: str, ends: tuple[F64, F64], bones: tuple[str, str], surface: tuple[str, ...]) -> None:
        radius = _typical_distance(points[_surface(surface)], *ends)
        found.append((name, (index[bones[0]], index[bones[1]]), np.stack(ends), radius))

    for tag in "LR":
        at = {name[:-2]: body.heads[index[name]] for name in names if name.endswith(f".{tag}")}
        toe = points[_surface((f"foot.{tag}",))]
        ball = np.array([np.median(toe[:, 0]), 0.3 * at["foot"][1], toe[:, 2].max() - 0.4 * at["foot"][1]])
        heel = at["foot"] * [1.0, 0.5, 1.0]
        # The upper ends of arms and thighs lie in the torso, so they begin further down.
        upper = 0.5 * (at["upperarm01"] + at["lowerarm01"])
        thigh = 0.55 * at["upperleg01"] + 0.45 * at["lowerleg01"]
        arm, leg = (f"upperarm01.{tag}", f"upperarm02.{tag}"), (f"upperleg01.{tag}", f"upperleg02.{tag}")
        hand = (f"wrist.{tag}", *(f"metacarpal{finger}.{tag}" for finger in range(1, 5)))
        fore, shin = (f"lowerarm01.{tag}", f"lowerarm02.{tag}"), (f"lowerleg01.{tag}", f"lowerleg02.{tag}")
        add(f"upperarm {tag}", (upper, at["lowerarm01"]), (arm[1], fore[0]), arm)
        add(f"forearm {tag}", (at["lowerarm01"], at["wrist"]), (fore[0], hand[0]), fore)
        add(f"hand {tag}", (at["wrist"], at["finger3-2"]), (hand[0], hand[0]), hand)
        add(f"thigh {tag}", (thigh, at["lowerleg01"]), (leg[0], shin[0]), leg)
        add(f"shin {tag}", (at["lowerleg01"], at["foot"]), (shin[0], f"foot.{tag}"), shin)
        add(f"foot {tag}", (heel, ball), (f"foot.{tag}", f"foot.{tag}"), (f"foot.{tag}",))
    head = points[_surface(("head",))]
    middle, half = 0.5 * (head.min(axis=0) + head.max(axis=0)), 0.5 * np.ptp(head, axis=0)
    radius = float(0.5 * (half[0] + half[2]))
    up = np.array([0.0, half[1] - radius, 0.0])
    found.append(("head", (index["head"],) * 2, np.stack([middle - up, middle + up]), radius))
    levels = [(bone, *_cross_section(body, float(height))) for bone, height in _levels(body, index)]
    for name, (low, below, depth), (high, above, deeper) in zip(
        ("pelvis", "chest"), levels[:-1], levels[1:], strict=True
    ):
        for sign in (1.0, -1.0):
            ends = np.stack([below, above]) * [sign, 1.0, 1.0]
            found.append((name, (index[low], index[high]), ends, 0.5 * (depth + deeper)))
    pairs = [
        (one, other)
        for one, other in combinations(range(len(found)), 2)
        if not _may_meet(found[one][0], found[other][0])
    ]
    return Capsules(
        tuple(name for name, _, _, _ in found),
        np.array([bones for _, bones, _, _ in found], np.int32),
        np.stack([ends for _, _, ends, _ in found]),
        np.array([radius for _, _, _, radius in found]),
        np.array(pairs, np.int32),
        np.array([_give(found[one], found[other]) for one, other in pairs]),
    )


def overlaps(capsules: Capsules, body: Body, rotations: F64, heads: F64) -> F64:
    """How much deeper the capsules of each pair are in each other than flesh gives way, in a pose.

    Args:
        capsules: of the body.
        body: in rest pose.
        rotations: (B, 3, 3) global rotations of the bones (see `bone_transforms`).
        heads: (B, 3) where they begin, metres.

    Returns:
        (P,) float64, metres; above 0 is a penetration.
    """
    bones = capsules.bones
    ends = heads[bones] + np.einsum("neij,nej->nei", rotations[bones], capsules.ends - body.heads[bones])
    one, other = capsules.pairs.T
    distance = segment_distance(ends[one, 0], ends[one, 1], ends[other, 0], ends[other, 1])
    return np.asarray(capsules.radii[one] + capsules.radii[other] - distance - capsules.give)


def segment_distance(start: F64, end: F64, other_start: F64, other_end: F64) -> F64:
    """Distances of N pairs of segments with ends (N, 3): (N,) (Ericson, Real-Time Collision Detection, 5.1.9)."""
    d1, d2, r = end - start, other_end - other_start, start - other_start
    a, e, f = (np.sum(u * v, axis=1) for u, v in ((d1, d1), (d2, d2), (d2, r)))
    b, c = np.sum(d1 * d2, axis=1), np.sum(d1 * r, axis=1)
    a, e = np.maximum(a, 1e-12), np.maximum(e, 1e-12)
    s = np.clip((b * f - c * e) / np.maximum(a * e - b * b, 1e-12), 0, 1)
    t = np.clip((b * s + f) / e, 0, 1)
    s = np.clip((b * t - c) / a, 0, 1)
    return np.asarray(np.linalg.norm(r + d1 * s[:, None] - d2 * t[:, None], axis=1))


def _levels(body: Body, index: dict[str, int]) -> list[tuple[str, float]]:
    """Bones of the torso and the heights at rest where its cross-section is taken, upwards."""
    hips, waist, chest, shoulder = (
        body.heads[index[bone], 1] for bone in ("upperleg01.L", "spine04", "spine01", "upperarm01.L")
    )
    return [("root", hips), ("spine04", waist), ("spine01", min(chest, shoulder - 0.3 * (shoulder - waist)))]


def _cross_section(body: Body, height: float) -> tuple[F64, float]:
    """The left of two circles side by side that fill the torso at a height: its centre (3,), and its radius."""
    trunk = tuple(name for name in skeleton().names if name.startswith(("root", "pelvis", "spine")))
    points = body.vertices[_surface(trunk)]
    rows = points[np.abs(points[:, 1] - height) < 0.025 * body.vertices[:BODY_VERTICES, 1].max()]
    back, front = np.quantile(rows[:, 2], (0.05, 0.95))
    half_width, radius = float(np.quantile(np.abs(rows[:, 0]), 0.95)), float(0.5 * (front - back))
    return np.array([max(half_width - radius, 0.0), height, 0.5 * (front + back)]), min(radius, half_width)


@lru_cache(maxsize=64)
def _surface(bones: tuple[str, ...]) -> I64:
    """Numbers of the skin's vertices that move with these bones mostly."""
    columns = [skeleton().names.index(bone) for bone in bones]
    return np.flatnonzero(skeleton().weights[:BODY_VERTICES, columns].sum(axis=1) > 0.5)


def _typical_distance(points: F64, start: F64, end: F64) -> float:
    """The distance from a segment that two thirds of the points beside it have at most."""
    along = (points - start) @ (end - start) / max(float((end - start) @ (end - start)), 1e-12)
    beside = (along > 0.1) & (along < 0.9)
    foot = start + along[:, None] * (end - start)
    return float(np.quantile(np.linalg.norm(points - foot, axis=1)[beside], 0.67))


def _may_meet(one: str, other: str) -> bool:
    (part, tag), (second, second_tag) = _part(one), _part(other)
    if {part, second} <= {"pelvis", "chest", "head"}:
        return True
    joined = (part, second) in _JOINED or (second, part) in _JOINED
    return joined and (tag == second_tag or not tag or not second_tag)


def _give(one: _Fitted, other: _Fitted) -> float:
    lap = {_part(one[0])[0], _part(other[0])[0]} == {"thigh", "chest"}
    return BELLY_SHARE * (one[3] + other[3]) if lap else TOUCH_M


def _part(name: str) -> tuple[str, str]:
    part, _, tag = name.partition(" ")
    return part, tag
