"""Choose the edge of the view cube: the smallest that holds every scene of every person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import MpcError, SettingsError
from ...core.folders import read_folder_settings
from ...core.guard import Limits, Lost, run_guarded, tell_alive
from ...core.progress import NoProgress, Progress
from ...subjects.find import Subject
from ...subjects.frames import LeftOut
from ...subjects.open import OpenSubject
from ...subjects.scenes import LoadedScene
from ...subjects.selection import Selection, find_people
from .fit import place_cameras, required_extent, scene_centre
from .format import RENDERS
from .settings import RenderSettings
from .units import mix

# Nobody needs more, arms and a long stride included: beyond it, the unit or the file is wrong.
GREATEST_M = 5.0
TOLD = 3  # so many of those who need most are named


@dataclass(frozen=True)
class ExtentUnit:
    """One unit of work: a subject whose scenes are measured.

    Attributes:
        subject: the subject.
        settings: which frames become scenes, and the cameras.
    """

    subject: Subject
    settings: RenderSettings


def choose_extent(
    models: Path,
    out: Path,
    settings: RenderSettings,
    *,
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    selection: Selection | None = None,
    progress: Progress | None = None,
) -> float:
    """The edge of the smallest view cube that holds every scene, metres, rounded up to centimetres.

    Every scene that is going to be drawn is posed, once more than without. A folder that has an extent already keeps
    it. Who cannot be read is left aside here, and reported by `render_models`.

    Args:
        models: searched as `render_models` does.
        out: the renders folder of the run to be.
        settings: which frames become scenes, and the cameras; their extent does not matter.
        jobs: worker processes, see core/units.py.
        backend: joblib backend, see core/units.py.
        limits: time and memory of a subject (core/guard.py); None for no bound and no process of its own.
        selection: whom to render; the extent holds all who are not excluded for good, so that the others fit later.
        progress: receives each subject, and who needs most.

    Raises:
        InputError: no subject below `models`.
        SettingsError: somebody needs more than any person does, or nobody can be measured.
    """
    progress = progress or NoProgress()
    selection = selection or Selection()
    people = find_people(models, selection).subjects
    selection.choose(people)  # an unknown name is told before the work begins
    existing = (read_folder_settings(out, RENDERS) or {}).get("extent_m")
    if existing is not None:
        progress.message(f"extent {existing:g} m, as the folder has it")
        return float(existing)
    needed: dict[str, float] = {}
    progress.start("measure people", len(people))
    units = [ExtentUnit(subject, settings) for subject in mix(people)]
    for result in run_guarded(measure_subject, units, limits=limits, jobs=jobs, backend=backend):
        if not isinstance(result, Lost):
            needed.update(result)
        progress.advance(1)
    progress.finish()
    if not needed:
        raise SettingsError("--extent auto: nobody can be measured; `mpc check` says why")
    most = sorted(needed.items(), key=lambda item: (-item[1], item[0]))
    if most[0][1] > GREATEST_M:
        absurd = [f"{key} ({extent:g} m)" for key, extent in most if extent > GREATEST_M]
        raise SettingsError(
            f"--extent auto: no person needs more than {GREATEST_M:g} m, but {', '.join(absurd[:TOLD])} does; put the "
            f"unit right (mpc check --write-fixes), exclude it, or give --extent {most[0][1]:g}"
        )
    told = ", ".join(f"{key} {extent:g} m" for key, extent in most[:TOLD])
    progress.message(f"extent {most[0][1]:g} m holds all {len(needed)} scenes; most is needed by {told}")
    return most[0][1]


def measure_subject(unit: ExtentUnit) -> dict[str, float]:
    """The extent that each scene of a subject needs, metres, by the scene's key; empty for an unreadable subject."""
    opened = OpenSubject(unit.subject, unit.settings, unit.settings.load)
    found: dict[str, float] = {}
    try:
        for chosen in opened.choose_scenes(lambda scene: None):  # whatever their size
            if not isinstance(chosen, LeftOut):
                scene, _ = opened.pose(chosen)
                found[chosen.spec.key] = needed_extent(scene, unit.settings)
                tell_alive()
    except (MpcError, OSError, MemoryError):
        return found
    return found


def needed_extent(scene: LoadedScene, settings: RenderSettings) -> float:
    """The edge of the smallest view cube that holds a scene as the settings' cameras see it, metres."""
    cameras = place_cameras(scene, settings, scene_centre(scene.mesh, scene.pelvis_world, settings.centre))
    return required_extent(scene.mesh, list(cameras.values()), settings.size)


def describe_misfits(scenes: Iterable[LoadedScene], settings: RenderSettings) -> str | None:
    """Say which of a subject's scenes do not fit the view cube; None where all do.

    Args:
        scenes: scenes of one subject, of which one at a time is held in memory.
        settings: the cameras and the extent.
    """
    needed = {scene.spec: needed_extent(scene, settings) for scene in scenes}
    outside = {spec: extent for spec, extent in needed.items() if extent > settings.extent_m}
    if not outside:
        return None
    extent = f"--extent {max(outside.values()):g} holds {'it' if len(needed) == 1 else 'them'}"
    if len(needed) == 1:
        return f"does not fit a view cube of {settings.extent_m:g} m; {extent}"
    names = sorted({spec.animation for spec in outside})
    return (
        f"{len(outside)} of {len(needed)} poses looked at do not fit a view cube of {settings.extent_m:g} m "
        f"({', '.join(names)}); {extent}"
    )
