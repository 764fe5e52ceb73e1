"""Choose which frames of a rig's animations become scenes: at random, spread, all, or one for each cluster of poses.

Frames that are unfit (the head is under the hips, or the person leaves the view cube) are replaced by others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.cluster.vq import kmeans2

from ..core.arrays import F64
from ..core.checks import check_ranges
from ..core.errors import MpcError, SettingsError
from ..core.messages import first_few
from ..core.randomness import derive_rng
from ..formats.bone_maps import read_bone_maps
from ..motion.bones import MatchedBones, rig_bones
from ..motion.skinning import world_matrices
from .load import LoadedSubject
from .scenes import LoadedScene, SceneSpec, choose_frames, frame_counts, pick_scenes, pose_scene

MAX_POSES = 5000  # at most so many poses are clustered; more are thinned out evenly
HEAD_DOWN = "the head is under the hips"
OUTSIDE = "outside the view cube"
TRIES = 10  # frames tried for each one wanted


@dataclass(frozen=True, kw_only=True)
class FrameSettings:
    """What decides which scenes a subject gives.

    Attributes:
        seed: seed of the random frames.
        frames_per_animation: random frames of each clip (the paper's three).
        poses: "random"; "spread" for frames at even distances in each clip; "all"; or "kmeans:K" for K frames a
            subject, one near the middle of each cluster of its poses (clips are unbalanced: in most frames the person
            stands or walks).
        pose_filter: whether frames with the head under the hips, or outside the view cube, are replaced by others.
        animations: folder (or file) of motions added to every rig as further clips; None for none.
        bone_map: file with the user's bone names; None for none.
    """

    seed: int = 0
    frames_per_animation: int = 3
    poses: str = "random"
    pose_filter: bool = True
    animations: Path | None = None
    bone_map: Path | None = None

    def __post_init__(self) -> None:
        check_ranges(self, seed=(0, None), frames_per_animation=(1, 100_000))
        if self.poses not in ("random", "spread", "all") and self.clusters is None:
            raise SettingsError(f'poses is {self.poses!r}, expected "random", "spread", "all" or "kmeans:K"')

    @property
    def wanted_frames(self) -> int | None:
        """Frames of each animation; None for all. With clusters: of scans, which have no bones to compare poses by."""
        return None if self.poses == "all" else self.frames_per_animation

    @property
    def spread(self) -> bool:
        """Whether the frames of a clip lie at even distances."""
        return self.poses == "spread"

    @property
    def clusters(self) -> int | None:
        """K of "kmeans:K", None for the other choices."""
        head, _, count = self.poses.partition(":")
        if head != "kmeans" or not count.isdigit() or not 1 <= int(count) <= 100_000:
            return None
        return int(count)


@dataclass(frozen=True, eq=False)
class ChosenScene:
    """A frame that becomes a scene.

    Attributes:
        spec: which frame.
        scene: the frame as the filter posed it, so that it need not be posed again; None without a filter.
    """

    spec: SceneSpec
    scene: LoadedScene | None = None


@dataclass(frozen=True)
class LeftOut:
    """Frames of one animation that the filter left out.

    Attributes:
        notice: animation, counts, reasons and frame numbers, in one line for the user.
    """

    notice: str


class NoFitFrameError(MpcError):
    """No frame of any animation is fit to become a scene.

    Args:
        path: the subject's file.
        left_out: one line for each animation, with the reasons.
    """

    def __init__(self, path: Path, left_out: Sequence[str]) -> None:
        super().__init__(f"{path}: no frame of any animation is fit: {'; '.join(left_out)}")
        self.path, self.left_out = path, tuple(left_out)

    def __reduce__(self) -> tuple[type[NoFitFrameError], tuple[Path, tuple[str, ...]]]:
        return type(self), (self.path, self.left_out)


# The edge of the view cube, metres, that a posed scene would need; None where it fits the one there is.
Misfit = Callable[[LoadedScene], float | None]


def choose_scenes(loaded: LoadedSubject, settings: FrameSettings, *, misfit: Misfit) -> Iterator[ChosenScene | LeftOut]:
    """Choose a subject's scenes, one after the other; what the filter left out comes last.

    Each frame is posed at most once, and a posed frame is handed on with its scene. The generator keeps none of them:
    whoever draws a scene before asking for the next one holds one posed mesh at a time, however many frames there are.

    Args:
        loaded: the subject, with the clips of other files that were added to it.
        settings: the choice; it depends on the seed and on the subject's and the animation's name alone.
        misfit: the view cube's edge, metres, that a posed scene would need; None where it fits.

    Raises:
        NoFitFrameError: no frame of any animation is fit; names the reasons.
    """
    subject = loaded.subject
    if loaded.rig is None or not loaded.clips:
        specs = pick_scenes(
            subject.id, frame_counts(loaded), settings.wanted_frames, settings.seed, spread=settings.spread
        )
        yield from (ChosenScene(spec) for spec in specs)
        return
    matched = rig_bones(loaded.rig, None if settings.bone_map is None else read_bone_maps(settings.bone_map))
    judge = _Judge(loaded, matched, misfit) if settings.pose_filter else None
    groups = _by_clip(loaded, settings) if settings.clusters is None else _by_cluster(loaded, matched, settings)
    chosen = 0
    for candidates, wanted in groups:
        for scene in _first_fit(candidates, wanted, judge):
            chosen += 1
            yield scene
    left_out = [] if judge is None else judge.report()
    if not chosen:
        raise NoFitFrameError(subject.path, left_out)
    yield from (LeftOut(notice) for notice in left_out)


class _Judge:
    """Poses scenes to see whether they are fit, and remembers why they were not.

    Attributes:
        loaded: the subject.
        misfit: see `choose_scenes`.
        dropped: unfit frames by animation and reason.
        tried: number of frames looked at, by animation.
        extent: edge of the view cube that would hold the frames outside it, metres, by animation.
        head: the rig's node of the head (where unknown, of the neck); None where neither is known.
        hips: its node of the hips, likewise.
    """

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

    def pose_fit(self, spec: SceneSpec) -> LoadedScene | None:
        """The posed scene, or None where it is unfit."""
        self.tried[spec.animation] = self.tried.get(spec.animation, 0) + 1
        found = HEAD_DOWN if self._is_upside_down(spec) else self._pose(spec)
        if isinstance(found, LoadedScene):
            return found
        self.dropped.setdefault(spec.animation, {}).setdefault(found, []).append(spec.frame)
        return None

    def _is_upside_down(self, spec: SceneSpec) -> bool:
        """Whether the head is lower than the hips, computed from the bones alone before the surface is posed."""
        rig, clip = self.loaded.rig, self.loaded.clips[spec.animation]
        assert rig is not None
        if self.head is None or self.hips is None:
            return False
        world = world_matrices(rig.skeleton, clip, clip.time_of(spec.frame))
        places = world[[self.head, self.hips], :3, 3] @ self.loaded.to_world[:3, :3].T
        return bool(places[0, 1] < places[1, 1])

    def _pose(self, spec: SceneSpec) -> LoadedScene | str:
        """The posed scene, or why it is unfit."""
        try:
            scene = pose_scene(self.loaded, spec)
            needed = self.misfit(scene)
        except MpcError as error:
            return str(error)
        if needed is None:
            return scene
        self.extent[spec.animation] = max(needed, self.extent.get(spec.animation, 0.0))
        return OUTSIDE

    def report(self) -> list[str]:
        """One line for each animation of which frames were left out."""
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


def _first_fit(specs: Iterable[SceneSpec], wanted: int, judge: _Judge | None) -> Iterator[ChosenScene]:
    """The first `wanted` candidates that are fit."""
    taken = 0
    for spec in specs:
        if taken == wanted:
            return
        scene = None if judge is None else judge.pose_fit(spec)
        if judge is None or scene is not None:
            taken += 1
            yield ChosenScene(spec, scene)
        del scene  # before the next one is posed


def _numbers(frames: list[int], most: int = 5) -> str:
    return first_few([str(frame) for frame in sorted(frames)], most)


def _by_clip(loaded: LoadedSubject, settings: FrameSettings) -> Iterator[tuple[list[SceneSpec], int]]:
    """For each clip the candidates, the frames drawn first in front, and how many of them are wanted.

    Where frames are spread, each has candidates of its own: the frames that are nearer to it than to the others.
    """
    subject, seed, wanted = loaded.subject.id, settings.seed, settings.wanted_frames
    for name, clip in loaded.clips.items():
        first = choose_frames(clip.frames, wanted, seed, subject, name, spread=settings.spread)
        if settings.spread:
            distance = np.abs(np.arange(clip.frames)[:, None] - first)
            for rank in range(len(first)):
                own = np.flatnonzero(distance.argmin(axis=1) == rank)
                own = own[np.argsort(distance[own, rank], kind="stable")][:TRIES]
                yield [SceneSpec(subject, name, frame) for frame in own.tolist()], 1
            continue
        others = np.setdiff1d(np.arange(clip.frames), first)
        more = derive_rng(seed, subject, name, "other frames").permutation(others)
        most = len(first) if wanted is None else TRIES * wanted
        yield [SceneSpec(subject, name, int(frame)) for frame in (*first, *more)][:most], len(first)


def _by_cluster(
    loaded: LoadedSubject, matched: MatchedBones, settings: FrameSettings
) -> Iterator[tuple[list[SceneSpec], int]]:
    """For each cluster of poses the candidates, nearest to its centre in front, of which one is wanted."""
    specs = pick_scenes(loaded.subject.id, frame_counts(loaded), None, settings.seed)
    step = max(1, -(-len(specs) // MAX_POSES))
    specs = specs[::step]
    features = np.stack([pose_features(loaded, matched, spec) for spec in specs])
    count = min(settings.clusters or 1, len(specs))
    rng = derive_rng(settings.seed, loaded.subject.id, "pose clusters")
    centres, member = kmeans2(features, count, minit="++", rng=rng)
    distance = np.linalg.norm(features - centres[member], axis=1)
    for cluster in range(count):
        nearest = np.flatnonzero(member == cluster)
        nearest = nearest[np.argsort(distance[nearest], kind="stable")][:TRIES]
        yield [specs[index] for index in nearest.tolist()], 1


def pose_features(loaded: LoadedSubject, matched: MatchedBones, spec: SceneSpec) -> F64:
    """What two poses are compared by: the joints' positions around the hips, the person turned to face +z.

    Args:
        loaded: a rigged subject.
        matched: its bones by role.
        spec: the frame.

    Returns:
        (3 J) float64 metres, J the number of bones compared.
    """
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
