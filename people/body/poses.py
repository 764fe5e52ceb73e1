"""Poses for scans, in anatomical terms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .legs import Leg
from .posing import Arm, Pose, mirrored

_HIP_HAND = Arm(flexion=-22, abduction=38, rotation=38, elbow=100, forearm=35, wrist=25, curl=40)
_CROSSED = Arm(flexion=32, abduction=6, rotation=78, elbow=104, forearm=30, wrist=5, curl=20)

POSES: dict[str, Pose] = {
    "relaxed": Pose(left_leg=Leg(out=0.01), right_leg=Leg(out=0.02, turn=14), neck=(2, 0, 6)),
    "contrapposto": Pose(
        shift=(0.035, -0.01, 0.0),
        pelvis=(0, -5, 4),
        spine=(0, 7, -6),
        neck=(0, -2, 8),
        left_leg=Leg(turn=8),
        right_leg=Leg(out=0.07, forward=0.10, turn=26, pitch=4, knee_out=10),
        right_arm=Arm(abduction=12, elbow=22),
        left_arm=Arm(abduction=8, flexion=0, elbow=10),
    ),
    "walking": Pose(
        shift=(0.0, -0.035, 0.0),
        pelvis=(3, 0, -6),
        spine=(1, 0, 12),
        neck=(0, 0, -4),
        left_leg=Leg(forward=0.27, pitch=-14, up=0.012),
        right_leg=Leg(forward=-0.26, pitch=34, up=0.085),
        left_arm=Arm(flexion=-20, elbow=12),
        right_arm=Arm(flexion=26, elbow=32),
    ),
    "hands on hips": Pose(
        left_arm=_HIP_HAND,
        right_arm=_HIP_HAND,
        left_leg=Leg(out=0.06, turn=14),
        right_leg=Leg(out=0.06, turn=14),
        shift=(0, -0.012, 0),
    ),
    "one hand on hip": Pose(
        left_arm=_HIP_HAND,
        right_arm=Arm(abduction=10),
        shift=(-0.03, -0.012, 0),
        pelvis=(0, 4, 0),
        spine=(0, -6, 0),
        left_leg=Leg(out=0.07, forward=0.06, turn=22),
        right_leg=Leg(turn=8),
        neck=(0, 4, -8),
    ),
    "arms crossed": Pose(
        left_arm=_CROSSED,
        right_arm=replace(_CROSSED, flexion=42, elbow=98, rotation=82),
        left_leg=Leg(out=0.03),
        right_leg=Leg(out=0.03, turn=14),
    ),
    "waving": Pose(
        right_arm=Arm(flexion=20, abduction=95, rotation=-78, elbow=95, forearm=20, wrist=-10, curl=8),
        left_arm=Arm(abduction=10),
        spine=(0, 3, -4),
        neck=(0, -5, -6),
        left_leg=Leg(turn=10),
        right_leg=Leg(out=0.03, turn=12),
    ),
    "reaching up": Pose(
        left_arm=Arm(flexion=150, abduction=14, rotation=10, elbow=18, curl=15),
        right_arm=Arm(abduction=12, flexion=-6),
        spine=(-4, -5, 6),
        neck=(-16, 0, 6),
        left_leg=Leg(pitch=12, up=0.03),
        right_leg=Leg(pitch=12, up=0.03, out=0.04),
        shift=(0, 0.02, 0),
    ),
    "reaching forward": Pose(
        right_arm=Arm(flexion=78, abduction=6, rotation=14, elbow=18, forearm=10, curl=20),
        left_arm=Arm(flexion=-10, elbow=25),
        spine=(14, 0, 12),
        neck=(-8, 0, -4),
        left_leg=Leg(forward=-0.16, turn=20),
        right_leg=Leg(forward=0.12),
        shift=(0, -0.03, 0.02),
    ),
    "sitting": Pose(
        shift=(0.0, -0.46, -0.10),
        pelvis=(-6, 0, 0),
        spine=(10, 0, 0),
        neck=(2, 0, 8),
        left_leg=Leg(forward=0.34, out=0.05, turn=10, knee_out=10),
        right_leg=Leg(forward=0.38, out=0.05, turn=10, knee_out=10),
        left_arm=Arm(flexion=12, abduction=10, elbow=50, rotation=16, forearm=60),
        right_arm=Arm(flexion=12, abduction=10, elbow=50, rotation=16, forearm=60),
    ),
    "talking": Pose(
        left_arm=Arm(flexion=22, abduction=14, rotation=20, elbow=80, forearm=-35, curl=22),
        right_arm=Arm(flexion=16, abduction=12, rotation=28, elbow=68, forearm=-10, curl=25),
        neck=(3, 4, 10),
        spine=(2, 2, 4),
        left_leg=Leg(forward=0.05, turn=16),
        right_leg=Leg(out=0.02, turn=10),
    ),
    "hand to chin": Pose(
        right_arm=Arm(flexion=44, abduction=0, rotation=30, elbow=128, forearm=30, wrist=10, curl=60),
        left_arm=replace(_CROSSED, flexion=18, rotation=66, elbow=88),
        neck=(8, -4, -6),
        left_leg=Leg(turn=8),
        right_leg=Leg(out=0.05, turn=18),
    ),
    "lunge": Pose(
        shift=(0, -0.2, 0.05),
        pelvis=(6, 0, 0),
        left_leg=Leg(forward=0.36, turn=6),
        right_leg=Leg(forward=-0.42, pitch=42, up=0.10),
        left_arm=Arm(flexion=-15, elbow=50),
        right_arm=Arm(flexion=35, elbow=70),
        spine=(4, 0, 6),
    ),
    "looking back": Pose(
        pelvis=(0, 0, 8),
        spine=(0, 3, 26),
        neck=(0, 2, 30),
        left_leg=Leg(forward=-0.06, turn=24),
        right_leg=Leg(forward=0.05),
        left_arm=Arm(flexion=-12),
        right_arm=Arm(flexion=14, elbow=28),
    ),
}


def vary(pose: Pose, rng: np.random.Generator) -> Pose:
    """Vary a pose at random: mirrored with probability one half, with small changes of the angles."""

    def arm(a: Arm) -> Arm:
        noise = rng.normal(0, 1, 4) * (4, 2.5, 4, 6)
        return replace(
            a,
            flexion=a.flexion + noise[0],
            abduction=a.abduction + abs(noise[1]),
            rotation=a.rotation + noise[2],
            elbow=max(2.0, a.elbow + noise[3]),
            curl=a.curl + rng.uniform(-8, 14),
        )

    def bend(b: tuple[float, float, float], spread: float) -> tuple[float, float, float]:
        values = np.asarray(b) + rng.normal(0, spread, 3) * (0.6, 0.6, 1.0)
        return (float(values[0]), float(values[1]), float(values[2]))

    varied = replace(
        pose,
        left_arm=arm(pose.left_arm),
        right_arm=arm(pose.right_arm),
        spine=bend(pose.spine, 2.5),
        neck=bend(pose.neck, 5.0),
    )
    return mirrored(varied) if rng.random() < 0.5 else varied
