"""`mpc sample`: every rendered scene gets labelled points and coloured points, and goes into a shard."""

from __future__ import annotations

import logging
import shutil
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ...core.errors import InputError, MpcError
from ...core.files import file_sha256
from ...core.folders import claim_folder
from ...core.progress import NoProgress, Progress
from ...core.units import run_units
from ..renders.format import SceneRecord, read_renders
from .format import ShardHeader, load_part, save_part, write_shard
from .index import SHARDS, ShardEntry, ShardIndex, read_index, write_index
from .plan import (
    SampleSettings,
    ShardPlan,
    contents_digest,
    input_digest,
    json_digest,
    keep_mesh,
    plan_shards,
    point_sets,
)
from .reader import ShardReader
from .sample_scene import SceneSettings, sample_scene
from .split import SPLITS, choose_split
from .verify import check_shard

logger = logging.getLogger(__name__)

PARTS = ".parts"


@dataclass(frozen=True)
class SampleSummary:
    """What a run did.

    Attributes:
        out: the shards folder.
        scenes: in the shards now.
        sampled: scenes sampled by this run.
        kept_shards, written_shards: files.
        split: split to number of subjects.
        bytes: of all shards.
        failures: (scene key, reason).
        notices: remarks on scenes.
    """

    out: Path
    scenes: int
    sampled: int
    kept_shards: int
    written_shards: int
    split: dict[str, int]
    bytes: int
    failures: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Unit:
    scene: SceneRecord
    settings: SceneSettings
    part: Path


@dataclass(frozen=True)
class _Record:
    key: str
    reason: str | None
    notices: tuple[str, ...] = ()


def sample_renders(
    renders: Path,
    out: Path,
    settings: SampleSettings,
    *,
    jobs: int = 0,
    backend: str = "loky",
    repair: bool = False,
    progress: Progress | None = None,
) -> SampleSummary:
    """Sample every scene of a renders folder into shards; whole shards of the same settings and inputs are kept.

    Scenes are sampled one by one into `out/.parts`, then written shard by shard in a fixed order: the bytes do not
    depend on the workers, and a killed run loses at most the scenes in work.

    Args:
        renders: what `mpc render` wrote.
        out: the shards folder.
        settings: what decides the points.
        jobs, backend: see core/units.py.
        repair: look through all shards first and make the damaged ones again.
        progress: told of each sampled scene and each written shard.

    Raises:
        InputError: no scenes, or `out` holds something else.
        SettingsError: `out` was made with other settings.
    """
    progress = progress or NoProgress()
    source = read_renders(renders)
    if not source.scenes:
        raise InputError(renders, "holds no rendered scene")
    split = choose_split([scene.subject for scene in source.scenes], settings.ratios, settings.split_file)
    claim_folder(out, SHARDS, settings.as_json())
    digests = {scene.key: input_digest(scene) for scene in source.scenes}
    before = _read_old_index(out)
    if repair:
        _remove_damaged(out, before, progress)
    failures = _known_failures(before, digests)
    notices: set[str] = set()
    plans = plan_shards([scene for scene in source.scenes if scene.subject in split], split, settings)
    known = {entry.file: entry for entry in before.shards} if before else {}
    kept = {
        plan.file
        for plan in plans
        if _is_whole(out / plan.file, contents_digest(plan, settings, digests, failures), known.get(plan.file))
    }
    if before:
        still = {scene.key for plan in plans if plan.file in kept for scene in plan.scenes}
        notices.update(notice for notice in before.notices if notice.split(": ", 1)[0] in still)
    if len(kept) < len(plans):
        (out / "index.json").unlink(missing_ok=True)  # it would speak of shards that are about to change
    parts = out / PARTS
    parts.mkdir(exist_ok=True)
    units = {
        scene.key: _Unit(
            scene, settings.scene(keep_mesh(plan.split, settings)), _part(parts, plan, scene, settings, digests)
        )
        for plan in plans
        if plan.file not in kept
        for scene in plan.scenes
        if scene.key not in failures
    }
    progress.start("sample", len(units))
    sampled = 0
    for record in run_units(_sample_unit, list(units.values()), jobs=jobs, backend=backend):
        if record.reason is not None:
            failures[record.key] = (digests[record.key], record.reason)
            progress.message(f"failed: {record.key}: {record.reason}")
        else:
            sampled += 1
        notices.update(f"{record.key}: {notice}" for notice in record.notices)
        progress.advance(1, record.key)
    progress.finish()
    progress.start("write shards", len(plans))
    entries: list[ShardEntry] = []
    for plan in plans:
        scenes = [scene for scene in plan.scenes if scene.key not in failures]
        path = out / plan.file
        if scenes and plan.file not in kept:
            contents = contents_digest(plan, settings, digests, failures)
            header = ShardHeader(plan.split, settings.as_json(), point_sets(settings), contents)
            write_shard(path, header, [units[scene.key].part for scene in scenes])
            for scene in scenes:
                units[scene.key].part.unlink()
        if scenes:
            views = sum(len(scene.views) for scene in scenes)
            keys = tuple(scene.key for scene in scenes)
            contents = contents_digest(plan, settings, digests, failures)
            # A kept shard keeps the checksum it was written with: a new one would cover up damage done since.
            old = known.get(plan.file) if plan.file in kept else None
            checksum = old.sha256 if old else file_sha256(path)
            entries.append(ShardEntry(plan.file, plan.split, keys, views, path.stat().st_size, checksum, contents))
        progress.advance(1, plan.file)
    progress.finish()
    _remove_stale(out, {entry.file for entry in entries})
    noted, ambiguous = tuple(sorted(notices)), _ambiguous(out, entries)
    write_index(out, ShardIndex(settings.as_json(), split, tuple(entries), failures, noted, ambiguous))
    shutil.rmtree(parts)
    return SampleSummary(
        out,
        sum(len(entry.scenes) for entry in entries),
        sampled,
        len(kept),
        len(entries) - len(kept),
        {name: sum(own == name for own in split.values()) for name in SPLITS},
        sum(entry.bytes for entry in entries),
        tuple(sorted((key, reason) for key, (_, reason) in failures.items())),
        noted,
    )


