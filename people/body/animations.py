"""Animations for rigs, in anatomical terms: functions from the phase of the cycle, in [0, 1), to the pose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...motion.makehuman.body import Body
from ..rig import BodyClip
from .legs import Leg
from .posing import Arm, Pose, pose_rotations


def _wave(u: float, shift: float = 0.0) -> float:
    return float(np.sin(2 * np.pi * (u + shift)))


def _step(u: float, *, stride: float, lift: float, stance: float) -> tuple[float, float, float]:
    """One foot's (forward, up, pitch) in a cycle; for a share `stance` of it the foot is on the ground."""
    u = u % 1.0
    if u < stance:
        part = u / stance
        heel = max(0.0, (part - 0.6) / 0.4)
        toe = max(0.0, 1 - part / 0.2)
        return stride * (0.5 - part), 0.10 * heel**2 + 0.012 * toe, 36 * heel**1.5 - 14 * toe
    part = (u - stance) / (1 - stance)
    ease = part * part * (3 - 2 * part)
    rise = 0.10 * (1 - part) ** 2 + lift * np.sin(np.pi * part) + 0.012 * part
    return stride * (ease - 0.5), float(rise), 36 * (1 - part) ** 2 - 14 * part**3


def _gait(
    u: float,
    *,
    stride: float,
    lift: float,
    stance: float,
    swing: float,
    elbow: float,
    lean: float,
    bounce: float,
    sink: float,
) -> Pose:
    left, right = (
        _step(u, stride=stride, lift=lift, stance=stance),
        _step(u + 0.5, stride=stride, lift=lift, stance=stance),
    )
    beat = float(np.cos(4 * np.pi * (u - stance / 4)))
    arm = swing * float(np.cos(2 * np.pi * u))
    return Pose(
        shift=(0.012 * _wave(u, 0.05), sink + bounce * -beat, 0.0),
        pelvis=(lean * 0.5, 2.5 * _wave(u), -5 * float(np.cos(2 * np.pi * u))),
        spine=(lean * 0.5, -3 * _wave(u), 9 * float(np.cos(2 * np.pi * u))),
        neck=(-lean * 0.5, 0, -4 * float(np.cos(2 * np.pi * u))),
        left_leg=Leg(forward=left[0], up=left[1], pitch=left[2], turn=5),
        right_leg=Leg(forward=right[0], up=right[1], pitch=right[2], turn=5),
        left_arm=Arm(flexion=2 - arm, elbow=elbow + 0.35 * max(0.0, -arm), abduction=10),
        right_arm=Arm(flexion=2 + arm, elbow=elbow + 0.35 * max(0.0, arm), abduction=10),
    )


def walk(u: float) -> Pose:
    """Two steps and a half of walking on the spot (the feet slide back, as on a treadmill)."""
    return _gait(2 * u, stride=0.55, lift=0.05, stance=0.6, swing=24, elbow=16, lean=3, bounce=0.012, sink=-0.035)


def run(u: float) -> Pose:
    """Jogging on the spot."""
    return _gait(3 * u, stride=0.75, lift=0.24, stance=0.38, swing=40, elbow=78, lean=12, bounce=0.03, sink=-0.06)


def wave(u: float) -> Pose:
    """Lift the right hand, wave, lower it."""
    lift = float(np.clip(min(u, 1 - u) / 0.18, 0, 1))
    lift = lift * lift * (3 - 2 * lift)
    swing = 16 * float(np.sin(2 * np.pi * 4 * u))
    rest, up = Arm(), Arm(flexion=20, abduction=96, rotation=-80, elbow=92 + swing, forearm=20, wrist=0, curl=6)
    blend = {k: getattr(rest, k) * (1 - lift) + getattr(up, k) * lift for k in rest.__dataclass_fields__}
    return Pose(right_arm=Arm(**blend), spine=(0, 4 * lift, -3 * lift), neck=(0, -5 * lift, -8 * lift))


def squat(u: float) -> Pose:
    """Two knee bends with the arms stretched forwards."""
    deep = 0.5 - 0.5 * float(np.cos(4 * np.pi * u))
    arm = Arm(flexion=4 + 112 * deep, abduction=9, elbow=12, forearm=20, curl=12)
    leg = Leg(out=0.06, turn=18, knee_out=8)
    return Pose(
        shift=(0, -0.008 - 0.42 * deep, -0.10 * deep),
        pelvis=(26 * deep, 0, 0),
        spine=(16 * deep, 0, 0),
        neck=(-22 * deep, 0, 0),
        left_arm=arm,
        right_arm=arm,
        left_leg=leg,
        right_leg=leg,
    )


