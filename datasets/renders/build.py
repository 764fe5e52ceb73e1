"""`mpc render`: each subject of a model directory becomes posed scenes, lit pictures and calibrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.errors import InputError
from ...core.guard import Limits, Lost, run_guarded
from ...core.locks import one_writer
from ...core.machine import usable_cores
from ...core.notices import log_notices, sort_log
from ...core.progress import NoProgress, Progress
from ...core.randomness import stable_hash
from ...core.units import worker_count
from ...render.renderer import choose_renderer
from ..subjects.animations import doubt_motions
from ..subjects.find import Subject, find_subjects
from ..subjects.selection import Selection
from .belonging import SubjectScenes, finish_run
from .count import SceneProgress, count_scenes
from .draw_scene import Drawing
from .draw_subject import SubjectOutcome, SubjectUnit, draw_subject, open_lights
from .folder import claim_folder
from .settings import RenderSettings
from .write import remove_leftovers


@dataclass(frozen=True, kw_only=True)
class RenderSummary:
    """What a run did.

    Attributes:
        out: the renders folder.
        subjects: number of subjects found.
        rendered: number of scenes drawn by this run.
        kept: number of scenes that were there already.
        failures: (subject id or scene key, reason).
        notices: remarks for the user that no earlier run has made; all of them are in notices.log of the folder.
        renderer: "pyrender" or "embree".
    """

    out: Path
    subjects: int
    rendered: int
    kept: int
    failures: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    renderer: str


@one_writer("out")
def render_models(
    models: Path,
    out: Path,
    settings: RenderSettings,
    *,
    renderer: str = "auto",
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    repair: bool = False,
    prune: bool = False,
    selection: Selection | None = None,
    progress: Progress | None = None,
) -> RenderSummary:
    """Render every subject found below `models` into `out`; scenes already there with the same settings are kept.

    A run that ends records which scenes belong to it (datasets/renders/belonging.py). Scenes that an earlier run made,
    and that are not among them, are set aside: `mpc sample` does not take them.

    Args:
        models: searched recursively for scans and rigged people.
        out: the renders folder (datasets/renders/format.py describes it).
        settings: what decides the pictures.
        renderer: "auto", "pyrender" or "embree".
        jobs: worker processes, see core/units.py; the bytes written do not depend on them.
        backend: joblib backend, see core/units.py.
        limits: time and memory of a subject (core/guard.py); None for no bound and no process of its own.
        repair: compare the files of every scene with their checksums, and render the damaged ones again; without it
            only files that are missing or have another size are noticed.
        prune: remove the scenes that are set aside.
        selection: whom to render, and what the user says of single subjects; None for everybody as they are found.
        progress: receives each finished scene.

    Returns:
        RenderSummary; a subject that cannot be rendered is listed there and does not stop the others.

    Raises:
        InputError: no subject below `models`, or `out` holds something else.
        SettingsError: `out` was made with other settings, a light or a selected subject is unknown, or the chosen
            renderer does not work here.
    """
    progress = progress or NoProgress()
    selection = selection or Selection()
    people = find_people(models, selection)
    subjects = selection.choose(people)
    doubts = [] if settings.animations is None else doubt_motions(settings.animations, settings.bone_map)
    if settings.light_names:
        open_lights(settings)  # an unknown name is told before anything is made
    claim_folder(out, settings)
    remove_leftovers(out)
    choice = choose_renderer(renderer)
    progress.message(f"renderer: {choice.name} ({choice.reason})")
    scenes = count_scenes(subjects, settings, limits=limits, jobs=jobs, progress=progress)
    drawing = Drawing(choice, threads_each(jobs, len(subjects)))
    units = [
        SubjectUnit(subject, out, settings, replace(drawing, choice=choice.for_worker(number)), repair)
        for number, subject in enumerate(mix(subjects))
    ]
    outcomes: list[SubjectOutcome] = []
    told = SceneProgress(out, scenes, progress)
    for result in run_guarded(
        draw_subject, units, limits=limits, jobs=jobs, backend=backend,
        on_alive=lambda unit, count: told.drawn(unit.subject.id, count),
    ):  # fmt: skip
        outcome = _lost_subject(result) if isinstance(result, Lost) else result
        outcomes.append(replace(outcome, notices=log_notices(out, outcome.notices)))
        told.finish_subject(outcome.subject, outcome.rendered, "failed" if outcome.failures else "")
    progress.finish()
    scenes_of = [outcome.scenes or SubjectScenes(subject=outcome.subject, complete=False) for outcome in outcomes]
    aside = finish_run(out, [subject.id for subject in people], scenes_of, prune=prune)
    left_out = log_notices(out, (f"animations: left out, {doubt}" for doubt in doubts))
    sort_log(out)
    outcomes.sort(key=lambda outcome: outcome.subject)
    remarks = [notice for outcome in outcomes for notice in outcome.notices]
    return RenderSummary(
        out=out,
        subjects=len(subjects),
        rendered=sum(outcome.rendered for outcome in outcomes),
        kept=sum(outcome.kept for outcome in outcomes),
        failures=tuple(failure for outcome in outcomes for failure in outcome.failures),
        notices=(*left_out, *remarks, *aside),
        renderer=choice.name,
    )


def _lost_subject(lost: Lost[SubjectUnit]) -> SubjectOutcome:
    """The outcome of a subject whose process was stopped or died."""
    subject = lost.unit.subject
    return SubjectOutcome(subject=subject.id, failures=((subject.id, f"{subject.path}: {lost.reason}"),))


def find_people(models: Path, selection: Selection) -> list[Subject]:
    """Find all subjects below a folder that the user does not exclude for good, with what is said of each.

    Raises:
        InputError: there is none.
        SettingsError: the file of fixes holds an unknown subject, key or value.
    """
    subjects = find_subjects(models)
    if not subjects:
        raise InputError(models, "holds no scan or rigged person (.obj, .ply, .stl, .glb, .gltf, .fbx)")
    return selection.people(subjects)


def mix(subjects: Sequence[Subject]) -> list[Subject]:
    """Subjects in an order that has nothing to do with their folders, so that the first ones are like the others.

    The remaining time is estimated from what is done already. In the order of the folders all scans might come before
    all rigs, or all people of one data set before those of another, whose scenes take another time.
    """
    return sorted(subjects, key=lambda subject: stable_hash("order of work", subject.id))


def threads_each(jobs: int, units: int) -> int:
    """Drawing threads of a worker: the cores that the workers leave over."""
    return max(1, usable_cores() // min(worker_count(jobs), units))
