"""Motions of a figure of 17 sticks, and such a figure as the target of motions; lengths and turns are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from mpc.motion.bones import match_bones
from mpc.motion.motion import Motion
from mpc.motion.retarget import Target

F64 = npt.NDArray[np.float64]

PARENTS = (-1, 0, 1, 2, 3, 2, 5, 6, 2, 8, 9, 0, 11, 12, 0, 14, 15)
MIXAMO = "Hips Spine Spine1 Neck Head LeftArm LeftForeArm LeftHand RightArm RightForeArm RightHand LeftUpLeg LeftLeg LeftFoot RightUpLeg RightLeg RightFoot".split()  # noqa: E501, SIM905
SMPL = "Pelvis Spine1 Spine2 Neck Head L_Shoulder L_Elbow L_Wrist R_Shoulder R_Elbow R_Wrist L_Hip L_Knee L_Ankle R_Hip R_Knee R_Ankle".split()  # noqa: E501, SIM905
LIMBS = [(5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13), (14, 15), (15, 16)]


def stick(arm_deg: float, size: float, leg_deg: float = 0.0) -> F64:
    """(17, 3) places of a figure about 1.7 m high times `size`; arms hang `arm_deg` below the horizon."""
    arm = np.array([np.cos(np.radians(arm_deg)), -np.sin(np.radians(arm_deg)), 0.0])
    leg = np.array([np.sin(np.radians(leg_deg)), -np.cos(np.radians(leg_deg)), 0.0])
    places = np.zeros((17, 3))
    places[:5] = [[0, 1.0, 0], [0, 1.15, 0], [0, 1.3, 0], [0, 1.5, 0], [0, 1.6, 0]]
    for first, side in ((5, 1.0), (8, -1.0)):
        shoulder = np.array([0.2, 1.45, 0.0])
        for step, point in enumerate((shoulder, shoulder + 0.3 * arm, shoulder + 0.55 * arm)):
            places[first + step] = point * [side, 1, 1]
    for first, side in ((11, 1.0), (14, -1.0)):
        hip = np.array([0.1, 0.95, 0.0])
        for step, point in enumerate((hip, hip + 0.45 * leg, hip + 0.85 * leg)):
            places[first + step] = point * [side, 1, 1]
    return places * size


def motion(names: Sequence[str], rest: F64, turns: F64, axes: F64, path: F64) -> Motion:
    """A motion from world turns since rest (F, J, 3, 3), whose file has axes of its own."""
    places = np.empty((len(turns), len(rest), 3))
    for joint, parent in enumerate(PARENTS):
        places[:, joint] = path if parent < 0 else places[:, parent] + turns[:, parent] @ (rest[joint] - rest[parent])
    turns = axes @ turns @ axes.T
    frames = np.tile(Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix(), (len(rest), 1, 1))
    return Motion(
        "m", 30.0, tuple(names), np.array(PARENTS, np.int32), match_bones(names), frames, rest @ axes.T,
        turns @ frames, places @ axes.T,
    )  # fmt: skip


def target(names: Sequence[str], rest: F64, lowest: float = 0.0) -> Target:
    rng = np.random.default_rng(5)
    own = Rotation.random(len(rest), rng=rng).as_matrix()  # bones with frames of their own
    feet = [13, 16]

    def low(rotations: F64, hips: F64) -> F64:
        return places_of(rest, own, rotations, hips)[:, feet, 1].min(axis=1)

    return Target(
        tuple(names), np.array(PARENTS, np.int32), np.arange(17, dtype=np.int32), match_bones(names), own, rest,
        float(rest[feet, 1].min()), low,
    )  # fmt: skip


def places_of(rest: F64, own: F64, rotations: F64, hips: F64) -> F64:
    turned = rotations @ own.transpose(0, 2, 1)
    places = np.empty((len(hips), len(rest), 3))
    for joint, parent in enumerate(PARENTS):
        places[:, joint] = hips if parent < 0 else places[:, parent] + turned[:, parent] @ (rest[joint] - rest[parent])
    return places


def some_turns(frames: int) -> F64:
    rng = np.random.default_rng(2)
    turns = Rotation.from_rotvec(rng.normal(0, 0.4, (frames * 17, 3))).as_matrix().reshape(frames, 17, 3, 3)
    turns[0] = np.eye(3)
    return turns


def along_own_axes(plain: Motion) -> Motion:
    """The same motion with bones along their own x axes: at rest, with all rotations zero, everything points to +x."""
    children = {parent: child for child, parent in reversed(list(enumerate(PARENTS)))}
    frames = np.empty((len(PARENTS), 3, 3))
    for bone in range(len(PARENTS)):
        child = children.get(bone)
        aim = np.array([1.0, 0, 0])
        if child is not None:
            aim = plain.rest_places[child] - plain.rest_places[bone]
        turn, _ = Rotation.align_vectors([aim / np.linalg.norm(aim)], [[1.0, 0, 0]])
        frames[bone] = turn.as_matrix()
    since_rest = plain.rotations @ plain.rest_rotations.transpose(0, 2, 1)
    rest = np.zeros_like(plain.rest_places)
    for bone, parent in enumerate(PARENTS):
        if parent >= 0:
            rest[bone] = rest[parent] + frames[parent].T @ (plain.rest_places[bone] - plain.rest_places[parent])
    return replace(
        plain, rest_rotations=np.tile(np.eye(3), (len(PARENTS), 1, 1)), rest_places=rest, rotations=since_rest @ frames
    )


SIDE = ("Shoulder", "Arm", "ForeArm", "Hand")
LEG = ("Thigh", "Shin", "Foot")
ROKOKO = [
    *("Hips", "Spine1", "Spine2", "Neck", "Head"),
    *(side + part for side in ("Left", "Right") for part in SIDE),
    *(side + part for side in ("Left", "Right") for part in LEG),
]
ROKOKO_PARENTS = np.array([-1, 0, 1, 2, 3, 2, 5, 6, 7, 2, 9, 10, 11, 0, 13, 14, 0, 16, 17], np.int32)


def with_collars() -> np.ndarray:
    """(19, 3) the figure with a collar bone of 12 cm on each side."""
    plain = stick(0.0, 1.0)
    collars = plain[[5, 8]] * [0.4, 1.0, 1.0]
    return np.concatenate([plain[:5], collars[:1], plain[5:8], collars[1:], plain[8:]])
