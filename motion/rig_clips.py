"""Retargeting motions to a rig that was read from a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I64
from ..core.errors import MpcError
from ..core.messages import first_few
from ..geometry.directions import fibonacci_directions
from .bones import MatchedBones
from .motion import Motion, pure_rotations
from .retarget import Retargeted, Target, retarget
from .skinning import Channel, Clip, Rig, Skeleton, matrix_quaternions, skin_vertices, world_matrices

_HULL_DIRECTIONS = 100


@dataclass(frozen=True, eq=False)
class Brought:
    """Clips made for a rig.

    Attributes:
        clips: the retargeted motions.
        notices: messages for the user about bones without a counterpart and motions that cannot be retargeted.
    """

    clips: tuple[Clip, ...]
    notices: tuple[str, ...]


def bring_clips(rig: Rig, to_world: F64, matched: MatchedBones, motions: Iterable[Motion]) -> Brought:
    """Retarget motions to a rig.

    Args:
        rig: the rig.
        to_world: (4, 4) from the file's coordinates to metres, y up, facing +z (`placement.place_person`).
        matched: the rig's bones by role.
        motions: to retarget.
    """
    target = rig_target(rig, to_world, matched)
    clips: list[Clip] = []
    refused: dict[str, list[str]] = {}
    unmatched: dict[str, None] = {}
    stood: list[str] = []
    for motion in motions:
        try:
            result = retarget(motion, target)
        except MpcError as error:
            refused.setdefault(str(error), []).append(motion.name)
            continue
        if result.reference is not None:
            stood.append(motion.name)
        clips.append(_as_clip(rig.skeleton, to_world, matched, motion, result))
        unmatched.update(dict.fromkeys(result.unmatched))
    notices = [f"{first_few(names, 3)} not brought: {reason}" for reason, names in refused.items()]
    if stood:
        notices.append(
            f"{first_few(stood, 3)}: the rest pose is no standing person; the most upright frame is taken for it"
        )
    if unmatched:
        notices.append(f"bones of the animations that have no counterpart: {first_few(list(unmatched))}")
    still = _unmoved(rig, matched)
    if still and clips:
        notices.append(f"bones of the rig without a known role, moved by name or by the bone above: {first_few(still)}")
    return Brought(tuple(clips), tuple(notices))


def rig_target(rig: Rig, to_world: F64, matched: MatchedBones) -> Target:
    """A rig as the target of motions; its floor is the lowest point of its rest pose."""
    skeleton = rig.skeleton
    rest = world_matrices(skeleton, None)
    placed = to_world @ rest
    posed = skin_vertices(rig.vertices, rig.joints, rig.weights, rest[rig.slot_node] @ rig.slot_inverse)
    heights = (posed @ to_world[:3, :3].T)[:, 1] + to_world[1, 3]
    ground = _Ground(rig, to_world, rest, matched)
    return Target(
        bones=skeleton.names,
        parents=skeleton.parents,
        order=skeleton.order,
        matched=matched,
        rotations=pure_rotations(placed),
        places=placed[:, :3, 3],
        floor_y=float(heights.min()),
        lowest=ground,
    )


class _Ground:
    """Lowest point of a posed rig, found among those vertices of each bone that are farthest in many directions."""

    def __init__(self, rig: Rig, to_world: F64, rest: F64, matched: MatchedBones) -> None:
        self.rig, self.to_world, self.rest, self.hips = rig, to_world, rest, matched.roles["hips"]
        directions = fibonacci_directions(_HULL_DIRECTIONS)
        main = rig.joints[np.arange(len(rig.joints)), rig.weights.argmax(axis=1)]
        chosen = []
        for slot in np.unique(main):
            members = np.flatnonzero(main == slot)
            chosen.append(members[(rig.vertices[members] @ directions.T).argmax(axis=0)])
        self.chosen: I64 = np.unique(np.concatenate(chosen))

    def __call__(self, rotations: F64, hips: F64) -> F64:
        rig, skeleton = self.rig, self.rig.skeleton
        chosen = self.chosen
        vertices, joints, weights = rig.vertices[chosen], rig.joints[chosen], rig.weights[chosen]
        lowest = np.empty(len(rotations))
        for frame in range(len(rotations)):
            world = _pose_matrices(skeleton, self.to_world, self.rest, rotations[frame], self.hips, hips[frame])
            matrices = world[rig.slot_node] @ rig.slot_inverse
            lowest[frame] = skin_vertices(vertices, joints, weights, matrices)[:, 1].min()
        return lowest


def _pose_matrices(skeleton: Skeleton, to_world: F64, rest: F64, rotations: F64, hips: int, hips_place: F64) -> F64:
    """World matrices (N, 4, 4) of a pose given by world rotations; lengths and scales are those at rest."""
    placed = to_world @ rest
    turned = rotations @ pure_rotations(placed).transpose(0, 2, 1)  # since rest
    result = placed.copy()
    result[:, :3, :3] = turned @ placed[:, :3, :3]
    for node in skeleton.order.tolist():
        parent = int(skeleton.parents[node])
        if node == hips:
            result[node, :3, 3] = hips_place
        elif parent >= 0:
            result[node, :3, 3] = result[parent, :3, 3] + turned[parent] @ (placed[node, :3, 3] - placed[parent, :3, 3])
    return result


def _as_clip(skeleton: Skeleton, to_world: F64, matched: MatchedBones, motion: Motion, result: Retargeted) -> Clip:
    """Local channels: a rotation for each driven bone, a translation for the hips."""
    rest = world_matrices(skeleton, None)
    turn = pure_rotations(to_world)
    times = np.arange(motion.frames) / motion.fps
    hips = matched.roles["hips"]
    channels: list[Channel] = []
    for bone in result.driven:
        parent = int(skeleton.parents[bone])
        above = turn.T[None] if parent < 0 else result.rotations[:, parent].transpose(0, 2, 1)
        local = above @ result.rotations[:, bone]
        channels.append(Channel(bone, "rotation", times, matrix_quaternions(local)))
        if bone in skeleton.matrix:  # an animated node ignores its matrix, so translation and scale are given too
            matrix = skeleton.matrix[bone]
            if bone != hips:
                channels.append(Channel(bone, "translation", times[:1], matrix[None, :3, 3]))
            channels.append(Channel(bone, "scale", times[:1], np.linalg.norm(matrix[:3, :3], axis=0)[None]))
    parent = int(skeleton.parents[hips])
    above_rest = to_world if parent < 0 else to_world @ rest[parent]
    homogeneous = np.concatenate([result.hips, np.ones((len(result.hips), 1))], axis=1)
    channels.append(Channel(hips, "translation", times, np.linalg.solve(above_rest, homogeneous.T).T[:, :3]))
    return Clip(motion.name, tuple(channels), 0.0, 1.0 / motion.fps, motion.frames)


def _unmoved(rig: Rig, matched: MatchedBones) -> list[str]:
    """Names of bones that have skin but no role."""
    weighted = np.zeros(len(rig.skeleton.names), bool)
    weighted[rig.slot_node[np.unique(rig.joints[rig.weights > 0])]] = True
    return [rig.skeleton.names[bone] for bone in np.flatnonzero(weighted).tolist() if bone not in matched.known]
