"""`mpc verify`: check a shards folder to the last bit and list what is damaged."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from ...core.arrays import Array
from ...core.errors import InputError
from ...core.files import file_sha256, read_json
from ...core.progress import NoProgress, Progress
from ...core.units import run_units
from .bodies import BODIES
from .format import layer_level
from .index import SHARDS, ShardEntry, ShardIndex, json_bytes, read_index
from .landmarks import LANDMARKS
from .reader import read_header

STRUCTURE = "(file structure)"
READ_BYTES = 64 << 20
# What HDF5 and h5py raise on damaged files, besides OSError.
DAMAGE = (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        shard: name of the file in the folder.
        dataset: name of the HDF5 dataset; None where the whole file is concerned.
        scene: key of the scene; None where not just one scene is concerned.
        reason: what is wrong, in words.
    """

    shard: str
    dataset: str | None
    scene: str | None
    reason: str

    def __str__(self) -> str:
        place = [self.shard, *([f"dataset {self.dataset}"] if self.dataset else [])]
        return ", ".join([*place, *([f"scene {self.scene}"] if self.scene else [])]) + f": {self.reason}"


def verify_shards(folder: Path, *, jobs: int = 1, progress: Progress | None = None) -> list[Problem]:
    """Check every file of a shards folder against the checksums written with it.

    Args:
        folder: written by `mpc sample`.
        jobs: worker processes, see core/units.py.
        progress: receives each shard.

    Returns:
        What is wrong, empty where the folder is whole; a single flipped bit anywhere in its files is found.

    Raises:
        InputError: it is not a shards folder.
    """
    if not any((folder / name).is_file() for name in ("index.json", "settings.json")):
        raise InputError(folder, "is not a shards folder (neither index.json nor settings.json)")
    problems: list[Problem] = []
    index: ShardIndex | None = None
    try:
        index = read_index(folder)
        if (folder / "index.json").read_bytes() != json_bytes(read_json(folder / "index.json")):
            problems.append(Problem("index.json", None, None, "differs from what was written"))
    except InputError as error:
        problems.append(Problem("index.json", None, None, error.reason))
    problems.extend(_check_settings(folder, index))
    entries = {entry.file: entry for entry in index.shards} if index else {}
    problems.extend(_check_beside(folder, entries.values()))
    present = {path.name for path in folder.glob("[!.]*.h5")}
    waiting: list[tuple[Path, ShardEntry | None]] = []
    for name in sorted(set(entries) | present):
        if name not in present:
            problems.append(Problem(name, None, None, "is missing"))
        elif index and name not in entries:
            problems.append(Problem(name, None, None, "is not in the index"))
        else:
            waiting.append((folder / name, entries.get(name)))
    progress = progress or NoProgress()
    progress.start("verify shards", len(waiting))
    found: dict[str, list[Problem]] = {}
    for name, wrong in run_units(_check_one, waiting, jobs=jobs):
        found[name] = wrong
        progress.advance(1, name)
    progress.finish()
    return [*problems, *(problem for name in sorted(found) for problem in found[name])]


def _check_beside(folder: Path, entries: Iterable[ShardEntry]) -> Iterator[Problem]:
    """Landmarks and bodies beside the shards that are damaged; those that are not there are no problem."""
    for entry in entries:
        for kind in (LANDMARKS, BODIES):
            try:
                kind.read(folder, entry)
            except InputError as error:
                yield Problem(str(kind.path(folder, entry).relative_to(folder)), None, None, error.reason)


def _check_one(shard: tuple[Path, ShardEntry | None]) -> tuple[str, list[Problem]]:
    return shard[0].name, check_shard(*shard)


def check_shard(path: Path, entry: ShardEntry | None = None) -> list[Problem]:
    """Check one shard: first the whole file against the index, then, unless that succeeds, every dataset.

    Args:
        path: the shard.
        entry: the index's entry; None where the index has none, and the datasets alone are checked.
    """
    try:
        whole = entry is not None and file_sha256(path) == entry.sha256
    except OSError as error:
        return [Problem(path.name, None, None, f"cannot be read ({error})")]
    if whole:
        return []
    problems = _check_datasets(path)
    if entry is not None and not problems:
        problems = [Problem(path.name, STRUCTURE, None, "the file's checksum differs, its datasets are whole")]
    return problems


def _check_settings(folder: Path, index: ShardIndex | None) -> list[Problem]:
    try:
        found = (folder / "settings.json").read_bytes()
    except OSError as error:
        return [Problem("settings.json", None, None, f"cannot be read ({error})")]
    if index is None:
        return []
    if found != json_bytes(replace(SHARDS, version=index.version).content(index.settings)):
        return [Problem("settings.json", None, None, "differs from the index's settings")]
    return []


def _check_datasets(path: Path) -> list[Problem]:
    problems: list[Problem] = []

    def attempt(dataset: str, check: Callable[[], list[Problem]]) -> None:
        try:
            problems.extend(check())
        except InputError as error:
            problems.append(Problem(path.name, dataset, None, error.reason))
        except DAMAGE as error:
            problems.append(Problem(path.name, dataset, None, f"does not read ({error})"))

    def open_and_check() -> list[Problem]:
        with h5py.File(path, "r", locking=False) as file:
            columns = read_header(file, path).columns
            names: list[str] = []
            file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
            needed = {name for name, column in columns.items() if not column.optional}
            for missing in sorted(needed - set(names)):
                problems.append(Problem(path.name, missing, None, "is missing"))
            for name in sorted(names):
                attempt(name, lambda name=name: _check_dataset(file, path, name))  # type: ignore[misc]
        return []

    attempt(STRUCTURE, open_and_check)
    return problems


def _check_dataset(file: h5py.File, path: Path, name: str) -> list[Problem]:
    dataset = file[name]
    sealed = dataset.attrs["sha256"]
    if _sha256(dataset) == sealed:
        return []
    header = read_header(file, path)
    column = header.columns.get(name)
    if column is None or column.level in ("scene", "view"):
        return [Problem(path.name, name, None, "checksum differs")]
    keys = [bytes(key).decode(errors="replace") for key in file["scenes/key"][...]]
    offsets, sums = file[f"offsets/{column.level}"][...], file[f"checksums/{name}"][...]
    if column.level in map(layer_level, header.layers):  # these offsets are those of views
        offsets = offsets[file["offsets/view"][...]]
    damaged = [
        keys[scene]
        for scene in range(len(keys))
        if zlib.crc32(_bytes(dataset[int(offsets[scene]) : int(offsets[scene + 1])])) != sums[scene]
    ]
    return [Problem(path.name, name, key, "checksum differs") for key in damaged] or [
        Problem(path.name, name, None, "checksum differs, that of each scene is right")
    ]


def _sha256(dataset: h5py.Dataset) -> str:
    total = hashlib.sha256()
    rows = max(1, READ_BYTES // max(1, dataset.dtype.itemsize * int(np.prod(dataset.shape[1:], dtype=np.int64))))
    for start in range(0, len(dataset), rows):
        total.update(_bytes(dataset[start : start + rows]))
    return total.hexdigest()


def _bytes(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()
