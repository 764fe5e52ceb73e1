"""Motions of people wherever they come from (BVH, FBX, glTF): a skeleton's world rotations and places by frame."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core.arrays import F64, I32, I64
from ..core.errors import InputError
from ..formats.bvh import BvhMotion, read_bvh
from ..formats.fbx.read import read_fbx_motion
from ..formats.gltf.animations import read_clips
from ..formats.gltf.container import open_gltf
from ..formats.gltf.read import read_skeleton
from .bones import BoneMap, MatchedBones, match_bones, read_bone_maps
from .skinning import Clip, Skeleton, world_matrices

Stamp = tuple[tuple[int, int], ...]

FPS = 30.0
MAX_FRAMES = 900
MAX_FILES = 2000
SUFFIXES = (".bvh", ".fbx", ".glb", ".gltf")


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


def motion_from_bvh(motion: BvhMotion, name: str, maps: Mapping[str, BoneMap] | None = None) -> Motion:
    """A BVH file's motion, at most 30 frames a second and MAX_FRAMES long; rest is all rotations at zero."""
    pick = _pick(len(motion.values), 1.0 / motion.frame_time_s)
    short = BvhMotion(motion.joints, motion.frame_time_s, motion.values[pick])
    rotations, places = short.rotations(), short.positions()
    for j, joint in enumerate(motion.joints):
        if joint.parent >= 0:
            places[:, j] = places[:, joint.parent] + np.einsum(
                "fij,fj->fi", rotations[:, joint.parent], np.broadcast_to(np.asarray(joint.offset), places[:, j].shape)
            )
            rotations[:, j] = rotations[:, joint.parent] @ rotations[:, j]
    bones = tuple(joint.name for joint in motion.joints)
    return Motion(
        name=name,
        fps=min(FPS, 1.0 / motion.frame_time_s),
        bones=bones,
        parents=np.array([joint.parent for joint in motion.joints], np.int32),
        matched=match_bones(bones, maps),
        rest_rotations=np.tile(np.eye(3), (len(bones), 1, 1)),
        rest_places=motion.rest_positions(),
        rotations=rotations,
        places=places,
    )


def motion_from_clip(skeleton: Skeleton, clip: Clip, name: str, maps: Mapping[str, BoneMap] | None = None) -> Motion:
    """A clip of a glTF or FBX skeleton, likewise."""
    rest = world_matrices(skeleton, None)
    pick = _pick(clip.frames, 1.0 / clip.step_s)
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


def _pick(frames: int, fps: float) -> I64:
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


def find_motion_files(source: Path) -> list[Path]:
    """The motion files of a folder, searched recursively, in order; or the one file.

    Raises:
        InputError: none, or too many.
    """
    if source.is_file():
        return [source]
    files = sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not files:
        raise InputError(source, f"holds no motion ({', '.join(SUFFIXES)})")
    if len(files) > MAX_FILES:
        raise InputError(source, f"holds {len(files)} motions, more than {MAX_FILES}")
    return files


def read_motion_file(path: Path, maps: Mapping[str, BoneMap] | None = None) -> list[Motion]:
    """All motions of a file that hold the bones needed.

    Raises:
        InputError: the file cannot be read, moves nothing, or has no bones that are known; it says which.
    """
    suffix = path.suffix.lower()
    if suffix == ".bvh":
        motions = [motion_from_bvh(read_bvh(path), path.stem, maps)]
    elif suffix in SUFFIXES:
        if suffix == ".fbx":
            skeleton, clips = read_fbx_motion(path)
        else:
            gltf = open_gltf(path)
            skeleton = read_skeleton(gltf)
            clips = read_clips(gltf, len(skeleton.names))
        motions = [
            motion_from_clip(skeleton, clip, path.stem if len(clips) == 1 else f"{path.stem}_{clip.name}", maps)
            for clip in clips
        ]
    else:
        raise InputError(path, f"motions of type {suffix or 'unknown'} are not read")
    if not motions:
        raise InputError(path, "has no animation")
    for motion in motions:
        if motion.matched.missing:
            raise InputError(
                path,
                f"has no bone known as {', '.join(motion.matched.missing)} (its bones: {some(motion.bones)}); "
                "give a bone map",
            )
    return motions


def usable_motions(source: Path, bone_map: Path | None = None) -> Iterator[Motion]:
    """All motions below a folder, file by file; files that cannot be used are passed over (see `doubt_motions`)."""
    for path in find_motion_files(source):
        with contextlib.suppress(InputError):
            yield from _recent_motions(path, bone_map, _stamp(path, bone_map))


def doubt_motions(source: Path, bone_map: Path | None = None) -> list[str]:
    """Why files below a folder cannot be used.

    Raises:
        InputError: the bone map is wrong, or no file can be used.
    """
    if bone_map is not None:
        read_bone_maps(bone_map)
    files = find_motion_files(source)
    doubts = []
    for path in files:
        try:
            _recent_motions(path, bone_map, _stamp(path, bone_map))
        except InputError as error:
            doubts.append(str(error))
    if len(doubts) == len(files):
        raise InputError(source, f"holds no motion that can be used: {doubts[0]}")
    return doubts


@lru_cache(maxsize=32)  # a process brings the same files to one rig after another; hundreds would fill the memory
def _recent_motions(path: Path, bone_map: Path | None, stamp: Stamp) -> tuple[Motion, ...]:
    return tuple(read_motion_file(path, None if bone_map is None else read_bone_maps(bone_map)))


def motions_digest(source: Path, bone_map: Path | None) -> str:
    """SHA-256 of what the motions are read from: a scene made of others is made again."""
    files = tuple(find_motion_files(source))
    return _digest((*files, *(() if bone_map is None else (bone_map,))), _stamp(*files, bone_map))


@lru_cache(maxsize=4)
def _digest(paths: tuple[Path, ...], stamp: Stamp) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode("utf-8", "surrogateescape"))
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _stamp(*paths: Path | None) -> Stamp:
    """Times and sizes of files: what is remembered of them holds as long as these."""
    states = [path.stat() for path in paths if path is not None]
    return tuple((state.st_mtime_ns, state.st_size) for state in states)


def some(names: Sequence[str], most: int = 8) -> str:
    """The first names of a list, for a message."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
