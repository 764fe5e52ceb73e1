"""A rig as it was read, made ready: mirroring nodes resolved, and left and right told apart by the body's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.arrays import F64
from ..geometry.mesh import PosedMesh
from ..motion.landmarks import find_hips, find_pelvis, rest_facing, toe_facing
from ..motion.mirror import mirrored_nodes, unmirror
from ..motion.skinning import Rig, world_matrices
from .body_shape import feet_facing

UP = np.array([0.0, 1.0, 0.0])
OPPOSITE = -0.5  # cosine of 120 degrees


@dataclass(frozen=True, eq=False)
class ReadyRig:
    """A rig, and what is known of it.

    Attributes:
        rig: with pelvis and hips.
        facing: (3,) unit, the direction that the person faces at rest; None where no limb tells.
        notices: messages for the user.
    """

    rig: Rig
    facing: F64 | None
    notices: tuple[str, ...] = ()


def prepare_rig(rig: Rig, joints: Sequence[int], rest: PosedMesh) -> ReadyRig:
    """Find pelvis, hips and facing of a rig, and resolve nodes that mirror.

    Where a mirror stands above the bones, those named left may be on the person's right. Feet and toes, which point
    forward whatever they are called, decide.

    Args:
        rig: as read, y up.
        joints: nodes that are joints of a skin.
        rest: its surface at rest.
    """
    mirrors = bool(mirrored_nodes(rig.skeleton)[list(joints)].any())
    rig = unmirror(rig)
    world = world_matrices(rig.skeleton, None)
    limbs = rest_facing(rig.skeleton, joints, world, UP)
    crossed = False
    if limbs is not None:
        evidence = feet_facing(rest, UP), toe_facing(rig.skeleton, joints, world, UP)
        forward = [one for one in evidence if one is not None]
        # Without a mirror both the surface and the bones have to say so.
        crossed = len(forward) > (0 if mirrors else 1) and all(float(limbs @ one) < OPPOSITE for one in forward)
    hips = find_hips(rig.skeleton, joints)
    rig = replace(
        rig, pelvis=find_pelvis(rig.skeleton, joints), hips=hips[::-1] if crossed else hips, sides_crossed=crossed
    )
    notices = ("bones named left are on the person's right: the rig is mirrored",) if crossed else ()
    return ReadyRig(rig, -limbs if crossed and limbs is not None else limbs, notices)
