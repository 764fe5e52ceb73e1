"""Motions of people wherever they come from (BVH, FBX, glTF): a skeleton's world rotations and places by frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I32, I64
from .bones import BoneMap, MatchedBones, match_bones
from .skinning import Clip, Skeleton, world_matrices

FPS = 30.0
MAX_FRAMES = 900


@dataclass(frozen=True, eq=False)
class Motion:
    """A clip on its own skeleton, in its file's units and axes.

    Attributes:
        name: of the file, with the clip's where there are several. fps: frames a second.
        bones: names; parents (J,) int32, -1 for a root; matched: bones by role.
        rest_rotations (J, 3, 3) and rest_places (J, 3): world, at rest.
        rotations (F, J, 3, 3) and places (F, J, 3): world, by frame.
    """

    name: str
    fps: float
    bones: tuple[str, ...]
    parents: I32
    matched: MatchedBones
    rest_rotations: F64
    rest_places: F64
    rotations: F64
    places: F64

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.rotations)


def motion_from_clip(skeleton: Skeleton, clip: Clip, name: str, maps: Mapping[str, BoneMap] | None = None) -> Motion:
    """A clip of a glTF or FBX skeleton, likewise."""
    rest = world_matrices(skeleton, None)
    pick = pick_frames(clip.frames, 1.0 / clip.step_s)
    world = np.stack([world_matrices(skeleton, clip, clip.time_of(int(frame))) for frame in pick])
    return Motion(
        name=name,
        fps=min(FPS, 1.0 / clip.step_s),
        bones=skeleton.names,
        parents=skeleton.parents,
        matched=match_bones(skeleton.names, maps),
        rest_rotations=pure_rotations(rest),
        rest_places=rest[:, :3, 3],
        rotations=pure_rotations(world),
        places=world[..., :3, 3],
    )


def pick_frames(frames: int, fps: float) -> I64:
    """Frames nearest to 30 a second."""
    step = max(1.0, fps / FPS)
    count = max(1, min(MAX_FRAMES, round((frames - 1) / step) + 1))
    picked: I64 = np.minimum(np.rint(np.arange(count) * step).astype(np.int64), frames - 1)
    return picked


def pure_rotations(matrices: F64) -> F64:
    """(..., 3, 3) rotations nearest to the linear parts of (..., 4, 4) matrices (scale and mirroring taken out)."""
    left, _, right = np.linalg.svd(matrices[..., :3, :3])
    sign = np.ones(left.shape[:-1])
    sign[..., 2] = np.linalg.det(left @ right)
    result: F64 = (left * sign[..., None, :]) @ right
    return result
