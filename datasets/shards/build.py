"""`mpc sample`: every rendered scene gets labelled points and coloured points, and goes into a shard.

A run has four steps, each a function here: plan (shards/plan.py), sample the scenes, write the shards, finish.
"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.errors import InputError, MpcError, SettingsError
from ...core.files import file_sha256
from ...core.folders import claim_folder
from ...core.guard import Limits, Lost, run_guarded
from ...core.locks import one_writer
from ...core.messages import describe_failure
from ...core.notices import log_notices, sort_log
from ...core.progress import NoProgress, Progress
from ..renders.belonging import group_refused
from ..renders.format import Renders, read_renders
from ..renders.layer_kinds import layer_kind
from .format import SampledScene, ShardHeader
from .index import PASSING, SHARDS, SceneFailure, ShardEntry, ShardIndex, read_index, write_index
from .plan import PARTS, PlannedScene, SamplePlan, ShardPlan, plan_sampling
from .reader import ShardReader
from .sample_scene import sample_scene
from .settings import SampleSettings
from .split import SPLITS, choose_split, describe_twins, group_twins
from .verify import check_shard
from .write import load_part, save_part, write_shard


@dataclass(frozen=True, kw_only=True)
class SampleSummary:
    """What a run did.

    Attributes:
        out: the shards folder.
        scenes: number of scenes in the shards now.
        sampled: number of scenes sampled by this run.
        kept_shards: number of shards that were there already.
        written_shards: number of shards written by this run.
        split: number of subjects by split.
        bytes: size of all shards.
        failures: (scene key, reason).
        notices: remarks on scenes that no earlier run has made, each with the scene's key in front; all of them are in
            notices.log of the folder.
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
class _SceneTask:
    """One unit of work: a scene to sample."""

    scene: PlannedScene
    settings: SampleSettings


@dataclass(frozen=True)
class _SceneOutcome:
    """What became of a scene.

    Attributes:
        key: the scene's key.
        digest: SHA-256 of its input, or PASSING.
        reason: why it cannot be sampled; None where its part is there.
        notices: remarks for the user.
    """

    key: str
    digest: str
    reason: str | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class _SampledScenes:
    """What became of all scenes.

    Attributes:
        sampled: number of scenes sampled by this run.
        failures: scenes that cannot be sampled, by key, those of earlier runs included.
        notices: remarks on scenes, those of earlier runs included, each with the scene's key in front.
    """

    sampled: int
    failures: dict[str, SceneFailure]
    notices: frozenset[str]


@one_writer("out")
def sample_renders(
    renders: Path,
    out: Path,
    settings: SampleSettings,
    *,
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    repair: bool = False,
    progress: Progress | None = None,
) -> SampleSummary:
    """Sample every scene of a renders folder into shards; whole shards of the same settings and inputs are kept.

    Scenes are sampled one by one into `out/.parts`, then written shard by shard in a fixed order: the bytes do not
    depend on the workers, and a killed run loses at most the scenes that were being sampled.

    Args:
        renders: what `mpc render` wrote.
        out: the shards folder.
        settings: what decides the points.
        jobs: worker processes, see core/units.py.
        backend: joblib backend, see core/units.py.
        limits: time and memory of a scene (core/guard.py); None for no bound and no process of its own.
        repair: check all shards first and write the damaged ones again.
        progress: receives each sampled scene and each written shard.

    Raises:
        InputError: no scenes, or `out` holds something else.
        SettingsError: `out` was made with other settings, or the renders lack a layer.
    """
    progress = progress or NoProgress()
    found = read_renders(renders)
    scenes = found.scenes
    if not scenes:
        raise InputError(renders, "holds no rendered scene")
    _check_layers(found, settings)
    twins = group_twins(found.sources)
    split = choose_split([scene.subject for scene in scenes], settings.ratios, settings.split_file, twins)
    claim_folder(out, SHARDS, settings.as_json())
    before = _read_old_index(out)
    if repair:
        _remove_damaged(out, before, progress)
    plan = plan_sampling(scenes, out, settings, split, before)
    if len(plan.kept) < len(plan.shards):
        (out / "index.json").unlink(missing_ok=True)  # it would describe shards that are about to change
    sampled = _sample_scenes(plan, limits, jobs=jobs, backend=backend, progress=progress)
    entries = _write_shards(plan, sampled, progress)
    summary = _finish(plan, sampled, entries)
    notices = (*summary.notices, *describe_twins(twins, split))
    failures = tuple(sorted((*summary.failures, *group_refused(found.refused))))
    return replace(summary, failures=failures, notices=notices)


def _check_layers(renders: Renders, settings: SampleSettings) -> None:
    rendered = renders.settings.get("layers", [])
    for name in settings.layers:
        layer_kind(name)
        if name not in rendered:
            raise SettingsError(
                f"{renders.folder} holds no layer {name} (it holds: {', '.join(rendered) or 'none'}); "
                f"render into another folder with --layers {name}"
            )


