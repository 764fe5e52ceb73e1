"""Which bone is which where no table knows the names: by words such as "leg", sides, and the order along each limb."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..core.arrays import F64, I32
from .bones import SIDES, MatchedBones, settle_by_shape
from .landmarks import part_name, side_of

_LEG = re.compile(r"leg|thigh|knee|shin|calf|foot|ankle|toe|ball")
_ARM = re.compile(r"arm|shoulder|clavicle|elbow|hand|wrist")
_COLLAR = re.compile(r"shoulder|clavicle|collar")
_LIMBS = {"leg": (_LEG, ("thigh", "shin", "foot", "toe")), "arm": (_ARM, ("upperarm", "lowerarm", "hand"))}
_NAME = "words"


def match_by_words(names: Sequence[str], parents: I32, places: F64) -> MatchedBones:
    """Match bones whose names say only which limb of which side they are of, such as "leg_joint_L_2".

    Of the bones of a limb the first that lies on another one's path is its uppermost part, and so on downwards; a
    fourth bone of an arm, named as a shoulder, is the collar bone. The hips are the nearest bone above both legs.

    Args:
        names: of the J bones; "" for nodes that are none.
        parents: (J,) -1 for a root.
        places: (J, 3) at rest, any unit.
    """
    roles: dict[str, int] = {}
    for side in SIDES:
        for pattern, parts in _LIMBS.values():
            chain = _longest_chain(
                [pattern.search(part_name(n)) is not None and side_of(n) == side for n in names], parents
            )
            if parts[0] == "upperarm" and len(chain) > len(parts) and _COLLAR.search(part_name(names[chain[0]])):
                roles[f"{side}_clavicle"] = chain.pop(0)
            roles |= {f"{side}_{part}": bone for part, bone in zip(parts, chain, strict=False)}
    if not all(f"{side}_thigh" in roles for side in SIDES):
        return MatchedBones(_NAME, {}, {})
    above = [_path_up(parents, roles[f"{side}_thigh"]) for side in SIDES]
    shared = [bone for bone in above[0] if bone in above[1] and names[bone]]
    if not shared:
        return MatchedBones(_NAME, {}, {})
    roles["hips"] = shared[0]
    necks = _longest_chain([part_name(name) in ("neck", "head") for name in names], parents)
    if necks:
        roles["head"] = necks.pop()
    matched = MatchedBones(_NAME, roles, {"neck": tuple(necks)})
    return settle_by_shape(matched, names, parents, places)


def _longest_chain(chosen: Sequence[bool], parents: I32) -> list[int]:
    """The longest line of chosen bones, each below the one before, others between them allowed; the upper end first."""
    best: list[int] = []
    for bone in np.flatnonzero(chosen).tolist():
        line = [one for one in (bone, *_path_up(parents, bone)) if chosen[one]][::-1]
        best = line if len(line) > len(best) else best
    return best


def _path_up(parents: I32, bone: int) -> list[int]:
    """The bones above a bone, nearest first."""
    found: list[int] = []
    while (bone := int(parents[bone])) >= 0:
        found.append(bone)
    return found
