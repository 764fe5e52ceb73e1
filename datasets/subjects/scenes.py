"""Subjects become scenes: a scan is one, a rigged person one for each chosen frame of each animation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import InputError, MpcError
from ...core.randomness import derive_rng
from ...formats.build_mesh import check_area
from ...formats.fbx.read import read_fbx_motion
from ...formats.gltf.animations import read_clips
from ...formats.gltf.container import open_gltf
from ...geometry.mesh import PosedMesh
from ...motion.landmarks import hips_facing
from ...motion.skinning import Clip, pose_rig
from .find import Subject
from .load import LoadedSubject, _name_takes, load_subject, name_clips
from .placement import LoadOptions
from .sequences import read_frame

SCAN = "scan"
REST = "rest"


@dataclass(frozen=True)
class SceneSpec:
    """Which moment of which subject; `animation` is "scan" for scans, "rest" for a rig without animations."""

    subject: str
    animation: str
    frame: int

    @property
    def key(self) -> str:
        """The scene's name, and its folder below renders/."""
        return f"{self.subject}/{self.animation}_{self.frame:04d}"


@dataclass(frozen=True, eq=False)
class LoadedScene:
    """One posed, textured person.

    Attributes:
        mesh: world metres, y up; the rest pose faces +z.
        pelvis_world: (3,) float64 metres; None for scans and rigs whose pelvis is unknown (use the box's centre).
        notes: as of LoadedSubject, "time_s" of the frame, and "facing_world", three numbers: the horizontal unit vector
            that scans face (+z, see place_person) and the hips of rigs; not there where nobody knows.
    """

    spec: SceneSpec
    mesh: PosedMesh
    pelvis_world: F64 | None
    notes: dict[str, Any]


def list_scenes(subject: Subject, *, frames_per_animation: int | None = 3, seed: int) -> list[SceneSpec]:
    """The scenes of a subject: animations in the file's order, frames ascending.

    Frames are drawn without repetition from a stream of (seed, subject, animation) alone, so that other subjects and
    animations change nothing.

    Args:
        frames_per_animation: None takes all; clips with fewer frames give all they have.
        seed: the dataset's.

    Raises:
        InputError: a rig's file cannot be read.
    """
    if subject.kind == "scan":
        return [SceneSpec(subject.id, SCAN, 0)]
    if subject.kind == "scans":
        return [
            SceneSpec(subject.id, name, frame)
            for name, files in _name_takes(subject).items()
            for frame in choose_frames(len(files), frames_per_animation, seed, subject.id, name)
        ]
    clips = name_clips(_file_clips(subject))
    if not clips:
        return [SceneSpec(subject.id, REST, 0)]
    return [
        SceneSpec(subject.id, name, frame)
        for name, clip in clips.items()
        for frame in choose_frames(clip.frames, frames_per_animation, seed, subject.id, name)
    ]


def _file_clips(subject: Subject) -> tuple[Clip, ...]:
    if subject.path.suffix.lower() == ".fbx":
        return read_fbx_motion(subject.path)[1]
    gltf = open_gltf(subject.path, subject.root)
    return read_clips(gltf, len(gltf.items("nodes")))


def choose_frames(frames: int, wanted: int | None, seed: int, subject: str, animation: str) -> list[int]:
    """`wanted` distinct frames of a clip, ascending; all where None or where there are no more."""
    if wanted is None or wanted >= frames:
        return list(range(frames))
    rng = derive_rng(seed, subject, animation, "frames")
    return sorted(int(frame) for frame in rng.choice(frames, size=wanted, replace=False, shuffle=False))


def pose_scene(loaded: LoadedSubject, spec: SceneSpec) -> LoadedScene:
    """Pose a loaded subject.

    Raises:
        InputError: the animation or frame is not in the file, or the pose is not finite.
    """
    path, rig = loaded.subject.path, loaded.rig
    if loaded.takes:
        return _pose_take(loaded, spec)
    if rig is None:
        return LoadedScene(spec, loaded.mesh, None, {**loaded.notes, "facing_world": [0.0, 0.0, 1.0]})
    clip = loaded.clips.get(spec.animation)
    if clip is None and spec.animation != REST:
        raise InputError(path, f'has no animation "{spec.animation}"')
    if clip is not None and not 0 <= spec.frame < clip.frames:
        raise InputError(path, f'animation "{spec.animation}" has no frame {spec.frame} (of {clip.frames})')
    time_s = 0.0 if clip is None else clip.time_of(spec.frame)
    with np.errstate(over="ignore", invalid="ignore"):
        vertices, nodes = pose_rig(rig, clip, time_s)
        vertices = vertices @ loaded.to_world[:3, :3].T
    try:
        mesh = loaded.mesh.with_vertices(vertices)
    except MpcError as error:
        raise InputError(path, f"{spec.animation} frame {spec.frame}: {error}") from error
    check_area(path, mesh)
    pelvis = loaded.to_world[:3, :3] @ nodes[list(rig.pelvis), :3, 3].mean(axis=0) if rig.pelvis else None
    notes = {**loaded.notes, "time_s": time_s}
    if rig.hips:
        left, right = nodes[list(rig.hips), :3, 3] @ loaded.to_world[:3, :3].T
        facing = hips_facing(left, right)
        notes |= {} if facing is None else {"facing_world": facing.round(6).tolist()}
    return LoadedScene(spec, mesh, pelvis, notes)


def _pose_take(loaded: LoadedSubject, spec: SceneSpec) -> LoadedScene:
    files = loaded.takes.get(spec.animation, ())
    if not 0 <= spec.frame < len(files):
        raise InputError(loaded.subject.root, f'"{spec.animation}" has no frame {spec.frame} (of {len(files)})')
    read = read_frame(files[spec.frame])
    mesh = read.mesh.transformed(loaded.to_world)
    notices = list(dict.fromkeys([*loaded.notes["notices"], *read.notices]))
    return LoadedScene(spec, mesh, None, {**loaded.notes, "notices": notices})


def load_scene(subject: Subject, spec: SceneSpec, options: LoadOptions | None = None) -> LoadedScene:
    """`load_subject` and `pose_scene` in one, for one scene alone."""
    return pose_scene(load_subject(subject, options), spec)
