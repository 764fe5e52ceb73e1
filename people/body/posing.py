"""From anatomical angles to bone rotations, from rotations to positions, from positions to a skinned surface.

Every bone's rest frame is the world's (no orientation), so a local rotation is a plain 3x3 matrix about the bone's
head in axes x left, y up, z forward. Arms are posed by angles (forward kinematics), legs by where the ankles stand
(two-bone inverse kinematics), so that feet stay in place for all body proportions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ...core.arrays import F64
from .body import Body, skeleton

SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
NECK = ("neck01", "neck02", "neck03", "head")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """Angles of an arm in degrees; with all 0 it hangs straight down, palm to the thigh.

    Attributes:
        flexion: forward raise.
        abduction: sideways raise.
        rotation: inward rotation of the upper arm.
        elbow: flexion.
        forearm: pronation.
        wrist: flexion, palm towards forearm.
        curl: flexion of the fingers, 0 to 90.
        shrug: raise of the shoulder.
    """

    flexion: float = 4.0
    abduction: float = 9.0
    rotation: float = 12.0
    elbow: float = 12.0
    forearm: float = 25.0
    wrist: float = 4.0
    curl: float = 28.0
    shrug: float = 0.0


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
class Pose:
    """A whole body. Bends are degrees: (forward, to the person's left, turned to the left).

    Attributes:
        left_arm: its angles.
        right_arm: its angles.
        left_leg: its position and angles.
        right_leg: its position and angles.
        shift: offset of the pelvis in leg lengths (left, up, forward).
        pelvis: bend.
        spine: bend, spread over its bones.
        neck: bend, spread over its bones.
    """

    left_arm: Arm = field(default_factory=Arm)
    right_arm: Arm = field(default_factory=Arm)
    left_leg: Leg = field(default_factory=Leg)
    right_leg: Leg = field(default_factory=Leg)
    shift: tuple[float, float, float] = (0.0, -0.006, 0.0)
    pelvis: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spine: tuple[float, float, float] = (0.0, 0.0, 0.0)
    neck: tuple[float, float, float] = (0.0, 0.0, 0.0)


def mirrored(pose: Pose) -> Pose:
    """The pose with left and right exchanged."""

    def flip(bend: tuple[float, float, float]) -> tuple[float, float, float]:
        return (bend[0], -bend[1], -bend[2])

    return replace(
        pose,
        left_arm=pose.right_arm,
        right_arm=pose.left_arm,
        left_leg=pose.right_leg,
        right_leg=pose.left_leg,
        shift=(-pose.shift[0], pose.shift[1], pose.shift[2]),
        pelvis=flip(pose.pelvis),
        spine=flip(pose.spine),
        neck=flip(pose.neck),
    )


def rotation_about(axis: F64 | tuple[float, float, float], degrees: float) -> F64:
    """Rotation (3, 3) about an axis by the right-hand rule (Rodrigues)."""
    x, y, z = float(axis[0]), float(axis[1]), float(axis[2])
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    rest = 1.0 - cosine
    return np.array(
        [
            [cosine + x * x * rest, x * y * rest - z * sine, x * z * rest + y * sine],
            [y * x * rest + z * sine, cosine + y * y * rest, y * z * rest - x * sine],
            [z * x * rest - y * sine, z * y * rest + x * sine, cosine + z * z * rest],
        ]
    )


def _bend(bend: tuple[float, float, float]) -> F64:
    forward, side, turn = bend
    return rotation_about((0, 1, 0), turn) @ rotation_about((0, 0, 1), -side) @ rotation_about((1, 0, 0), forward)


def _frame(direction: F64, pole: F64) -> F64:
    first = direction / np.linalg.norm(direction)
    third = pole - first * (pole @ first)
    third = third / np.linalg.norm(third)
    return np.stack([first, np.cross(third, first), third], axis=1)


def pose_rotations(body: Body, pose: Pose) -> tuple[F64, F64]:
    """Convert a pose to local rotations (B, 3, 3) of all bones and the root's offset (3,), metres."""
    rig = skeleton()
    index = {name: i for i, name in enumerate(rig.names)}
    local = np.tile(np.eye(3), (len(rig.names), 1, 1))
    leg_length = float(body.heads[index["upperleg01.L"], 1] - body.heads[index["foot.L"], 1])
    hips = 0.5 * (body.heads[index["upperleg01.L"]] + body.heads[index["upperleg01.R"]])
    root_rotation = _bend(pose.pelvis)
    local[0] = root_rotation
    # The pelvis rotates about the middle of the hips, not about the root bone's head behind it.
    root = body.heads[0]
    offset = np.asarray(pose.shift) * leg_length + hips - root - root_rotation @ (hips - root)
    for names, bend in ((SPINE, pose.spine), (NECK, pose.neck)):
        share = _bend((bend[0] / len(names), bend[1] / len(names), bend[2] / len(names)))
        for name in names:
            local[index[name]] = share
    for side, arm in ((1.0, pose.left_arm), (-1.0, pose.right_arm)):
        _pose_arm(body, local, index, side, arm)
    heads = bone_transforms(body, local, offset)[1]
    for side, leg in ((1.0, pose.left_leg), (-1.0, pose.right_leg)):
        _pose_leg(body, local, index, side, leg, heads, root_rotation, leg_length)
    return local, offset


def _pose_arm(body: Body, local: F64, index: dict[str, int], side: float, arm: Arm) -> None:
    tag = "L" if side > 0 else "R"
    heads = body.heads
    shoulder, elbow, wrist = (heads[index[f"{n}.{tag}"]] for n in ("upperarm01", "lowerarm01", "wrist"))
    upper = (elbow - shoulder) / np.linalg.norm(elbow - shoulder)
    # The arm at rest is rotated into the frontal plane, then sideways until it hangs, then by the pose's angles.
    flat = np.array([upper[0], upper[1], 0.0])
    align = _between(upper, flat / np.linalg.norm(flat))
    rest_abduction = np.degrees(np.arctan2(side * flat[0], -flat[1]))
    lift = rotation_about((0, 0, 1), side * (arm.abduction - rest_abduction))
    swing = rotation_about((1, 0, 0), -arm.flexion) @ lift @ align
    raised = max(0.0, np.degrees(np.arccos(np.clip(-(swing @ upper)[1], -1, 1))) - 45.0)
    clavicle = rotation_about((0, 0, 1), side * (0.22 * raised + arm.shrug))
    clavicle = clavicle @ rotation_about((0, 1, 0), -side * 0.08 * max(0.0, arm.flexion))
    local[index[f"clavicle.{tag}"]] = clavicle
    half = 0.5 * side * arm.rotation
    local[index[f"upperarm01.{tag}"]] = clavicle.T @ rotation_about(swing @ upper, half) @ swing
    local[index[f"upperarm02.{tag}"]] = rotation_about(upper, half)
    hinge = np.cross(upper, align.T @ np.array([0.0, 0.0, 1.0]))
    fore = (wrist - elbow) / np.linalg.norm(wrist - elbow)
    # The elbow is bent in the rest pose already, and a relaxed arm is not completely straight.
    resting = np.degrees(np.arccos(np.clip(upper @ fore, -1, 1)))
    local[index[f"lowerarm01.{tag}"]] = rotation_about(hinge, arm.elbow - 0.8 * resting)
    # The palm is half rotated in the rest pose already.
    turn = side * (arm.forearm - 25.0)
    local[index[f"lowerarm02.{tag}"]] = rotation_about(fore, 0.5 * turn)
    palm_axis = heads[index[f"metacarpal1.{tag}"]] - heads[index[f"metacarpal4.{tag}"]]
    knuckle = 0.5 * (heads[index[f"finger3-1.{tag}"]] + heads[index[f"finger4-1.{tag}"]])
    palm_axis = palm_axis - fore * (palm_axis @ fore)
    # Flexion moves the fingers to the palm's side: the axis runs across the palm, with a sign that depends on the side.
    across = side * palm_axis / np.linalg.norm(palm_axis)
    local[index[f"wrist.{tag}"]] = rotation_about(across, arm.wrist) @ rotation_about(fore, 0.5 * turn)
    for finger in range(1, 6):
        for joint in range(1, 4):
            name = f"finger{finger}-{joint}.{tag}"
            if finger == 1:
                share = 0.25 if joint == 1 else 0.4
                axis = _thumb_axis(heads, index, tag, knuckle)
            else:
                share = (0.55, 1.0, 0.7)[joint - 1] * (0.85 + 0.06 * finger)
                axis = across
            local[index[name]] = rotation_about(axis, share * arm.curl)


def _thumb_axis(heads: F64, index: dict[str, int], tag: str, knuckle: F64) -> F64:
    thumb = heads[index[f"finger1-3.{tag}"]] - heads[index[f"finger1-1.{tag}"]]
    towards = knuckle - heads[index[f"finger1-1.{tag}"]]
    return np.cross(thumb, towards)


def _between(start: F64, end: F64) -> F64:
    axis = np.cross(start, end)
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        return np.eye(3)
    return rotation_about(axis, float(np.degrees(np.arctan2(length, start @ end))))


def _pose_leg(
    body: Body,
    local: F64,
    index: dict[str, int],
    side: float,
    leg: Leg,
    heads_now: F64,
    root_rotation: F64,
    leg_length: float,
) -> None:
    tag = "L" if side > 0 else "R"
    thigh, shin, foot = (index[f"{n}.{tag}"] for n in ("upperleg01", "lowerleg01", "foot"))
    rest_hip, rest_knee, rest_ankle = body.heads[thigh], body.heads[shin], body.heads[foot]
    hip = heads_now[thigh]
    # The upright stance has the ankles a little closer together than the rest pose's wide one.
    stance = np.array([0.62 * rest_ankle[0] + 0.1 * rest_hip[0], rest_ankle[1], rest_ankle[2]])
    stance += np.array([side * leg.out, leg.up, leg.forward]) * leg_length
    upper, lower = float(np.linalg.norm(rest_knee - rest_hip)), float(np.linalg.norm(rest_ankle - rest_knee))
    reach = stance - hip
    distance = float(np.clip(np.linalg.norm(reach), 0.3 * (upper + lower), 0.9995 * (upper + lower)))
    direction = reach / np.linalg.norm(reach)
    turn = rotation_about((0, 1, 0), side * (leg.turn + leg.knee_out))
    pole = turn @ np.array([0.0, 0.0, 1.0])
    if abs(direction @ pole) > 0.85:  # for a leg stretched forwards the knee points up
        pole = pole + np.array([0.0, 1.0, 0.0])
    frame = _frame(direction, pole)
    cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
    along, off = upper * cosine, upper * math.sqrt(max(0.0, 1 - cosine**2))
    knee = hip + direction * along + frame[:, 2] * off
    ankle = hip + direction * distance
    forward = np.array([0.0, 0.0, 1.0])
    knee_pole = frame[:, 2]
    # If the knee is bent far the shin may be parallel to the pole; the leg's own direction then defines forwards.
    thigh_rotation = _frame(knee - hip, knee_pole + 1e-6 * pole) @ _frame(rest_knee - rest_hip, forward).T
    shin_rotation = (
        _frame(ankle - knee, knee_pole + 0.3 * np.sign(off) * direction) @ _frame(rest_ankle - rest_knee, forward).T
    )
    foot_rotation = rotation_about((0, 1, 0), side * leg.turn) @ rotation_about((1, 0, 0), leg.pitch)
    local[thigh] = root_rotation.T @ thigh_rotation
    local[shin] = thigh_rotation.T @ shin_rotation
    local[foot] = shin_rotation.T @ foot_rotation


def bone_transforms(body: Body, local: F64, offset: F64) -> tuple[F64, F64]:
    """Forward kinematics.

    Args:
        body: in rest pose.
        local: (B, 3, 3) rotations about the bones' heads.
        offset: (3,) offset of the root, metres.

    Returns:
        Global rotations (B, 3, 3) and head positions (B, 3), metres.
    """
    parents = skeleton().parents
    rotations, heads = np.empty_like(local), np.empty_like(body.heads)
    rotations[0], heads[0] = local[0], body.heads[0] + offset
    for bone in range(1, len(parents)):
        parent = parents[bone]
        rotations[bone] = rotations[parent] @ local[bone]
        heads[bone] = heads[parent] + rotations[parent] @ (body.heads[bone] - body.heads[parent])
    return rotations, heads


def skin(vertices: F64, weights: F64, body: Body, local: F64, offset: F64) -> F64:
    """Linear blend skinning of rest vertices (V, 3) with weights (V, B); returns (V, 3) float64, metres."""
    rotations, heads = bone_transforms(body, local, offset)
    translations = heads - np.einsum("bij,bj->bi", rotations, body.heads)
    matrices = np.concatenate([rotations, translations[:, :, None]], axis=2).reshape(len(heads), 12)
    blended = (weights @ matrices).reshape(-1, 3, 4)
    return np.asarray(np.einsum("vij,vj->vi", blended[:, :, :3], vertices) + blended[:, :, 3])
