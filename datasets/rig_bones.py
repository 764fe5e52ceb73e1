"""Bones of a rig by role: the nodes that move its surface, and those above them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..motion.bones import BoneMap, MatchedBones, match_bones
from ..motion.skinning import Rig


def rig_bones(rig: Rig, maps: Mapping[str, BoneMap] | None = None) -> MatchedBones:
    """Match names among bones alone: meshes and lamps may be named like one."""
    bones: set[int] = set()
    for node in np.unique(rig.slot_node).tolist():
        while node >= 0 and node not in bones:
            bones.add(node)
            node = int(rig.skeleton.parents[node])
    names = [name if number in bones else "" for number, name in enumerate(rig.skeleton.names)]
    return match_bones(names, maps)
