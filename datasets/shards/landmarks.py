"""Landmarks of the people in the views of shards, in files beside the shards: `landmarks/<shard>.npz`.

A file belongs to the shard with the checksum that it names, so that shards that were made anew are not given the
landmarks of others. Where its views are only partly done, it says which (train/find_landmarks.py goes on from there).
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.arrays import F32, Bools
from ...core.errors import InputError
from ...core.files import replacing
from .index import ShardEntry, read_index

FOLDER = "landmarks"
SHAPE = (33, 7)
VERSION = 1


@dataclass(frozen=True, eq=False)
class ShardLandmarks:
    """The landmarks of one shard.

    Attributes:
        values: (V, 33, 7) float32 of the shard's views, in the frame of their pictures; NaN where nobody was found
            (models/person/landmarks.py says what the numbers are).
        done: (V,) bool, the views that were looked at.
    """

    values: F32
    done: Bools

    @classmethod
    def empty(cls, views: int) -> ShardLandmarks:
        """Those of a shard none of whose views were looked at."""
        return cls(np.full((views, *SHAPE), np.nan, np.float32), np.zeros(views, bool))

    @property
    def is_whole(self) -> bool:
        """Whether all views were looked at."""
        return bool(self.done.all())


def landmarks_path(shards: Path, entry: ShardEntry) -> Path:
    """The file of a shard's landmarks."""
    return shards / FOLDER / f"{Path(entry.file).stem}.npz"


def write_landmarks(shards: Path, entry: ShardEntry, landmarks: ShardLandmarks) -> None:
    """Write the file of a shard's landmarks, whole or not at all."""
    with replacing(landmarks_path(shards, entry)) as path, path.open("wb") as file:
        np.savez(file, values=landmarks.values, done=landmarks.done, shard=entry.sha256, version=VERSION)


def read_landmarks(shards: Path, entry: ShardEntry) -> ShardLandmarks | None:
    """The landmarks of a shard; None where there are none, or those of a shard that is no more.

    Raises:
        InputError: the file is damaged, or of another version.
    """
    path = landmarks_path(shards, entry)
    if not path.is_file():
        return None
    advice = f"remove it, and `mpc landmarks {shards}` makes it anew"
    try:
        # Archives keep a checksum of each array, so that a single flipped bit is found.
        with np.load(path, allow_pickle=False) as content:
            if int(content["version"]) != VERSION:
                raise InputError(path, f"is of version {int(content['version'])}, this mpc reads {VERSION}; {advice}")
            if str(content["shard"]) != entry.sha256:
                return None
            found = ShardLandmarks(content["values"], content["done"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(path, f"damaged landmarks ({error}); {advice}") from error
    if found.values.shape != (entry.views, *SHAPE) or found.done.shape != (entry.views,):
        raise InputError(path, f"damaged landmarks (not those of {entry.views} views); {advice}")
    return found


def has_landmarks(shards: Path, *splits: str) -> bool:
    """Whether the landmarks of all views of some splits, or of all, are there."""
    entries = [entry for entry in read_index(shards).shards if not splits or entry.split in splits]
    return all((found := read_landmarks(shards, entry)) is not None and found.is_whole for entry in entries)


class ViewLandmarks:
    """The landmarks of the views of several shards, in memory: 924 bytes a view.

    Args:
        shards: folder written by `mpc sample`.
        entries: the index's entries of these shards.

    Raises:
        InputError: landmarks are missing, or damaged.
    """

    def __init__(self, shards: Path, entries: Sequence[ShardEntry]) -> None:
        self._values: list[F32] = []
        for entry in entries:
            found = read_landmarks(shards, entry)
            if found is None or not found.is_whole:
                raise InputError(shards, f"lacks landmarks of {entry.file}; `mpc landmarks {shards}` finds them once")
            self._values.append(found.values)

    def of(self, shard: int, row: int) -> F32:
        """(33, 7) of one view of a shard; NaN where nobody was found."""
        landmarks: F32 = self._values[shard][row].copy()
        return landmarks

    @property
    def digest(self) -> str:
        """SHA-256 of all landmarks."""
        digest = hashlib.sha256()
        for values in self._values:
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()
