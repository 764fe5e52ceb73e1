"""`mpc render`: each subject of a model directory becomes posed scenes, lit pictures and calibrations."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt

from ..geometry.camera import OrthographicCamera, orbit_cameras
from ..geometry.errors import InputError, MpcError, SettingsError
from ..geometry.mesh import PosedMesh
from ..geometry.progress import NoProgress, Progress
from ..geometry.randomness import derive_rng
from ..render.lights import LightSet, builtin_lights, draw_light, load_lights
from ..render.renderer import RendererChoice, choose_renderer, open_renderer
from ..render.shading import display_irradiance
from ..render.transfer import radiance_transfer
from .bone_names import read_bone_maps
from .brought_clips import with_animations
from .frames import FrameChoice, plan_scenes
from .motions import doubt_motions, motions_digest
from .renders import (
    FORMAT,
    VERSION,
    file_sha256,
    read_renders,
    read_scene,
    read_settings,
    remove_leftovers,
    scene_key,
    write_bytes,
    write_json,
    write_scene,
)
from .scenes import LoadedScene, SceneSpec, load_subject, pose_scene
from .subjects import Subject, find_subjects
from .units import run_units
from .units_axes import LoadOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """What decides the content of a renders folder; a folder holds one set of settings.

    Attributes:
        seed: of frames and lights.
        views: pictures a scene.
        step_deg, offset_deg, pitch_deg: yaws `offset + i * step`, elevation, degrees.
        size: pictures are size x size pixels.
        extent_m: edge of the view cube, metres, one for the whole dataset.
        frames_per_animation, poses, pose_filter: which frames (datasets/frames.py, FrameChoice).
        animations: folder (or file) of motions brought to every rig; bone_map: the user's bone names.
        rays: occlusion rays a vertex for the radiance transfer.
        lights: folder of HDR panoramas; None for the built-in environments.
        load: what the user knows of units and axes; None in it detects.
    """

    seed: int = 0
    views: int = 36
    step_deg: float = 10.0
    offset_deg: float = 0.0
    pitch_deg: float = 0.0
    size: int = 512
    extent_m: float = 2.4
    frames_per_animation: int = 3
    poses: str = "random"
    pose_filter: bool = True
    animations: Path | None = None
    bone_map: Path | None = None
    rays: int = 128
    lights: Path | None = None
    load: LoadOptions = field(default_factory=LoadOptions)

    def __post_init__(self) -> None:
        for name, least, most in (
            ("views", 1, 3600),
            ("size", 16, 4096),
            ("extent_m", 0.1, 100.0),
            ("frames_per_animation", 1, 100_000),
            ("rays", 16, 65536),
        ):
            if not least <= getattr(self, name) <= most:
                raise SettingsError(f"{name} is {getattr(self, name)}, expected {least} to {most}")
        self.frame_choice()
        names = {view_name(camera) for camera in self.cameras((0.0, 0.0, 0.0))}
        if len(names) != self.views:
            raise SettingsError(f"{self.views} views {self.step_deg} degrees apart repeat a yaw")

    def cameras(self, centre_world: tuple[float, float, float]) -> list[OrthographicCamera]:
        """The cameras around a scene's centre (metres)."""
        return orbit_cameras(
            centre_world,
            self.extent_m,
            views=self.views,
            step_deg=self.step_deg,
            offset_deg=self.offset_deg,
            pitch_deg=self.pitch_deg,
        )

    def frame_choice(self) -> FrameChoice:
        """Which frames of a rig's animations."""
        return FrameChoice(per_animation=self.frames_per_animation, poses=self.poses, drop_unfit=self.pose_filter)

    def misfit(self, scene: LoadedScene) -> float | None:
        """The extent that would hold a scene, metres; None where this one does."""
        return fitting_extent(scene.mesh, self.cameras(scene_centre(scene.mesh, scene.pelvis_world)), self.size)

    def as_json(self) -> dict[str, Any]:
        """For settings.json."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class RenderSummary:
    """What a run did: scenes rendered now, scenes kept from before, and (name, reason) of what failed."""

    out: Path
    subjects: int
    rendered: int
    kept: int
    failures: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    renderer: str


@dataclass(frozen=True)
class _Unit:
    subject: Subject
    out: Path
    settings: RenderSettings
    choice: RendererChoice


@dataclass
class _Record:
    subject: str
    rendered: int = 0
    kept: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def render_models(
    models: Path,
    out: Path,
    settings: RenderSettings,
    *,
    renderer: str = "auto",
    jobs: int = 0,
    backend: str = "loky",
    progress: Progress | None = None,
) -> RenderSummary:
    """Render every subject found below `models` into `out`; scenes already there with the same settings are kept.

    Args:
        models: searched recursively for scans and rigged people.
        out: the renders folder (datasets/renders.py describes it).
        settings: what decides the pictures.
        renderer: "auto", "pyrender" or "embree".
        jobs, backend: see datasets/units.py; the bytes written do not depend on them.
        progress: told of each finished subject.

    Returns:
        RenderSummary; a subject that cannot be rendered is listed there and does not stop the others.

    Raises:
        InputError: no subject below `models`, or `out` holds something else.
        SettingsError: `out` was made with other settings, or the renderer asked for does not work here.
    """
    progress = progress or NoProgress()
    subjects = find_subjects(models)
    if not subjects:
        raise InputError(models, "holds no scan or rigged person (.obj, .ply, .stl, .glb, .gltf, .fbx)")
    doubts = [] if settings.animations is None else doubt_motions(settings.animations, settings.bone_map)
    _claim_folder(out, settings)
    choice = choose_renderer(renderer)
    progress.message(f"renderer: {choice.name} ({choice.reason})")
    units = [_Unit(subject, out, settings, choice) for subject in subjects]
    records: list[_Record] = []
    progress.start("render", len(units))
    for record in run_units(_render_subject, units, jobs=jobs, backend=backend):
        records.append(record)
        progress.advance(1, f"{record.subject}{' failed' if record.failures else ''}")
    progress.finish()
    _write_manifest(out)
    records.sort(key=lambda record: record.subject)
    return RenderSummary(
        out,
        len(subjects),
        sum(record.rendered for record in records),
        sum(record.kept for record in records),
        tuple(failure for record in records for failure in record.failures),
        (
            *(f"animations: left out, {doubt}" for doubt in doubts),
            *(notice for record in records for notice in record.notices),
        ),
        choice.name,
    )


def view_name(camera: OrthographicCamera) -> str:
    """The picture's name: its yaw, three digits, tenths of a degree only where there are any ("007_5")."""
    whole = f"{camera.yaw_deg:05.1f}"
    return whole[:3] if whole.endswith(".0") else whole.replace(".", "_")


