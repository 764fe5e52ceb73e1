"""BVH motions as clips of the generated people's rig, by `motion/retarget.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.arrays import F64
from ..core.errors import InputError
from ..core.files import find_files
from ..formats.motions import read_motion_file
from ..motion.bones import match_bones, settle_by_shape
from ..motion.makehuman.body import Body, skeleton
from ..motion.motion import FPS, Motion
from ..motion.retarget import Target, retarget
from .rig import BodyClip

MAX_FILES = 200


def retarget_body(motion: Motion, body: Body, *, name: str) -> BodyClip:
    """Retarget a motion to a body's rig; the lowest foot of the whole motion stands on the floor."""
    rig = skeleton()
    result = retarget(motion, body_target(body))
    above = np.concatenate([np.tile(np.eye(3), (motion.frames, 1, 1, 1)), result.rotations[:, rig.parents[1:]]], axis=1)
    return BodyClip(name, above.transpose(0, 1, 3, 2) @ result.rotations, result.hips - body.heads[0], FPS)


def body_target(body: Body) -> Target:
    """A body's rig as a target of motions: rest frames are the world's, and the floor is at the ankles' height."""
    rig = skeleton()
    feet = [rig.names.index(f"foot.{tag}") for tag in "LR"]

    def lowest(rotations: F64, hips: F64) -> F64:
        heads = np.empty((len(hips), len(rig.names), 3))
        heads[:, 0] = hips
        for bone in range(1, len(rig.parents)):
            parent = rig.parents[bone]
            heads[:, bone] = heads[:, parent] + rotations[:, parent] @ (body.heads[bone] - body.heads[parent])
        result: F64 = heads[:, feet, 1].min(axis=1)
        return result

    return Target(
        bones=rig.names,
        parents=rig.parents,
        order=np.arange(len(rig.names), dtype=np.int32),
        matched=settle_by_shape(match_bones(rig.names), rig.names, rig.parents, body.heads),
        rotations=np.tile(np.eye(3), (len(rig.names), 1, 1)),
        places=body.heads,
        floor_y=float(body.heads[feet, 1].min()),
        lowest=lowest,
        standing_share=0.0,
    )


def motion_files(folder: Path) -> list[Path]:
    """All BVH files below a folder, sorted by path.

    Raises:
        InputError: there are none or too many, or a folder cannot be listed.
    """
    files = find_files(folder, (".bvh",))
    if not files:
        raise InputError(folder, "holds no .bvh file")
    if len(files) > MAX_FILES:
        raise InputError(folder, f"holds {len(files)} .bvh files, more than {MAX_FILES}")
    return files


def read_motions(folder: Path) -> list[tuple[Path, Motion]]:
    """Read all BVH files below a folder, sorted by path.

    Raises:
        InputError: no or too many BVH files, or one that cannot be used.
    """
    return [(path, motion) for path in motion_files(folder) for motion in read_motion_file(path)]


def bvh_clips(folder: Path, body: Body, taken: set[str] | None = None) -> list[BodyClip]:
    """Retarget the motions of `read_motions` to a body's rig.

    Args:
        folder: of BVH files, after which the clips are named.
        body: the target.
        taken: names that are in use; a clip of such a name gets a prefix.
    """
    used = set(taken or ())
    clips = []
    for path, motion in read_motions(folder):
        name = path.stem
        while name in used:
            name = f"bvh_{name}"
        used.add(name)
        clips.append(retarget_body(motion, body, name=name))
    return clips
