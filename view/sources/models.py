"""A model directory: each person, posed, with what `mpc check` says of the person."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import InputError
from ...subjects.find import Subject, search_models
from ...subjects.load import LoadedSubject, load_subject
from ...subjects.scenes import SceneSpec, frame_counts, pose_scene
from ..content import Body, Content, Control, Draw
from .facts import describe_mesh
from .recent import Recent

if TYPE_CHECKING:
    from ...datasets.check.subject import SubjectReport

TAKE_RATE = 30.0  # frames a second of sequences of scans, whose files name none


@dataclass(eq=False)
class _Person:
    """A person who was read.

    Attributes:
        loaded: the person.
        counts: number of frames by animation.
        report: of the check; None until it was made.
        checked: held while the check is made.
    """

    loaded: LoadedSubject
    counts: Mapping[str, int]
    report: SubjectReport | None = None
    checked: threading.Lock = field(default_factory=threading.Lock)


class Models:
    """The people of a model directory.

    Args:
        folder: the directory.
    """

    draws: Sequence[Draw] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._subjects: dict[str, Subject] = {}
        self._people: Recent[_Person] = Recent(3)

    @property
    def title(self) -> str:
        """See Source."""
        return f"models {self.folder}"

    def names(self) -> Sequence[str]:
        """See Source."""
        self._subjects = {subject.id: subject for subject in search_models(self.folder).subjects}
        if not self._subjects:
            raise InputError(self.folder, "holds nobody: no mesh, rig, renders, shards, run or film was found there")
        return tuple(self._subjects)

    def controls(self, name: str, chosen: Mapping[str, str]) -> Sequence[Control]:
        """See Source."""
        person = self._read(name)
        animations = Control("animation", tuple(person.counts))
        animation = animations.value(chosen)
        frames = person.counts[animation]
        if len(person.counts) == 1 and frames == 1:
            return ()
        clip = person.loaded.clips.get(animation)
        rate = TAKE_RATE if clip is None or clip.step_s <= 0 else min(1.0 / clip.step_s, TAKE_RATE)
        return animations, Control("frame", [str(number) for number in range(frames)], slider=True, rate=rate)

    def show(self, name: str, chosen: Mapping[str, str]) -> Content:
        """See Source."""
        person = self._read(name)
        animation = chosen.get("animation", next(iter(person.counts)))
        scene = pose_scene(person.loaded, SceneSpec(name, animation, int(chosen.get("frame", "0"))))
        content = Content(
            facts=_describe(person.loaded, self.folder) | describe_mesh(scene.mesh),
            remarks=scene.notices,
            bodies=(Body("person", scene.mesh),),
        )
        if person.report is not None:
            return _with_report(content, person.report)
        return replace(content, later=lambda: self._check(person, content))

    def _read(self, name: str) -> _Person:
        """The person as the file is now."""
        if name not in self._subjects:
            self.names()
        subject = self._subjects.get(name)
        if subject is None:
            raise InputError(self.folder, f"holds nobody of the name {name}")

        def read() -> _Person:
            loaded = load_subject(subject)
            return _Person(loaded, frame_counts(loaded))

        return self._people.get((name, _state(subject.path)), read)

    def _check(self, person: _Person, content: Content) -> Content:
        """The content with what `mpc check` finds, which takes seconds; of one person it is made once."""
        from ...datasets.check.subject import CheckUnit, check_subject
        from ...subjects.placement import PlacementOptions

        with person.checked:
            if person.report is None:
                person.report = check_subject(CheckUnit(person.loaded.subject, self.folder, PlacementOptions()))
        return _with_report(replace(content, later=None), person.report)


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file is written anew."""
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from error
    return status.st_mtime_ns, status.st_size


def _describe(loaded: LoadedSubject, folder: Path) -> dict[str, str]:
    subject, placed = loaded.subject, loaded.placement.as_dict()
    path = subject.path
    facts = {
        "file": path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path),
        "kind": subject.kind if loaded.layout is None else f"{subject.kind}, {loaded.layout}",
        "height": f"{placed['height_m']:.2f} m",
    }
    reasons = placed.get("reasons", {})
    for name in ("unit", "up", "facing"):
        reason = f" ({reasons[name]})" if reasons.get(name) else ""
        facts[name] = f"{placed[name]}{reason}"
    if loaded.rig is not None:
        facts["joints"] = str(len(loaded.rig.slot_node))
    if loaded.clips or loaded.takes:
        facts["animations"] = ", ".join(f"{name} {count}" for name, count in frame_counts(loaded).items())
    if subject.licence:
        facts["licence"] = subject.licence
    return facts


def _with_report(content: Content, report: SubjectReport) -> Content:
    """A content with what the check found."""
    facts: dict[str, str] = {"check": report.state}
    if report.components:
        facts["parts"] = str(report.components)
    if report.open_edges is not None:
        facts["closed"] = "yes" if report.open_edges == 0 else f"no, {report.open_edges} open edges"
    if report.ambiguous is not None:
        facts["in doubt"] = f"{report.ambiguous:.1%} of the volume"
    told = [*content.remarks, *(warning for warning in report.warnings if warning not in content.remarks)]
    return replace(content, facts={**content.facts, **facts}, remarks=told, problem=report.error or content.problem)
