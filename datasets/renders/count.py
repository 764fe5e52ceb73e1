"""Count scenes before any is drawn, so that progress counts scenes, whatever a scene's subject is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.guard import Limits, Lost, run_guarded
from ...core.progress import Progress
from ...subjects.animations import ClipChoice, list_motions, motions_digest
from ...subjects.find import Subject
from ...subjects.load import unique_names
from ...subjects.scenes import REST, peek_frame_counts
from .settings import RenderSettings


@dataclass(frozen=True)
class CountUnit:
    """One unit of work: a subject whose scenes are counted.

    Attributes:
        subject: the subject.
        settings: which frames become scenes.
        brought: each motion that is added to rigs, with its number of frames.
    """

    subject: Subject
    settings: RenderSettings
    brought: tuple[tuple[ClipChoice, int], ...]


@dataclass(frozen=True)
class SubjectPlan:
    """What is known of a subject before it is loaded.

    Attributes:
        scenes: number of scenes, the pose filter left aside.
        clips: the animations with the number of scenes of each, where each can be drawn by itself; empty where the
            subject is drawn at once.
    """

    scenes: int
    clips: tuple[tuple[ClipChoice, int], ...] = ()


def count_scenes(
    subjects: Sequence[Subject], settings: RenderSettings, *, limits: Limits | None = None, jobs: int = 0
) -> dict[str, int]:
    """The number of scenes of each subject, by id; see `plan_subjects`."""
    return {name: plan.scenes for name, plan in plan_subjects(subjects, settings, limits=limits, jobs=jobs).items()}


def plan_subjects(
    subjects: Sequence[Subject],
    settings: RenderSettings,
    *,
    limits: Limits | None = None,
    jobs: int = 0,
    progress: Progress | None = None,
) -> dict[str, SubjectPlan]:
    """Find the animations and count the scenes of each subject, by id, before any is loaded.

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
    brought: tuple[tuple[ClipChoice, int], ...] = ()
    if settings.animations is not None:
        digest = motions_digest(settings.animations, settings.bone_map)
        motions = list_motions(settings.animations, settings.bone_map)
        brought = tuple((replace(clip, motions_sha256=digest), frames) for clip, frames in motions)
    units = [CountUnit(subject, settings, brought) for subject in subjects]
    guarded = [unit for unit in units if unit.subject.kind == "rigged" and unit.subject.path.suffix.lower() == ".fbx"]
    plans = dict(plan_one(unit) for unit in units if unit not in guarded)
    if progress is not None and guarded:
        progress.start("count the clips of FBX rigs", len(guarded))
    for result in run_guarded(plan_one, guarded, limits=limits or Limits(), jobs=jobs):
        name, plan = (result.unit.subject.id, SubjectPlan(1)) if isinstance(result, Lost) else result
        plans[name] = plan
        if progress is not None:
            progress.advance(1, name)
    if progress is not None and guarded:
        progress.finish()
    return {subject.id: plans[subject.id] for subject in subjects}


def plan_one(unit: CountUnit) -> tuple[str, SubjectPlan]:
    """A subject's id and its plan; one scene for a damaged subject."""
    try:
        return unit.subject.id, _plan(unit)
    except Exception:  # whatever a damaged file raises; `draw_subject` meets it again and reports it
        return unit.subject.id, SubjectPlan(1)


def _plan(unit: CountUnit) -> SubjectPlan:
    subject, settings = unit.subject, unit.settings
    rigged = subject.kind == "rigged"
    most = None if rigged and settings.clusters else settings.wanted_frames
    own = {name: frames if most is None else min(frames, most) for name, frames in peek_frame_counts(subject).items()}
    if not rigged:
        return SubjectPlan(sum(own.values()))
    more = [(clip, frames if most is None else min(frames, most)) for clip, frames in unit.brought]
    if settings.clusters is not None:  # poses of all animations are compared with each other
        return SubjectPlan(min(settings.clusters, sum(own.values()) + sum(scenes for _, scenes in more)))
    if unit.brought:
        own.pop(REST, None)  # the pose of a rig that has no animation
    clips = [*((ClipChoice(name), scenes) for name, scenes in own.items()), *more]
    names = unique_names([clip.name for clip, _ in clips])
    named = tuple((replace(clip, name=name), scenes) for name, (clip, scenes) in zip(names, clips, strict=True))
    return SubjectPlan(sum(scenes for _, scenes in clips), named if len(named) > 1 else ())


class SceneProgress:
    """Tells `progress` of single scenes, while subjects are the units of work.

    Scenes that are in the folder when the run begins count as done before, and so does what a failed subject left
    undrawn: neither tells how long a scene takes.

    Args:
        out: the renders folder.
        scenes: number of scenes of each subject, by id.
        progress: receives the scenes.
        alone: whether no other run draws scenes of these subjects.
    """

    def __init__(self, out: Path, scenes: dict[str, int], progress: Progress, *, alone: bool = True) -> None:
        self._progress = progress
        there = {name: sum(1 for _ in out.glob(f"{name}/[!.]*/scene.json")) if alone else 0 for name in scenes}
        self._left = {name: max(0, count - there[name]) for name, count in scenes.items()}
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

    def reached(self, subject: str, rendered: int) -> None:
        """`rendered` scenes of a subject have been drawn in this run, of which some may have been told already."""
        self.drawn(subject, max(0, rendered - self._told[subject]))

    def finish_subject(self, subject: str, rendered: int, note: str = "") -> None:
        """A subject is done.

        Args:
            subject: its id.
            rendered: number of its scenes that were drawn in this run.
            note: a remark on it.
        """
        self.reached(subject, rendered)
        self._progress.skip(self._left[subject])
        self._progress.advance(0, f"{subject} {note}".rstrip())
