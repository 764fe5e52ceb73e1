"""`mpc render`: each subject of a model directory becomes posed scenes, lit pictures and calibrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.errors import InputError
from ...core.guard import Limits, Lost, run_guarded
from ...core.progress import NoProgress, Progress
from ...core.units import worker_count
from ...render.renderer import choose_renderer
from ..subjects.animations import doubt_motions, usable_motions
from ..subjects.find import Subject, find_subjects
from ..subjects.scenes import list_scenes
from .draw_scene import Drawing
from .draw_subject import SubjectOutcome, SubjectUnit, draw_subject
from .folder import claim_folder, write_manifest
from .format import remove_leftovers
from .settings import RenderSettings


@dataclass(frozen=True, kw_only=True)
class RenderSummary:
    """What a run did.

    Attributes:
        out: the renders folder.
        subjects: number of subjects found.
        rendered: number of scenes drawn by this run.
        kept: number of scenes that were there already.
        failures: (subject id or scene key, reason).
        notices: remarks for the user.
        renderer: "pyrender" or "embree".
    """

    out: Path
    subjects: int
    rendered: int
    kept: int
    failures: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    renderer: str


def render_models(
    models: Path,
    out: Path,
    settings: RenderSettings,
    *,
    renderer: str = "auto",
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> RenderSummary:
    """Render every subject found below `models` into `out`; scenes already there with the same settings are kept.

    Args:
        models: searched recursively for scans and rigged people.
        out: the renders folder (datasets/renders/format.py describes it).
        settings: what decides the pictures.
        renderer: "auto", "pyrender" or "embree".
        jobs: worker processes, see core/units.py; the bytes written do not depend on them.
        backend: joblib backend, see core/units.py.
        limits: time and memory of a subject (core/guard.py); None for no bound and no process of its own.
        progress: receives each finished subject.

    Returns:
        RenderSummary; a subject that cannot be rendered is listed there and does not stop the others.

    Raises:
        InputError: no subject below `models`, or `out` holds something else.
        SettingsError: `out` was made with other settings, or the chosen renderer does not work here.
    """
    progress = progress or NoProgress()
    subjects = find_people(models)
    doubts = [] if settings.animations is None else doubt_motions(settings.animations, settings.bone_map)
    claim_folder(out, settings)
    remove_leftovers(out)
    choice = choose_renderer(renderer)
    progress.message(f"renderer: {choice.name} ({choice.reason})")
    scenes = count_scenes(subjects, settings)
    drawing = Drawing(choice, threads_each(jobs, len(subjects)))
    units = [
        SubjectUnit(subject, out, settings, replace(drawing, choice=choice.for_worker(number)))
        for number, subject in enumerate(subjects)
    ]
    outcomes: list[SubjectOutcome] = []
    progress.start("render scenes", sum(scenes.values()))
    for result in run_guarded(draw_subject, units, limits=limits, jobs=jobs, backend=backend):
        outcome = _lost_subject(result) if isinstance(result, Lost) else result
        outcomes.append(outcome)
        progress.advance(scenes[outcome.subject], f"{outcome.subject}{' failed' if outcome.failures else ''}")
    progress.finish()
    write_manifest(out)
    outcomes.sort(key=lambda outcome: outcome.subject)
    remarks = [notice for outcome in outcomes for notice in outcome.notices]
    return RenderSummary(
        out=out,
        subjects=len(subjects),
        rendered=sum(outcome.rendered for outcome in outcomes),
        kept=sum(outcome.kept for outcome in outcomes),
        failures=tuple(failure for outcome in outcomes for failure in outcome.failures),
        notices=(*(f"animations: left out, {doubt}" for doubt in doubts), *remarks),
        renderer=choice.name,
    )


def _lost_subject(lost: Lost[SubjectUnit]) -> SubjectOutcome:
    """The outcome of a subject whose process was stopped or died."""
    subject = lost.unit.subject
    return SubjectOutcome(subject=subject.id, failures=((subject.id, f"{subject.path}: {lost.reason}"),))


def find_people(models: Path) -> list[Subject]:
    """Find all subjects below a folder.

    Raises:
        InputError: there is none.
    """
    subjects = find_subjects(models)
    if not subjects:
        raise InputError(models, "holds no scan or rigged person (.obj, .ply, .stl, .glb, .gltf, .fbx)")
    return subjects


def count_scenes(subjects: Sequence[Subject], settings: RenderSettings, *, exact: bool = False) -> dict[str, int]:
    """Count the scenes of each subject, by id, before any is loaded; the pose filter is left aside.

    Of a rig's file the clips alone are read, for the total of the progress bar: the surface is read once, by the
    process that draws the subject. A damaged subject counts as one scene; drawing it reports what is wrong. So does an
    FBX rig unless `exact`: its clips are read by native code, which a hostile file could crash, and this process is
    not guarded.
    """
    brought: list[int] = []
    if settings.animations is not None:
        brought = [motion.frames for motion in usable_motions(settings.animations, settings.bone_map)]

    def count(subject: Subject) -> int:
        if subject.path.suffix.lower() == ".fbx" and not exact:
            return 1
        most = None if subject.kind == "rigged" and settings.clusters else settings.wanted_frames
        own = len(list_scenes(subject, frames_per_animation=most, seed=settings.seed))
        if subject.kind != "rigged":
            return own
        more = sum(frames if most is None else min(frames, most) for frames in brought)
        return own + more if settings.clusters is None else min(settings.clusters, own + more)

    counts = {}
    for subject in subjects:
        try:
            counts[subject.id] = count(subject)
        except Exception:  # whatever a damaged file raises; `draw_subject` meets it again and reports it
            counts[subject.id] = 1
    return counts


def threads_each(jobs: int, units: int) -> int:
    """Drawing threads of a worker: the cores that the workers leave over."""
    return max(1, worker_count(0) // min(worker_count(jobs), units))
