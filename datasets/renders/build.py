"""`mpc render`: each subject of a model directory becomes posed scenes, lit pictures and calibrations."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files import file_sha256
from ...core.guard import Limits, Lost, run_guarded, tell_alive
from ...core.messages import describe_failure
from ...core.progress import NoProgress, Progress
from ...core.units import worker_count
from ...formats.bone_maps import read_bone_maps
from ...formats.limits import note_files
from ...render.light.lights import LightSet, builtin_lights, load_lights
from ...render.renderer import choose_renderer
from ..subjects.animations import doubt_motions, motions_digest, usable_motions, with_animations
from ..subjects.find import Subject, find_subjects
from ..subjects.frames import plan_scenes
from ..subjects.load import LoadedSubject, load_subject
from ..subjects.scenes import SceneSpec, list_scenes, pose_scene
from ..subjects.source_files import SourceFiles
from .draw_scene import Drawing, draw_views, misfit, prepare_scene, store_scene
from .draw_scene import check_fit as check_fit
from .draw_scene import scene_centre as scene_centre
from .folder import claim_folder, write_manifest
from .format import read_scene, remove_leftovers
from .settings import RenderSettings as RenderSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RenderSummary:
    """What a run did: scenes rendered now, scenes kept from before, and (name, reason) of what failed."""

    out: Path
    subjects: int
    rendered: int
    kept: int
    failures: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    renderer: str


@dataclass(frozen=True)
class _Unit:
    subject: Subject
    out: Path
    settings: RenderSettings
    drawing: Drawing


@dataclass
class _Record:
    subject: str
    rendered: int = 0
    kept: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


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
        jobs, backend: see core/units.py; the bytes written do not depend on them.
        limits: time and memory of a subject (core/guard.py); None: no bound, and no process of its own.
        progress: told of each finished subject.

    Returns:
        RenderSummary; a subject that cannot be rendered is listed there and does not stop the others.

    Raises:
        InputError: no subject below `models`, or `out` holds something else.
        SettingsError: `out` was made with other settings, or the renderer asked for does not work here.
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
        _Unit(subject, out, settings, replace(drawing, choice=choice.for_worker(number)))
        for number, subject in enumerate(subjects)
    ]
    records: list[_Record] = []
    progress.start("render scenes", sum(scenes.values()))
    for result in run_guarded(_render_subject, units, limits=limits, jobs=jobs, backend=backend):
        if isinstance(result, Lost):
            lost = result.unit.subject
            record = _Record(lost.id, failures=[(lost.id, f"{lost.path}: {result.reason}")])
        else:
            record = result
        records.append(record)
        progress.advance(scenes[record.subject], f"{record.subject}{' failed' if record.failures else ''}")
    progress.finish()
    write_manifest(out)
    records.sort(key=lambda record: record.subject)
    return RenderSummary(
        out,
        len(subjects),
        sum(record.rendered for record in records),
        sum(record.kept for record in records),
        tuple(failure for record in records for failure in record.failures),
        (
            *(f"animations: left out, {doubt}" for doubt in doubts),
            *(notice for record in records for notice in record.notices),
        ),
        choice.name,
    )


def find_people(models: Path) -> list[Subject]:
    """All subjects below a folder.

    Raises:
        InputError: there is none.
    """
    subjects = find_subjects(models)
    if not subjects:
        raise InputError(models, "holds no scan or rigged person (.obj, .ply, .stl, .glb, .gltf, .fbx)")
    return subjects


def count_scenes(subjects: Sequence[Subject], settings: RenderSettings, *, exact: bool = False) -> dict[str, int]:
    """How many scenes each subject gives, by id, the pose filter aside.

    A damaged one counts as one: rendering it says what is wrong. So does an FBX rig unless `exact`: its clips are read
    by native code, which a hostile file could bring down, and this process is not guarded.
    """
    choice = settings.frame_choice()
    brought: list[int] = []
    if settings.animations is not None:
        brought = [motion.frames for motion in usable_motions(settings.animations, settings.bone_map)]

    def count(subject: Subject) -> int:
        if subject.path.suffix.lower() == ".fbx" and not exact:
            return 1
        most = None if subject.kind == "rigged" and choice.clusters else choice.wanted
        own = len(list_scenes(subject, frames_per_animation=most, seed=settings.seed))
        if subject.kind != "rigged":
            return own
        more = sum(frames if most is None else min(frames, most) for frames in brought)
        return own + more if choice.clusters is None else min(choice.clusters, own + more)

    counts = {}
    for subject in subjects:
        try:
            counts[subject.id] = count(subject)
        except Exception:  # whatever a damaged file brings up; `_render_subject` meets it again and reports it
            counts[subject.id] = 1
    return counts


def threads_each(jobs: int, units: int) -> int:
    """Drawing threads of a worker: the cores that the workers leave over."""
    return max(1, worker_count(0) // min(worker_count(jobs), units))


def _render_subject(unit: _Unit) -> _Record:
    """One unit of work: all scenes of one subject."""
    subject, settings = unit.subject, unit.settings
    record = _Record(subject.id)
    remove_leftovers(unit.out / subject.id)
    try:
        source, files = file_sha256(subject.path), SourceFiles(subject.root)
        notices: list[str] = []
        if subject.kind != "rigged":  # what there is to draw is known without reading it
            specs = list_scenes(subject, frames_per_animation=settings.frame_choice().wanted, seed=settings.seed)
            wanted = _left_over(unit, specs, source, files, record)
            if not wanted:
                return record
        with note_files() as read:
            loaded = load_subject(subject, settings.load)
        if subject.kind == "rigged":
            if settings.animations is not None:
                loaded = with_animations(loaded, settings.animations, settings.bone_map)
                source += "+" + motions_digest(settings.animations, settings.bone_map)
            maps = None if settings.bone_map is None else read_bone_maps(settings.bone_map)
            fits = partial(misfit, settings=settings)
            plan = plan_scenes(loaded, settings.frame_choice(), seed=settings.seed, misfit=fits, maps=maps)
            notices = plan.notices
            wanted = _left_over(unit, plan.specs, source, files, record)
        if wanted:
            record.notices.extend(f"{subject.id}: {notice}" for notice in [*loaded.notes["notices"], *notices])
    except OSError:
        raise  # a full or read-only disk is not the subject's fault: the run ends, finished scenes stay
    except Exception as error:
        record.failures.append((subject.id, describe_failure(error)))
        return record
    lights = open_lights(settings)
    for spec in wanted:
        try:
            with note_files() as posed:
                scene = pose_scene(loaded, spec)
            prepared = prepare_scene(scene, settings, lights, unit.drawing.threads)
            notes = _notes(unit, loaded, scene.notes, source)
            notes["notes"]["source_files"] = files.hashes((read | posed) - {subject.path})
            with closing(draw_views(prepared, settings, unit.drawing, prepared.cameras)) as pictures:
                store_scene(unit.out, spec, prepared, settings, pictures, notes)
            record.rendered += 1
            tell_alive()
        except OSError:
            raise  # as above
        except Exception as error:
            record.failures.append((spec.key, describe_failure(error)))
    return record


def open_lights(settings: RenderSettings) -> LightSet:
    """The environments that the settings ask for."""
    return load_lights(settings.lights) if settings.lights else builtin_lights()


def _notes(unit: _Unit, loaded: LoadedSubject, notes: dict[str, Any], source: str) -> dict[str, Any]:
    path = loaded.subject.path
    extra = {"source": path.name, "source_sha256": source, "renderer": unit.drawing.choice.name}
    return {"kind": loaded.subject.kind, "notes": {**notes, **extra}}


def _left_over(
    unit: _Unit, specs: list[SceneSpec], source: str, files: SourceFiles, record: _Record
) -> list[SceneSpec]:
    """The scenes still to be made; the others are counted as kept."""
    wanted = [spec for spec in specs if not _is_done(unit, spec.key, source, files, record)]
    record.kept = len(specs) - len(wanted)
    return wanted


def _is_done(unit: _Unit, key: str, source: str, files: SourceFiles, record: _Record) -> bool:
    folder = unit.out / key
    if not (folder / "scene.json").is_file():
        return False
    try:
        notes = read_scene(folder).notes
    except InputError:
        return False
    drawn, draws = notes.get("renderer"), unit.drawing.choice.name
    same = bool(notes.get("source_sha256") == source) and files.match(notes.get("source_files", {}))
    if same and drawn != draws:
        record.notices.append(f"{key}: kept as drawn by {drawn}, while others are now drawn by {draws}")
    return same
