"""Examine one subject: read it, place it, measure it and draw a small picture; nothing is rendered."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ...core.files import file_sha256
from ...core.messages import describe_failure
from ...geometry.mesh import PosedMesh
from ...sampling.inside import InsideOracle, ambiguous_share
from ...subjects.find import Subject
from ...subjects.load import LoadedSubject, load_subject
from ...subjects.placement import PlacementOptions
from ...subjects.scenes import frame_counts, pick_scenes, pose_scene
from ..renders.extent import describe_misfits
from ..renders.settings import RenderSettings
from .thumbnail import encode_jpeg, thumbnail

AMBIGUOUS_MOST = 0.05
MANY_COMPONENTS = 1000
POSES = 12  # of each clip, of which it is looked at whether the person leaves the view cube


@dataclass(frozen=True, kw_only=True)
class SubjectReport:
    """A row of the check; what could not be found because of `error` is None or empty.

    Attributes:
        id: the subject's id.
        kind: "scan", "rigged" or "scans".
        source: path of its file from the models folder.
        layout: the data set that it was recognised as; None for other folders.
        file_bytes: size of the mesh file.
        sha256: checksum of the mesh file.
        unit: the file's unit.
        up: the up axis in the file.
        facing: the direction that the person faces in the file.
        reasons: how "unit", "up" and "facing" were found.
        unsure: those of "unit", "up" and "facing" that are a guess.
        height_m: height at rest, metres.
        vertices: number of vertices.
        faces: number of triangles.
        components: number of parts that share no vertex.
        open_edges: number of edges at which the surface does not close; 0 for a watertight one.
        ambiguous: ambiguous share of the volume (sampling/inside.py); None where nothing is certainly inside.
        materials: names of the materials.
        textures: (width, height) of each picture.
        joints: number of joints of a rig; 0 for a scan.
        clips: number of frames by animation.
        warnings: what was repaired or doubted.
        error: why the subject cannot be used; None where it can.
        picture: a small JPEG, front and side.
        seconds: time of the check.
    """

    id: str
    kind: str
    source: str
    layout: str | None = None
    file_bytes: int = 0
    sha256: str = ""
    unit: str | None = None
    up: str | None = None
    facing: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    unsure: tuple[str, ...] = ()
    height_m: float | None = None
    vertices: int = 0
    faces: int = 0
    components: int = 0
    open_edges: int | None = None
    ambiguous: float | None = None
    materials: tuple[str, ...] = ()
    textures: tuple[tuple[int, int], ...] = ()
    joints: int = 0
    clips: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str | None = None
    picture: bytes = b""
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """ "failed", "warning" or "ok"."""
        return "failed" if self.error is not None else "warning" if self.warnings else "ok"


@dataclass(frozen=True)
class CheckUnit:
    """One unit of work: a subject to examine.

    Attributes:
        subject: the subject.
        models: the models folder.
        load: what the user knows of units and axes.
        extent_m: edge of the view cube that the person is to fit, metres; None where that is not looked at.
    """

    subject: Subject
    models: Path
    load: PlacementOptions
    extent_m: float | None = None


def check_subject(unit: CheckUnit) -> SubjectReport:
    """Examine one subject; the report says what is wrong with it."""
    started = time.perf_counter()
    subject = unit.subject
    try:
        found = _examine(subject, unit)
    except Exception as error:
        found = report_failure(unit, describe_failure(error), seconds=time.perf_counter() - started)
    return found


def report_failure(unit: CheckUnit, reason: str, *, seconds: float = 0.0) -> SubjectReport:
    """The report of a subject that cannot be used."""
    subject = unit.subject
    return SubjectReport(
        id=subject.id, kind=subject.kind, source=_source(unit), layout=subject.layout, error=reason, seconds=seconds
    )


def _source(unit: CheckUnit) -> str:
    path = unit.subject.path
    return path.relative_to(unit.models).as_posix() if path.is_relative_to(unit.models) else str(path)


def _examine(subject: Subject, unit: CheckUnit) -> SubjectReport:
    started = time.perf_counter()
    loaded = load_subject(subject, unit.load)
    mesh, placed = loaded.mesh, loaded.placement.as_dict()
    oracle = InsideOracle(mesh)
    share = ambiguous_share(mesh, oracle)
    ambiguous = share if share < 1.0 else None
    components = _components(mesh)
    textures = tuple(
        (int(material.texture.shape[1]), int(material.texture.shape[0]))
        for material in mesh.materials
        if material.texture is not None
    )
    file = subject.path if subject.path.is_file() else None
    return SubjectReport(
        id=subject.id,
        kind=subject.kind,
        source=_source(unit),
        layout=subject.layout,
        file_bytes=0 if file is None else file.stat().st_size,
        sha256="" if file is None else file_sha256(file),
        unit=placed["unit"],
        up=placed["up"],
        facing=placed["facing"],
        reasons=placed["reasons"],
        unsure=loaded.placement.unsure,
        height_m=placed["height_m"],
        vertices=len(mesh.vertices),
        faces=len(mesh.faces),
        components=components,
        open_edges=oracle.open_edges,
        ambiguous=ambiguous,
        materials=tuple(material.name for material in mesh.materials),
        textures=textures,
        joints=0 if loaded.rig is None else len(loaded.rig.slot_node),
        clips={name: clip.frames for name, clip in loaded.clips.items()}
        | {name: len(files) for name, files in loaded.takes.items()},
        warnings=(
            *loaded.notices,
            *_doubts(loaded, components, ambiguous, bool(textures)),
            *_misfits(loaded, unit.extent_m),
        ),
        picture=encode_jpeg(thumbnail(mesh)),
        seconds=time.perf_counter() - started,
    )


def _doubts(loaded: LoadedSubject, components: int, ambiguous: float | None, textured: bool) -> list[str]:
    mesh = loaded.mesh
    doubts = []
    if not textured and mesh.vertex_colours is None:
        doubts.append("no texture and no vertex colours: the person is drawn in plain colours")
    if ambiguous is None:
        doubts.append("the surface holds no volume: every point is outside")
    elif ambiguous > AMBIGUOUS_MOST:
        doubts.append(f"for {ambiguous:.0%} of the volume inside and outside are hard to tell apart")
    if components > MANY_COMPONENTS:
        doubts.append(f"{components} separate components: crumbs, or a surface that is not joined")
    if loaded.rig is None and not loaded.takes and loaded.placement.facing_world is None:
        doubts.append(
            f"nobody knows which way the person faces: {loaded.placement.facing} is turned to the front by convention, "
            "and training gets no direction; give it with --facing or --fixes"
        )
    if loaded.rig is not None and not loaded.clips:
        doubts.append("a rig without animations: the rest pose is all there is")
    return doubts


def _misfits(loaded: LoadedSubject, extent_m: float | None) -> list[str]:
    """Say which poses do not fit the view cube: of a clip or sequence POSES frames at even distances are looked at."""
    if extent_m is None:
        return []
    specs = pick_scenes(loaded.subject.id, frame_counts(loaded), POSES, 0, spread=True)
    told = describe_misfits((pose_scene(loaded, spec) for spec in specs), RenderSettings(extent_m=extent_m))
    return [] if told is None else [told]


def _components(mesh: PosedMesh) -> int:
    first, second = mesh.faces[:, [0, 1]].ravel(), mesh.faces[:, [1, 2]].ravel()
    size = len(mesh.vertices)
    graph = coo_array((np.ones(len(first), np.bool_), (first, second)), shape=(size, size))
    names = connected_components(graph, directed=False)[1]
    return len(np.unique(names[mesh.faces[:, 0]]))