def scene_centre(mesh: PosedMesh, pelvis_world: npt.NDArray[np.float64] | None) -> tuple[float, float, float]:
    """Centre of the view cube, metres: x and z at the pelvis (bounding box for a scan), y at mid height."""
    low, high = mesh.bounds
    x, y, z = (low + high) / 2
    if pelvis_world is not None:
        x, z = pelvis_world[0], pelvis_world[2]
    return float(x), float(y), float(z)


def check_fit(mesh: PosedMesh, cameras: list[OrthographicCamera], size: int) -> None:
    """Raise SettingsError, with the extent that would hold it, where the mesh leaves the cube or its last pixel."""
    needed = fitting_extent(mesh, cameras, size)
    if needed is not None:
        raise SettingsError(f"does not fit a view cube of {cameras[0].extent_m:g} m; --extent {needed:g} holds it")


def fitting_extent(mesh: PosedMesh, cameras: list[OrthographicCamera], size: int) -> float | None:
    """The edge of a view cube that holds the mesh, metres, in whole centimetres; None where these cameras' does."""
    worst = 0.0
    vertices = mesh.vertices[np.unique(mesh.faces)]
    for camera in cameras:
        view = vertices @ camera.calibration[:3, :3].T + camera.calibration[:3, 3]
        worst = max(worst, float(np.abs(view).max()))
    if worst <= 1.0 - 2.0 / size:
        return None
    return float(np.ceil(cameras[0].extent_m * worst / (1.0 - 4.0 / size) * 100) / 100)


