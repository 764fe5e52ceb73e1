"""`mpc reconstruct`: from people's pictures and films to meshes, turntables and pictures beside the input."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ...core.arrays import U8
from ...core.errors import MpcError
from ...core.pictures import side_by_side
from ...core.progress import NoProgress, Progress
from ...formats.mesh_files import write_mesh
from ...geometry.camera import OrthographicCamera
from ...models.runs import LoadedRun
from ..localise.localise import localise_many
from ..picture_to_mesh import ReconstructedMesh, mesh_of_grid, textured_mesh
from ..view_field import ViewEncoder, batch_occupancy, batch_points, memory_bound
from .films import FilmWriter, write_loop
from .frame_pictures import Job, film_jobs, picture_jobs, unique_names
from .framing import MASK_LEVEL, cut
from .panels import MeshSight, Sight, fitting_camera, input_panel, turned, write_png
from .pictures import Source, frame_rate
from .settings import CaptureSettings

TURNTABLE_SECONDS = 3.0


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
    names = unique_names(sources)
    pictures = [(s, n) for s, n in zip(sources, names, strict=True) if not s.is_film]
    films = [(s, n) for s, n in zip(sources, names, strict=True) if s.is_film]
    done: list[Captured] = []
    failures: list[tuple[str, str]] = []
    if pictures:
        progress.start("pictures", len(pictures))
        jobs = picture_jobs(run, pictures, out, settings, failures, progress)
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
            jobs = film_jobs(run, source, name, out / name, settings, failures, progress)
            for captured, panels in _reconstruct(run, jobs, settings, failures, progress, stills=False):
                film.add(side_by_side(panels))
                done.append(captured)
    finally:
        progress.finish()
    return done


def _reconstruct(
    run: LoadedRun,
    jobs: Iterator[Job],
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
    encoder = ViewEncoder(run, batch=points, speed=settings.speed(run.device))
    for batch in _batches(jobs, together):
        began = time.perf_counter()
        inputs = [cut(job.picture, job.framing, size) for job in batch]
        views = encoder.encode(inputs)
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
                grid = replace(grid, device=str(run.device))
                mesh, panels = _write(job, Sight(grid, view, job.framing.calibration), settings, stills=stills)
            except MpcError as error:
                failures.append((job.name, str(error)))
                progress.advance(note=f"{job.name} failed")
                continue
            seconds = shared + time.perf_counter() - began
            progress.advance(note=job.name)
            numbers = len(mesh.vertices), len(mesh.faces), mesh.evaluations
            yield Captured(job.name, job.framing.assumption, *numbers, seconds), panels


def _write(job: Job, sight: Sight, settings: CaptureSettings, *, stills: bool) -> tuple[ReconstructedMesh, list[U8]]:
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


def _batches(jobs: Iterator[Job], count: int) -> Iterator[list[Job]]:
    while batch := list(islice(jobs, count)):
        yield batch
