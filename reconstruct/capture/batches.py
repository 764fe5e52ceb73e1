"""Framed pictures in batches: encoded together, localised in step, then meshed, drawn and written one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.arrays import U8
from ...core.errors import MpcError
from ...core.pictures import mask_of, side_by_side
from ...formats.mesh_files import write_mesh
from ...geometry.camera import OrthographicCamera
from ...models.runs import LoadedRun
from ..localise.localise import localise_many
from ..picture_to_mesh import ReconstructedMesh, mesh_of_grid, textured_mesh
from ..view_field import ViewEncoder, batch_occupancy, batch_points, memory_bound
from .film_record import FilmRecord
from .films import write_loop
from .frame_pictures import FramedPicture
from .framing import cut, cut_photo
from .given_landmarks import body_of
from .panels import FieldRenderer, MeshRenderer, fitting_camera, input_panel, turned
from .results import Captured, Failure
from .settings import CaptureSettings
from .still_record import StillRecord

TURNTABLE_SECONDS = 3.0


@dataclass(frozen=True, eq=False)
class Drawn:
    """A reconstruction with its pictures.

    Attributes:
        captured: what is reported of it.
        panels: the input and the result from several sides, each (size, size, 3) uint8; none for a frame that is kept.
        seconds: time of the frame in its film.
    """

    captured: Captured
    panels: list[U8]
    seconds: float


def reconstruct_framed(
    run: LoadedRun,
    framed: Iterator[FramedPicture | Failure],
    settings: CaptureSettings,
    record: FilmRecord | StillRecord,
) -> Iterator[Drawn | Failure]:
    """Reconstruct framed pictures in batches. Failures among them are passed on.

    Args:
        run: the networks.
        framed: pictures, or frames of a film.
        settings: how to reconstruct.
        record: what is finished; pictures get files of their own, frames of a film are drawn for it.
    """
    together = settings.batch or (4 if run.device.type == "cuda" else 1)
    points = batch_points(run.surface, run.texture, memory_bound(run.device, settings.memory_gib))
    encoder = ViewEncoder(
        run.surface, run.texture, batch=points, speed=settings.speed(run.device), both_ways=settings.both_ways
    )

    def known(one: FramedPicture) -> Captured | None:
        if isinstance(record, StillRecord):
            return record.kept(one)
        frame = record.kept(one.name)
        return None if frame is None else frame.captured

    def reconstruct_batch(batch: Sequence[FramedPicture]) -> Iterator[Drawn | Failure]:
        # Pictures that are encoded together affect one another's last digits, so a batch is kept whole or not at all.
        kept = [done for done in map(known, batch) if done is not None]
        if len(kept) == len(batch):
            return (Drawn(done, [], one.seconds) for done, one in zip(kept, batch, strict=True))
        stills = record if isinstance(record, StillRecord) else None
        return _reconstruct_batch(run, encoder, batch, settings, points=points, stills=stills)

    batch: list[FramedPicture] = []
    for one in framed:
        if isinstance(one, Failure):
            yield one
            continue
        batch.append(one)
        if len(batch) == together:
            yield from reconstruct_batch(batch)
            batch = []
    if batch:
        yield from reconstruct_batch(batch)


def _reconstruct_batch(
    run: LoadedRun,
    encoder: ViewEncoder,
    batch: Sequence[FramedPicture],
    settings: CaptureSettings,
    *,
    points: int,
    stills: StillRecord | None,
) -> Iterator[Drawn | Failure]:
    """Encode pictures together and localise them in step; then write the files of each.

    Args:
        run: the networks.
        encoder: of these networks.
        batch: the pictures.
        settings: how to reconstruct.
        points: greatest number of points in one call of the network.
        stills: writes the results of pictures; None for frames of a film.
    """
    began = time.perf_counter()
    inputs = [cut(one.picture, one.framing, int(run.settings.get("image_size", 512))) for one in batch]
    bodies = [body_of(run, square, one.landmarks, one.framing) for square, one in zip(inputs, batch, strict=True)]
    views = encoder.encode(inputs, [one.landmarks for one in batch], bodies)
    masks = [mask_of(picture) for picture in inputs] if settings.use_mask else None
    try:
        grids = localise_many(
            batch_occupancy(views), len(batch), settings.resolution, mode=settings.mode, masks=masks,
            brackets=[view.depth_range for view in views], max_batch=max(points // len(batch), 1024),
        )  # fmt: skip
    except MpcError as error:  # a network that returns NaN for one picture spoils the whole batch
        yield from (Failure(one.name, str(error)) for one in batch)
        return
    shared = (time.perf_counter() - began) / len(batch)
    for one, view, grid in zip(batch, views, grids, strict=True):
        began = time.perf_counter()
        renderer = FieldRenderer(replace(grid, device=str(run.device)), view, one.framing.calibration)
        try:
            mesh, panels = _write(one, renderer, settings, stills=stills)
        except MpcError as error:
            yield Failure(one.name, str(error))
            continue
        captured = Captured(
            name=one.name, assumption=one.framing.assumption, vertices=len(mesh.vertices), faces=len(mesh.faces),
            evaluations=mesh.evaluations, seconds=shared + time.perf_counter() - began,
        )  # fmt: skip
        yield Drawn(captured, panels, one.seconds)


def _write(
    framed: FramedPicture, field: FieldRenderer, settings: CaptureSettings, *, stills: StillRecord | None
) -> tuple[ReconstructedMesh, list[U8]]:
    """Write the files of one picture, or the mesh of one frame. Returns the mesh and the panels."""
    photo = cut_photo(framed.picture, framed.framing, settings.size) if settings.photo_colours else None
    mesh = mesh_of_grid(
        field.grid, field.view, field.calibration, largest_component=settings.largest_component, photo=photo
    )
    path, size = framed.folder / framed.name, settings.size
    _write_meshes(path, field, mesh, settings, photo)
    surface = MeshRenderer(mesh, field.calibration)
    # The field still holds the parts that `largest_component` drops from the mesh, and its colours are the network's.
    of_photo = photo is not None and mesh.vertex_colours is not None
    shown = surface if settings.largest_component or of_photo else field
    if stills is None:  # all frames of a film are drawn at the same scale
        front = OrthographicCamera(framed.framing.centre_world, framed.framing.extent_m)
        return mesh, [
            input_panel(framed.picture, framed.framing, front, size),
            *(shown.draw(turned(front, yaw), size) for yaw in (0, 60)),
        ]
    front = fitting_camera(mesh.vertices, framed.framing, framed.picture)
    panels = [input_panel(framed.picture, framed.framing, front, size)]
    panels += [shown.draw(turned(front, yaw), size, samples=2) for yaw in (0, 60, 180)]
    if field.view.texture_features is not None:  # without a texture network the other panels show normals already
        panels.append(shown.draw(front, size, samples=2, normals=True))
    if settings.turntable != "none":
        count = settings.turntable_frames
        frames = surface.turntable(front, size, count)
        write_loop(path.with_name(f"{framed.name}.{settings.turntable}"), frames, count / TURNTABLE_SECONDS)
    counts = {"vertices": len(mesh.vertices), "faces": len(mesh.faces), "evaluations": mesh.evaluations}
    stills.write(framed, side_by_side(panels), **counts)
    return mesh, panels


def _write_meshes(
    path: Path, field: FieldRenderer, mesh: ReconstructedMesh, settings: CaptureSettings, photo: U8 | None
) -> None:
    """Write the mesh in every format chosen: with a texture where one is wanted, but a PLY with vertex colours."""
    coloured = textured = mesh.posed
    if settings.texture_size and set(settings.formats) - {"ply"}:
        textured = textured_mesh(field.view, mesh, field.calibration, settings.texture_size, photo)
    lit = mesh.vertex_colours is None  # colours hold the light of the picture
    for suffix in settings.formats:
        write_mesh(path.with_name(f"{path.name}.{suffix}"), coloured if suffix == "ply" else textured, lit=lit)
