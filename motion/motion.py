"""Motions of people from any file (BVH, FBX, glTF): world rotations and positions of a skeleton in every frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I32, I64
from .bones import BoneMap, MatchedBones, match_bones, settle_by_shape
from .skinning import Clip, Skeleton, world_matrices

FPS = 30.0
MAX_FRAMES = 900


@dataclass(frozen=True, eq=False)
class Motion:
    """A clip on its own skeleton, in its file's units and axes.

    Attributes:
        name: name of the file, with the clip's name where the file has several.
        fps: frames per second.
        bones: names of the J bones.
        parents: (J,) int32, -1 for a root.
        matched: bones by role.
        rest_rotations: (J, 3, 3) world rotations at rest.
        rest_places: (J, 3) world positions at rest.
        rotations: (F, J, 3, 3) world rotations in every frame.
        places: (F, J, 3) world positions in every frame.
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
    """Convert a clip of a glTF or FBX skeleton.

    Args:
        skeleton: of the file.
        clip: one of its animations.
        name: of the motion.
        maps: the user's bone maps, see `bones.match_bones`.
    """
    rest = world_matrices(skeleton, None)
    pick = pick_frames(clip.frames, 1.0 / clip.step_s)
    world = np.stack([world_matrices(skeleton, clip, clip.time_of(int(frame))) for frame in pick])
    return Motion(
        name=name,
        fps=min(FPS, 1.0 / clip.step_s),
        bones=skeleton.names,
        parents=skeleton.parents,
        matched=settle_by_shape(match_bones(skeleton.names, maps), skeleton.names, skeleton.parents, rest[:, :3, 3]),
        rest_rotations=pure_rotations(rest),
        rest_places=rest[:, :3, 3],
        rotations=pure_rotations(world),
        places=world[..., :3, 3],
    )


def pick_frames(frames: int, fps: float) -> I64:
    """Numbers of the frames nearest to FPS per second, at most MAX_FRAMES of them."""
    step = max(1.0, fps / FPS)
    count = max(1, min(MAX_FRAMES, round((frames - 1) / step) + 1))
    picked: I64 = np.minimum(np.rint(np.arange(count) * step).astype(np.int64), frames - 1)
    return picked


def pure_rotations(matrices: F64) -> F64:
    """The rotations (..., 3, 3) nearest to matrices (..., 4, 4): scale and mirroring are removed."""
    left, _, right = np.linalg.svd(matrices[..., :3, :3])
    sign = np.ones(left.shape[:-1])
    sign[..., 2] = np.linalg.det(left @ right)
    result: F64 = (left * sign[..., None, :]) @ right
    return result
