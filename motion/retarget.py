"""Retargeting: bones are matched by role, rest poses aligned, the hips' path scaled and the feet put on the floor.

For every matched bone the target's world rotation is `D C R`: R is its own rotation at rest, C rotates its limb at rest
to the direction of the source's limb at rest, and D is the source bone's rotation since rest. Where spines or necks
differ in the number of bones, the rotation is interpolated along their length. Both skeletons are first rotated to y
up, facing +z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from ..core.arrays import F64, I32
from ..core.errors import MpcError
from .bones import CHAINS, FINGERS, SIDES, MatchedBones, plain
from .motion import Motion
from .reference import trunk_direction, with_standing_rest

MOST_FOOT_CORRECTION_DEG = 35.0
LEAST_STANCE_FRAMES = 15

# Bones whose direction at rest is aligned, and the bone that each points to.
_TOWARDS = {"upperarm": "lowerarm", "lowerarm": "hand", "thigh": "shin", "shin": "foot"}
# Bones that use the correction of the bone above them.
_FOLLOWS = {"hand": "lowerarm", **{f"{finger}{number}": "lowerarm" for finger in FINGERS for number in (1, 2, 3)}}


@dataclass(frozen=True, eq=False)
class Target:
    """A skeleton that motions are retargeted to, in metres, y up, facing +z at rest.

    Attributes:
        bones: names of the N bones.
        parents: (N,) int32, -1 for a root.
        order: (N,) int32, parents first.
        matched: bones by role.
        rotations: (N, 3, 3) world rotations at rest.
        places: (N, 3) world positions at rest.
        floor_y: height of the floor at rest, metres.
        lowest: function from (F, N, 3, 3) world rotations and (F, 3) hips to (F,) heights of the body's lowest point.
        standing_share: a clip is moved vertically so that this share of its frames is below the floor. These frames are
            then raised onto it one by one, so that a foot that points down for a moment does not raise all the others.
    """

    bones: tuple[str, ...]
    parents: I32
    order: I32
    matched: MatchedBones
    rotations: F64
    places: F64
    floor_y: float
    lowest: Callable[[F64, F64], F64]
    standing_share: float = 0.1


@dataclass(frozen=True, eq=False)
class Retargeted:
    """A motion on a target.

    Attributes:
        rotations: (F, N, 3, 3) world rotations.
        hips: (F, 3) world positions of the hips, metres.
        lifted_m: (F,) how far each frame was raised onto the floor beyond the clip's common shift.
        driven: bones that the motion rotates.
        unmatched: names of the motion's bones that have no counterpart.
        reference: the frame that stands for a rest pose that is no standing person; None where the rest pose is one.
    """

    rotations: F64
    hips: F64
    lifted_m: F64
    driven: tuple[int, ...]
    unmatched: tuple[str, ...]
    reference: int | None = None


def retarget(motion: Motion, target: Target) -> Retargeted:
    """Retarget a motion.

    Raises:
        MpcError: a needed bone is not found on either side, the source's legs have no length, or the person stands
            neither at rest nor in any frame.
    """
    for what, matched in (("the motion", motion.matched), ("the rig", target.matched)):
        if matched.missing:
            raise MpcError(f"{what} has no bone known as {', '.join(matched.missing)}; give a bone map")
    motion, reference = with_standing_rest(motion)
    turn = _upright(motion)
    delta = turn @ motion.rotations @ motion.rest_rotations.transpose(0, 2, 1) @ turn.T
    rest = motion.rest_places @ turn.T
    places = motion.places @ turn.T
    correction = _corrections(rest, delta, places, motion.matched, target)
    if reference is not None:
        correction |= _trunk_corrections(rest, motion.matched, target)
    driven = _drive(motion, target, delta, correction)
    frames, count = motion.frames, len(target.bones)
    world = np.empty((frames, count, 3, 3))
    for bone in target.order.tolist():
        parent = int(target.parents[bone])
        if bone in driven:
            world[:, bone] = driven[bone] @ target.rotations[bone]
        elif parent >= 0:
            world[:, bone] = world[:, parent] @ (target.rotations[parent].T @ target.rotations[bone])
        else:
            world[:, bone] = target.rotations[bone]
    hips, lifted = _place(motion, target, rest, places, world)
    unmatched = [
        name
        for number, name in enumerate(motion.bones)
        if number not in motion.matched.known and plain(name) not in {plain(target.bones[bone]) for bone in driven}
    ]
    return Retargeted(world, hips, lifted, tuple(sorted(driven)), tuple(unmatched), reference)


def _upright(motion: Motion) -> F64:
    """Rotation of the file's axes to y up, facing +z: the legs give up, and left and right give the facing."""
    places, roles = motion.rest_places, motion.matched.roles
    top = 0.5 * (places[roles["left_thigh"]] + places[roles["right_thigh"]])
    feet = [roles.get(f"{side}_foot", roles[f"{side}_shin"]) for side in SIDES]
    legs = top - places[feet].mean(axis=0)
    axis = int(np.abs(legs).argmax())
    up = np.eye(3)[axis] * np.sign(legs[axis])
    across = places[roles["left_thigh"]] - places[roles["right_thigh"]]
    across = across - up * (across @ up)
    length = float(np.linalg.norm(across))
    if length < 1e-9:
        raise MpcError("the motion's legs start at one point; left and right cannot be told")
    left = across / length
    return np.stack([left, up, np.cross(left, up)])


