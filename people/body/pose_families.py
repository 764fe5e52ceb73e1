"""Families of hard poses: functions that draw one at random, for `hard_poses.py` to keep or to draw again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from .legs import Leg, LegAngles
from .posing import Arm, Pose
from .random_limbs import Rng, any_arm, arm_in, bend, foot, free_leg, heel, neck, standing


@dataclass(frozen=True)
class Build:
    """Proportions of a body in leg lengths.

    Attributes:
        hip: height of the hip joints when standing.
        thigh: length of the thigh.
        knee: height of the knee joint above the ground when kneeling.
        seat: height of the hip joints above the ground when sitting on it.
    """

    hip: float
    thigh: float
    knee: float
    seat: float


def _running(rng: Rng, build: Build) -> Pose:
    ahead, behind = rng.uniform(0.3, 1), rng.uniform(0.3, 1)
    lean = float(rng.uniform(2, 22))
    return Pose(
        pelvis=(lean, float(rng.uniform(-6, 6)), float(rng.uniform(-12, 4))),
        spine=bend(rng, 8, 6, 10, about=(4, 0, 14)),
        neck=neck(rng, -0.6 * lean),
        left_leg=LegAngles(
            flexion=float(20 + 75 * ahead),
            abduction=float(rng.uniform(-4, 8)),
            knee=float(rng.uniform(25, 115)),
            ankle=float(rng.uniform(-12, 20)),
        ),
        right_leg=LegAngles(
            flexion=float(4 - 30 * behind),
            abduction=float(rng.uniform(-2, 8)),
            knee=float(rng.uniform(5, 100)),
            ankle=float(rng.uniform(5, 45)),
        ),
        left_arm=arm_in(rng, (-55, -20), (8, 30), (-15, 22), (55, 120)),
        right_arm=arm_in(rng, (10, 75), (5, 25), (-15, 28), (55, 120)),
    )


def _lunging(rng: Rng, build: Build) -> Pose:
    base = standing(rng)
    sideways = rng.random() < 0.3
    if sideways:
        out = rng.uniform(0.35, 0.7)
        legs = foot(rng, rng.uniform(-0.05, 0.15), out), foot(rng, 0.0, rng.uniform(0.1, 0.25))
        shift = (float(rng.uniform(-0.1, 0.5 * out)), -float(rng.uniform(0.12, 0.4)), -float(rng.uniform(0, 0.15)))
    else:
        legs = (
            foot(rng, rng.uniform(0.3, 0.6), rng.uniform(0, 0.1)),
            foot(rng, -rng.uniform(0.35, 0.75), rng.uniform(0, 0.1), **heel(rng, 30, 65)),
        )
        shift = (0.0, -float(rng.uniform(0.15, 0.42)), float(rng.uniform(-0.1, 0.1)))
    return replace(
        base,
        shift=shift,
        pelvis=bend(rng, 14, 6, 12, about=(10, 0, 0)),
        left_leg=legs[0],
        right_leg=legs[1],
        left_arm=any_arm(rng),
        right_arm=any_arm(rng),
    )


def _kicking(rng: Rng, build: Build) -> Pose:
    base = standing(rng)
    way = rng.integers(3)
    flexion = ((30, 112), (-5, 70), (-30, -8))[way]
    abduction = ((-5, 15), (22, 45), (-2, 15))[way]
    knee = ((2, 60), (2, 70), (5, 95))[way]
    lean = (rng.uniform(-24, 6), rng.uniform(-18, 10), rng.uniform(5, 35))[way]
    return replace(
        base,
        shift=(-0.09, -0.02 - float(rng.uniform(0, 0.08)), 0.0),
        pelvis=(
            float(lean),
            -float(rng.uniform(0, 22) if way == 1 else rng.uniform(0, 6)),
            float(rng.uniform(-15, 15)),
        ),
        left_leg=free_leg(rng, flexion, abduction, knee),
        right_leg=foot(rng, 0.0, rng.uniform(-0.02, 0.03)),
        left_arm=any_arm(rng),
        right_arm=any_arm(rng),
    )


def _climbing(rng: Rng, build: Build) -> Pose:
    base = standing(rng)
    return replace(
        base,
        shift=(-0.06, -0.02 - float(rng.uniform(0, 0.2)), 0.0),
        pelvis=bend(rng, 14, 8, 12, about=(6, 0, 0)),
        neck=neck(rng, -14),
        left_leg=free_leg(rng, (55, 118), (-2, 35), (50, 128)),
        right_leg=foot(rng, rng.uniform(-0.2, 0.05), 0.0, **heel(rng, 0, 45)),
        left_arm=arm_in(rng, (60, 150), (-5, 40), (-20, 40), (5, 110)),
        right_arm=arm_in(rng, (95, 168), (0, 35), (-20, 30), (2, 70)),
    )


def _bending(rng: Rng, build: Build) -> Pose:
    base = standing(rng, sink=0.25)
    pelvis, spine = float(rng.uniform(15, 75)), float(rng.uniform(15, 62))
    hang = (pelvis + spine - 35, min(pelvis + spine + 35, 150))
    arms = [arm_in(rng, hang, (-8, 30), (-20, 40), (2, 60)) for _ in range(2)]
    if rng.random() < 0.3:
        arms[0] = any_arm(rng)
    return replace(
        base,
        shift=(base.shift[0], base.shift[1] - 0.04, -float(rng.uniform(0.002, 0.004)) * pelvis),
        pelvis=(pelvis, float(rng.uniform(-6, 6)), float(rng.uniform(-20, 20))),
        spine=(spine, float(rng.uniform(-15, 15)), float(rng.uniform(-25, 25))),
        neck=neck(rng, float(rng.uniform(-25, 15))),
        left_arm=arms[0],
        right_arm=arms[1],
    )


def _kneeling(rng: Rng, build: Build) -> Pose:
    lean, tilt = float(rng.uniform(-6, 35)), float(rng.uniform(-8, 38))

    def knee_down(tilt: float) -> LegAngles:
        return LegAngles(
            flexion=tilt + lean,
            abduction=float(rng.uniform(0, 10)),
            rotation=float(rng.uniform(-8, 12)),
            knee=90 + tilt + float(rng.uniform(2, 8)),
            ankle=float(rng.uniform(25, 50)),
        )

    left = knee_down(tilt)
    shift, right = (0.0, 0.0, 0.0), replace(left, abduction=left.abduction + float(rng.uniform(-3, 3)))
    legs: tuple[Leg | LegAngles, LegAngles] = (left, right)
    if rng.random() < 0.5:
        right = knee_down(min(tilt, 20.0))
        tilt = right.flexion - lean
        # The other foot stands as high as the knee and the toes lie.
        sunk = build.knee + build.thigh * float(np.cos(np.radians(tilt))) - build.hip
        shift = (0.0, sunk, 0.0)
        legs = foot(rng, rng.uniform(0.3, 0.62), rng.uniform(0, 0.15)), right
    return Pose(
        shift=shift,
        pelvis=(lean, float(rng.uniform(-4, 4)), float(rng.uniform(-8, 8))),
        spine=bend(rng, 20, 10, 20, about=(10, 0, 0)),
        neck=neck(rng),
        left_leg=legs[0],
        right_leg=legs[1],
        left_arm=any_arm(rng),
        right_arm=any_arm(rng),
    )


def _sitting(rng: Rng, build: Build, *, low: bool) -> Pose:
    """On the ground (`low`), or on something up to a chair's height."""
    height = build.seat if low else float(rng.uniform(0.35, 0.6))
    # The pelvis tilts backwards, and the spine is bent the more.
    lean = float(rng.uniform(-42, -6) if low else rng.uniform(-30, 8))

    def leg() -> Leg:
        if low and rng.random() < 0.45:  # stretched out, toes up
            stretched = foot(rng, rng.uniform(0.82, 0.96), rng.uniform(-0.02, 0.3), pitch=-float(rng.uniform(45, 85)))
            return replace(stretched, up=-0.03)
        near = 0.62 if low else 0.3
        return foot(rng, rng.uniform(near, 0.88), rng.uniform(-0.02, 0.2))

    def arm() -> Arm:
        kind = rng.integers(3)
        if kind == 0 and low:  # propped behind
            return arm_in(rng, (-58, -30), (5, 25), (-30, 10), (2, 25))
        return arm_in(rng, (10, 75), (-5, 25), (-10, 45), (10, 100)) if kind == 1 else any_arm(rng)

    return Pose(
        shift=(0.0, height - build.hip, 0.0),
        pelvis=(lean, float(rng.uniform(-4, 4)), float(rng.uniform(-6, 6))),
        spine=bend(rng, 20, 8, 18, about=(10 - 0.5 * lean, 0, 0)),
        neck=neck(rng),
        left_leg=leg(),
        right_leg=leg(),
        left_arm=arm(),
        right_arm=arm(),
    )