def _sample_scenes(
    plan: SamplePlan, limits: Limits | None, *, jobs: int, backend: str, progress: Progress
) -> _SampledScenes:
    """Sample the scenes that wait, each into a file of its own."""
    (plan.out / PARTS).mkdir(exist_ok=True)
    tasks = [_SceneTask(scene, plan.settings) for scene in plan.waiting]
    sampled, failures, notices = 0, dict(plan.failures), set(plan.notices)
    progress.start("sample", len(tasks))
    for result in run_guarded(_sample_one, tasks, limits=limits, jobs=jobs, backend=backend):
        outcome = _lost_scene(result) if isinstance(result, Lost) else result
        key = outcome.key
        if outcome.reason is None:
            sampled += 1
        else:
            failures[key] = SceneFailure(outcome.digest, outcome.reason)
            progress.message(f"failed: {key}: {outcome.reason}")
        notices.update(f"{key}: {notice}" for notice in outcome.notices)
        progress.advance(1, key)
    progress.finish()
    return _SampledScenes(sampled, failures, frozenset(notices))


def _sample_one(task: _SceneTask) -> _SceneOutcome:
    """Sample one scene into its part, unless a killed run left it there."""
    scene = task.scene
    sampled = _read_whole_part(scene.part)
    if sampled is None:
        try:
            sampled = sample_scene(scene.record, task.settings, keep_mesh=scene.keep_mesh)
        except MpcError as error:
            return _SceneOutcome(scene.key, scene.digest, str(error))
        except Exception as error:  # of reading the scene, or a fault: nothing is written here
            return _SceneOutcome(scene.key, PASSING, describe_failure(error))
        save_part(scene.part, sampled)
    return _SceneOutcome(scene.key, scene.digest, notices=sampled.notices)


def _lost_scene(lost: Lost[_SceneTask]) -> _SceneOutcome:
    """The outcome of a scene whose process was stopped or died; with more time or memory it may succeed."""
    return _SceneOutcome(lost.unit.scene.key, PASSING, lost.reason)


def _write_shards(plan: SamplePlan, sampled: _SampledScenes, progress: Progress) -> list[ShardEntry]:
    """Write the shards that are not kept from the parts of their scenes; the index's entries of all shards."""
    entries: list[ShardEntry] = []
    progress.start("write shards", len(plan.shards))
    for planned in plan.shards:
        shard = planned.without(sampled.failures)
        if shard.scenes:
            if shard.file not in plan.kept:
                _write_one(plan.out, shard)
            entries.append(_describe_shard(plan, shard))
        progress.advance(1, shard.file)
    progress.finish()
    return entries


def _write_one(out: Path, shard: ShardPlan) -> None:
    settings = shard.settings
    layers = {name: layer_kind(name) for name in settings.layers}
    header = ShardHeader(shard.split, settings.as_json(), settings.point_sets, shard.contents, layers)
    write_shard(out / shard.file, header, [scene.part for scene in shard.scenes])
    for scene in shard.scenes:
        scene.part.unlink()


def _describe_shard(plan: SamplePlan, shard: ShardPlan) -> ShardEntry:
    """The index's entry of a shard that is there."""
    path = plan.out / shard.file
    # A kept shard keeps the checksum that it was written with: a new one would hide damage that came afterwards.
    old = plan.kept.get(shard.file)
    return ShardEntry(
        file=shard.file,
        split=shard.split,
        scenes=tuple(scene.key for scene in shard.scenes),
        views=sum(len(scene.record.views) for scene in shard.scenes),
        bytes=path.stat().st_size,
        sha256=file_sha256(path) if old is None else old.sha256,
        contents=shard.contents,
    )


def _finish(plan: SamplePlan, sampled: _SampledScenes, entries: list[ShardEntry]) -> SampleSummary:
    """Remove what no shard needs any more, write the index and sum up."""
    _remove_stale(plan.out, {entry.file for entry in entries})
    index = ShardIndex(
        settings=plan.settings.as_json(),
        split=plan.split,
        shards=tuple(entries),
        failures=sampled.failures,
        notices=tuple(sorted(sampled.notices)),
        ambiguous=_read_ambiguous(plan.out, entries),
    )
    write_index(plan.out, index)
    shutil.rmtree(plan.out / PARTS)
    notices = log_notices(plan.out, index.notices)
    sort_log(plan.out)
    return SampleSummary(
        out=plan.out,
        scenes=sum(len(entry.scenes) for entry in entries),
        sampled=sampled.sampled,
        kept_shards=len(plan.kept),
        written_shards=len(entries) - len(plan.kept),
        split={name: sum(own == name for own in plan.split.values()) for name in SPLITS},
        bytes=sum(entry.bytes for entry in entries),
        failures=tuple(sorted((key, failure.reason) for key, failure in index.failures.items())),
        notices=notices,
    )


def _read_ambiguous(out: Path, entries: list[ShardEntry]) -> dict[str, float]:
    """The ambiguous share of each scene's volume, by key, where it is not 0."""
    shares: dict[str, float] = {}
    for entry in entries:
        found = ShardReader(out / entry.file).tables["scenes/ambiguous_share"]
        shares.update((key, round(float(share), 4)) for key, share in zip(entry.scenes, found, strict=True) if share)
    return shares


def _read_whole_part(path: Path) -> SampledScene | None:
    """A part that a killed run left; None where there is none or it is damaged, which removes it."""
    if not path.is_file():
        return None
    try:
        return load_part(path)  # a power cut may leave a file without its content; NumPy's zip checks every array's CRC
    except (OSError, ValueError, zipfile.BadZipFile, EOFError):
        path.unlink()
        return None


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


def _remove_stale(out: Path, files: set[str]) -> None:
    """Remove shards of earlier runs that the folder no longer has, and half-written files."""
    for path in out.glob("*.h5"):
        if path.name not in files and path.name.rsplit("-", 1)[0] in SPLITS:
            path.unlink()
    for path in out.glob(".*.tmp-*"):
        path.unlink()
