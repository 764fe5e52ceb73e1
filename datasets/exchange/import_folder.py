"""`mpc import`: PIFu's or ICON's training folder, or our WebDataset, as a renders folder of the same pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...core.errors import InputError
from ...core.files import file_sha256, is_of_disk
from ...core.folders import claim_folder
from ...core.guard import Limits, Lost, run_guarded
from ...core.locks import one_writer
from ...core.messages import describe_failure
from ...core.notices import log_notices
from ...core.progress import NoProgress, Progress
from ...core.randomness import derive_rng
from ...formats.obj.read import read_obj
from ...formats.png_box import encode_png_box
from ...render.transfer import DEFAULT_RAYS, radiance_transfer
from ...sampling.colour import sample_colour
from ...subjects.find import safe_name
from ...subjects.load import face_outward
from ...subjects.placement import Hints, PlacementOptions, place_person
from ..renders.belonging import SubjectScenes, describe_scene, finish_run
from ..renders.format import RENDERS, SceneRecord, read_scene
from ..renders.manifest import Line
from ..renders.verify import check_scene
from ..renders.write import remove_leftovers, write_scene
from .calibrations import take_apart
from .done import check_exported
from .fit_light import fit_light
from .icon import find_icon_scenes, list_icon_files, read_icon_views
from .import_webdataset import import_webdataset
from .pifu import camera_light_to_world, find_pifu_scenes, list_pifu_files, read_pifu_views
from .scene import ForeignScene, ForeignView
from .summary import ExchangeSummary

Source = Literal["pifu", "icon", "webdataset"]
"""The names of the formats that are read."""
Foreign = Literal["pifu", "icon"]
FIND: dict[Foreign, Callable[[Path], list[ForeignScene]]] = {"pifu": find_pifu_scenes, "icon": find_icon_scenes}
READ: dict[Foreign, Callable[[ForeignScene], list[ForeignView]]] = {"pifu": read_pifu_views, "icon": read_icon_views}
LIST: dict[Foreign, Callable[[ForeignScene], list[Path]]] = {"pifu": list_pifu_files, "icon": list_icon_files}
LIGHT_POINTS = 20_000


@dataclass(frozen=True)
class _Unit:
    scene: ForeignScene
    out: Path
    layout: Foreign
    rays: int
    load: PlacementOptions


@dataclass(frozen=True)
class _Record:
    key: str
    kept: bool = False
    reason: str | None = None
    notices: tuple[str, ...] = ()
    line: Line | None = None

    @property
    def scenes(self) -> SubjectScenes:
        """What the manifest is told of it."""
        lines = {} if self.line is None else {str(self.line["key"]): self.line}
        return SubjectScenes(subject=self.key, lines=lines, complete=self.line is not None)


@one_writer("out")
def import_folder(
    source: Path,
    out: Path,
    layout: Source,
    *,
    load: PlacementOptions | None = None,
    rays: int = DEFAULT_RAYS,
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    prune: bool = False,
    progress: Progress | None = None,
) -> ExchangeSummary:
    """Convert another toolkit's training data to a renders folder, ready for `mpc sample`.

    Pictures stay as they are; calibrations are converted together with the mesh to metres, y up. Lights are converted
    where the folder keeps them (PIFu) and fitted to the pictures where it does not (ICON). Every scan is a subject.

    Args:
        source: PIFu's `--dataroot`, one set of ICON's, or what `mpc export --format webdataset` wrote.
        out: the renders folder.
        layout: the format that is read.
        load: the unit and axes, where known; fields that are None are detected. A WebDataset needs none.
        rays: of the radiance transfer; a WebDataset holds it.
        jobs: processes; see core/units.py.
        backend: of joblib; see core/units.py.
        limits: time and memory of a scene (core/guard.py); None for no bound and no process of its own.
        prune: remove the scenes of earlier runs that `source` does not hold any more.
        progress: receives each scene.

    Raises:
        InputError: `source` is no such folder, or `out` holds something else.
    """
    if layout == "webdataset":
        return import_webdataset(source, out, jobs=jobs, backend=backend, limits=limits, prune=prune, progress=progress)
    progress = progress or NoProgress()
    load = load or PlacementOptions()
    scenes = FIND[layout](source)
    if not scenes:
        raise InputError(source, "holds no scene")
    settings = {"imported": layout, "rays": rays, "unit": load.unit, "up": load.up, "height_m": load.height_m}
    claim_folder(out, RENDERS, settings)
    remove_leftovers(out)
    records = []
    progress.start("import", len(scenes))
    units = [_Unit(scene, out, layout, rays, load) for scene in scenes]
    for result in run_guarded(_import_unit, units, limits=limits, jobs=jobs, backend=backend):
        record = _Record(_name(result.unit), reason=result.reason) if isinstance(result, Lost) else result
        records.append(record)
        progress.advance(1, record.key)
    progress.finish()
    records.sort(key=lambda record: record.key)
    failures = tuple((record.key, record.reason) for record in records if record.reason is not None)
    kept = sum(record.kept for record in records)
    notices = log_notices(out, (f"{record.key}: {notice}" for record in records for notice in record.notices))
    aside = finish_run(out, [_name(unit) for unit in units], (record.scenes for record in records), prune=prune)
    return ExchangeSummary(out, len(records) - kept - len(failures), kept, failures, (*notices, *aside))


def _name(unit: _Unit) -> str:
    return safe_name(unit.scene.name)


def _import_unit(unit: _Unit) -> _Record:
    name = _name(unit)
    folder = unit.out / name / "scan_0000"
    try:
        check_exported(unit.scene.root, unit.scene.name)
        files = {os.path.relpath(path, unit.scene.root): file_sha256(path) for path in LIST[unit.layout](unit.scene)}
        kept = _read_kept(folder, file_sha256(unit.scene.mesh), files)
        if kept is not None:
            return _Record(name, kept=True, line=describe_scene(kept))
        notices = _import_scene(unit, name, file_sha256(unit.scene.mesh), files)
        return _Record(name, notices=notices, line=describe_scene(read_scene(folder)))
    except Exception as error:
        if isinstance(error, OSError) and is_of_disk(error, unit.out):
            raise  # a full disk is no scene's fault
        if isinstance(error, FileNotFoundError):
            return _Record(name, reason=f"{error.filename} is missing")
        return _Record(name, reason=describe_failure(error))


def _import_scene(unit: _Unit, name: str, source: str, files: dict[str, str]) -> tuple[str, ...]:
    read = read_obj(unit.scene.mesh)
    placement = place_person(read.mesh, unit.load, Hints(unit=read.unit, up=read.up))
    oriented = face_outward(read.mesh.transformed(placement.matrix))
    notices = [*read.notices, *placement.warnings, *oriented.notices]
    mesh = oriented.mesh.with_vertices(oriented.mesh.vertices.astype(np.float32).astype(np.float64))
    back = np.linalg.inv(placement.matrix)
    views = READ[unit.layout](unit.scene)
    calibrations = [view.calibration @ back for view in views]
    cameras = [take_apart(calibration) for calibration in calibrations]
    sizes, extents = {len(view.picture) for view in views}, [2.0 / camera.scale for camera in cameras]
    if len(sizes) > 1:
        raise InputError(unit.scene.mesh, f"its pictures have different sizes ({sorted(sizes)})")
    worst = max(float(np.abs(mesh.vertices @ c[:3, :3].T + c[:3, 3]).max()) for c in calibrations)
    if worst > 1.05:
        notices.append(f"the mesh reaches to {worst:.2f} of the view cubes: parts of it are never sampled")
    transfer = radiance_transfer(mesh, rays=unit.rays)
    if all(material.texture is None for material in mesh.materials) and mesh.vertex_colours is None:
        notices.append("the mesh has no texture or colours: fit for the surface stage, its colour samples are grey")
    points = sample_colour(mesh, transfer, LIGHT_POINTS, rng=derive_rng(0, name, "light"))
    entries: list[dict[str, Any]] = []
    pictures: dict[str, bytes] = {}
    for view, calibration in zip(views, calibrations, strict=True):
        if view.light is None:
            light, error = fit_light(mesh, points, calibration, view.picture)
            how = f"fitted, mean error {error:.3f}"
        else:
            light, how = camera_light_to_world(view.light, calibration).astype(np.float32), "of the folder"
        label = f"{view.yaw_deg:05.1f}".replace(".0", "").replace(".", "_")
        label += "" if abs(view.pitch_deg) < 1e-6 else f"_p{view.pitch_deg:+.0f}"
        if label in pictures:
            raise InputError(unit.scene.mesh, f"two views have a yaw of {label}")
        pictures[label] = encode_png_box(view.picture)
        entries.append(
            {"name": label, "yaw_deg": view.yaw_deg, "pitch_deg": view.pitch_deg, "calibration": calibration.tolist(),
             "light": light.tolist(), "light_name": how}
        )  # fmt: skip
    description = {
        "subject": name,
        "animation": "scan",
        "frame": 0,
        "kind": "scan",
        "centre_world": np.mean([camera.centre for camera in cameras], axis=0).tolist(),
        "extent_m": float(np.max(extents)),
        "image_size": sizes.pop(),
        "views": entries,
        "notes": {**placement.as_dict(), "notices": notices, "source": unit.scene.mesh.name, "source_sha256": source,
                  "source_files": files,                  "imported": unit.layout, "oriented": True},
    }  # fmt: skip
    write_scene(unit.out, description, mesh, transfer, pictures)
    return tuple(notices)


def _read_kept(folder: Path, source: str, files: dict[str, str]) -> SceneRecord | None:
    """The scene as an earlier run imported it; None where its source has changed, or its own files have."""
    try:
        scene = read_scene(folder)
    except InputError:
        return None
    same = scene.notes.get("source_sha256") == source and scene.notes.get("source_files") == files
    return scene if same and not any(check_scene(scene, deep=True)) else None
