"""What a run of `mpc sample` has finished so far, so that a run that goes on after a stop need not look at it again.

While a run changes shards, the folder has no index.json: the index of the run before waits in `.parts/before.json`, and
each shard that is finished gets a line in `.parts/finished.jsonl`; where several parts of a run write at the same time
(core/parts.py), each has a file of its own, `.parts/finished-part-2-of-8.jsonl`.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files import sync
from ...core.parts import Part
from .index import NAME, SceneFailure, ShardEntry, ShardIndex, read_entry, read_index, read_index_file

PARTS = ".parts"
_BEFORE, _FINISHED = "before.json", "finished"


@dataclass(frozen=True, kw_only=True)
class FinishedShard:
    """A shard that a run has written, and what became of its scenes.

    Attributes:
        entry: the index's entry; None where all of its scenes failed.
        failures: its scenes that cannot be sampled, by key.
        notices: remarks on its scenes, each with the scene's key in front.
        ambiguous: ambiguous share of a scene's volume, by key, where that is not 0.
    """

    entry: ShardEntry | None
    failures: dict[str, SceneFailure] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    ambiguous: dict[str, float] = field(default_factory=dict)


def begin_changes(out: Path) -> None:
    """Set the index aside: it would describe shards that are about to change."""
    parts = out / PARTS
    if (out / NAME).is_file():
        for path in parts.glob(f"{_FINISHED}*.jsonl"):  # of a run before the one that wrote the index
            path.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another part has just done so
            os.replace(out / NAME, parts / _BEFORE)
        sync(parts)


def note_finished(out: Path, shard: FinishedShard, part: Part | None = None) -> None:
    """Add a line about a finished shard, which belongs to a part of the run where that has several."""
    line = json.dumps(asdict(shard), sort_keys=True) + "\n"
    name = _FINISHED if part is None else f"{_FINISHED}-{part.name}"
    with (out / PARTS / f"{name}.jsonl").open("a") as file:
        file.write(line)


def read_before(out: Path) -> ShardIndex | None:
    """What earlier runs left: the index, with the shards that a stopped run finished; None where there is nothing."""
    if (out / NAME).is_file():
        try:
            return read_index(out)
        except InputError:
            return None
    try:
        index = read_index_file(out / PARTS / _BEFORE)
    except InputError:
        index = ShardIndex(settings={}, split={}, shards=(), failures={}, notices=())
    finished = [shard for path in sorted((out / PARTS).glob(f"{_FINISHED}*.jsonl")) for shard in _read_finished(path)]
    return _with(index, finished) if finished or index.shards else None


def _with(index: ShardIndex, finished: list[FinishedShard]) -> ShardIndex:
    entries = {entry.file: entry for entry in index.shards}
    entries |= {shard.entry.file: shard.entry for shard in finished if shard.entry is not None}
    failures, ambiguous, notices = dict(index.failures), dict(index.ambiguous), set(index.notices)
    for shard in finished:
        failures |= shard.failures
        ambiguous |= shard.ambiguous
        notices |= set(shard.notices)
    return replace(
        index, shards=tuple(entries.values()), failures=failures, ambiguous=ambiguous, notices=tuple(sorted(notices))
    )


def _read_finished(path: Path) -> list[FinishedShard]:
    """The lines that are whole; a shard without a line, which a kill cut off, is checked to the last bit instead."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(_parse(json.loads(line)))
        except (ValueError, TypeError, KeyError):
            continue
    return found


def _parse(content: dict[str, Any]) -> FinishedShard:
    return FinishedShard(
        entry=None if content["entry"] is None else read_entry(content["entry"]),
        failures={key: SceneFailure(*failure) for key, failure in content["failures"].items()},
        notices=tuple(content["notices"]),
        ambiguous=content["ambiguous"],
    )