def _claim_folder(out: Path, settings: RenderSettings) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(out, "is a file, expected a folder to write renders to")
    existing = read_settings(out)
    wanted = settings.as_json()
    if existing is None:
        if out.is_dir() and any(out.iterdir()):
            raise InputError(out, "is not empty and not a renders folder; choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "settings.json", {"format": FORMAT, "version": VERSION, "settings": wanted})
        return
    changed = [
        f"{name} {existing['settings'].get(name)} -> {value}"
        for name, value in wanted.items()
        if existing["settings"].get(name) != value
    ]
    if changed:
        raise SettingsError(f"{out} was rendered with other settings ({', '.join(changed)}); choose another --out")


def _render_subject(unit: _Unit) -> _Record:
    """One unit of work: all scenes of one subject."""
    record = _Record(unit.subject.id)
    remove_leftovers(unit.out / unit.subject.id)
    try:
        loaded = load_subject(unit.subject, unit.settings.load)
        settings = unit.settings
        maps = None if settings.bone_map is None else read_bone_maps(settings.bone_map)
        source = file_sha256(unit.subject.path)
        if settings.animations is not None and loaded.rig is not None:
            loaded = with_animations(loaded, settings.animations, settings.bone_map)
            source += "+" + motions_digest(settings.animations, settings.bone_map)
        plan = plan_scenes(loaded, settings.frame_choice(), seed=settings.seed, misfit=settings.misfit, maps=maps)
        record.notices.extend(f"{unit.subject.id}: {notice}" for notice in [*loaded.notes["notices"], *plan.notices])
    except Exception as error:
        record.failures.append((unit.subject.id, describe_failure(error)))
        return record
    lights = load_lights(unit.settings.lights) if unit.settings.lights else builtin_lights()
    for spec in plan.specs:
        key = scene_key(unit.subject.id, spec.animation, spec.frame)
        if _is_done(unit.out / key, source):
            record.kept += 1
            continue
        try:
            _render_scene(unit, spec, pose_scene(loaded, spec), lights, source)
            record.rendered += 1
        except Exception as error:
            record.failures.append((key, describe_failure(error)))
    return record


def describe_failure(error: Exception) -> str:
    """One line for the user. One person of thousands must not end the run, whatever is wrong with him; what is not a
    known kind of bad input is named as our fault, and logged whole."""
    if isinstance(error, MpcError):
        return str(error)
    if isinstance(error, OSError):
        raise error  # a full or read-only disk is not the subject's fault: the run ends, finished scenes stay
    logger.error("unexpected error", exc_info=error)
    return f"unexpected {type(error).__name__}: {error} (run with -v for the whole story; please report it)"


def _is_done(folder: Path, source: str) -> bool:
    if not (folder / "scene.json").is_file():
        return False
    try:
        return read_scene(folder).notes.get("source_sha256") == source
    except InputError:
        return False


def _render_scene(unit: _Unit, spec: SceneSpec, scene: LoadedScene, lights: LightSet, source: str) -> None:
    settings = unit.settings
    # Rounded before anything is made of it: pictures, labels and colours then speak of the mesh as stored.
    mesh = scene.mesh.with_vertices(scene.mesh.vertices.astype(np.float32).astype(np.float64))
    centre = scene_centre(mesh, scene.pelvis_world)
    cameras = settings.cameras(centre)
    check_fit(mesh, cameras, settings.size)
    transfer = radiance_transfer(mesh, rays=settings.rays)
    rng = derive_rng(settings.seed, unit.subject.id, spec.animation, spec.frame, "lights")
    views: list[dict[str, Any]] = []
    with (
        open_renderer(unit.choice, mesh, settings.size) as renderer,
        ThreadPoolExecutor(1) as writer,  # encoding runs beside the drawing
    ):
        waiting: dict[str, Future[bytes]] = {}
        for camera in cameras:
            light = draw_light(lights, rng)
            picture = renderer.colour(camera, display_irradiance(transfer, light.coefficients))
            waiting[view_name(camera)] = writer.submit(_encode_png, picture)
            views.append(
                {
                    "name": view_name(camera),
                    "yaw_deg": camera.yaw_deg,
                    "pitch_deg": camera.pitch_deg,
                    "calibration": camera.calibration.tolist(),
                    "light": light.coefficients.tolist(),
                    "light_name": light.name,
                }
            )
        pictures = {name: future.result() for name, future in waiting.items()}
    description = {
        "subject": unit.subject.id,
        "animation": spec.animation,
        "frame": spec.frame,
        "kind": unit.subject.kind,
        "centre_world": list(centre),
        "extent_m": settings.extent_m,
        "image_size": settings.size,
        "views": views,
        "notes": {**scene.notes, "source": unit.subject.path.name, "source_sha256": source,
                  "renderer": unit.choice.name},
    }  # fmt: skip
    write_scene(unit.out, description, mesh, transfer, pictures)


def _encode_png(picture: npt.NDArray[np.uint8]) -> bytes:
    return bytes(iio.imwrite("<bytes>", picture, extension=".png", compress_level=4))


def _manifest_lines(out: Path) -> Iterator[str]:
    for scene in read_renders(out).scenes:
        content = json.loads((scene.folder / "scene.json").read_text())
        line = {"key": scene.key, "kind": scene.kind, "views": len(scene.views), "files": content["files"]}
        yield json.dumps(line, sort_keys=True) + "\n"


def _write_manifest(out: Path) -> None:
    write_bytes(out / "manifest.jsonl", "".join(_manifest_lines(out)).encode())
