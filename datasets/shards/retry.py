"""Which scenes that failed in an earlier run of `mpc sample` are tried again: those whose input may be another now.

They are sampled before the run is planned. A scene that fails again is then in no plan, so that the shard of the
others is kept; one that succeeds has its part, and its shard is written with it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...core.errors import MpcError
from ..renders.format import TEXTURES
from ..renders.listing import ListedScene
from .index import PASSING, SceneFailure


def stamp_input(scene: ListedScene) -> str:
    """Digest of scene.json and of the names, sizes and times of all files that a scene is sampled from.

    It changes when a file is restored or replaced, whether or not scene.json does.
    """
    stamp = hashlib.sha256(scene.sha256.encode())
    for folder in (scene.folder, scene.folder.parent / TEXTURES):
        for line in _list_files(folder):
            stamp.update(line.encode("utf-8", "surrogateescape"))
    return stamp.hexdigest()


def _list_files(folder: Path) -> list[str]:
    try:
        states = [(entry.name, entry.stat()) for entry in os.scandir(folder)]
    except OSError:
        return []
    return sorted(f"{name} {state.st_size} {state.st_mtime_ns}\n" for name, state in states)


def failure_digest(error: MpcError, stamp: str) -> str:
    """What is noted of a failure: the stamp of the input, or PASSING where the disk did not give what was asked for."""
    cause = error.__cause__
    return PASSING if isinstance(cause, OSError) and cause.errno is not None else stamp


def split_failures(
    scenes: Sequence[ListedScene], failures: Mapping[str, SceneFailure], *, repair: bool
) -> tuple[list[ListedScene], dict[str, SceneFailure]]:
    """Divide the failures of earlier runs.

    Args:
        scenes: all rendered scenes.
        failures: scenes that could not be sampled, by key.
        repair: whether all of them are tried again.

    Returns:
        The scenes that are tried again, and the failures that stay.
    """
    known = [scene for scene in scenes if scene.key in failures]
    again = [scene for scene in known if repair or failures[scene.key].digest != stamp_input(scene)]
    keys = {scene.key for scene in again}
    return again, {scene.key: failures[scene.key] for scene in known if scene.key not in keys}