def _squatting(rng: Rng, build: Build) -> Pose:
    turn = float(rng.uniform(8, 36))
    raised = heel(rng, 0, 38)
    out = float(rng.uniform(0.02, 0.18))

    def leg() -> Leg:
        forward = float(rng.uniform(-0.08, 0.08))
        return Leg(out=out, forward=forward, turn=turn, knee_out=float(rng.uniform(-2, 12)), **raised)

    lean = float(rng.uniform(0, 30))
    return Pose(
        shift=(0.0, -float(rng.uniform(0.36, 0.66)), -float(rng.uniform(0.04, 0.24))),
        pelvis=(lean, float(rng.uniform(-4, 4)), float(rng.uniform(-8, 8))),
        spine=bend(rng, 20, 8, 18, about=(16, 0, 0)),
        neck=neck(rng, -0.4 * lean),
        left_leg=leg(),
        right_leg=leg(),
        left_arm=arm_in(rng, (30, 120), (-5, 35), (-20, 45), (2, 110)) if rng.random() < 0.7 else any_arm(rng),
        right_arm=arm_in(rng, (30, 120), (-5, 35), (-20, 45), (2, 110)) if rng.random() < 0.7 else any_arm(rng),
    )


def _arms_raised(rng: Rng, build: Build) -> Pose:
    def arm() -> Arm:
        if rng.random() < 0.5:
            return arm_in(rng, (85, 168), (-5, 40), (-40, 30), (2, 80))
        return arm_in(rng, (-10, 35), (80, 150), (-88, 20), (2, 100))

    return replace(standing(rng), left_arm=arm(), right_arm=any_arm(rng) if rng.random() < 0.35 else arm())


