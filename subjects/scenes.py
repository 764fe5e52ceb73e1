"""Turn subjects into scenes: a scan is one scene, a rigged person one for each chosen frame of each animation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import F64
from ..core.errors import InputError, MpcError
from ..core.randomness import derive_rng
from ..formats.build_mesh import check_area
from ..formats.fbx.read import read_fbx_motion
from ..formats.gltf.animations import read_clips
from ..formats.gltf.container import open_gltf
from ..geometry.mesh import PosedMesh
from ..motion.landmarks import hips_facing
from ..motion.skinning import Clip, pose_rig
from .body_shape import feet_facing
from .find import Subject
from .fitted import fit_scan
from .known import describe_known, foot_contact
from .load import LoadedSubject, face_outward, load_subject, name_clips, name_takes
from .placement import PlacementOptions
from .sequences import read_frame

SCAN = "scan"
REST = "rest"


@dataclass(frozen=True)
class SceneSpec:
    """Which moment of which subject a scene shows.

    Attributes:
        subject: the subject's id.
        animation: name of the clip or sequence; "scan" for a scan, "rest" for a rig without animations.
        frame: counted from 0 within the animation.
    """

    subject: str
    animation: str
    frame: int

    @property
    def key(self) -> str:
        """The scene's name, and its folder below renders/."""
        return f"{self.subject}/{self.animation}_{self.frame:04d}"


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadedScene:
    """One posed, textured person.

    Attributes:
        spec: which moment it is.
        loaded: the subject it was posed from.
        mesh: the posed surface in world metres; the rest pose faces +z.
        pelvis_world: (3,) float64 metres; None for scans and for rigs whose pelvis is unknown.
        notices: what was repaired or doubted in the files of this scene.
        time_s: time of the frame in its clip, seconds; None for scans.
        facing_world: the horizontal unit vector that the person faces: that of the hips for rigs, that of the body fit,
            the user or the feet for scans (see `place_person`); None where it is unknown.
        body: the body below the clothes, world metres; None where it is unknown.
        joints: (J, 3) float64, world metres, J = len(JOINTS) of motion/joints.py, NaN for those that are unknown; None
            where all are.
        floor_m: height of the floor, metres: of the lowest point, of a rig at rest.
        fit: what scene.json says of the fit of a body; None where there is none.
    """

    spec: SceneSpec
    loaded: LoadedSubject
    mesh: PosedMesh
    pelvis_world: F64 | None = None
    notices: tuple[str, ...] = ()
    time_s: float | None = None
    facing_world: tuple[float, float, float] | None = None
    body: PosedMesh | None = None
    joints: F64 | None = None
    floor_m: float = 0.0
    fit: dict[str, Any] | None = None

    def describe(self) -> dict[str, Any]:
        """What the notes in scene.json say of subject and pose, JSON-ready."""
        notes = {**self.loaded.describe(), "notices": list(self.notices)}
        if self.time_s is not None:
            notes["time_s"] = self.time_s
        if self.facing_world is not None:
            notes["facing_world"] = list(self.facing_world)
        return notes

    def describe_known(self) -> dict[str, Any]:
        """What scene.json says under "labels" of all views (docs/labels.md), JSON-ready."""
        contact = {} if self.joints is None else foot_contact(self.mesh, self.joints, self.floor_m)
        return describe_known(self.joints, contact, self.loaded.known.facts, self.fit)


def list_scenes(
    subject: Subject, *, frames_per_animation: int | None = 3, seed: int, spread: bool = False
) -> list[SceneSpec]:
    """List the scenes of a subject that is not loaded: animations in the file's order, frames ascending.

    Frames are drawn without repetition from a stream of (seed, subject, animation) alone, so that other subjects and
    animations change nothing. A rig's file is opened for the lengths of its clips (`peek_frame_counts`); one who
    loads the subject anyhow uses `frame_counts` and `pick_scenes` instead.

    Args:
        subject: as `find_subjects` returns it.
        frames_per_animation: None takes all; clips with fewer frames give all that they have.
        seed: the dataset's.
        spread: see `choose_frames`.

    Raises:
        InputError: a rig's file cannot be read.
    """
    return pick_scenes(subject.id, peek_frame_counts(subject), frames_per_animation, seed, spread=spread)


def pick_scenes(
    subject: str, counts: Mapping[str, int], per_animation: int | None, seed: int, *, spread: bool = False
) -> list[SceneSpec]:
    """List the scenes of a subject whose animations are known, frames drawn by `choose_frames`.

    Args:
        subject: the subject's id.
        counts: number of frames by animation name.
        per_animation: frames of each animation; None for all.
        seed: the dataset's.
        spread: see `choose_frames`.
    """
    return [
        SceneSpec(subject, name, frame)
        for name, frames in counts.items()
        for frame in choose_frames(frames, per_animation, seed, subject, name, spread=spread)
    ]


def frame_counts(loaded: LoadedSubject) -> dict[str, int]:
    """Number of frames by animation name; a scan and a rig without clips have one frame, under "scan" and "rest"."""
    if loaded.takes:
        return {name: len(files) for name, files in loaded.takes.items()}
    if loaded.clips:
        return {name: clip.frames for name, clip in loaded.clips.items()}
    return {REST if loaded.subject.kind == "rigged" else SCAN: 1}


