"""`mpc render`: each subject of a model directory becomes posed scenes, lit pictures and calibrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.guard import Limits, Lost, run_guarded
from ...core.locks import one_writer
from ...core.machine import usable_cores
from ...core.notices import log_notices, sort_log
from ...core.parts import Part
from ...core.progress import NoProgress, Progress
from ...core.units import worker_count
from ...render.renderer import RendererChoice, choose_renderer
from ...subjects.animations import doubt_motions
from ...subjects.body_model import load_body_model
from ...subjects.selection import Selection, find_people
from .belonging import SubjectScenes, finish_run
from .count import SceneProgress, plan_subjects
from .draw_subject import SubjectOutcome, SubjectUnit, draw_subject, open_lights
from .draw_views import Drawing
from .folder import claim_folder
from .parts import begin_part, read_parts, remove_parts, write_part
from .settings import RenderSettings
from .units import NamedWork, join_work, list_work, lost_subject
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
        renderer: "pyrender" or "embree"; "" where nothing was to be drawn.
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
    part: Part | None = None,
    finish: bool = False,
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
        part: work on this part alone; other processes, which may be on other machines, work on the others at the same
            time. Which scenes belong to the run is recorded by a call with `finish`.
        finish: draw nothing, and finish what the parts of a run have drawn.
        selection: whom to render, and what the user says of single subjects; None for everybody as they are found.
        progress: receives each finished scene.

    Returns:
        RenderSummary; a subject that cannot be rendered is listed there and does not stop the others.

    Raises:
        InputError: no subject below `models`, `out` holds something else, or a part of the run has not ended.
        FolderBusyError: another process writes to `out`.
        SettingsError: `out` was made with other settings, a light or a selected subject is unknown, the chosen renderer
            does not work here, or scenes are to be removed while part of the models cannot be looked at.
    """
    progress = progress or NoProgress()
    selection = selection or Selection()
    found = find_people(models, selection, prune=prune)
    people = found.subjects
    subjects = selection.choose(people)
    doubts = [] if settings.animations is None else doubt_motions(settings.animations, settings.bone_map)
    if settings.light_names:
        open_lights(settings)  # an unknown name is told before anything is made
    if settings.body_model is not None:
        load_body_model(settings.body_model)  # so is a damaged model
    claim_folder(out, settings)
    plans = plan_subjects(subjects, settings, limits=limits, jobs=jobs, progress=progress)
    work = list_work(subjects, plans)
    if part is None:  # what is half-written may be another part's
        for folder in (out, *(out / subject.id for subject in subjects)):
            remove_leftovers(folder)
    names = [one.name for one in work]
    run = _Run(out=out, settings=settings, jobs=jobs, backend=backend, limits=limits, repair=repair, progress=progress)
    chosen = ""
    if finish:
        outcomes = read_parts(out, names)
    else:
        choice = choose_renderer(renderer)
        progress.message(f"renderer: {choice.name} ({choice.reason})")
        chosen = choice.name
        outcomes = run.draw(work if part is None else part.choose(work), choice, part)
    joined = join_work(work, outcomes)
    notices = [text for one in joined for text in one.notices]
    if part is None:
        scenes = [one.scenes or SubjectScenes(subject=one.subject, complete=False) for one in joined]
        ids = [subject.id for subject in people]
        aside = finish_run(out, ids, scenes, prune=prune, unsure=bool(found.unseen))
        notices = [*log_notices(out, [*(f"animations: left out, {doubt}" for doubt in doubts), *notices]), *aside]
        sort_log(out)
        remove_parts(out)
    else:
        write_part(out, part, names, outcomes)
    return RenderSummary(
        out=out,
        subjects=len(joined),
        rendered=sum(one.rendered for one in joined),
        kept=sum(one.kept for one in joined),
        failures=(*found.failures, *(failure for one in joined for failure in one.failures)),
        notices=tuple(notices),
        renderer=chosen,
    )


@dataclass(frozen=True, kw_only=True)
class _Run:
    """Draws units of work; the attributes are arguments of `render_models`."""

    out: Path
    settings: RenderSettings
    jobs: int
    backend: str
    limits: Limits | None
    repair: bool
    progress: Progress

    def draw(self, work: Sequence[NamedWork], choice: RendererChoice, part: Part | None) -> dict[str, SubjectOutcome]:
        """Draw; what became of each unit, by name."""
        names: dict[str, list[str]] = {}
        scenes: dict[str, int] = {}
        for one in work:
            names.setdefault(one.subject.id, []).append(one.name)
            scenes[one.subject.id] = scenes.get(one.subject.id, 0) + one.scenes
        if part is not None:
            begin_part(self.out, part)
        drawing = Drawing(choice, threads_each(self.jobs, max(1, len(work))))
        units = [
            SubjectUnit(
                one.subject,
                self.out,
                self.settings,
                replace(drawing, choice=choice.for_worker(number)),
                self.repair,
                one.clip,
            )
            for number, one in enumerate(work)
        ]
        outcomes: dict[str, SubjectOutcome] = {}
        done: dict[str, list[SubjectOutcome]] = {}
        told = SceneProgress(self.out, scenes, self.progress, alone=part is None)
        for result in run_guarded(
            draw_subject, units, limits=self.limits, jobs=self.jobs, backend=self.backend,
            on_alive=lambda unit, count: told.drawn(unit.subject.id, count),
        ):  # fmt: skip
            outcome = lost_subject(result) if isinstance(result, Lost) else result
            outcomes[outcome.name] = outcome
            names[outcome.subject].remove(outcome.name)
            done.setdefault(outcome.subject, []).append(outcome)
            rendered = sum(one.rendered for one in done[outcome.subject])
            if names[outcome.subject]:
                told.reached(outcome.subject, rendered)
            else:
                failed = any(one.failures for one in done[outcome.subject])
                told.finish_subject(outcome.subject, rendered, "failed" if failed else "")
        self.progress.finish()
        return outcomes


def threads_each(jobs: int, units: int) -> int:
    """Drawing threads of a worker: the cores that the workers leave over."""
    return max(1, usable_cores() // min(worker_count(jobs), units))
