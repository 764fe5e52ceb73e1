"""Which frames of a rig's animations become scenes: at random, all, or one a cluster of poses; less what is unfit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.cluster.vq import kmeans2

from ...core.arrays import F64
from ...core.errors import MpcError, SettingsError
from ...core.messages import first_few
from ...core.randomness import derive_rng
from ...motion.bones import BoneMap, MatchedBones, rig_bones
from ...motion.skinning import world_matrices
from .load import LoadedSubject
from .scenes import LoadedScene, SceneSpec, choose_frames, list_scenes, pose_scene

MAX_POSES = 5000  # that are clustered; more are thinned out evenly
HEAD_DOWN = "the head is under the hips"
OUTSIDE = "outside the view cube"
TRIES = 10  # frames tried for each one wanted


@dataclass(frozen=True, kw_only=True)
class FrameChoice:
    """How frames are chosen.

    Attributes:
        per_animation: random frames of each clip (the paper's three).
        poses: "random", "all", or "kmeans:K" for K frames a subject, one near the middle of each cluster of its poses
            (clips are unbalanced: most frames stand or walk).
        drop_unfit: leave out frames with the head under the hips, or that leave the view cube, and take others.
    """

    per_animation: int = 3
    poses: str = "random"
    drop_unfit: bool = True

    def __post_init__(self) -> None:
        if self.poses not in ("random", "all") and self.clusters is None:
            raise SettingsError(f'poses is {self.poses!r}, expected "random", "all" or "kmeans:K"')

    @property
    def wanted(self) -> int | None:
        """Frames of each clip; None for all. With clusters: of scans, which have no bones to compare poses by."""
        return None if self.poses == "all" else self.per_animation

    @property
    def clusters(self) -> int | None:
        """K of "kmeans:K"."""
        head, _, count = self.poses.partition(":")
        if head != "kmeans" or not count.isdigit() or not 1 <= int(count) <= 100_000:
            return None
        return int(count)


@dataclass
class ScenePlan:
    """Scenes in the animations' order, frames ascending, and a line for each animation of which frames were dropped."""

    specs: list[SceneSpec] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


# The edge of the view cube, metres, that a posed scene would need; None where it fits the one there is.
Misfit = Callable[[LoadedScene], float | None]


def plan_scenes(
    loaded: LoadedSubject,
    choice: FrameChoice,
    *,
    seed: int,
    misfit: Misfit,
    maps: Mapping[str, BoneMap] | None = None,
) -> ScenePlan:
    """Choose a subject's scenes.

    Args:
        loaded: clips brought from elsewhere included.
        seed: the dataset's; the choice depends on it and on the subject's and the animation's name alone.
        misfit: the view cube's edge that a posed scene would need; None where it fits.
        maps: the user's bone names.
    """
    subject = loaded.subject
    if loaded.rig is None:
        return ScenePlan(list_scenes(subject, frames_per_animation=choice.wanted, seed=seed))
    if not loaded.clips:
        return ScenePlan([SceneSpec(subject.id, "rest", 0)])
    matched = rig_bones(loaded.rig, maps)
    judge = _Judge(loaded, matched, misfit) if choice.drop_unfit else None
    plan = ScenePlan()
    if choice.clusters is not None:
        chosen = _by_cluster(loaded, matched, choice.clusters, seed, judge)
    else:
        wanted = choice.wanted
        chosen = {}
        for name, clip in loaded.clips.items():
            first = choose_frames(clip.frames, wanted, seed, subject.id, name)
            others = np.setdiff1d(np.arange(clip.frames), first)
            more = derive_rng(seed, subject.id, name, "other frames").permutation(others)
            most = len(first) if wanted is None else TRIES * wanted
            tried = [SceneSpec(subject.id, name, int(frame)) for frame in (*first, *more)][:most]
            chosen[name] = _first_fit(tried, len(first), judge)
    for name in loaded.clips:
        plan.specs += [SceneSpec(subject.id, name, frame) for frame in sorted(chosen.get(name, ()))]
    plan.notices = [] if judge is None else judge.report()
    if not plan.specs:
        raise MpcError(f"{subject.path}: no frame of any animation is fit: {'; '.join(plan.notices)}")
    return plan


class _Judge:
    """Poses scenes to see whether they are fit, and remembers why they were not."""

    def __init__(self, loaded: LoadedSubject, matched: MatchedBones, misfit: Misfit) -> None:
        self.loaded, self.misfit = loaded, misfit
        self.dropped: dict[str, dict[str, list[int]]] = {}
        self.tried: dict[str, int] = {}
        self.extent: dict[str, float] = {}
        neck = matched.chains.get("neck", ()) or matched.chains.get("spine", ())
        self.head = matched.roles.get("head", neck[-1] if neck else None)
        self.hips = matched.roles.get(
            "hips", loaded.rig.pelvis[0] if loaded.rig is not None and loaded.rig.pelvis else None
        )

    def fit(self, spec: SceneSpec) -> bool:
        """Whether a scene may be used."""
        self.tried[spec.animation] = self.tried.get(spec.animation, 0) + 1
        reason = self._reason(spec)
        if reason is not None:
            self.dropped.setdefault(spec.animation, {}).setdefault(reason, []).append(spec.frame)
        return reason is None

    def _reason(self, spec: SceneSpec) -> str | None:
        rig, clip = self.loaded.rig, self.loaded.clips[spec.animation]
        assert rig is not None
        if self.head is not None and self.hips is not None:
            world = world_matrices(rig.skeleton, clip, clip.time_of(spec.frame))
            places = world[[self.head, self.hips], :3, 3] @ self.loaded.to_world[:3, :3].T
            if places[0, 1] < places[1, 1]:
                return HEAD_DOWN
        try:
            needed = self.misfit(pose_scene(self.loaded, spec))
        except MpcError as error:
            return str(error)
        if needed is None:
            return None
        self.extent[spec.animation] = max(needed, self.extent.get(spec.animation, 0.0))
        return OUTSIDE

    def report(self) -> list[str]:
        """A line for each animation with frames left out."""
        lines = []
        for name, reasons in self.dropped.items():
            count = sum(len(frames) for frames in reasons.values())
            texts = [
                f"{reason} (frame{'s' if len(frames) > 1 else ''} {_numbers(frames)}"
                + (f"; --extent {self.extent[name]:g} holds them)" if reason == OUTSIDE else ")")
                for reason, frames in reasons.items()
            ]
            lines.append(f"{name}: {count} of {self.tried[name]} frames tried are left out: {'; '.join(texts)}")
        return lines


def _first_fit(specs: Iterable[SceneSpec], wanted: int, judge: _Judge | None) -> list[int]:
    chosen: list[int] = []
    for spec in specs:
        if len(chosen) == wanted:
            break
        if judge is None or judge.fit(spec):
            chosen.append(spec.frame)
    return chosen


def _numbers(frames: list[int], most: int = 5) -> str:
    return first_few([str(frame) for frame in sorted(frames)], most)


def _by_cluster(
    loaded: LoadedSubject, matched: MatchedBones, count: int, seed: int, judge: _Judge | None
) -> dict[str, list[int]]:
    specs = [
        SceneSpec(loaded.subject.id, name, frame) for name, clip in loaded.clips.items() for frame in range(clip.frames)
    ]
    step = max(1, -(-len(specs) // MAX_POSES))
    specs = specs[::step]
    features = np.stack([pose_features(loaded, matched, spec) for spec in specs])
    count = min(count, len(specs))
    rng = derive_rng(seed, loaded.subject.id, "pose clusters")
    centres, member = kmeans2(features, count, minit="++", rng=rng)
    distance = np.linalg.norm(features - centres[member], axis=1)
    chosen: dict[str, list[int]] = {}
    for cluster in range(count):
        nearest = np.flatnonzero(member == cluster)
        nearest = nearest[np.argsort(distance[nearest], kind="stable")][:TRIES]
        for spec in (specs[index] for index in nearest.tolist()):
            if judge is None or judge.fit(spec):
                chosen.setdefault(spec.animation, []).append(spec.frame)
                break
    return chosen


def pose_features(loaded: LoadedSubject, matched: MatchedBones, spec: SceneSpec) -> F64:
    """(3 J) places of the joints around the hips, turned so that the person faces +z: what makes two poses alike."""
    rig, clip = loaded.rig, loaded.clips[spec.animation]
    assert rig is not None
    world = world_matrices(rig.skeleton, clip, clip.time_of(spec.frame))
    places = world[:, :3, 3] @ loaded.to_world[:3, :3].T
    bones = sorted(matched.known) if len(matched.known) > 4 else np.unique(rig.slot_node).tolist()
    centre = places[matched.roles.get("hips", bones[0])]
    body = places[bones] - centre
    if {"left_thigh", "right_thigh"} <= matched.roles.keys():
        across = places[matched.roles["left_thigh"]] - places[matched.roles["right_thigh"]]
        length = float(np.hypot(across[0], across[2]))
        if length > 1e-6:
            cosine, sine = across[0] / length, across[2] / length
            body = body @ np.array([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]])
    return np.asarray(body.ravel())
