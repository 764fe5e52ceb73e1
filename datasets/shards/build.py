"""`mpc sample`: every rendered scene gets labelled points and coloured points, and goes into a shard.

A run has three steps: plan (shards/plan.py), sample the scenes shard by shard and write each shard as soon as its
scenes are there, finish. So the disk holds the shards, and parts of few more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ...core.errors import InputError, SettingsError
from ...core.files import read_json_object
from ...core.folders import NAME as SETTINGS
from ...core.folders import claim_folder
from ...core.guard import Limits, Lost, run_guarded
from ...core.locks import one_writer
from ...core.messages import first_few
from ...core.notices import log_notices, sort_log
from ...core.parts import Part
from ...core.progress import NoProgress, Progress
from ..renders.backdrops import PHOTO
from ..renders.belonging import group_refused
from ..renders.layer_kinds import layer_kind
from ..renders.listing import ListedScene, list_renders
from ..renders.read import Renders, describe_unfinished
from .groups import choose_groups
from .index import SHARDS, SceneFailure, ShardEntry, ShardIndex, write_index
from .journal import PARTS, begin_changes, read_before
from .pack import describe_shard, pack_shard
from .plan import PlannedScene, SamplePlan, ShardPlan, plan_sampling, plan_shards
from .retry import split_failures
from .reuse import OldScene, find_old_scenes
from .sample_unit import SceneOutcome, SceneTask, lost_scene, sample_one
from .settings import SampleSettings
from .split import SPLITS, choose_split, describe_lists, describe_twins, group_twins, refuse_moves
from .summary import Sampled, SampleSummary, sum_up_part
from .verify import check_shard


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
    part: Part | None = None,
    finish: bool = False,
    progress: Progress | None = None,
) -> SampleSummary:
    """Sample every scene of a renders folder into shards; whole shards of the same settings and inputs are kept.

    Scenes are sampled one by one into `out/.parts`, and each shard is written when its last scene is there: the bytes
    do not depend on the workers, and a killed run loses at most the scenes that were being sampled.

    Args:
        renders: what `mpc render` wrote.
        out: the shards folder.
        settings: what decides the points.
        jobs: worker processes, see core/units.py.
        backend: joblib backend, see core/units.py.
        limits: time and memory of a scene (core/guard.py); None for no bound and no process of its own.
        repair: check all shards first and write the damaged ones again, and try all scenes again that failed before.
        part: write the shards of this part alone; other processes, which may be on other machines, write the others at
            the same time. The index is written by a call with `finish`.
        finish: sample nothing, and finish what the parts of a run have written.
        progress: receives each sampled scene and each written shard.

    Raises:
        InputError: no scenes, `out` holds something else, or a part of the run has not ended.
        FolderBusyError: another process writes to `out`.
        SettingsError: `out` was made with other settings, or the renders lack a layer.
    """
    progress = progress or NoProgress()
    found = list_renders(renders)
    scenes = found.scenes
    if not scenes:
        raise InputError(renders, "holds no rendered scene")
    _check_layers(found, settings)
    twins = group_twins(found.sources)
    subjects = [scene.subject for scene in scenes]
    groups, remarks = choose_groups(subjects, settings.group_by, settings.split_file, twins)
    split = choose_split(subjects, settings.ratios, settings.split_file, groups)
    _refuse_older(out)
    claim_folder(out, SHARDS, settings.as_json(), SampleSettings().as_json())
    before = read_before(out)
    if settings.split_file is not None and before is not None:
        refuse_moves(out, settings.split_file, before.split, split)
    if repair:
        _remove_damaged(out, before, progress)
    (out / PARTS).mkdir(exist_ok=True)
    listed = [scene for scene in scenes if scene.subject in split]
    shards = plan_shards(listed, split, settings, out / PARTS)
    if part is not None:
        shards = part.choose(shards)
    known = {} if before is None else before.failures
    again, failures = _divide_failures(shards, known, repair=repair, finish=finish)
    tasks = [SceneTask(scene, settings) for scene in again]
    retried = list(_run(tasks, limits, jobs, backend, progress, "sample again"))
    failures |= {one.key: SceneFailure(one.digest, one.reason) for one in retried if one.reason is not None}
    plan = plan_sampling(shards, out, settings, split, before, failures)
    if finish:
        _refuse_unfinished(plan)
    old = find_old_scenes(out, plan.waiting, before)
    if part is not None:
        if plan.waiting:
            begin_changes(out)
    elif plan.changes(before):
        begin_changes(out)
        _remove_stale(out, {shard.file for shard in plan.shards} | {scene.path.name for scene in old.values()})
    done = _sample_scenes(plan, old, limits, part, jobs=jobs, backend=backend, progress=progress)
    sampled = replace(done, sampled=done.sampled + sum(one.sampled for one in retried))
    if part is not None:
        return sum_up_part(plan, sampled)
    summary = _finish(plan, sampled)
    logged = log_notices(out, (*describe_unfinished(found.aside), *remarks, *describe_twins(twins, split)))
    # Who is not in the split is told by every run: a name that was misspelt costs a person.
    notices = (*summary.notices, *logged, *describe_lists(subjects, settings.split_file))
    sort_log(out)
    failed = tuple(sorted((*summary.failures, *group_refused(found.refused))))
    return replace(summary, failures=failed, notices=notices)


def _check_layers(renders: Renders[ListedScene], settings: SampleSettings) -> None:
    rendered = [*renders.settings.get("layers", []), *([PHOTO] if renders.settings.get("backgrounds") else [])]
    for name in settings.layers:
        layer_kind(name)
        if name not in rendered:
            raise SettingsError(
                f"{renders.folder} holds no layer {name} (it holds: {', '.join(rendered) or 'none'}); "
                f"render into another folder with {'--backgrounds DIR' if name == PHOTO else f'--layers {name}'}"
            )


def _refuse_older(out: Path) -> None:
    if (out / SETTINGS).is_file():
        content = read_json_object(out / SETTINGS)
        if content.get("format") == SHARDS.name and content.get("version") in range(1, SHARDS.version):
            reason = f"holds shards of version {content['version']}, which can be read, but not added to"
            raise InputError(out, f"{reason}; choose another --out")


def _divide_failures(
    shards: Sequence[ShardPlan], known: dict[str, SceneFailure], *, repair: bool, finish: bool
) -> tuple[list[PlannedScene], dict[str, SceneFailure]]:
    """The scenes of these shards that failed before and are tried again, and the failures that stay."""
    scenes = [scene for shard in shards for scene in shard.scenes]
    if finish:  # the parts have tried
        return [], {scene.key: known[scene.key] for scene in scenes if scene.key in known}
    again, failures = split_failures([scene.record for scene in scenes], known, repair=repair)
    keys = {scene.key for scene in again}
    return [scene for scene in scenes if scene.key in keys], failures


def _refuse_unfinished(plan: SamplePlan) -> None:
    names = [shard.file for shard in plan.waiting]
    if names:
        raise InputError(
            plan.out,
            f"{len(names)} of {len(plan.shards)} shards are not there yet ({first_few(names, 3)}); run the parts that "
            "have not ended, or `mpc sample` without --finish, which samples the rest",
        )


def _sample_scenes(
    plan: SamplePlan,
    old: dict[str, OldScene],
    limits: Limits | None,
    part: Part | None,
    *,
    jobs: int,
    backend: str,
    progress: Progress,
) -> Sampled:
    """Sample the scenes that wait, each into a file of its own, and write each shard when its last scene is there.

    Scenes that a shard of an earlier run holds (`old`) are copied instead. The large shards come first, so that the
    parts of the last one add little to a disk that holds all others.
    """
    changed = sorted(plan.waiting, key=lambda shard: (-shard.bytes, shard.file))
    tasks = [SceneTask(scene, plan.settings, old.get(scene.key)) for shard in changed for scene in shard.scenes]
    places = {scene.key: shard for shard in changed for scene in shard.scenes}
    outcomes: dict[str, list[SceneOutcome]] = {shard.file: [] for shard in changed}
    sampled, written = 0, {}
    for outcome in _run(tasks, limits, jobs, backend, progress, "sample"):
        sampled += outcome.sampled
        shard = places[outcome.key]
        outcomes[shard.file].append(outcome)
        if len(outcomes[shard.file]) == len(shard.scenes):
            written[shard.file] = pack_shard(plan.out, shard, outcomes.pop(shard.file), part)
    return Sampled(sampled, written)


def _run(
    tasks: list[SceneTask], limits: Limits | None, jobs: int, backend: str, progress: Progress, title: str
) -> Iterator[SceneOutcome]:
    """Sample scenes and tell the progress; `title` names the stage, which is not told where it has no scenes."""
    if not tasks:
        return
    progress.start(title, len(tasks))
    for result in run_guarded(sample_one, tasks, limits=limits, jobs=jobs, backend=backend):
        outcome = lost_scene(result) if isinstance(result, Lost) else result
        if outcome.reason is not None:
            progress.message(f"failed: {outcome.key}: {outcome.reason}")
        yield outcome
        progress.advance(1, outcome.key)
    progress.finish()


def _finish(plan: SamplePlan, sampled: Sampled) -> SampleSummary:
    """Write the index, remove what no shard needs any more, and sum up."""
    entries: list[ShardEntry] = []
    failures, notices, ambiguous = dict(plan.failures), set(plan.notices), dict(plan.ambiguous)
    for shard in plan.shards:
        done = sampled.shards.get(shard.file)
        if done is not None:
            failures |= done.failures
            notices |= set(done.notices)
            ambiguous |= done.ambiguous
            entries += [done.entry] if done.entry is not None else []
        elif shard.file in plan.kept:
            entry = plan.kept[shard.file]
            if entry is None:
                entry, shares = describe_shard(plan.out, shard)
                ambiguous |= shares
            entries.append(entry)
    _remove_stale(plan.out, {entry.file for entry in entries})
    index = ShardIndex(
        settings=plan.settings.as_json(),
        split=plan.split,
        shards=tuple(entries),
        failures=failures,
        notices=tuple(sorted(notices)),
        ambiguous=ambiguous,
        licences={
            scene.record.subject: scene.record.licence
            for shard in plan.shards
            for scene in shard.scenes
            if scene.record.licence is not None
        },
    )
    write_index(plan.out, index)
    shutil.rmtree(plan.out / PARTS)
    new_notices = log_notices(plan.out, index.notices)
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
        notices=new_notices,
    )


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
        if path.name not in files and path.name.split("-", 1)[0] in SPLITS:
            path.unlink()
    for path in out.glob(".*.tmp-*"):
        path.unlink()