def _arms_crossed(rng: Rng, build: Build) -> Pose:
    high = arm_in(rng, (36, 60), (-8, 14), (45, 70), (85, 118))
    low = arm_in(rng, (18, 36), (-5, 14), (45, 70), (80, 112))
    return replace(standing(rng), spine=bend(rng, 12, 8, 12), left_arm=high, right_arm=low)


def _reaching(rng: Rng, build: Build) -> Pose:
    base = standing(rng, sink=0.15)
    twist, lean = float(rng.uniform(-35, 35)), float(rng.uniform(-10, 40))
    arm = arm_in(rng, (45, 150), (-25, 45), (-30, 40), (2, 40))
    if rng.random() < 0.35:
        arm = arm_in(rng, (-55, 10), (10, 100), (-60, 30), (2, 35))
    return replace(
        base,
        spine=bend(rng, 10, 14, 6, about=(0.6 * lean, 0, twist)),
        pelvis=bend(rng, 6, 4, 8, about=(0.4 * lean, 0, 0.4 * twist)),
        left_arm=arm,
        right_arm=any_arm(rng) if rng.random() < 0.6 else arm_in(rng, (45, 130), (-15, 35), (-30, 40), (2, 50)),
    )


def _hands_at_face(rng: Rng, build: Build) -> Pose:
    def arm() -> Arm:
        return arm_in(rng, (35, 85), (-12, 30), (5, 65), (118, 148))

    base = standing(rng)
    return replace(base, left_arm=arm(), right_arm=arm() if rng.random() < 0.5 else base.right_arm)


def _head_turned(rng: Rng, build: Build) -> Pose:
    turn = float(rng.uniform(32, 56))
    return replace(
        standing(rng),
        neck=(float(rng.uniform(-30, 30)), float(rng.uniform(-20, 20)), turn),
        spine=bend(rng, 10, 10, 12, about=(2, 0, 0.4 * turn)),
        left_arm=any_arm(rng),
        right_arm=any_arm(rng),
    )


def _anything(rng: Rng, build: Build) -> Pose:
    """Every joint anywhere; one leg stands and the other is free, or both are."""
    one = free_leg(rng, (-28, 116), (-15, 43), (2, 130))
    other = free_leg(rng, (-25, 60), (-8, 35), (2, 110)) if rng.random() < 0.5 else foot(rng, 0.0, 0.0)
    return Pose(
        shift=(0.0, -0.02 - float(rng.uniform(0, 0.2)), 0.0),
        pelvis=bend(rng, 28, 18, 25, about=(8, 0, 0)),
        spine=bend(rng, 34, 20, 30, about=(14, 0, 0)),
        neck=bend(rng, 32, 25, 45),
        left_leg=one,
        right_leg=other,
        left_arm=any_arm(rng),
        right_arm=any_arm(rng),
    )


FAMILIES: dict[str, Callable[[Rng, Build], Pose]] = {
    "running": _running,
    "lunging": _lunging,
    "kicking": _kicking,
    "climbing": _climbing,
    "bending": _bending,
    "kneeling": _kneeling,
    "sitting on the floor": partial(_sitting, low=True),
    "sitting": partial(_sitting, low=False),
    "squatting": _squatting,
    "arms raised": _arms_raised,
    "arms crossed": _arms_crossed,
    "reaching": _reaching,
    "hands at the face": _hands_at_face,
    "head turned": _head_turned,
    "anything": _anything,
}
# Cloth is not simulated, so a skirt wants both feet on the ground, about below the hips.
SKIRTED = ("arms raised", "arms crossed", "reaching", "hands at the face", "head turned")
