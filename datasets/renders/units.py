"""What `mpc render` spreads over processes: a subject, or one animation of a rig; and how their outcomes are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...core.guard import Lost
from ...core.randomness import stable_hash
from ...subjects.animations import ClipChoice
from ...subjects.find import Subject
from .belonging import SubjectScenes
from .count import SubjectPlan
from .draw_subject import SubjectOutcome, SubjectUnit


@dataclass(frozen=True)
class NamedWork:
    """What one unit of work is to draw.

    Attributes:
        name: unique among all; it does not depend on where the models are.
        subject: the subject.
        clip: the animation; None for all scenes of the subject.
        scenes: how many there are, the pose filter left aside.
    """

    name: str
    subject: Subject
    clip: ClipChoice | None
    scenes: int


def list_work(subjects: Sequence[Subject], plans: Mapping[str, SubjectPlan]) -> list[NamedWork]:
    """All work in the order in which it is done; that of one subject is in one piece, so that its file is read once."""
    work: list[NamedWork] = []
    for subject in mix(subjects):
        plan = plans[subject.id]
        for clip, scenes in plan.clips:
            work.append(NamedWork(f"{subject.id}/{clip.name}", subject, clip, scenes))
        if not plan.clips:
            work.append(NamedWork(subject.id, subject, None, plan.scenes))
    return work


def mix(subjects: Sequence[Subject]) -> list[Subject]:
    """Subjects in an order that has nothing to do with their folders, so that the first ones are like the others.

    The remaining time is estimated from what is done already. In the order of the folders all scans might come before
    all rigs, or all people of one data set before those of another, whose scenes take another time.
    """
    return sorted(subjects, key=lambda subject: stable_hash("order of work", subject.id))


def lost_subject(lost: Lost[SubjectUnit]) -> SubjectOutcome:
    """The outcome of a unit whose process was stopped or died."""
    subject, clip = lost.unit.subject, lost.unit.clip
    where = f"{subject.path}: " if clip is None else f"{subject.path}, {clip.name}: "
    name = None if clip is None else clip.name
    return SubjectOutcome(subject=subject.id, clip=name, failures=((subject.id, where + lost.reason),))


def join_work(work: Sequence[NamedWork], outcomes: Mapping[str, SubjectOutcome]) -> list[SubjectOutcome]:
    """What became of each subject, from what became of its units; units without an outcome are left out."""
    own: dict[str, list[SubjectOutcome]] = {}
    subjects = {one.subject.id: one.subject for one in work}
    for one in work:
        if one.name in outcomes:
            own.setdefault(one.subject.id, []).append(outcomes[one.name])
    return [join_outcomes(subjects[name], own[name]) for name in sorted(own)]


def join_outcomes(subject: Subject, outcomes: Sequence[SubjectOutcome]) -> SubjectOutcome:
    """What became of a subject, from what became of its units, in their order."""
    lines = {key: line for one in outcomes if one.scenes is not None for key, line in one.scenes.lines.items()}
    digests = [one.scenes.source_sha256 for one in outcomes if one.scenes is not None]
    scenes = SubjectScenes(
        subject=subject.id,
        lines=lines,
        complete=all(one.scenes is not None and one.scenes.complete for one in outcomes),
        source_sha256=next((digest for digest in digests if digest is not None), None),
    )
    # What concerns the subject's file is said by each of its units.
    failures = dict.fromkeys(failure for one in outcomes for failure in one.failures)
    notices = dict.fromkeys(notice for one in outcomes for notice in one.notices)
    unfit = [text for one in outcomes for text in one.unfit]
    if unfit and not lines and not failures:
        reason = f"{subject.path}: no frame of any animation is fit: {'; '.join(unfit)}"
        failures[subject.id, reason] = None
    return SubjectOutcome(
        subject=subject.id,
        rendered=sum(one.rendered for one in outcomes),
        kept=sum(one.kept for one in outcomes),
        failures=tuple(failures),
        notices=tuple(notices),
        scenes=scenes,
    )