def peek_frame_counts(subject: Subject) -> dict[str, int]:
    """`frame_counts` of a subject that is not loaded; of a rig's file the clips alone are read, never the surface.

    Raises:
        InputError: a rig's file cannot be read.
    """
    if subject.kind == "scan":
        return {SCAN: 1}
    if subject.kind == "scans":
        return {name: len(files) for name, files in name_takes(subject).items()}
    return {name: clip.frames for name, clip in name_clips(_peek_clips(subject)).items()} or {REST: 1}


def _peek_clips(subject: Subject) -> tuple[Clip, ...]:
    if subject.path.suffix.lower() == ".fbx":
        return read_fbx_motion(subject.path)[1]
    gltf = open_gltf(subject.path, subject.root)
    return read_clips(gltf, len(gltf.items("nodes")))


def choose_frames(
    frames: int, wanted: int | None, seed: int, subject: str, animation: str, *, spread: bool = False
) -> list[int]:
    """Draw `wanted` distinct frames of a clip, ascending; all frames for None or where there are no more.

    Args:
        frames: number of frames of the clip.
        wanted: how many to draw.
        seed: the dataset's.
        subject: the subject's id.
        animation: the clip's name.
        spread: draw the first frame alone at random, and take the others at even distances from it (systematic
            sampling): independent draws often give frames that are close together, and nearly the same pose.
    """
    if wanted is None or wanted >= frames:
        return list(range(frames))
    rng = derive_rng(seed, subject, animation, "frames")
    if spread:
        step = frames / wanted
        phase = float(rng.uniform())
        return [min(int((rank + phase) * step), frames - 1) for rank in range(wanted)]
    return sorted(int(frame) for frame in rng.choice(frames, size=wanted, replace=False, shuffle=False))


def pose_scene(loaded: LoadedSubject, spec: SceneSpec) -> LoadedScene:
    """Pose a loaded subject; of a sequence of scans the frame's own file is read.

    Raises:
        InputError: the animation or frame is not in the file, or the pose is not finite.
    """
    if loaded.takes:
        return _pose_take(loaded, spec)
    if loaded.rig is None:
        facing = loaded.placement.facing_world
        return LoadedScene(
            spec=spec,
            loaded=loaded,
            mesh=loaded.mesh,
            notices=loaded.notices,
            facing_world=facing,
            body=loaded.known.body,
            joints=loaded.known.joints,
            floor_m=float(loaded.mesh.bounds[0, 1]),
            fit=loaded.known.fit,
        )
    path, rig = loaded.subject.path, loaded.rig
    clip = loaded.clips.get(spec.animation)
    if clip is None and spec.animation != REST:
        raise InputError(path, f'has no animation "{spec.animation}"')
    if clip is not None and not 0 <= spec.frame < clip.frames:
        raise InputError(path, f'animation "{spec.animation}" has no frame {spec.frame} (of {clip.frames})')
    time_s = 0.0 if clip is None else clip.time_of(spec.frame)
    turn, shift = loaded.to_world[:3, :3], loaded.to_world[:3, 3]
    with np.errstate(over="ignore", invalid="ignore"):
        vertices, nodes = pose_rig(rig, clip, time_s)
        vertices = vertices @ turn.T + shift
    try:
        mesh = loaded.mesh.with_vertices(vertices)
    except MpcError as error:
        raise InputError(path, f"{spec.animation} frame {spec.frame}: {error}") from error
    check_area(path, mesh)
    body, joints = loaded.known.posed(nodes, loaded.to_world)
    return LoadedScene(
        spec=spec,
        loaded=loaded,
        mesh=mesh,
        pelvis_world=turn @ nodes[list(rig.pelvis), :3, 3].mean(axis=0) + shift if rig.pelvis else None,
        notices=loaded.notices,
        time_s=time_s,
        facing_world=_hips_facing(nodes[list(rig.hips), :3, 3] @ turn.T) if rig.hips else None,
        body=body,
        joints=joints,
        floor_m=float(loaded.mesh.bounds[0, 1]),
    )


def _hips_facing(hips: F64) -> tuple[float, float, float] | None:
    """The direction that hips (2, 3), left and right, face; None where they lie above one another."""
    facing = hips_facing(hips[0], hips[1])
    return None if facing is None else _rounded(facing)


def _rounded(direction: F64) -> tuple[float, float, float]:
    x, y, z = direction.round(6).tolist()
    return x, y, z


def _pose_take(loaded: LoadedSubject, spec: SceneSpec) -> LoadedScene:
    files = loaded.takes.get(spec.animation, ())
    if not 0 <= spec.frame < len(files):
        raise InputError(loaded.subject.root, f'"{spec.animation}" has no frame {spec.frame} (of {len(files)})')
    read = read_frame(files[spec.frame])
    oriented = face_outward(read.mesh.transformed(loaded.to_world))
    notices = tuple(dict.fromkeys([*loaded.notices, *read.notices, *oriented.notices]))
    # The sequence is placed as its first frame, in which the person may have stood another way.
    toes = feet_facing(oriented.mesh, np.array([0.0, 1.0, 0.0]))
    facing = None if toes is None else _rounded(toes)
    fit = fit_scan(loaded.subject, files[spec.frame], oriented.mesh, loaded.to_world, loaded.body_model)
    return LoadedScene(
        spec=spec,
        loaded=loaded,
        mesh=fit.mesh,
        notices=notices,
        facing_world=facing,
        body=fit.body,
        joints=fit.joints,
        floor_m=float(fit.mesh.bounds[0, 1]),
        fit=fit.told,
    )


def load_scene(subject: Subject, spec: SceneSpec, options: PlacementOptions | None = None) -> LoadedScene:
    """Load a subject and pose it, for one scene alone."""
    return pose_scene(load_subject(subject, options), spec)
