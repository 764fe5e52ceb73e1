"""A person as what the file writers take: a textured mesh, and a rig with its animations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I32, U8
from ..geometry.mesh import Material, PosedMesh
from ..motion.makehuman.body import Skeleton as BodySkeleton
from ..motion.skinning import Channel, Clip, Rig, Skeleton, matrix_quaternions, strongest_weights

# A bone that never turns further than this from its rest, as the greatest entry of a matrix, gets no rotation keys.
STILL = 1e-6


@dataclass(frozen=True, eq=False)
class BodyClip:
    """An animation of a body, frame by frame.

    Attributes:
        name: unique in the rig.
        rotations: (N, B, 3, 3) float64, each bone's rotation relative to its parent.
        offsets: (N, 3) float64, metres, added to the root's rest position.
        fps: frames a second.
    """

    name: str
    rotations: F64
    offsets: F64
    fps: float = 30.0


def textured_mesh(vertices: F64, faces: I32, uv: F64, texture: U8) -> PosedMesh:
    """A person's surface with its texture.

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3) int32.
        uv: (F, 3, 2) texture coordinates of the corners, lower left origin; equal ones (to six decimals, as they are
            written) are joined.
        texture: (S, S, 3) uint8 sRGB.

    Returns:
        The mesh, with one opaque material.
    """
    rounded = np.round(uv.reshape(-1, 2), 6)
    points, corner = np.unique(rounded, axis=0, return_inverse=True)
    opaque = np.concatenate([texture, np.full((*texture.shape[:2], 1), 255, np.uint8)], axis=2)
    return PosedMesh(
        vertices,
        faces,
        (Material("person", opaque),),
        uv=points.astype(np.float32),
        face_uv=corner.reshape(-1, 3).astype(np.int32),
    )


def body_rig(skeleton: BodySkeleton, heads: F64, vertices: F64, weights: F64, clips: list[BodyClip]) -> Rig:
    """A rig whose bones rest in the world's axes, so that a node only translates.

    Args:
        skeleton: names and parents of the B bones.
        heads: (B, 3) where the bones begin, metres.
        vertices: (V, 3) rest pose, metres.
        weights: (V, B) skin weights; the four largest of a vertex are kept.
        clips: animations.

    Returns:
        The rig.
    """
    count = len(skeleton.names)
    inverse = np.tile(np.eye(4), (count, 1, 1))
    inverse[:, :3, 3] = -heads
    above = np.where(skeleton.parents[:, None] >= 0, heads[skeleton.parents], 0.0)
    joints, values = strongest_weights(weights)
    return Rig(
        skeleton=Skeleton(
            names=skeleton.names,
            parents=skeleton.parents,
            order=np.arange(count, dtype=np.int32),
            translation=heads - above,
            rotation=np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)),
            scale=np.ones((count, 3)),
            matrix={},
        ),
        vertices=vertices,
        slot_node=np.arange(count, dtype=np.int32),
        slot_inverse=inverse,
        joints=joints,
        weights=values,
        clips=tuple(_rig_clip(clip, heads[0]) for clip in clips),
    )


def _rig_clip(clip: BodyClip, root: F64) -> Clip:
    """Keys at every frame: the root's place, its rotation, and the rotations of the bones that move."""
    frames = len(clip.rotations)
    times = np.arange(frames) / clip.fps
    channels = [Channel(0, "translation", times, clip.offsets + root)]
    for bone in range(clip.rotations.shape[1]):
        local = clip.rotations[:, bone]
        if bone == 0 or np.abs(local - np.eye(3)).max() > STILL:
            channels.append(Channel(bone, "rotation", times, matrix_quaternions(local)))
    return Clip(clip.name, tuple(channels), 0.0, 1.0 / clip.fps, frames)
