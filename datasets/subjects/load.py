"""Subjects read from their files: in metres, y up, facing +z."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import InputError
from ...formats.fbx.read import read_fbx
from ...formats.gltf.read import read_gltf
from ...formats.obj.read import read_obj
from ...formats.ply.read import read_ply
from ...formats.stl import read_stl
from ...geometry.mesh import PosedMesh
from ...motion.landmarks import find_hips, find_pelvis, rest_facing
from ...motion.skinning import Clip, Rig, world_matrices
from .find import Subject, safe_name
from .layouts.layout import Fit
from .layouts.recognise import find_layout
from .placement import LoadOptions, place_person
from .sequences import list_takes, read_frame


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
