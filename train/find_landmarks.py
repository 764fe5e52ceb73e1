"""The 33 landmarks of every view of shards, found once by the person finder and kept beside the shards."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core.arrays import F32, U8
from ..core.devices import one_thread
from ..core.errors import InputError, MpcError
from ..core.files import read_json
from ..core.locks import writing
from ..core.progress import NoProgress, Progress
from ..core.units import run_units
from ..datasets.shards.index import ShardEntry, read_index
from ..datasets.shards.landmarks import FOLDER, ShardLandmarks, has_landmarks, read_landmarks, write_landmarks
from ..datasets.shards.pictures import load_picture
from ..datasets.shards.reader import ShardReader
from ..models.person.finder import PersonFinder
from ..models.person.landmarks import find_landmarks
from ..models.person.store import require_networks
from .settings import TrainSettings

# Views of a unit of work; and the greatest time that a stop loses, seconds.
_VIEWS = 32
_SAVE_EVERY = 20.0


@dataclass(frozen=True)
class LandmarkSummary:
    """The outcome of `find_all_landmarks`.

    Attributes:
        views: number of views whose landmarks are there.
        found_now: number of those that this call looked at.
        nobody: number of views in which nobody was found; networks are told so.
        failures: what could not be read: name of the shard and the views, and the reason.
    """

    views: int
    found_now: int
    nobody: int
    failures: tuple[tuple[str, str], ...]


def use_landmarks(
    shards: Path, settings: TrainSettings, *, earlier: Path | None = None, progress: Progress | None = None
) -> bool:
    """Whether a run trains with landmarks; finds those of its shards where they are not there. The user is told.

    Args:
        shards: folder written by `mpc sample`.
        settings: of the run.
        earlier: folder of the run that goes on, or of which a copy is annealed: it keeps to what it began with.
        progress: receives the work and the remark.

    Raises:
        InputError: damaged landmarks.
    """
    progress = progress or NoProgress()
    if not settings.surface_network.reads_landmarks:
        return False
    if earlier is not None:
        began_with = bool(read_json(earlier / "run.json")["data"].get("landmarks"))
        if not began_with:
            progress.message(f"{earlier} was trained without landmarks, and goes on without")
        return began_with
    if has_landmarks(shards):
        return True
    lacking = f"{shards} lacks landmarks, so the networks are trained without; `mpc landmarks {shards}` finds them once"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # the others would wait for the one that finds them
        progress.message(lacking)
        return False
    try:
        summary = find_all_landmarks(shards, progress=progress)
    except InputError:
        raise
    except MpcError as error:
        progress.message(f"{shards} lacks landmarks, so the networks are trained without: {error}")
        return False
    for name, reason in summary.failures:
        progress.message(f"{name}: {reason}")
    progress.message(lacking if summary.failures else f"landmarks of {summary.views} views -> {shards / FOLDER}/")
    return not summary.failures


@dataclass(frozen=True)
class _Unit:
    """Some views of a shard.

    Attributes:
        shard: the file.
        number: of the shard in the index.
        rows: of the views in the shard's tables.
        engine: see `PersonFinder.open`.
    """

    shard: Path
    number: int
    rows: tuple[int, ...]
    engine: str


def find_all_landmarks(
    shards: Path, *, engine: str = "auto", jobs: int = 0, backend: str = "loky", progress: Progress | None = None
) -> LandmarkSummary:
    """Find the landmarks of every view of a folder of shards. What an earlier call found is kept.

    Writes landmarks/<shard>.npz (datasets/shards/landmarks.py). The bytes do not depend on the number of workers, nor
    on how often the work was stopped; they do depend on the engine, by a tenth of a pixel.

    Args:
        shards: folder written by `mpc sample`.
        engine: "torch", "litert", or "auto": LiteRT where it is installed.
        jobs: number of worker processes, see core/units.py.
        backend: name of a joblib backend.
        progress: receives every view.

    Raises:
        InputError: the folder holds no finished shards, or damaged landmarks.
        MpcError: the networks that find a person were not fetched.
    """
    progress = progress or NoProgress()
    entries = read_index(shards).shards
    require_networks()
    with writing(shards / FOLDER, tell=progress.message):
        held = [read_landmarks(shards, entry) or ShardLandmarks.empty(entry.views) for entry in entries]
        units = [
            _Unit(shards / entry.file, number, tuple(rows), engine)
            for number, (entry, one) in enumerate(zip(entries, held, strict=True))
            for rows in _runs(np.flatnonzero(~one.done).tolist())
        ]
        progress.start("find landmarks", sum(entry.views for entry in entries))
        progress.skip(sum(int(one.done.sum()) for one in held))
        failures = _find(units, shards, entries, held, jobs=jobs, backend=backend, progress=progress)
        progress.finish()
    done = sum(int(one.done.sum()) for one in held)
    nobody = sum(int(np.isnan(one.values[one.done, 0, 0]).sum()) for one in held)
    missed = sum(entry.views for entry in entries) - done
    return LandmarkSummary(done, sum(len(unit.rows) for unit in units) - missed, nobody, tuple(sorted(failures)))


def _find(
    units: Sequence[_Unit],
    shards: Path,
    entries: Sequence[ShardEntry],
    held: Sequence[ShardLandmarks],
    *,
    jobs: int,
    backend: str,
    progress: Progress,
) -> list[tuple[str, str]]:
    """Fill in what the units find, and write it now and then; returns what failed."""
    waiting = [sum(unit.number == number for unit in units) for number in range(len(entries))]
    failures: list[tuple[str, str]] = []
    unsaved: set[int] = set()
    saved = time.monotonic()

    def save() -> None:
        for number in sorted(unsaved):
            write_landmarks(shards, entries[number], held[number])
        unsaved.clear()

    try:
        for unit, values, reason in run_units(_look, units, jobs=jobs, backend=backend):
            if reason:
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
    return failures


def _runs(rows: Sequence[int]) -> list[Sequence[int]]:
    """The rows in runs of at most `_VIEWS`."""
    return [rows[start : start + _VIEWS] for start in range(0, len(rows), _VIEWS)]


def _look(unit: _Unit) -> tuple[_Unit, F32, str]:
    """The landmarks of some views, and why there are none, "" where there are."""
    try:
        reader, finder = _open_shard(unit.shard), _open_finder(unit.engine)
        with one_thread():  # so that the bytes do not depend on the number of threads
            return unit, np.stack([find_landmarks(finder, _picture(reader, row)) for row in unit.rows]), ""
    except MpcError as error:
        return unit, np.zeros((0, 33, 7), np.float32), str(error)


def _picture(reader: ShardReader, row: int) -> U8:
    """(H, W, 4) uint8 RGBA of a view, straight alpha."""
    scene = int(np.searchsorted(reader.tables["offsets/view"], row, side="right")) - 1
    size = int(reader.tables["scenes/image_size"][scene])
    try:
        picture = load_picture(reader.picture(row), reader.box(row), size, size)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(reader.path, f"view {row}: the picture is damaged ({error})") from error
    return np.ascontiguousarray(picture.transpose(1, 2, 0))


@lru_cache(maxsize=2)
def _open_shard(path: Path) -> ShardReader:
    return ShardReader(path)


@lru_cache(maxsize=2)
def _open_finder(engine: str) -> PersonFinder:
    return PersonFinder.open(engine)
