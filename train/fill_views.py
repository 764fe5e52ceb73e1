"""Fills the files beside shards (datasets/shards/beside.py): every view is looked at once, by any number of workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from ..core.arrays import U8, Array
from ..core.errors import InputError, MpcError
from ..core.locks import writing
from ..core.progress import Progress
from ..core.units import run_units
from ..datasets.shards.beside import Beside, ViewNumbers
from ..datasets.shards.index import ShardEntry, read_index
from ..datasets.shards.pictures import load_picture
from ..datasets.shards.reader import ShardReader

# Views of a unit of work; and the greatest time that a stop loses, seconds.
_VIEWS = 32
_SAVE_EVERY = 20.0


@dataclass(frozen=True)
class Rows:
    """Some views of a shard, a unit of work.

    Attributes:
        shard: the file.
        number: of the shard in the index.
        rows: of the views in the shard's tables.
    """

    shard: Path
    number: int
    rows: tuple[int, ...]


Look = Callable[[Rows], Array]
"""The numbers (n, ...) of some views; an MpcError says why there are none. Workers are sent it, so it is picklable."""


@dataclass(frozen=True)
class ViewsSummary:
    """The outcome of finding something in every view, as the user is told it.

    Attributes:
        views: number of views whose numbers are there.
        found_now: number of those that this call looked at.
        nobody: number of views in which nobody was found; networks are told so.
        failures: what could not be read: name of the shard and the views, and the reason.
    """

    views: int
    found_now: int
    nobody: int
    failures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Filled:
    """The outcome of `fill_views`.

    Attributes:
        held: the numbers of each shard.
        done: number of views whose numbers are there.
        found_now: number of those that this call looked at.
        failures: as in `ViewsSummary`.
    """

    held: Sequence[ViewNumbers]
    done: int
    found_now: int
    failures: tuple[tuple[str, str], ...]


def fill_views(kind: Beside, shards: Path, look: Look, *, jobs: int, backend: str, progress: Progress) -> Filled:
    """Look at every view of a folder of shards. What an earlier call found is kept, also when this one is stopped.

    Args:
        kind: of the numbers, and of their files.
        shards: folder written by `mpc sample`.
        look: finds the numbers of some views.
        jobs: number of worker processes, see core/units.py.
        backend: name of a joblib backend.
        progress: receives every view.

    Raises:
        InputError: the folder holds no finished shards, or damaged files of this kind.
    """
    entries = read_index(shards).shards
    with writing(shards / kind.name, tell=progress.message):
        held = [kind.read(shards, entry) or kind.empty(entry.views) for entry in entries]
        units = [
            Rows(shards / entry.file, number, tuple(rows))
            for number, (entry, one) in enumerate(zip(entries, held, strict=True))
            for rows in _runs(np.flatnonzero(~one.done).tolist())
        ]
        progress.start(f"find {kind.name}", sum(entry.views for entry in entries))
        progress.skip(before := sum(int(one.done.sum()) for one in held))
        failures: list[tuple[str, str]] = []
        write = partial(_write, kind, shards, entries, held)
        _fill(units, look, held, failures, write, jobs=jobs, backend=backend, progress=progress)
        progress.finish()
    done = sum(int(one.done.sum()) for one in held)
    return Filled(held, done, done - before, tuple(sorted(failures)))


def _write(kind: Beside, shards: Path, entries: Sequence[ShardEntry], held: Sequence[ViewNumbers], number: int) -> None:
    kind.write(shards, entries[number], held[number])


def _fill(
    units: Sequence[Rows],
    look: Look,
    held: Sequence[ViewNumbers],
    failures: list[tuple[str, str]],
    write: Callable[[int], None],
    *,
    jobs: int,
    backend: str,
    progress: Progress,
) -> None:
    """Fill in what the units find, and write it now and then; what failed is appended to `failures`."""
    waiting = [sum(unit.number == number for unit in units) for number in range(len(held))]
    unsaved: set[int] = set()
    saved = time.monotonic()

    def save() -> None:
        for number in sorted(unsaved):
            write(number)
        unsaved.clear()

    try:
        for unit, values, reason in run_units(partial(_try, look), units, jobs=jobs, backend=backend):
            if values is None:
                failures.append((f"{unit.shard.name}, views {unit.rows[0]} to {unit.rows[-1]}", reason))
            else:
                held[unit.number].values[list(unit.rows)] = values
                held[unit.number].done[list(unit.rows)] = True
                unsaved.add(unit.number)
            waiting[unit.number] -= 1
            if not waiting[unit.number] or time.monotonic() - saved > _SAVE_EVERY:
                save()
                saved = time.monotonic()
            progress.advance(len(unit.rows))
    finally:
        save()


def _try(look: Look, unit: Rows) -> tuple[Rows, Array | None, str]:
    """The numbers of some views, or why there are none."""
    try:
        return unit, look(unit), ""
    except MpcError as error:
        return unit, None, str(error)


def _runs(rows: Sequence[int]) -> list[Sequence[int]]:
    """The rows in runs of at most `_VIEWS`."""
    return [rows[start : start + _VIEWS] for start in range(0, len(rows), _VIEWS)]


@lru_cache(maxsize=2)
def open_shard(path: Path) -> ShardReader:
    """A shard, opened once in a process."""
    return ShardReader(path)


def view_picture(reader: ShardReader, row: int) -> U8:
    """(H, W, 4) uint8 RGBA of a view, straight alpha."""
    scene = int(np.searchsorted(reader.tables["offsets/view"], row, side="right")) - 1
    size = int(reader.tables["scenes/image_size"][scene])
    try:
        picture = load_picture(reader.picture(row), reader.box(row), size, size)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(reader.path, f"view {row}: the picture is damaged ({error})") from error
    return np.ascontiguousarray(picture.transpose(1, 2, 0))
