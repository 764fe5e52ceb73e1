"""Read the motions of BVH, FBX and glTF files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.messages import first_few
from ..motion.bones import BoneMap, match_bones, settle_by_shape
from ..motion.motion import FPS, Motion, motion_from_clip, pick_frames
from .bvh import BvhMotion, read_bvh
from .fbx.read import read_fbx_motion
from .gltf.animations import read_clips
from .gltf.container import open_gltf
from .gltf.read import read_skeleton
from .sniff import find_other_kind

SUFFIXES = (".bvh", ".fbx", ".glb", ".gltf")
UNREAD_SUFFIXES = (".c3d", ".trc", ".amc", ".mvnx", ".mvn", ".dae", ".usd", ".abc")
"""Motions that other programs convert; those found beside others are told."""


def motion_from_bvh(motion: BvhMotion, name: str, maps: Mapping[str, BoneMap] | None = None) -> Motion:
    """Turn a BVH file into a motion of at most 30 frames a second and MAX_FRAMES frames; at rest no joint is turned."""
    pick = pick_frames(len(motion.values), 1.0 / motion.frame_time_s)
    short = BvhMotion(motion.joints, motion.frame_time_s, motion.values[pick])
    rotations, places = short.rotations(), short.positions()
    for j, joint in enumerate(motion.joints):
        if joint.parent >= 0:
            places[:, j] = places[:, joint.parent] + np.einsum(
                "fij,fj->fi", rotations[:, joint.parent], np.broadcast_to(np.asarray(joint.offset), places[:, j].shape)
            )
            rotations[:, j] = rotations[:, joint.parent] @ rotations[:, j]
    bones = tuple(joint.name for joint in motion.joints)
    parents, rest = np.array([joint.parent for joint in motion.joints], np.int32), motion.rest_positions()
    return Motion(
        name=name,
        fps=min(FPS, 1.0 / motion.frame_time_s),
        bones=bones,
        parents=parents,
        matched=settle_by_shape(match_bones(bones, maps), bones, parents, rest),
        rest_rotations=np.tile(np.eye(3), (len(bones), 1, 1)),
        rest_places=rest,
        rotations=rotations,
        places=places,
    )


def read_motion_file(path: Path, maps: Mapping[str, BoneMap] | None = None) -> list[Motion]:
    """Read all motions of a file.

    Args:
        path: .bvh, .fbx, .glb or .gltf.
        maps: the user's bone maps, tried before the built-in ones.

    Returns:
        One motion a clip; a single clip is named after the file.

    Raises:
        InputError: the file cannot be read, has no animation, or lacks bones that are needed; the message says which.
    """
    try:
        motions = _read(path, maps)
    except InputError as error:
        other = find_other_kind(path) if error.path == path else None
        if other is not None:
            raise InputError(path, other) from error
        raise
    if not motions:
        raise InputError(path, "has no animation")
    for motion in motions:
        if motion.matched.missing:
            raise InputError(
                path,
                f"has no bone known as {', '.join(motion.matched.missing)} (its bones: {first_few(motion.bones)}); "
                "give a bone map",
            )
    return motions


def _read(path: Path, maps: Mapping[str, BoneMap] | None) -> list[Motion]:
    suffix = path.suffix.lower()
    if suffix == ".bvh":
        return [motion_from_bvh(read_bvh(path), path.stem, maps)]
    if suffix not in SUFFIXES:
        raise InputError(path, f"motions of type {suffix or 'unknown'} are not read; convert it to BVH, FBX or GLB")
    if suffix == ".fbx":
        skeleton, clips = read_fbx_motion(path)
    else:
        gltf = open_gltf(path)
        skeleton = read_skeleton(gltf)
        clips = read_clips(gltf, len(skeleton.names))
    return [
        motion_from_clip(skeleton, clip, path.stem if len(clips) == 1 else f"{path.stem}_{clip.name}", maps)
        for clip in clips
    ]
