"""Subjects become scenes: a scan is one, a rigged person one for each chosen frame of each animation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import InputError, MpcError
from ...core.randomness import derive_rng
from ...formats.build_mesh import check_area
from ...formats.fbx.read import read_fbx, read_fbx_motion
from ...formats.gltf.animations import read_clips
from ...formats.gltf.container import open_gltf
from ...formats.gltf.read import read_gltf
from ...formats.obj.read import read_obj
from ...formats.ply.read import read_ply
from ...formats.stl import read_stl
from ...geometry.mesh import PosedMesh
from ...motion.landmarks import find_hips, find_pelvis, hips_facing, rest_facing
from ...motion.skinning import Clip, Rig, pose_rig, world_matrices
from .find import Subject, safe_name
from .layouts.layout import Fit
from .layouts.recognise import find_layout
from .placement import LoadOptions, place_person
from .sequences import list_takes, read_frame

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
class LoadedSubject:
    """A subject read once, to be posed many times.

    Attributes:
        mesh: world metres, y up, facing +z; a rig's is its rest pose.
        rig: None for a scan.
        to_world: (4, 4) file coordinates to world.
        clips: by animation name as in SceneSpec.
        takes: of "scans", the files of each sequence by animation name.
        notes: JSON-ready: unit, up, facing, height, why, and "notices", what was repaired or doubted.
    """

    subject: Subject
    mesh: PosedMesh
    rig: Rig | None
    to_world: F64
    clips: dict[str, Clip] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    takes: dict[str, tuple[Path, ...]] = field(default_factory=dict)


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


def name_clips(clips: tuple[Clip, ...]) -> dict[str, Clip]:
    """Clips under names that are safe in paths and unique (case aside), in the same order."""
    named: dict[str, Clip] = {}
    taken: set[str] = set()
    for clip in clips:
        base = safe_name(clip.name)[:60]
        name, number = base, 2
        while name.casefold() in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name.casefold())
        named[name] = clip
    return named


def load_subject(subject: Subject, options: LoadOptions | None = None) -> LoadedSubject:
    """Read a subject's file and convert it to metres, y up, facing +z; the origin stays.

    Raises:
        InputError: the file is damaged, hostile or of a kind that is not read; names file and reason.
    """
    options = LoadOptions() if options is None else options
    suffix = subject.path.suffix.lower()
    takes: dict[str, tuple[Path, ...]] = {}
    if subject.kind == "scans":
        read = read_frame(subject.path)
        takes = _name_takes(subject)
    elif suffix in (".glb", ".gltf", ".fbx"):
        return _load_rigged(subject, options)
    elif suffix == ".obj":
        read = read_obj(subject.path, subject.root, subject.texture)
    elif suffix == ".ply":
        read = read_ply(subject.path, subject.root)
    elif suffix == ".stl":
        read = read_stl(subject.path)
    else:
        raise InputError(subject.path, f"files of type {suffix or 'unknown'} are not read")
    layout = find_layout(subject.layout)
    fit: Fit | None = None
    doubts: list[str] = []
    if layout is not None and layout.read_fit is not None:
        if subject.fit is not None:
            fit = layout.read_fit(subject.fit)
        elif options.height_m is None:
            doubts.append(
                f"{layout.fit} is not there: the scale of {layout.name} is arbitrary; add it or give the height"
            )
    unit, up = (read.unit, read.up) if layout is None else (read.unit or layout.unit, read.up or layout.up)
    placement = place_person(read.mesh, options, file_unit=unit, file_up=up, fit=fit)
    notes = {**placement.as_dict(), "notices": [*read.notices, *doubts, *placement.warnings]}
    if layout is not None:
        notes["layout"] = layout.name
    mesh = read.mesh.transformed(placement.matrix)
    return LoadedSubject(subject, mesh, None, placement.matrix, notes=notes, takes=takes)


def _name_takes(subject: Subject) -> dict[str, tuple[Path, ...]]:
    return {safe_name(name)[:60]: files for name, files in list_takes(subject.root).items()}


def _load_rigged(subject: Subject, options: LoadOptions) -> LoadedSubject:
    """glTF and FBX, with a skin or without; both readers give metres, y up."""
    reader = read_fbx if subject.path.suffix.lower() == ".fbx" else read_gltf
    read = reader(subject.path, subject.root)
    hint = None
    rig = read.rig
    if rig is not None:
        up = np.array([0.0, 1.0, 0.0])
        hint = rest_facing(rig.skeleton, read.joints, world_matrices(rig.skeleton, None), up)
        pelvis = find_pelvis(rig.skeleton, read.joints)
        rig = replace(rig, pelvis=pelvis, hips=find_hips(rig.skeleton, read.joints))
    placement = place_person(read.mesh, options, file_unit="m", file_up="+y", facing_hint=hint)
    notes = {**placement.as_dict(), "notices": [*read.notices, *placement.warnings]}
    mesh = read.mesh.transformed(placement.matrix)
    clips = {} if rig is None else name_clips(rig.clips)
    return LoadedSubject(subject, mesh, rig, placement.matrix, clips, notes)


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
