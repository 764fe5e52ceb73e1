"""Which part of the body each vertex of a rig belongs to, by the bones that move it."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64, I32, U8
from ..geometry.labels import PARTS, UNKNOWN
from .bones import FINGERS, SIDES, MatchedBones

_OF_BONE = {
    "upperarm": "upper_arm", "lowerarm": "lower_arm", "hand": "hand", "thigh": "thigh", "shin": "shin", "foot": "foot",
    "toe": "foot", **{f"{finger}{number}": "hand" for finger in FINGERS for number in (1, 2, 3)},
}  # fmt: skip


def bone_parts(matched: MatchedBones, parents: I32) -> U8:
    """The part of each bone: (N,) uint8, of PARTS, UNKNOWN for bones with no known bone above them.

    Collar bones, spine and neck are of the torso. A bone without a role (a twist bone, a finger's tip) is of the part
    that the nearest bone above it is of.

    Args:
        matched: which bone is which.
        parents: (N,) -1 for a root.
    """
    known: dict[int, int] = {bone: PARTS.index("torso") for chain in matched.chains.values() for bone in chain}
    for role, bone in matched.roles.items():
        side, _, name = role.partition("_")
        part = f"{side}_{_OF_BONE[name]}" if side in SIDES and name in _OF_BONE else "torso"
        known[bone] = PARTS.index("head" if role == "head" else part)
    found = np.full(len(parents), UNKNOWN, np.uint8)
    for bone in range(len(parents)):
        above = bone
        while above >= 0 and above not in known:
            above = int(parents[above])
        if above >= 0:
            found[bone] = known[above]
    return found


def vertex_parts(parts: U8, joints: I32, weights: F64) -> U8:
    """The part that most of a vertex's weight belongs to: (V,) uint8; of equal ones the one with the smaller number.

    Args:
        parts: (N,) of the bones.
        joints: (V, K) bones of each vertex.
        weights: (V, K).
    """
    total = np.zeros((len(joints), len(PARTS) + 1))
    column = np.where(parts == UNKNOWN, len(PARTS), parts)
    for k in range(joints.shape[1]):
        np.add.at(total, (np.arange(len(joints)), column[joints[:, k]]), weights[:, k])
    best = total.argmax(axis=1)
    return np.where(best == len(PARTS), UNKNOWN, best).astype(np.uint8)