def _corrections(rest: F64, delta: F64, places: F64, matched: MatchedBones, target: Target) -> dict[str, F64]:
    result: dict[str, F64] = {}
    for side in SIDES:
        for bone, after in _TOWARDS.items():
            here, there = f"{side}_{bone}", f"{side}_{after}"
            if all(role in m.roles for role in (here, there) for m in (matched, target.matched)):
                aim = rest[matched.roles[there]] - rest[matched.roles[here]]
                own = target.places[target.matched.roles[there]] - target.places[target.matched.roles[here]]
                result[here] = between(own, aim)
        for bone, above in _FOLLOWS.items():
            if f"{side}_{above}" in result:
                result[f"{side}_{bone}"] = result[f"{side}_{above}"]
        foot = f"{side}_foot"
        # Rigs of one family have the same rest pose and need no correction.
        if foot in matched.roles and matched.map_name != target.matched.map_name:
            result[foot] = _foot_correction(delta[:, matched.roles[foot]], places[:, matched.roles[foot], 1])
            result[f"{side}_toe"] = result[foot]
    return result


def _trunk_corrections(rest: F64, matched: MatchedBones, target: Target) -> dict[str, F64]:
    """Rotation of the target's upright trunk to that of the frame that stands for the source's rest pose."""
    own, aim = trunk_direction(target.places, target.matched.roles), trunk_direction(rest, matched.roles)
    fix = between(own, aim)
    return dict.fromkeys(("hips", "head", *CHAINS, *(f"{side}_clavicle" for side in SIDES)), fix)


def _foot_correction(delta: F64, height: F64) -> F64:
    """Rotation that makes a foot stand flat: feet at rest differ between files, but a low foot is flat."""
    low = height <= np.quantile(height, 0.2)
    if len(height) < LEAST_STANCE_FRAMES or low.sum() < LEAST_STANCE_FRAMES:
        return np.eye(3)
    upright = np.median(delta[low].transpose(0, 2, 1) @ np.array([0.0, 1.0, 0.0]), axis=0)
    fix = between(np.array([0.0, 1.0, 0.0]), upright)
    angle = float(np.degrees(np.arccos(np.clip((np.trace(fix) - 1) / 2, -1, 1))))
    return fix if angle <= MOST_FOOT_CORRECTION_DEG else np.eye(3)


