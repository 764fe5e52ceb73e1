"""`mpc render --dry-run`: count scenes and pictures, and estimate size and time from a trial with one person."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import SettingsError
from ...core.files import is_of_disk
from ...core.messages import describe_failure
from ...core.units import worker_count
from ...render.light.lights import LightSet
from ...render.renderer import choose_renderer
from ...subjects.find import Subject
from ...subjects.load import load_subject
from ...subjects.scenes import frame_counts, pick_scenes, pose_scene
from ...subjects.selection import Selection, find_people
from .count import count_scenes
from .draw_scene import prepare_scene, store_scene
from .draw_subject import open_lights
from .draw_views import Drawing, draw_views
from .folder import check_folder
from .format import scene_folders
from .manifest import read_manifest
from .settings import RenderSettings
from .write import Provenance

# The trial draws first one of these views and then all of them: the difference is the cost of the further views.
TRIAL_VIEWS = 4


@dataclass(frozen=True, kw_only=True)
class RenderPlan:
    """What a run would do.

    Attributes:
        subjects: number of subjects found.
        scenes: number of their scenes.
        kept: number of scenes that are in the folder already.
        pictures: number of lit pictures still to draw.
        total_bytes: estimated size of the scenes still to render.
        seconds: estimated time of the whole run with `workers` processes.
        workers: number of processes.
        renderer: "pyrender" or "embree".
        measured: id of the subject rendered for the trial, "" where nothing is left to do.
    """

    subjects: int
    scenes: int
    kept: int
    pictures: int
    total_bytes: int
    seconds: float
    workers: int
    renderer: str
    measured: str


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """What one person took.

    Attributes:
        load_s: seconds to read the subject.
        scene_s: seconds of a scene besides its views.
        view_s: seconds of a view.
        subject_bytes: size of the textures, which all scenes of a subject share.
        scene_bytes: size of a scene besides its views.
        view_bytes: size of a view.
    """

    load_s: float
    scene_s: float
    view_s: float
    subject_bytes: int
    scene_bytes: int
    view_bytes: int


def plan_renders(
    models: Path,
    out: Path,
    settings: RenderSettings,
    *,
    renderer: str = "auto",
    jobs: int = 0,
    selection: Selection | None = None,
) -> RenderPlan:
    """Count all scenes, render a person of middling file size in a temporary folder, and multiply; writes nothing.

    Args:
        models: searched as `render_models` does.
        out: the renders folder of the run to be.
        settings: what decides the pictures.
        renderer: "auto", "pyrender" or "embree".
        jobs: worker processes of the run to be, see core/units.py.
        selection: whom to render, see `render_models`.

    Raises:
        InputError: no subject below `models`.
        SettingsError: `out` was made with other settings, or no subject can be rendered; says why.
    """
    selection = selection or Selection()
    subjects = selection.choose(find_people(models, selection).subjects)
    scenes = count_scenes(subjects, settings, jobs=jobs)
    begun = check_folder(out, settings)
    there = _count_scenes_there(out) if begun else Counter[str]()
    left = {subject.id: max(0, scenes[subject.id] - there[subject.id]) for subject in subjects}
    waiting = sorted((subject for subject in subjects if left[subject.id]), key=_size)
    drawing = Drawing(choose_renderer(renderer))
    workers = max(1, min(worker_count(jobs), len(waiting)))
    count = sum(left.values())
    measured, seconds, size = "", 0.0, 0
    if waiting:
        measured, trial = _first_trial(waiting, settings, drawing)
        scene_s = trial.scene_s + settings.pictures * trial.view_s
        seconds = (len(waiting) * trial.load_s + count * scene_s) / workers
        size = len(waiting) * trial.subject_bytes
        size += count * (trial.scene_bytes + settings.pictures * trial.view_bytes)
    return RenderPlan(
        subjects=len(subjects),
        scenes=sum(scenes.values()),
        kept=sum(scenes.values()) - count,
        pictures=count * settings.pictures,
        total_bytes=size,
        seconds=seconds,
        workers=workers,
        renderer=drawing.choice.name,
        measured=measured,
    )


def _count_scenes_there(out: Path) -> Counter[str]:
    """Scenes of each subject, by its id, without those that are set aside."""
    lines = read_manifest(out) or {}
    keys = (folder.relative_to(out).as_posix() for folder in scene_folders(out))
    return Counter(key.partition("/")[0] for key in keys if "aside" not in lines.get(key, {}))


def _size(subject: Subject) -> tuple[int, str]:
    try:
        return subject.path.stat().st_size, subject.id
    except OSError:  # unreadable: trying it tells the reason
        return 0, subject.id


def _first_trial(waiting: list[Subject], settings: RenderSettings, drawing: Drawing) -> tuple[str, _Trial]:
    """Try subjects from the middle of the sizes outwards; the id of the first that renders, and what it took."""
    middle = len(waiting) // 2
    reason = ""
    lights = open_lights(settings)
    for index in sorted(range(len(waiting)), key=lambda index: abs(index - middle)):
        subject = waiting[index]
        try:
            return subject.id, _try_subject(subject, settings, drawing, lights)
        except Exception as error:
            if isinstance(error, OSError) and is_of_disk(error, Path(tempfile.gettempdir())):
                raise
            reason = describe_failure(error)
    raise SettingsError(f"nothing can be rendered; {waiting[0].id}: {reason}")


def _try_subject(subject: Subject, settings: RenderSettings, drawing: Drawing, lights: LightSet) -> _Trial:
    start = time.perf_counter()
    loaded = load_subject(subject, settings.load)
    load_s = time.perf_counter() - start
    spec = pick_scenes(subject.id, frame_counts(loaded), settings.wanted_frames, settings.seed)[0]
    start = time.perf_counter()
    scene = pose_scene(loaded, spec)
    prepared = prepare_scene(scene, settings, lights)
    prepare_s = time.perf_counter() - start
    names = list(prepared.cameras)
    names = names[:: max(1, len(names) // TRIAL_VIEWS)][:TRIAL_VIEWS]
    start = time.perf_counter()
    list(draw_views(prepared, settings, drawing, names[:1]))
    one_s = time.perf_counter() - start
    start = time.perf_counter()
    pictures = list(draw_views(prepared, settings, drawing, names))
    view_s = max(0.0, time.perf_counter() - start - one_s) / max(len(names) - 1, 1)
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        provenance = Provenance(
            source=subject.path.name, source_sha256="", source_files={}, renderer=drawing.choice.name
        )
        folder = store_scene(Path(name), scene, prepared, settings, pictures, provenance)
        write_s = time.perf_counter() - start
        drawn = sum(path.stat().st_size for path in folder.glob("*.png"))
        whole = sum(path.stat().st_size for path in folder.iterdir())
        textures = sum(path.stat().st_size for path in folder.parent.glob("textures/*"))
    fixed_s = prepare_s + write_s + max(0.0, one_s - view_s)
    return _Trial(
        load_s=load_s,
        scene_s=fixed_s,
        view_s=view_s,
        subject_bytes=textures,
        scene_bytes=whole - drawn,
        view_bytes=drawn // len(names),
    )
