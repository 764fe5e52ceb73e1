"""`mpc export`: a renders folder as the training data of other toolkits (formats.py lists them)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files import is_of_disk
from ...core.guard import Limits, Lost, run_guarded
from ...core.locks import one_writer
from ...core.messages import describe_failure
from ...core.progress import NoProgress, Progress
from ..renders.belonging import group_refused
from ..renders.format import SceneRecord
from ..renders.read import describe_unfinished, read_renders
from ..shards.groups import choose_groups
from ..shards.split import SPLIT_RATIOS, choose_split, describe_lists, describe_twins, group_twins
from .done import DONE, PARTS, is_kept, publish, remove_exported
from .formats import FORMATS, Layout
from .options import PICTURE_SIZE, ExportOptions
from .summary import ExchangeSummary

GONE = "it was exported before and is not among the scenes any more"


@dataclass(frozen=True)
class _Unit:
    scene: SceneRecord
    name: str
    out: Path
    layout: Layout
    options: ExportOptions

    @property
    def source(self) -> dict[str, Any]:
        """What decides the files that are written: the scene, and those options that the format uses."""
        decides = {name: getattr(self.options, name) for name in sorted(FORMATS[self.layout].uses)}
        return {"scene_sha256": self.scene.sha256, "layout": self.layout, **decides}

    def folders(self, out: Path) -> Sequence[Path]:
        """The scene's folders in an export at `out`."""
        return FORMATS[self.layout].folders(out, self.name, self.scene)

    def write(self, out: Path) -> tuple[str, ...]:
        """Write the scene as an export at `out`; gives notices for the user."""
        return FORMATS[self.layout].write(self.scene, self.name, out, self.options)


@one_writer("out")
def export_renders(
    renders: Path,
    out: Path,
    layout: Layout,
    *,
    ratios: tuple[float, float, float] = SPLIT_RATIOS,
    split_file: Path | None = None,
    group_by: str | None = None,
    seed: int = 0,
    size: int = PICTURE_SIZE,
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    prune: bool = False,
    progress: Progress | None = None,
) -> ExchangeSummary:
    """Write every scene of a renders folder as another toolkit's training data; scenes written before are kept.

    Args:
        renders: what `mpc render` wrote.
        out: the folder to write; for "pifu" its `--dataroot`; for "icon" the folder of one set (its name is the
            set's), beside which "<set>_<N>views" is made.
        layout: the format that is written, see formats.py.
        ratios: shares of train, val and test; see datasets/shards/split.py.
        split_file: a file with a fixed split, used instead of these shares.
        group_by: regular expression that finds the person in a subject's id, see datasets/shards/groups.py.
        seed: seed of what is random in a format.
        size: edge of the pictures that a format draws anew, pixels.
        jobs: number of processes; see core/units.py.
        backend: joblib's backend; see core/units.py.
        limits: time and memory of a scene (core/guard.py); None for no bound and no process of its own.
        prune: remove scenes that were exported before and are not in the renders, or not in a split, any more.
        progress: reports the progress; None reports nothing.

    Returns:
        What was written, kept and failed.

    Raises:
        InputError: `renders` holds no scenes.
    """
    progress = progress or NoProgress()
    options = ExportOptions(seed=seed, size=size)
    found = read_renders(renders)
    scenes = found.scenes
    if not scenes:
        raise InputError(renders, "holds no rendered scene")
    twins = group_twins(found.sources)
    subjects = [scene.subject for scene in scenes]
    groups, remarks = choose_groups(subjects, group_by, split_file, twins)
    split = choose_split(subjects, ratios, split_file, groups)
    units = [_Unit(scene, _name(scene.key), out, layout, options) for scene in scenes if scene.subject in split]
    (out / DONE).mkdir(parents=True, exist_ok=True)
    waiting = [unit for unit in units if not is_kept(out, unit.name, unit.source)]
    progress.start("export", len(waiting))
    failures: list[tuple[str, str]] = [*group_refused(found.refused)]
    lost: list[str] = []
    written = 0
    for result in run_guarded(_export_unit, waiting, limits=limits, jobs=jobs, backend=backend):
        key, reason, told = (result.unit.scene.key, result.reason, ()) if isinstance(result, Lost) else result
        lost += [f"{key}: {notice}" for notice in told]
        if reason is not None:
            failures.append((key, reason))
        written += reason is None
        progress.advance(1, key)
    progress.finish()
    shutil.rmtree(out / PARTS, ignore_errors=True)
    failed = {key for key, _ in failures}
    names = {unit.name: split[unit.scene.subject] for unit in units if unit.scene.key not in failed}
    FORMATS[layout].finish(out, names, found.settings)
    damaged = {_name(key) for key in found.refused if key not in (found.aside or ())}
    gone = sorted({path.name for path in (out / DONE).iterdir()} - {unit.name for unit in units} - damaged)
    notices = [
        *describe_unfinished(found.aside),
        *remarks,
        *sorted(lost),
        *describe_twins(twins, split),
        *describe_lists(subjects, split_file),
    ]
    for name in gone:
        if prune:
            remove_exported(out, name)
            notices.append(f"{name}: {GONE}: removed")
        else:
            failures.append((name, f"{GONE}, but whoever trains on {out}/ would find it; --prune removes it"))
    return ExchangeSummary(out, written, len(units) - len(waiting), tuple(sorted(failures)), tuple(notices))


def _name(key: str) -> str:
    return key.replace("/", "_")


def _export_unit(unit: _Unit) -> tuple[str, str | None, tuple[str, ...]]:
    try:
        notices = publish(unit.out, unit)
    except Exception as error:
        places = (unit.out, *unit.folders(unit.out))  # of ICON's views lie beside the set
        if isinstance(error, OSError) and any(is_of_disk(error, place) for place in places):
            raise  # a full disk is no scene's fault
        return unit.scene.key, describe_failure(error), ()
    return unit.scene.key, None, notices