def dance(u: float) -> Pose:
    """Side steps with swinging hips and arms."""
    sway, beat = _wave(2 * u), float(np.cos(8 * np.pi * u))
    up_left, up_right = max(0.0, sway), max(0.0, -sway)
    return Pose(
        shift=(0.075 * sway, -0.05 + 0.022 * beat, 0.0),
        pelvis=(4, 8 * sway, 12 * _wave(2 * u, 0.1)),
        spine=(4, -12 * sway, -18 * _wave(2 * u, 0.1)),
        neck=(3 * beat, 6 * sway, 10 * sway),
        left_leg=Leg(out=0.10, up=0.05 * up_right, pitch=22 * up_right, turn=16, knee_out=12),
        right_leg=Leg(out=0.10, up=0.05 * up_left, pitch=22 * up_left, turn=16, knee_out=12),
        left_arm=Arm(
            flexion=30 + 70 * up_left, abduction=35 + 20 * up_left, rotation=10, elbow=70 + 15 * beat, forearm=20
        ),
        right_arm=Arm(
            flexion=30 + 70 * up_right, abduction=35 + 20 * up_right, rotation=10, elbow=70 + 15 * beat, forearm=20
        ),
    )


def sit(u: float) -> Pose:
    """Sit down as on a chair, wait, stand up."""
    deep = float(np.clip(min(u, 1 - u) / 0.36, 0, 1))
    deep = deep * deep * (3 - 2 * deep)
    lean = float(np.sin(np.pi * deep))
    arm = Arm(
        flexion=4 + 8 * deep + 26 * lean,
        abduction=10,
        elbow=12 + 38 * deep,
        rotation=12 + 4 * deep,
        forearm=25 + 35 * deep,
    )
    leg = Leg(forward=0.06, out=0.03, turn=9, knee_out=8)
    return Pose(
        shift=(0, -0.006 - 0.44 * deep, -0.36 * deep + 0.05 * lean),
        pelvis=(24 * lean - 4 * deep, 0, 0),
        spine=(14 * lean + 6 * deep, 0, 0),
        neck=(-14 * lean, 0, 0),
        left_arm=arm,
        right_arm=arm,
        left_leg=leg,
        right_leg=leg,
    )


def reach(u: float) -> Pose:
    """Reach up with one hand, then down to the floor with the other."""
    up = float(np.clip(np.sin(2 * np.pi * u), 0, 1))
    down = float(np.clip(-np.sin(2 * np.pi * u), 0, 1))
    return Pose(
        shift=(0, -0.008 - 0.22 * down + 0.012 * up, -0.08 * down),
        pelvis=(30 * down, 0, -6 * down),
        spine=(34 * down - 5 * up, -6 * up, 10 * up - 8 * down),
        neck=(-14 * up - 6 * down, 0, 0),
        left_arm=Arm(flexion=4 + 146 * up + 20 * down, abduction=10 + 4 * up, elbow=12 + 8 * up, curl=28 - 14 * up),
        right_arm=Arm(flexion=4 + 52 * down, elbow=12 + 4 * down, abduction=9, curl=28 - 10 * down),
        left_leg=Leg(out=0.03),
        right_leg=Leg(out=0.03, forward=0.06),
    )


def jacks(u: float) -> Pose:
    """Jumping jacks."""
    open_ = 0.5 - 0.5 * float(np.cos(6 * np.pi * u))
    hop = abs(float(np.sin(6 * np.pi * u)))
    arm = Arm(flexion=4, abduction=9 + 140 * open_, elbow=12 + 14 * (1 - open_), rotation=10, forearm=25, curl=15)
    leg = Leg(out=0.02 + 0.20 * open_, turn=10, up=0.05 * hop, pitch=22 * hop)
    return Pose(
        shift=(0, -0.03 - 0.02 * open_ + 0.05 * hop, 0), left_arm=arm, right_arm=arm, left_leg=leg, right_leg=leg
    )


CLIPS: dict[str, Callable[[float], Pose]] = {
    "walk": walk,
    "run": run,
    "wave": wave,
    "squat": squat,
    "dance": dance,
    "sit": sit,
    "reach": reach,
    "jacks": jacks,
}


def make_clip(body: Body, name: str, frames: int, fps: float = 30.0) -> BodyClip:
    """Make the clip `name`, one of CLIPS, for a body, with its frames uniform over the cycle."""
    rotations, offsets = [], []
    for frame in range(frames):
        local, offset = pose_rotations(body, CLIPS[name](frame / frames))
        rotations.append(local)
        offsets.append(offset)
    return BodyClip(name, np.stack(rotations), np.stack(offsets), fps)