def _ambiguous(out: Path, entries: list[ShardEntry]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for entry in entries:
        found = ShardReader(out / entry.file).tables["scenes/ambiguous_share"]
        shares.update((key, round(float(share), 4)) for key, share in zip(entry.scenes, found, strict=True) if share)
    return shares


def _sample_unit(unit: _Unit) -> _Record:
    """One unit of work: one scene, kept in a file of its own."""
    if _part_is_whole(unit.part):
        return _Record(unit.scene.key, None, tuple(load_part(unit.part)["notices"].tolist()))
    try:
        part, notices = sample_scene(unit.scene, unit.settings)
    except MpcError as error:
        return _Record(unit.scene.key, str(error))
    save_part(unit.part, part, notices)
    return _Record(unit.scene.key, None, notices)


def _part(parts: Path, plan: ShardPlan, scene: SceneRecord, settings: SampleSettings, digests: dict[str, str]) -> Path:
    own = [asdict(settings.scene(keep_mesh(plan.split, settings))), scene.key, digests[scene.key]]
    return parts / f"{json_digest(own)[:32]}.npz"


def _part_is_whole(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        load_part(path)  # a power cut may leave a file without its content; NumPy's zip checks every array's CRC
    except (OSError, ValueError, zipfile.BadZipFile, EOFError):
        path.unlink()
        return False
    return True


def _is_whole(path: Path, contents: str, entry: ShardEntry | None) -> bool:
    """A shard of the wanted contents is there; one that no index vouches for yet is checked to the last bit."""
    if not path.is_file():
        return False
    try:
        if ShardReader(path).header.contents != contents:
            return False
    except InputError:
        return False
    return (entry is not None and entry.contents == contents) or not check_shard(path)


def _read_old_index(out: Path) -> ShardIndex | None:
    try:
        return read_index(out)
    except InputError:
        return None


def _remove_damaged(out: Path, before: ShardIndex | None, progress: Progress) -> None:
    entries = {entry.file: entry for entry in before.shards} if before else {}
    for path in sorted(out.glob("[!.]*.h5")):
        problems = check_shard(path, entries.get(path.name))
        if problems:
            progress.message(f"rebuilding {path.name}: {problems[0]}")
            path.unlink()


def _known_failures(before: ShardIndex | None, digests: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Scenes that failed before and have not changed since: they would fail again."""
    if before is None:
        return {}
    return {key: (digest, reason) for key, (digest, reason) in before.failures.items() if digests.get(key) == digest}


def _remove_stale(out: Path, files: set[str]) -> None:
    for path in out.glob("*.h5"):
        if path.name not in files and path.name.rsplit("-", 1)[0] in SPLITS:
            path.unlink()
    for path in out.glob(".*.tmp-*"):
        path.unlink()
