"""`mpc reconstruct`: from people's pictures and films to meshes, turntables and pictures beside the input."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..geometry.camera import OrthographicCamera
from ..geometry.errors import MpcError, SettingsError
from ..geometry.progress import NoProgress, Progress
from ..models.storage import LoadedRun
from .export import FORMATS, write_mesh
from .films import FilmWriter, write_loop
from .framing import MASK_LEVEL, Framing, cut, frame_person, keep_frame
from .localise import localise_many
from .person import ReconstructedMesh, mesh_of_grid, textured_mesh
from .pictures import Source, frame_rate, read_frames, read_rgba
from .show import MeshSight, Sight, fitting_camera, input_panel, side_by_side, turned, write_png
from .view_field import batch_occupancy, batch_points, encode_views, memory_bound

U8 = npt.NDArray[np.uint8]

TURNTABLES = ("gif", "mp4", "none")
FRAMINGS = ("crop", "keep")
TURNTABLE_SECONDS = 3.0
# Of runs older than the record of it.
UNTOLD_EXTENT_M = 2.4


@dataclass(frozen=True, kw_only=True)
class CaptureSettings:
    """How to reconstruct.

    Attributes:
        resolution: nodes a side of the view cube.
        mode: "lossless" or "fast", see `localise`.
        extent_m: edge of the view cube the networks were trained with, metres; None: as the run says, else 2.4.
        height_m: assumed height of the person as posed, metres.
        framing: "crop" by the mask to the training framing, or "keep" square pictures that have it already.
        formats: of meshes: glb, ply, obj.
        texture_size: texels a side of a texture in GLB and OBJ; 0: colours of vertices.
        turntable: gif, mp4 or none. turntable_frames: pictures in it.
        size: pixels a side of each panel.
        use_mask: localise with what the mask says (`localise`, mask).
        largest_component: drop all of the mesh but its greatest part.
        every: keep each n-th frame of a film.
        batch: pictures encoded and localised together; 0: 4 on a GPU, else 1.
        memory_gib: bound on a network's activations; None: chosen by what is free.
    """

    resolution: int = 257
    mode: str = "lossless"
    extent_m: float | None = None
    height_m: float = 1.7
    framing: str = "crop"
    formats: tuple[str, ...] = ("glb",)
    texture_size: int = 0
    turntable: str = "gif"
    turntable_frames: int = 36
    size: int = 320
    use_mask: bool = True
    largest_component: bool = False
    every: int = 1
    batch: int = 0
    memory_gib: float | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("mode", self.mode, ("lossless", "fast")), ("framing", self.framing, FRAMINGS),
            ("turntable", self.turntable, TURNTABLES), *(("format", one, FORMATS) for one in self.formats),
        ):  # fmt: skip
            if value not in allowed:
                raise SettingsError(f"{name} {value!r}: expected one of {', '.join(allowed)}")
        if self.memory_gib is not None and self.memory_gib <= 0:
            raise SettingsError(f"memory {self.memory_gib:g} GiB: expected more than 0")


@dataclass(frozen=True)
class Captured:
    """One reconstructed picture or frame.

    Attributes:
        name: of its files. assumption: about size, in words.
        vertices, faces, evaluations: numbers. seconds: for encoding, localising, meshing and drawing.
    """

    name: str
    assumption: str
    vertices: int
    faces: int
    evaluations: int
    seconds: float


@dataclass(frozen=True, eq=False)
class _Job:
    name: str
    folder: Path
    picture: U8
    framing: Framing


@dataclass(frozen=True)
class CaptureSummary:
    """What came of it: `done` in order, and (name, reason) of each picture or frame that failed."""

    done: tuple[Captured, ...]
    failures: tuple[tuple[str, str], ...]


def capture(
    run: LoadedRun,
    sources: Sequence[Source],
    out: Path,
    settings: CaptureSettings | None = None,
    *,
    progress: Progress | None = None,
) -> CaptureSummary:
    """Reconstruct every picture and every frame; one that fails does not end the others.

    Writes NAME.glb (and other formats), NAME.png (the input beside the result) and NAME.gif (a turntable) for
    a picture; for a film the folder NAME with a mesh a frame, and NAME.mp4, the input beside the result.
    """
    settings, progress = settings or CaptureSettings(), progress or NoProgress()
    out.mkdir(parents=True, exist_ok=True)
    names = _unique_names(sources)
    pictures = [(s, n) for s, n in zip(sources, names, strict=True) if not s.is_film]
    films = [(s, n) for s, n in zip(sources, names, strict=True) if s.is_film]
    done: list[Captured] = []
    failures: list[tuple[str, str]] = []
    if pictures:
        progress.start("pictures", len(pictures))
        jobs = _picture_jobs(run, pictures, out, settings, failures, progress)
        for captured, _ in _reconstruct(run, jobs, settings, failures, progress, stills=True):
            done.append(captured)
        progress.finish()
    for source, name in films:
        try:
            done += _film(run, source, name, out, settings, failures, progress)
        except MpcError as error:
            failures.append((source.path.name, str(error)))
    return CaptureSummary(tuple(done), tuple(failures))


def _film(
    run: LoadedRun,
    source: Source,
    name: str,
    out: Path,
    settings: CaptureSettings,
    failures: list[tuple[str, str]],
    progress: Progress,
) -> list[Captured]:
    rate, frames = frame_rate(source.path)
    progress.start(source.path.name, -(-frames // settings.every))
    (out / name).mkdir(exist_ok=True)
    done = []
    try:
        with FilmWriter(out / f"{name}.mp4", rate / settings.every) as film:
            jobs = _film_jobs(run, source, name, out / name, settings, failures, progress)
            for captured, panels in _reconstruct(run, jobs, settings, failures, progress, stills=False):
                film.add(side_by_side(panels))
                done.append(captured)
    finally:
        progress.finish()
    return done


def _picture_jobs(
    run: LoadedRun,
    pictures: Sequence[tuple[Source, str]],
    out: Path,
    settings: CaptureSettings,
    failures: list[tuple[str, str]],
    progress: Progress,
) -> Iterator[_Job]:
    for source, name in pictures:
        try:
            picture = read_rgba(source.path, source.mask)
            framing = _frame(run, picture, settings, None)
        except MpcError as error:
            failures.append((source.path.name, str(error)))
            progress.advance(note=f"{source.path.name} failed")
            continue
        progress.message(f"{source.path.name}: {framing.assumption}")
        yield _Job(name, out, picture, framing)


def _film_jobs(
    run: LoadedRun,
    source: Source,
    name: str,
    folder: Path,
    settings: CaptureSettings,
    failures: list[tuple[str, str]],
    progress: Progress,
) -> Iterator[_Job]:
    """All frames at the scale of the first in which somebody is seen."""
    first: Framing | None = None
    for number, _, picture in read_frames(source, settings.every):
        try:
            framing = _frame(run, picture, settings, first)
        except MpcError as error:
            failures.append((f"{source.path.name} frame {number}", str(error)))
            progress.advance()
            continue
        if first is None:
            first = framing
            progress.message(f"{source.path.name}: {framing.assumption}; this scale for all frames")
        yield _Job(f"{name}_{number:06d}", folder, picture, framing)


def _frame(run: LoadedRun, picture: U8, settings: CaptureSettings, like: Framing | None) -> Framing:
    told = settings.extent_m if settings.extent_m is not None else run.extent_m
    extent_m = UNTOLD_EXTENT_M if told is None else told
    if settings.framing == "keep":
        framing = keep_frame(picture, extent_m=extent_m)
    else:
        framing = frame_person(picture, extent_m=extent_m, height_m=settings.height_m, like=like)
    return replace(framing, fov_deg=run.fov_deg)


def _reconstruct(
    run: LoadedRun,
    jobs: Iterator[_Job],
    settings: CaptureSettings,
    failures: list[tuple[str, str]],
    progress: Progress,
    *,
    stills: bool,
) -> Iterator[tuple[Captured, list[U8]]]:
    """Batch by batch: encode together, localise in step; then mesh and pictures of each. Yields its panels, too."""
    size = int(run.settings.get("image_size", 512))
    together = settings.batch or (4 if run.device.type == "cuda" else 1)
    points = batch_points(run, memory_bound(run.device, settings.memory_gib))
    for batch in _batches(jobs, together):
        began = time.perf_counter()
        inputs = [cut(job.picture, job.framing, size) for job in batch]
        views = encode_views(run, inputs, batch=points)
        masks = [picture[..., 3] >= MASK_LEVEL for picture in inputs] if settings.use_mask else None
        try:
            grids = localise_many(
                batch_occupancy(views), len(batch), settings.resolution, mode=settings.mode, masks=masks,
                max_batch=max(points // len(batch), 1024),
            )  # fmt: skip
        except MpcError as error:  # a network that answers NaN spoils the whole batch
            failures += [(job.name, str(error)) for job in batch]
            progress.advance(len(batch))
            continue
        shared = (time.perf_counter() - began) / len(batch)
        for job, view, grid in zip(batch, views, grids, strict=True):
            began = time.perf_counter()
            try:
                mesh, panels = _write(job, Sight(grid, view, job.framing.calibration), settings, stills=stills)
            except MpcError as error:
                failures.append((job.name, str(error)))
                progress.advance(note=f"{job.name} failed")
                continue
            seconds = shared + time.perf_counter() - began
            progress.advance(note=job.name)
            numbers = len(mesh.vertices), len(mesh.faces), mesh.evaluations
            yield Captured(job.name, job.framing.assumption, *numbers, seconds), panels


def _write(job: _Job, sight: Sight, settings: CaptureSettings, *, stills: bool) -> tuple[ReconstructedMesh, list[U8]]:
    """The files of one picture; a film's frame has its mesh alone, and its panels for the film."""
    mesh = mesh_of_grid(sight.grid, sight.view, sight.calibration, largest_component=settings.largest_component)
    textured = None
    if settings.texture_size and set(settings.formats) - {"ply"}:
        textured = textured_mesh(sight.view, mesh, sight.calibration, settings.texture_size)
    for suffix in settings.formats:
        write_mesh(job.folder / f"{job.name}.{suffix}", mesh.vertices, mesh.faces, mesh.vertex_colours, textured)
    size, path = settings.size, job.folder / job.name
    if not stills:  # one zoom for all frames
        front = OrthographicCamera(job.framing.centre_world, job.framing.extent_m)
        return mesh, [
            input_panel(job.picture, job.framing, front, size),
            *(sight.draw(turned(front, t), size) for t in (0, 60)),
        ]
    front = fitting_camera(mesh.vertices, job.framing, job.picture)
    panels = [input_panel(job.picture, job.framing, front, size)]
    drawn = MeshSight(mesh, sight.calibration)
    shown = drawn if settings.largest_component else sight  # the field holds the other parts still
    panels += [shown.draw(turned(front, turn), size, samples=2) for turn in (0, 60, 180)]
    if sight.view.texture_features is not None:  # without, the panels show normals already
        panels.append(shown.draw(front, size, samples=2, normals=True))
    write_png(path.with_name(job.name + ".png"), side_by_side(panels))
    if settings.turntable != "none":
        count = settings.turntable_frames
        frames = drawn.turntable(front, size, count)
        write_loop(path.with_name(f"{job.name}.{settings.turntable}"), frames, count / TURNTABLE_SECONDS)
    return mesh, panels


def _batches(jobs: Iterator[_Job], count: int) -> Iterator[list[_Job]]:
    while batch := list(islice(jobs, count)):
        yield batch


def _unique_names(sources: Sequence[Source]) -> list[str]:
    """File names without suffix; a name met before gets a number."""
    names: list[str] = []
    for source in sources:
        name, number = source.path.stem, 2
        while name in names:
            name, number = f"{source.path.stem}_{number}", number + 1
        names.append(name)
    return names
