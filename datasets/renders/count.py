"""Count scenes before any is drawn, so that progress counts scenes, whatever a scene's subject is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.guard import Limits, Lost, run_guarded
from ...core.progress import Progress
from ..subjects.animations import usable_motions
from ..subjects.find import Subject
from ..subjects.scenes import list_scenes
from .settings import RenderSettings


@dataclass(frozen=True)
class CountUnit:
    """One unit of work: a subject whose scenes are counted.

    Attributes:
        subject: the subject.
        settings: which frames become scenes.
        brought: number of frames of each motion that is added to rigs.
    """

    subject: Subject
    settings: RenderSettings
    brought: tuple[int, ...]


def count_scenes(
    subjects: Sequence[Subject],
    settings: RenderSettings,
    *,
    limits: Limits | None = None,
    jobs: int = 0,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Count the scenes of each subject, by id, before any is loaded; the pose filter is left aside.

    Of a rig's file the clips alone are read, never the surface. A damaged subject counts as one scene; drawing it
    reports what is wrong. The clips of FBX rigs are read by native code, which a hostile file could crash, so each is
    read under the guard.

    Args:
        subjects: as `find_subjects` returns them.
        settings: which frames become scenes.
        limits: time and memory of an FBX rig; None for the default ones.
        jobs: worker processes that read FBX rigs, see core/units.py.
        progress: receives each FBX rig.
    """
    brought: tuple[int, ...] = ()
    if settings.animations is not None:
        brought = tuple(motion.frames for motion in usable_motions(settings.animations, settings.bone_map))
    units = [CountUnit(subject, settings, brought) for subject in subjects]
    guarded = [unit for unit in units if unit.subject.kind == "rigged" and unit.subject.path.suffix.lower() == ".fbx"]
    counts = dict(count_one(unit) for unit in units if unit not in guarded)
    if progress is not None and guarded:
        progress.start("count the clips of FBX rigs", len(guarded))
    for result in run_guarded(count_one, guarded, limits=limits or Limits(), jobs=jobs):
        name, count = (result.unit.subject.id, 1) if isinstance(result, Lost) else result
        counts[name] = count
        if progress is not None:
            progress.advance(1, name)
    if progress is not None and guarded:
        progress.finish()
    return {subject.id: counts[subject.id] for subject in subjects}


def count_one(unit: CountUnit) -> tuple[str, int]:
    """A subject's id and the number of its scenes; 1 for a damaged subject."""
    try:
        return unit.subject.id, _count(unit)
    except Exception:  # whatever a damaged file raises; `draw_subject` meets it again and reports it
        return unit.subject.id, 1


def _count(unit: CountUnit) -> int:
    subject, settings = unit.subject, unit.settings
    most = None if subject.kind == "rigged" and settings.clusters else settings.wanted_frames
    own = len(list_scenes(subject, frames_per_animation=most, seed=settings.seed))
    if subject.kind != "rigged":
        return own
    more = sum(frames if most is None else min(frames, most) for frames in unit.brought)
    return own + more if settings.clusters is None else min(settings.clusters, own + more)


class SceneProgress:
    """Tells `progress` of single scenes, while subjects are the units of work.

    Scenes that are in the folder when the run begins count as done before, and so does what a failed subject left
    undrawn: neither tells how long a scene takes.

    Args:
        out: the renders folder.
        scenes: number of scenes of each subject, by id.
        progress: receives the scenes.
    """

    def __init__(self, out: Path, scenes: dict[str, int], progress: Progress) -> None:
        self._progress = progress
        self._left = {
            name: max(0, count - sum(1 for _ in out.glob(f"{name}/[!.]*/scene.json"))) for name, count in scenes.items()
        }
        total = sum(scenes.values())
        progress.start("render scenes", total)
        progress.skip(total - sum(self._left.values()))
        self._told = dict.fromkeys(scenes, 0)
        self._lock = threading.Lock()  # each worker is watched by a thread of its own

    def drawn(self, subject: str, count: int) -> None:
        """A subject that is being drawn has `count` more scenes."""
        with self._lock:
            new = min(count, self._left[subject])
            self._left[subject] -= new
            self._told[subject] += new
        self._progress.advance(new, subject)

    def finish_subject(self, subject: str, rendered: int, note: str = "") -> None:
        """A subject is done.

        Args:
            subject: its id.
            rendered: number of its scenes that were drawn in this run.
            note: a remark on it.
        """
        self.drawn(subject, max(0, rendered - self._told[subject]))
        self._progress.skip(self._left[subject])
        self._progress.advance(0, f"{subject} {note}".rstrip())
