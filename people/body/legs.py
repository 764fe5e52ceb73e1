"""Legs of a pose: by where the foot stands (two-bone inverse kinematics), or by the joints' angles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64
from ...motion.makehuman.body import Body
from ...motion.makehuman.rotations import frame_of, rotation_about

_FORWARD = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class Leg:
    """Position of an ankle, in leg lengths relative to an upright stance, and angles of the leg in degrees.

    Attributes:
        out: offset of the ankle outwards.
        up: offset of the ankle upwards.
        forward: offset of the ankle forwards.
        turn: rotation of the toes outwards.
        pitch: raise of the heel.
        knee_out: rotation of the knee outwards.
    """

    out: float = 0.0
    up: float = 0.0
    forward: float = 0.0
    turn: float = 8.0
    pitch: float = 0.0
    knee_out: float = 4.0


@dataclass(frozen=True, kw_only=True)
class LegAngles:
    """Angles of a leg in degrees, relative to the pelvis; with all 0 it hangs straight down, toes forward.

    Attributes:
        flexion: of the hip, thigh forwards.
        abduction: of the hip, thigh outwards.
        rotation: of the hip, toes outwards.
        knee: flexion.
        ankle: plantar flexion, toes down.
    """

    flexion: float = 0.0
    abduction: float = 2.0
    rotation: float = 6.0
    knee: float = 4.0
    ankle: float = 10.0


def pose_leg(
    body: Body, local: F64, index: dict[str, int], side: float, leg: Leg | LegAngles, *, hip: F64, pelvis: F64
) -> None:
    """Set the local rotations of a leg's bones.

    Args:
        body: in rest pose.
        local: (B, 3, 3) rotations, changed in place.
        index: number of each bone.
        side: 1 for the left leg, -1 for the right one.
        leg: the pose.
        hip: (3,) where the thigh begins, metres.
        pelvis: (3, 3) the pelvis' rotation.
    """
    tag = "L" if side > 0 else "R"
    thigh, shin, foot = (index[f"{n}.{tag}"] for n in ("upperleg01", "lowerleg01", "foot"))
    rest_hip, rest_knee, rest_ankle = body.heads[thigh], body.heads[shin], body.heads[foot]
    upper, lower = float(np.linalg.norm(rest_knee - rest_hip)), float(np.linalg.norm(rest_ankle - rest_knee))
    rest_thigh, rest_shin = frame_of(rest_knee - rest_hip, _FORWARD), frame_of(rest_ankle - rest_knee, _FORWARD)
    if isinstance(leg, LegAngles):
        turned = pelvis @ hip_rotation(leg, side)
        bent = turned @ rotation_about((1, 0, 0), leg.knee)
        thigh_rotation = frame_of(-turned[:, 1], turned[:, 2]) @ rest_thigh.T
        shin_rotation = frame_of(-bent[:, 1], bent[:, 2]) @ rest_shin.T
        foot_rotation = shin_rotation @ rotation_about((1, 0, 0), leg.ankle)
    else:
        # The upright stance has the ankles a little closer together than the rest pose's wide one.
        leg_length = float(rest_hip[1] - rest_ankle[1])
        stance = np.array([0.62 * rest_ankle[0] + 0.1 * rest_hip[0], rest_ankle[1], rest_ankle[2]])
        stance += np.array([side * leg.out, leg.up, leg.forward]) * leg_length
        reach = stance - hip
        distance = float(np.clip(np.linalg.norm(reach), 0.3 * (upper + lower), 0.9995 * (upper + lower)))
        direction = reach / np.linalg.norm(reach)
        pole = rotation_about((0, 1, 0), side * (leg.turn + leg.knee_out)) @ _FORWARD
        if abs(direction @ pole) > 0.85:  # for a leg stretched forwards the knee points up
            pole = pole + np.array([0.0, 1.0, 0.0])
        frame = frame_of(direction, pole)
        cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
        along, off = upper * cosine, upper * math.sqrt(max(0.0, 1 - cosine**2))
        knee = hip + direction * along + frame[:, 2] * off
        ankle = hip + direction * distance
        knee_pole = frame[:, 2]
        # If the knee is bent far the shin may be parallel to the pole; the leg's own direction then defines forwards.
        thigh_rotation = frame_of(knee - hip, knee_pole + 1e-6 * pole) @ rest_thigh.T
        shin_rotation = frame_of(ankle - knee, knee_pole + 0.3 * np.sign(off) * direction) @ rest_shin.T
        foot_rotation = rotation_about((0, 1, 0), side * leg.turn) @ rotation_about((1, 0, 0), leg.pitch)
    local[thigh] = pelvis.T @ thigh_rotation
    local[shin] = thigh_rotation.T @ shin_rotation
    local[foot] = shin_rotation.T @ foot_rotation


def hip_rotation(leg: LegAngles, side: float) -> F64:
    """Rotation (3, 3) of a hanging thigh in the pelvis: turned outwards, then moved outwards, then forwards."""
    return (
        rotation_about((1, 0, 0), -leg.flexion)
        @ rotation_about((0, 0, 1), side * leg.abduction)
        @ rotation_about((0, 1, 0), side * leg.rotation)
    )
