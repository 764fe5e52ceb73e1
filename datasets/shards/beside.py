"""Numbers of the views of shards that are found after `mpc sample`, in files beside them: `<folder>/<shard>.npz`.

A file belongs to the shard with the checksum that it names, so that shards that were made anew are not given the
numbers of others. Where its views are only partly done, it says which (train/fill_views.py goes on from there).
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.arrays import Array, Bools
from ...core.errors import InputError
from ...core.files import replacing
from .index import ShardEntry, read_index

VERSION = 1


@dataclass(frozen=True, eq=False)
class ViewNumbers:
    """The numbers of the views of one shard.

    Attributes:
        values: (V, ...) of the shard's views, as their `Beside` says.
        done: (V,) bool, the views that were looked at.
    """

    values: Array
    done: Bools

    @property
    def is_whole(self) -> bool:
        """Whether all views were looked at."""
        return bool(self.done.all())


@dataclass(frozen=True)
class Beside:
    """One kind of numbers of views.

    Attributes:
        name: of the kind in words, and of the folder.
        shape: of the numbers of a view.
        dtype: of the numbers.
        blank: what stands for a view that was not looked at, or shows nobody.
        command: what finds them, to be followed by the folder of shards.
        packed: whether the file is compressed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    blank: float
    command: str
    packed: bool = False

    def path(self, shards: Path, entry: ShardEntry) -> Path:
        """The file of a shard's numbers."""
        return shards / self.name / f"{Path(entry.file).stem}.npz"

    def empty(self, views: int) -> ViewNumbers:
        """Those of a shard none of whose views were looked at."""
        return ViewNumbers(np.full((views, *self.shape), self.blank, self.dtype), np.zeros(views, bool))

    def write(self, shards: Path, entry: ShardEntry, numbers: ViewNumbers) -> None:
        """Write the file of a shard's numbers, whole or not at all."""
        save, values = np.savez_compressed if self.packed else np.savez, numbers.values.astype(self.dtype, copy=False)
        with replacing(self.path(shards, entry)) as path, path.open("wb") as file:
            save(file, values=values, done=numbers.done, shard=entry.sha256, version=VERSION)

    def read(self, shards: Path, entry: ShardEntry) -> ViewNumbers | None:
        """The numbers of a shard; None where there are none, or those of a shard that is no more.

        Raises:
            InputError: the file is damaged, or of another version.
        """
        path = self.path(shards, entry)
        if not path.is_file():
            return None
        advice = f"remove it, and `{self.command} {shards}` makes it anew"
        try:
            # Archives keep a checksum of each array, so that a single flipped bit is found.
            with np.load(path, allow_pickle=False) as content:
                if int(content["version"]) != VERSION:
                    raise InputError(
                        path, f"is of version {int(content['version'])}, this mpc reads {VERSION}; {advice}"
                    )
                if str(content["shard"]) != entry.sha256:
                    return None
                found = ViewNumbers(content["values"], content["done"])
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(path, f"damaged {self.name} ({error}); {advice}") from error
        fits = found.values.shape == (entry.views, *self.shape) and found.values.dtype == self.dtype
        if not fits or found.done.shape != (entry.views,):
            raise InputError(path, f"damaged {self.name} (not those of {entry.views} views); {advice}")
        return found

    def are_there(self, shards: Path, *splits: str) -> bool:
        """Whether the numbers of all views of some splits, or of all, are there."""
        entries = [entry for entry in read_index(shards).shards if not splits or entry.split in splits]
        return all((found := self.read(shards, entry)) is not None and found.is_whole for entry in entries)


class NumbersInMemory:
    """The numbers of the views of several shards, in memory.

    Args:
        kind: of the numbers.
        shards: folder written by `mpc sample`.
        entries: the index's entries of these shards.

    Raises:
        InputError: numbers are missing, or damaged.
    """

    def __init__(self, kind: Beside, shards: Path, entries: Sequence[ShardEntry]) -> None:
        self._values: list[Array] = []
        for entry in entries:
            found = kind.read(shards, entry)
            if found is None or not found.is_whole:
                raise InputError(
                    shards, f"lacks {kind.name} of {entry.file}; `{kind.command} {shards}` finds them once"
                )
            self._values.append(found.values)

    def of(self, shard: int, row: int) -> Array:
        """The numbers of one view of a shard."""
        values: Array = self._values[shard][row].copy()
        return values

    @property
    def digest(self) -> str:
        """SHA-256 of all numbers."""
        digest = hashlib.sha256()
        for values in self._values:
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()
