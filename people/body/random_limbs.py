"""Parts of a pose drawn at random, in the terms of `posing.py` and `legs.py`."""

from __future__ import annotations

import numpy as np

from ...motion.makehuman.rotations import between, rotation_about
from .legs import Leg, LegAngles
from .posing import Arm, Pose

Rng = np.random.Generator
Bend = tuple[float, float, float]
Range = tuple[float, float]
# Distance of the ankle behind the ball of the foot, about which the heel is raised, in leg lengths.
HEEL = 0.16


def bend(rng: Rng, forward: float, side: float, turn: float, *, about: Bend = (0.0, 0.0, 0.0)) -> Bend:
    """A bend at most this far from `about` on each axis, degrees."""
    drawn = np.asarray(about) + rng.uniform(-1, 1, 3) * (forward, side, turn)
    return float(drawn[0]), float(drawn[1]), float(drawn[2])


def neck(rng: Rng, forward: float = 0.0) -> Bend:
    """The head looks about where the torso does, `forward` degrees down, now and then far to a side."""
    return bend(rng, 14, 10, 52 if rng.random() < 0.35 else 22, about=(forward, 0, 0))


def arm_in(rng: Rng, flexion: Range, abduction: Range, rotation: Range, elbow: Range) -> Arm:
    """An arm from ranges (low, high) in degrees, its rotation relative to that of the straight way up."""
    forward, out = float(rng.uniform(*flexion)), float(rng.uniform(*abduction))
    # Raising an arm that is out at the side turns it; that turn is taken back, so that the range of rotation holds.
    moved = rotation_about((1, 0, 0), -forward) @ rotation_about((0, 0, 1), out)
    straight = between(np.array([0.0, -1.0, 0.0]), -moved[:, 1])
    turned = straight.T @ moved[:, 2]
    return Arm(
        flexion=forward,
        abduction=out,
        rotation=float(rng.uniform(*rotation) + np.degrees(np.arctan2(turned[0], turned[2]))),
        elbow=float(rng.uniform(*elbow)),
        forearm=float(rng.uniform(-30, 60)),
        wrist=float(rng.uniform(-25, 40)),
        curl=float(rng.uniform(5, 80)),
    )


def any_arm(rng: Rng) -> Arm:
    """An arm anywhere: hanging, or raised forwards or sideways."""
    if rng.random() < 0.5:
        return arm_in(rng, (-40, 165), (-10, 50), (-60, 60), (2, 135))
    return arm_in(rng, (-25, 40), (35, 125), (-72, 48), (2, 135))


def free_arm(rng: Rng) -> Arm:
    return arm_in(rng, (-25, 45), (8, 40), (-10, 40), (5, 100))


def heel(rng: Rng, low: float, high: float) -> dict[str, float]:
    """A raised heel and the height of the ankle that goes with it."""
    pitch = float(rng.uniform(low, high))
    return {"pitch": pitch, "up": HEEL * float(np.sin(np.radians(max(pitch, 0.0))))}


def foot(rng: Rng, forward: float, out: float, **more: float) -> Leg:
    turn, knee = rng.uniform(2, 26), rng.uniform(-4, 10)
    return Leg(forward=float(forward), out=float(out), turn=float(turn), knee_out=float(knee), **more)


def standing(rng: Rng, sink: float = 0.06) -> Pose:
    """Both feet on the ground, a step apart at most, one heel raised at times."""
    step = rng.uniform(-0.2, 0.2)
    down = -0.012 - 0.2 * step * step - float(rng.uniform(0, sink))
    raised = heel(rng, 5, 30) if rng.random() < 0.25 else {}
    return Pose(
        shift=(float(rng.uniform(-0.04, 0.04)), down, 0.0),
        pelvis=bend(rng, 6, 4, 8),
        spine=bend(rng, 10, 8, 16),
        neck=neck(rng),
        left_leg=foot(rng, step, rng.uniform(0, 0.12)),
        right_leg=foot(rng, -step, rng.uniform(0, 0.12), **raised),
        left_arm=free_arm(rng),
        right_arm=free_arm(rng),
    )


def free_leg(rng: Rng, flexion: Range, abduction: Range, knee: Range) -> LegAngles:
    return LegAngles(
        flexion=float(rng.uniform(*flexion)),
        abduction=float(rng.uniform(*abduction)),
        rotation=float(rng.uniform(-15, 30)),
        knee=float(rng.uniform(*knee)),
        ankle=float(rng.uniform(-15, 45)),
    )
