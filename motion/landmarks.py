"""Finding the pelvis, the hips and the facing direction of a skeleton by bone names and by its shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..core.arrays import F64
from .bones import bare_names, without_name_space
from .skinning import Skeleton

Side = Literal["left", "right"]

_PELVIS = ("hips", "hip", "pelvis")
_LEG = re.compile(r"upperleg|upleg|thigh|leg|knee|shin|calf|foot|ankle")
_FOOT, _TOE = re.compile(r"foot|ankle"), re.compile(r"toe|ball")
_ARM = re.compile(r"upperarm|shoulder|clavicle|arm|elbow|hand|wrist")


def find_pelvis(skeleton: Skeleton, joints: Sequence[int]) -> tuple[int, ...]:
    """Nodes whose mean position is the pelvis: the one of that name, else both hips; () if neither is found.

    The common parent of the legs cannot replace the hips: MakeHuman's root bone begins 7 cm behind them.
    """
    names = [skeleton.names[joint] for joint in joints]
    for known in (names, bare_names(names)):
        for wanted in _PELVIS:
            for joint, name in zip(joints, known, strict=True):
                if part_name(name) == wanted:
                    return (joint,)
    return find_hips(skeleton, joints)


def find_hips(skeleton: Skeleton, joints: Sequence[int]) -> tuple[int, ...]:
    """The nodes where the left and the right leg begin; () if they are not found."""
    legs: dict[str, list[int]] = {"left": [], "right": []}
    for joint in joints:
        side = side_of(skeleton.names[joint])
        if side is not None and _LEG.search(part_name(skeleton.names[joint])):
            legs[side].append(joint)
    if not legs["left"] or not legs["right"]:
        return ()
    left, right = (min(legs[side], key=lambda node: len(_ancestors(skeleton, node))) for side in ("left", "right"))
    return (left, right) if set(_ancestors(skeleton, left)) & set(_ancestors(skeleton, right)) else ()


def hips_facing(left: F64, right: F64) -> F64 | None:
    """Horizontal direction that two hips at (3,) face, y up: a (3,) unit vector, or None if one is above the other."""
    facing = np.cross(left - right, np.array([0.0, 1.0, 0.0]))
    length, apart = float(np.linalg.norm(facing)), float(np.linalg.norm(left - right))
    return facing / length if length > 0.3 * apart and apart > 0 else None


def rest_facing(skeleton: Skeleton, joints: Sequence[int], world: F64, up: F64) -> F64 | None:
    """Direction that a rig faces at rest, from its left and right limbs: (3,) unit, orthogonal to `up`, or None.

    Args:
        skeleton: of the rig.
        joints: nodes to look among.
        world: (N, 4, 4) node matrices of the rest pose.
        up: (3,) unit.
    """
    sums: dict[str, list[F64]] = {"left": [], "right": []}
    for joint in joints:
        name = skeleton.names[joint]
        side = side_of(name)
        if side is not None and (_LEG.search(part_name(name)) or _ARM.search(part_name(name))):
            sums[side].append(world[joint, :3, 3])
    if not sums["left"] or not sums["right"]:
        return None
    across = np.mean(sums["left"], axis=0) - np.mean(sums["right"], axis=0)
    facing = np.cross(across, up)
    length = float(np.linalg.norm(facing))
    return facing / length if length > 1e-6 else None


def toe_facing(skeleton: Skeleton, joints: Sequence[int], world: F64, up: F64) -> F64 | None:
    """Direction from the ankles to the toes by the bones' names: (3,) unit, orthogonal to `up`, or None.

    Args:
        skeleton: of the rig.
        joints: nodes to look among.
        world: (N, 4, 4) node matrices of the rest pose.
        up: (3,) unit.
    """
    total = np.zeros(3)
    for joint in joints:
        parent = int(skeleton.parents[joint])
        if parent >= 0 and _TOE.search(part_name(skeleton.names[joint])):
            foot = _FOOT.search(part_name(skeleton.names[parent]))
            total += world[joint, :3, 3] - world[parent, :3, 3] if foot else 0.0
    level = total - (total @ up) * up
    length = float(np.linalg.norm(level))
    return level / length if length > 1e-6 else None


def part_name(name: str) -> str:
    """The body part in a joint's name: without name space, prefixes, side, numbers and punctuation, in lower case.

    `bones.plain` keeps sides and numbers, which tell bones apart, and prefixes such as ORG: Blender's Rigify has a bone
    of each prefix.
    """
    name = without_name_space(name)
    name = re.sub(r"(?i)^(mixamorig\d*|def|bip\d*|armature|skeleton|rig|jnt|joint|b|org)[_\-. ]+", "", name)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    words = [word for word in re.split(r"[^a-z]+", name) if word and word not in ("l", "r", "left", "right", "joint")]
    return "".join(words)


def side_of(name: str) -> Side | None:
    """The side in a joint's name (upperleg.L, LeftUpLeg, thigh_l, leg_joint_R_1, lThigh), or None."""
    name = without_name_space(name)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    words = set(re.split(r"[^a-z]+", spaced))
    if words & {"l", "left"} or re.match(r"l_?(hip|thigh|leg|foot|arm|shoulder)", spaced):
        return "left"
    if words & {"r", "right"} or re.match(r"r_?(hip|thigh|leg|foot|arm|shoulder)", spaced):
        return "right"
    return None


def _ancestors(skeleton: Skeleton, node: int) -> list[int]:
    """Parents of a node, nearest first."""
    found: list[int] = []
    parent = int(skeleton.parents[node])
    while parent >= 0:
        found.append(parent)
        parent = int(skeleton.parents[parent])
    return found
