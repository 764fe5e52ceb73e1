"""Find the user's motion files, and add their motions to rigs as further clips."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ..core.errors import InputError
from ..core.files import find_files
from ..core.messages import describe_failure, first_few
from ..formats.bone_maps import read_bone_maps
from ..formats.motions import SUFFIXES, UNREAD_SUFFIXES, read_motion_file
from ..motion.bones import rig_bones
from ..motion.motion import Motion
from ..motion.rig_clips import Brought, bring_clips
from .load import LoadedSubject, name_clips

Stamp = tuple[tuple[int, int], ...]


MAX_FILES = 2000


def find_motion_files(source: Path) -> list[Path]:
    """Find the motion files of a folder, searched recursively, in order; or the one file.

    Raises:
        InputError: there is none, there are too many, or a folder cannot be listed.
    """
    if source.is_file():
        return [source]
    files = [path for path in find_files(source, SUFFIXES) if not path.name.startswith(".")]
    if not files:
        raise InputError(source, "; ".join([f"holds no motion ({', '.join(SUFFIXES)})", *_doubt_formats(source)]))
    if len(files) > MAX_FILES:
        raise InputError(source, f"holds {len(files)} motions, more than {MAX_FILES}")
    return files


def _doubt_formats(source: Path) -> list[str]:
    """Say of which formats motions are below a folder that are not read; nothing where there are none."""
    unread = [] if source.is_file() else find_files(source, UNREAD_SUFFIXES)
    if not unread:
        return []
    count, advice = len(unread), "convert them to BVH, FBX or GLB"
    return [f"{count} motions of formats that are not read are skipped, such as {unread[0]}; {advice}"]


def usable_motions(source: Path, bone_map: Path | None = None) -> Iterator[Motion]:
    """Read all motions below a folder, file by file; files that cannot be used are skipped (see `doubt_motions`)."""
    for path in find_motion_files(source):
        with contextlib.suppress(InputError, OSError):
            yield from _recent_motions(path, bone_map, _stamp(path, bone_map))


@dataclass(frozen=True)
class ClipChoice:
    """One animation of a rig: of its own file, or a motion that is brought to it.

    Attributes:
        name: of the animation, see SceneSpec.
        path: the file of the motion; None for the rig's own clip of that name.
        index: which motion of that file.
        motions_sha256: `motions_digest` of all motions that are brought, computed once for all animations.
    """

    name: str
    path: Path | None = None
    index: int = 0
    motions_sha256: str | None = None


def list_motions(source: Path, bone_map: Path | None = None) -> list[tuple[ClipChoice, int]]:
    """All motions below a folder that can be used, under their own names, with their numbers of frames."""
    found = []
    for path in find_motion_files(source):
        with contextlib.suppress(InputError):
            motions = _recent_motions(path, bone_map, _stamp(path, bone_map))
            found += [(ClipChoice(motion.name, path, index), motion.frames) for index, motion in enumerate(motions)]
    return found


def doubt_motions(source: Path, bone_map: Path | None = None) -> list[str]:
    """Say of each file below a folder that cannot be used why.

    Args:
        source: a folder of motions, or one file.
        bone_map: file with the user's bone names; None for none.

    Returns:
        One line for each such file, and one for files of formats that are not read.

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
        except (InputError, OSError) as error:
            doubts.append(describe_failure(error))
    if len(doubts) == len(files):
        raise InputError(source, f"holds no motion that can be used: {doubts[0]}")
    return [*doubts, *_doubt_formats(source)]


@lru_cache(maxsize=32)  # a process adds the same files to one rig after another; hundreds would fill the memory
def _recent_motions(path: Path, bone_map: Path | None, stamp: Stamp) -> tuple[Motion, ...]:
    return tuple(read_motion_file(path, None if bone_map is None else read_bone_maps(bone_map)))


def motions_digest(source: Path, bone_map: Path | None) -> str:
    """SHA-256 of the files that motions are read from; a scene made from others is rendered again."""
    files = tuple(find_motion_files(source))
    return _digest((*files, *(() if bone_map is None else (bone_map,))), _stamp(*files, bone_map))


@lru_cache(maxsize=4)
def _digest(paths: tuple[Path, ...], stamp: Stamp) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode("utf-8", "surrogateescape"))
        with contextlib.suppress(OSError):  # a motion that cannot be read is left out (see `doubt_motions`)
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _stamp(*paths: Path | None) -> Stamp:
    """Times and sizes of files: what was cached of them is valid as long as these are the same."""
    stamp = []
    for path in paths:
        if path is not None:
            with contextlib.suppress(OSError):
                state = path.stat()
                stamp.append((state.st_mtime_ns, state.st_size))
    return tuple(stamp)


def with_animations(loaded: LoadedSubject, source: Path, bone_map: Path | None = None) -> LoadedSubject:
    """Add the motions of a folder (or file) to a rigged subject as further clips; a scan stays as it is.

    Args:
        loaded: the subject.
        source: a folder of motions, or one file.
        bone_map: file with the user's bone names; None for none.

    Raises:
        InputError: a motion or the bone map cannot be read, or the rig has no bones known by any map.
    """
    if loaded.rig is None:
        return loaded
    brought, map_name = _bring(loaded, usable_motions(source, bone_map), bone_map)
    return replace(
        loaded,
        clips=name_clips((*loaded.clips.values(), *brought.clips)),
        notices=(*loaded.notices, *brought.notices),
        bone_map=map_name,
    )


def with_clip(loaded: LoadedSubject, clip: ClipChoice, bone_map: Path | None = None) -> LoadedSubject:
    """A rigged subject with one animation alone; it has none where the motion cannot be brought to it.

    Args:
        loaded: the subject.
        clip: the animation.
        bone_map: file with the user's bone names; None for none.

    Raises:
        InputError: the subject or the file has no such animation (any more), or see `with_animations`.
    """
    if clip.path is None:
        if clip.name not in loaded.clips:
            raise InputError(loaded.subject.path, f'has no animation "{clip.name}" any more')
        return replace(loaded, clips={clip.name: loaded.clips[clip.name]})
    motions = _recent_motions(clip.path, bone_map, _stamp(clip.path, bone_map))
    if clip.index >= len(motions):
        raise InputError(clip.path, "holds fewer motions than before")
    brought, map_name = _bring(loaded, motions[clip.index : clip.index + 1], bone_map)
    return replace(
        loaded,
        clips={clip.name: brought.clips[0]} if brought.clips else {},
        notices=(*loaded.notices, *brought.notices),
        bone_map=map_name,
    )


def _bring(loaded: LoadedSubject, motions: Iterable[Motion], bone_map: Path | None) -> tuple[Brought, str | None]:
    """The motions as clips of the subject's rig, and the name of the map that matched its bones."""
    rig = loaded.rig
    assert rig is not None
    maps = None if bone_map is None else read_bone_maps(bone_map)
    matched = rig_bones(rig, maps)
    if matched.missing:
        raise InputError(
            loaded.subject.path,
            f"no animation can be added: the rig has no bone known as {first_few(matched.missing)} "
            f"(its bones: {first_few(rig.skeleton.names)}); give a bone map",
        )
    return bring_clips(rig, loaded.to_world, matched, motions), matched.map_name
