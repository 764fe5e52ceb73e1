"""From anatomical angles to bone rotations, from rotations to positions, from positions to a skinned surface.

Every bone's rest frame is the world's (no orientation), so a local rotation is a plain 3x3 matrix about the bone's
head in axes x left, y up, z forward. Arms are posed by angles (forward kinematics), legs by where the ankles stand
(two-bone inverse kinematics), so that feet stay in place for all body proportions, or by angles where they are free.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ...core.arrays import F64
from ...motion.makehuman.body import Body, skeleton
from ...motion.makehuman.rotations import between, cross, rotation_about
from .legs import Leg, LegAngles, pose_leg

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
class Pose:
    """A whole body. Bends are degrees: (forward, to the person's left, turned to the left).

    Attributes:
        left_arm: its angles.
        right_arm: its angles.
        left_leg: where its foot stands, or its angles.
        right_leg: where its foot stands, or its angles.
        shift: offset of the pelvis in leg lengths (left, up, forward).
        pelvis: bend.
        spine: bend, spread over its bones.
        neck: bend, spread over its bones.
    """

    left_arm: Arm = field(default_factory=Arm)
    right_arm: Arm = field(default_factory=Arm)
    left_leg: Leg | LegAngles = field(default_factory=Leg)
    right_leg: Leg | LegAngles = field(default_factory=Leg)
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


def _bend(bend: tuple[float, float, float]) -> F64:
    forward, side, turn = bend
    return rotation_about((0, 1, 0), turn) @ rotation_about((0, 0, 1), -side) @ rotation_about((1, 0, 0), forward)


def leg_length_m(body: Body) -> float:
    """Height of the hips above the ankles at rest, metres: the unit of a pose's lengths."""
    names = skeleton().names
    return float(body.heads[names.index("upperleg01.L"), 1] - body.heads[names.index("foot.L"), 1])


def pose_rotations(body: Body, pose: Pose) -> tuple[F64, F64]:
    """Convert a pose to local rotations (B, 3, 3) of all bones and the root's offset (3,), metres."""
    rig = skeleton()
    index = {name: i for i, name in enumerate(rig.names)}
    local = np.tile(np.eye(3), (len(rig.names), 1, 1))
    leg_length = leg_length_m(body)
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
        hip = heads[index[f"upperleg01.{'L' if side > 0 else 'R'}"]]
        pose_leg(body, local, index, side, leg, hip=hip, pelvis=root_rotation)
    return local, offset


def _pose_arm(body: Body, local: F64, index: dict[str, int], side: float, arm: Arm) -> None:
    tag = "L" if side > 0 else "R"
    heads = body.heads
    shoulder, elbow, wrist = (heads[index[f"{n}.{tag}"]] for n in ("upperarm01", "lowerarm01", "wrist"))
    upper = (elbow - shoulder) / np.linalg.norm(elbow - shoulder)
    # The arm at rest is rotated into the frontal plane, then sideways until it hangs, then by the pose's angles.
    flat = np.array([upper[0], upper[1], 0.0])
    align = between(upper, flat / np.linalg.norm(flat))
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
    hinge = cross(upper, align.T @ np.array([0.0, 0.0, 1.0]))
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
    return cross(thumb, towards)


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