def between(start: F64, end: F64) -> F64:
    """The shortest rotation (3, 3) of one direction to another; the identity if one has no length."""
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if min(lengths) < 1e-9:
        return np.eye(3)
    a, b = start / lengths[0], end / lengths[1]
    cross, cosine = np.cross(a, b), float(a @ b)
    if cosine < -0.9999:
        side = np.cross(a, np.eye(3)[int(np.abs(a).argmin())])
        side = side / np.linalg.norm(side)
        return np.asarray(2.0 * np.outer(side, side) - np.eye(3))
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))


def _drive(motion: Motion, target: Target, delta: F64, correction: dict[str, F64]) -> dict[int, F64]:
    """The rotations D C (F, 3, 3) of each driven bone."""
    source, own = motion.matched, target.matched
    driven: dict[int, F64] = {}
    by_bone: dict[int, F64] = {}
    for role, bone in own.roles.items():
        fix = correction.get(role, np.eye(3))
        by_bone[bone] = fix
        if role in source.roles:
            driven[bone] = delta[:, source.roles[role]] @ fix
    base = source.roles["hips"]
    for chain in CHAINS:
        joints = source.chains.get(chain, ())
        turns = [delta[:, base], *(delta[:, joint] for joint in joints)]
        bones = own.chains.get(chain, ())
        same = len(bones) == len(joints)
        for position, bone in enumerate(bones, 1):
            moved = turns[position] if same else _along(turns, position / len(bones))
            driven[bone] = moved @ correction.get(chain, np.eye(3))
        base = joints[-1] if joints else base
    # Bones without a role (twist bones, fingers) are driven by the motion's bone of the same name.
    numbers = {plain(name): number for number, name in enumerate(motion.bones)}
    for bone in target.order.tolist():
        number = numbers.get(plain(target.bones[bone]))
        if bone in driven or number is None or number in source.known:
            continue
        above = int(target.parents[bone])
        while above >= 0 and above not in by_bone:
            above = int(target.parents[above])
        driven[bone] = delta[:, number] @ by_bone.get(above, np.eye(3))
    return driven


def _along(turns: list[F64], share: float) -> F64:
    """Rotation (F, 3, 3) at a share of a chain's length, interpolated between its joints on the shortest arc."""
    position = share * (len(turns) - 1)
    lower = min(int(position), max(len(turns) - 2, 0))
    if len(turns) == 1:
        return turns[0]
    first, second = Rotation.from_matrix(turns[lower]), Rotation.from_matrix(turns[lower + 1])
    arc = (first.inv() * second).as_rotvec() * (position - lower)
    return np.asarray((first * Rotation.from_rotvec(arc)).as_matrix())


def _place(motion: Motion, target: Target, rest: F64, places: F64, world: F64) -> tuple[F64, F64]:
    """(F, 3) hips and (F,) lifts: the middle of the hip joints follows the source's path, scaled by leg length."""
    source, own = motion.matched.roles, target.matched.roles
    scale = _leg_length(target.places, own) / _leg_length(rest, source)
    middle = 0.5 * (places[:, source["left_thigh"]] + places[:, source["right_thigh"]])
    own_middle = 0.5 * (target.places[own["left_thigh"]] + target.places[own["right_thigh"]])
    path = (middle - middle[0]) * scale + own_middle
    hips = own["hips"]
    turned = world[:, hips] @ target.rotations[hips].T
    result = path - turned @ (own_middle - target.places[hips])
    low = target.lowest(world, result)
    shift = target.floor_y - float(np.quantile(low, target.standing_share))
    lifted = np.maximum(0.0, target.floor_y - (low + shift))
    result[:, 1] += shift + lifted
    return result, lifted


def _leg_length(places: F64, roles: dict[str, int]) -> float:
    length = 0.0
    for side in SIDES:
        chain = [roles[f"{side}_{bone}"] for bone in ("thigh", "shin", "foot") if f"{side}_{bone}" in roles]
        length += sum(float(np.linalg.norm(places[b] - places[a])) for a, b in pairwise(chain))
    if length < 1e-9:
        raise MpcError("the legs have no length")
    return length
