"""Read a subject's file once: its surface in metres, y up, facing +z, with the rig and the clips that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.arrays import F64
from ..core.errors import InputError
from ..formats.build_mesh import ReadMesh
from ..formats.build_rig import ReadPerson
from ..formats.mesh_files import read_mesh_file
from ..geometry.doubles import drop_doubles
from ..geometry.mesh import PosedMesh
from ..geometry.orientation import Oriented, orient_mesh
from ..motion.skinning import Clip, Rig
from .bystanders import Company, find_person
from .find import Subject, safe_name
from .fitted import fit_scan
from .known import Known, known_of_scan, label_mesh, label_rig, read_labels
from .layouts.layout import Fit, Layout
from .layouts.recognise import find_layout
from .placement import Hints, Placement, PlacementOptions, place_person
from .rigs import prepare_rig
from .sequences import list_takes, read_frame

COARSE = 0.002  # of a person: 4 mm
LONGEST_CLIP_NAME = 60  # characters; clip names become parts of paths


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadedSubject:
    """A subject read once, to be posed many times.

    Attributes:
        subject: which person it is.
        mesh: the surface in world metres, y up, facing +z, its faces outward; of a rig its rest pose.
        placement: how file coordinates become world coordinates, and why.
        rig: None for a scan.
        clips: the rig's clips by the animation names that SceneSpec uses.
        takes: of "scans", the files of each sequence by animation name.
        layout: the data set whose conventions were used for the unit and the axes, None where there was none.
        notices: what was repaired or doubted, for the user.
        bone_map: name of the map that matched the bones, where clips of other files were added; else None.
        known: the body below the clothes, joints, and who the person is; the labels of the faces are in `mesh`.
        body_model: the user's file of SMPL-X, for fits that come with scans; None for none.
    """

    subject: Subject
    mesh: PosedMesh
    placement: Placement
    rig: Rig | None = None
    clips: dict[str, Clip] = field(default_factory=dict)
    takes: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    layout: str | None = None
    notices: tuple[str, ...] = ()
    bone_map: str | None = None
    known: Known = field(default_factory=Known)
    body_model: Path | None = None

    @property
    def to_world(self) -> F64:
        """(4, 4) float64, file coordinates to world metres."""
        return self.placement.matrix

    def describe(self) -> dict[str, Any]:
        """The part of the notes in scene.json that all scenes of the subject share, JSON-ready."""
        # Older folders lack "oriented": `mpc sample` then turns the faces of their meshes itself.
        notes = {**self.placement.as_dict(), "notices": list(self.notices), "oriented": True}
        if self.layout is not None:
            notes["layout"] = self.layout
        if self.bone_map is not None:
            notes["bones"] = self.bone_map
        if self.subject.licence:
            notes["licence"] = self.subject.licence
        return notes


def name_clips(clips: tuple[Clip, ...]) -> dict[str, Clip]:
    """Give clips names that are safe in paths and unique (case aside); their order stays."""
    return dict(zip(unique_names([clip.name for clip in clips]), clips, strict=True))


def unique_names(names: Sequence[str]) -> list[str]:
    """Names that are safe in paths and unique (case aside), in the same order."""
    found: list[str] = []
    taken: set[str] = set()
    for own in names:
        base = safe_name(own)[:LONGEST_CLIP_NAME]
        name, number = base, 2
        while name.casefold() in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name.casefold())
        found.append(name)
    return found


def name_takes(subject: Subject) -> dict[str, tuple[Path, ...]]:
    """List the files of each sequence of a person of many scans, by animation name; no file is opened."""
    return {safe_name(name)[:LONGEST_CLIP_NAME]: files for name, files in list_takes(subject.root).items()}


def load_subject(
    subject: Subject, options: PlacementOptions | None = None, *, body_model: Path | None = None
) -> LoadedSubject:
    """Read a subject's file and convert it to metres, y up, facing +z, faces outward; the origin stays where it is.

    Faces are turned here, once for all poses of a rig, so that all that follows (light, labels, layers, exports) has
    the same outside.

    Args:
        subject: as `find_subjects` returns it.
        options: what the user knows of unit, axes and height; None to detect all of it. What is said of this subject
            alone (`Subject.given`) overrules it.
        body_model: the user's file of SMPL-X, with which the fits of scans tell of bodies and joints; None for none.

    Raises:
        InputError: the file is damaged, hostile or of a kind that is not read; names the file and the reason.
        SettingsError: what the user says contradicts itself.
    """
    options = (options or PlacementOptions()).with_given(subject.given)
    if subject.kind == "scans":
        loaded = _place_scan(subject, read_frame(subject.path), options, name_takes(subject))
        return replace(loaded, body_model=body_model)
    read = read_mesh_file(subject.path, subject.root, texture=subject.texture)
    if isinstance(read, ReadPerson):
        return _place_person(subject, read, options)
    loaded = _place_scan(subject, read, options, {})
    return loaded if loaded.known.body is not None else _fitted(loaded, body_model)


def _fitted(loaded: LoadedSubject, body_model: Path | None) -> LoadedSubject:
    """A scan with what the fit that came with it tells; what labels beside the mesh tell stays."""
    fit = fit_scan(loaded.subject, loaded.subject.path, loaded.mesh, loaded.to_world, body_model)
    if fit.told is None:
        return loaded
    known = replace(loaded.known, fit=fit.told, body=fit.body, joints=loaded.known.joints)
    if known.joints is None:
        known = replace(known, joints=fit.joints)
    mesh = fit.mesh if loaded.mesh.face_part is None else loaded.mesh
    return replace(loaded, mesh=mesh, known=known, body_model=body_model)


def _place_scan(
    subject: Subject, read: ReadMesh, options: PlacementOptions, takes: dict[str, tuple[Path, ...]]
) -> LoadedSubject:
    """Place a surface without bones; what the file does not say, the layout of its data set may know."""
    layout = find_layout(subject.layout)
    fit, doubts = _read_fit(subject, layout, options)
    unit, up = (read.unit, read.up) if layout is None else (read.unit or layout.unit, read.up or layout.up)
    hints = Hints(unit=unit, up=up, fit=fit)
    labels = None if takes else read_labels(subject)
    labelled, strange = (read.mesh, ()) if labels is None else label_mesh(read.mesh, labels)
    mesh, placement, notices = _place_surface(subject.path, labelled, options, hints)
    known = known_of_scan(labels, placement.matrix, strange)
    return LoadedSubject(
        subject=subject,
        mesh=mesh,
        placement=placement,
        takes=takes,
        layout=None if layout is None else layout.name,
        notices=(*read.notices, *doubts, *notices, *known.notices),
        known=known,
    )


def _place_surface(
    path: Path, mesh: PosedMesh, options: PlacementOptions, hints: Hints
) -> tuple[PosedMesh, Placement, list[str]]:
    """Place a surface without a skin: what is no person decides nothing, and is left out unless the user keeps it."""
    check_digits(path, mesh)
    company = find_person(mesh)
    person = mesh if company.alone else mesh.subset(company.person)[0]
    placement = place_person(person, options, hints)
    notices = [] if company.alone else [_tell_company(company, placement, options)]
    oriented = face_outward((mesh if options.keep_parts else person).transformed(placement.matrix))
    return oriented.mesh, placement, [*notices, *placement.warnings, *oriented.notices]


def face_outward(mesh: PosedMesh) -> Oriented:
    """The mesh without the backs of a two-sided surface, its faces outward."""
    single = drop_doubles(mesh)
    oriented = orient_mesh(single.mesh)
    return Oriented(oriented.mesh, (*single.notices, *oriented.notices))


def check_digits(path: Path, mesh: PosedMesh) -> None:
    """Refuse coordinates far from 0 that were stored with too few digits: the surface is a staircase.

    Raises:
        InputError: as 32-bit numbers, or with six digits, they come in steps of more than `COARSE` of the size.
    """
    size = float(np.linalg.norm(mesh.bounds[1] - mesh.bounds[0]))
    for axis in np.argsort(-np.abs(mesh.vertices).max(axis=0)).tolist():
        values = mesh.vertices[:, axis]
        largest = max(float(np.abs(values).max()), size)
        digits = 10.0 ** (np.floor(np.log10(largest)) - 5)
        kinds = {
            "six digits": (digits, np.round(values / digits) * digits),
            "32 bits": (float(np.spacing(np.float32(largest))), values.astype(np.float32)),
        }
        for kind, (step, stored) in kinds.items():
            if step > COARSE * size and np.abs(stored - values).max() < 1e-6 * step:
                raise InputError(
                    path,
                    f"lies far from 0 ({'xyz'[axis]} up to {largest:.7g}, a size of {size:.3g}), and its coordinates "
                    f"were stored with {kind}, in steps of {step:.2g}; export it again with the person near the origin",
                )


def _tell_company(company: Company, placement: Placement, options: PlacementOptions) -> str:
    """A notice about what is no person."""
    done = "kept, but not counted for unit, up and facing" if options.keep_parts else "left out (--keep-parts keeps it)"
    scale = float(np.cbrt(np.linalg.det(placement.matrix[:3, :3])))
    return f"no part of the person: {company.describe(scale)}; {done}"


def _read_fit(subject: Subject, layout: Layout | None, options: PlacementOptions) -> tuple[Fit | None, list[str]]:
    """The body fit of a scan, and a notice where its layout has fits and this one is missing."""
    if layout is None or layout.read_fit is None:
        return None, []
    if subject.fit is not None:
        return layout.read_fit(subject.fit), []
    if options.height_m is not None:
        return None, []
    return None, [f"{layout.fit} is not there: the scale of {layout.name} is arbitrary; add it or give the height"]


def _place_person(subject: Subject, read: ReadPerson, options: PlacementOptions) -> LoadedSubject:
    """Place what glTF or FBX hold, with a skin or without; both readers return metres, y up."""
    if read.rig is None:
        whole = ReadMesh(read.mesh, unit="m", up="+y", notices=read.notices)
        return _place_scan(subject, whole, options, {})
    ready = prepare_rig(read.rig, read.joints, read.mesh)
    labelled, known = label_rig(read.mesh, ready.rig, read_labels(subject))
    single = drop_doubles(labelled)
    rig = ready.rig.subset(single.used)
    placement = place_person(read.mesh, options, Hints(unit="m", up="+y", facing=ready.facing))
    oriented = orient_mesh(single.mesh.transformed(placement.matrix))
    return LoadedSubject(
        subject=subject,
        mesh=oriented.mesh,
        placement=placement,
        rig=rig,
        clips=name_clips(rig.clips),
        notices=(
            *read.notices, *ready.notices, *placement.warnings, *single.notices, *oriented.notices, *known.notices,
        ),
        known=known,
    )  # fmt: skip
