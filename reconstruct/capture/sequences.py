"""A film as one animated GLB, and a turntable film of the person who moves in it (`mpc reconstruct --sequence`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...core.arrays import F64, U8
from ...core.kernels import usable_threads
from ...core.pictures import LIGHT_GREY
from ...formats.gltf.sequence import GlbFrame, write_sequence_glb
from ...formats.mesh_files import read_mesh
from ...geometry.camera import OrthographicCamera, pixel_centres
from ...geometry.mesh import PosedMesh
from ...geometry.rays import RayScene
from ...geometry.surface import albedo_at, interpolate
from .film_record import FrameRecord
from .films import FilmWriter
from .panels import MARGIN, turned

# The camera goes around in about so many seconds, and comes back to its beginning at the film's end.
TURN_SECONDS = 6.0

Task = TypeVar("Task")
Made = TypeVar("Made")


def sequence_files(name: str, *, turntable: bool) -> list[str]:
    """The names of the files that `write_sequence` writes for a film of this name."""
    return [f"{name}.glb", *([f"{name}_turntable.mp4"] if turntable else [])]


def write_sequence(
    place: tuple[Path, str], frames: Sequence[FrameRecord], step: float, size: int, *, turntable: bool = True
) -> None:
    """Write NAME.glb, the frames of a film as an animation, and NAME_turntable.mp4, around the moving person.

    Both are made from the files of the frames alone, so a run that was stopped ends with the same bytes.

    Args:
        place: folder of the results and name of the film; the frames' GLB files lie in the folder of that name.
        frames: the reconstructed frames, at least one; each is shown until the next one begins.
        step: how long the last frame is shown, seconds.
        size: pixels along each side of the turntable film.
        turntable: whether to write the turntable film.

    Raises:
        InputError: the animation is larger than a GLB can be, or a frame's file cannot be read.
    """
    out, name = place
    begin = frames[0].seconds
    shown = [GlbFrame(out / name / f"{frame.name}.glb", frame.seconds - begin) for frame in frames]
    duration = shown[-1].seconds + step
    animation, *films = (out / file for file in sequence_files(name, turntable=turntable))
    write_sequence_glb(animation, shown, duration)
    turns = max(round(duration / TURN_SECONDS), 1)
    yaws = [360.0 * turns * frame.seconds / duration for frame in shown]
    for path in films:
        with FilmWriter(path, 1 / step) as film:
            for frame, picture in zip(shown, _draw([frame.path for frame in shown], yaws, size), strict=True):
                film.add(picture, frame.seconds)


def _draw(paths: Sequence[Path], yaws: Sequence[float], size: int) -> Iterator[U8]:
    """Draw each mesh from its yaw with one camera that holds all of them, by as many threads as may be used."""
    threads = usable_threads()
    with ThreadPoolExecutor(threads) as workers:
        bounds = np.array([mesh.bounds for mesh in _mapped(workers, read_mesh, paths, threads)])
        camera = _camera_of(bounds[:, 0].min(axis=0), bounds[:, 1].max(axis=0))

        def draw(task: tuple[Path, float]) -> U8:
            return draw_mesh(read_mesh(task[0]), turned(camera, task[1]), size)

        yield from _mapped(workers, draw, list(zip(paths, yaws, strict=True)), threads)


def _mapped(
    workers: ThreadPoolExecutor, work: Callable[[Task], Made], tasks: Sequence[Task], threads: int
) -> Iterator[Made]:
    """`workers.map` with few results waiting at a time: a film's meshes together may exceed the memory."""
    for first in range(0, len(tasks), threads):
        yield from workers.map(work, tasks[first : first + threads])


def _camera_of(low: F64, high: F64) -> OrthographicCamera:
    """A camera of yaw 0 whose square holds a box from every yaw; the person moves in it, and it stands still."""
    middle, reach = (low + high) / 2, float(np.linalg.norm((high - low)[[0, 2]]))
    extent = MARGIN * max(float(high[1] - low[1]), reach)
    return OrthographicCamera((float(middle[0]), float(middle[1]), float(middle[2])), extent)


def draw_mesh(mesh: PosedMesh, camera: OrthographicCamera, size: int, samples: int = 2) -> U8:
    """Draw a mesh in its own colours, or in those of its normals where it has none.

    Args:
        mesh: world metres.
        camera: where to look from.
        size: pixels along each side.
        samples: the mean of samples x samples rays is shown in each pixel.

    Returns:
        (size, size, 3) uint8 before light grey.
    """
    centres = pixel_centres(size * samples, size * samples).reshape(-1, 2)
    hits = RayScene(mesh).first_hit(*camera.rays(centres))
    shown = np.tile(np.array(LIGHT_GREY, np.float32), (len(centres), 1))
    faces, weights = hits.face[hits.hit], hits.weights()[hits.hit]
    if mesh.vertex_colours is None and all(material.texture is None for material in mesh.materials):
        shown[hits.hit] = interpolate(mesh, mesh.vertex_normals, faces, weights) * 127.5 + 127.5
    else:
        shown[hits.hit] = albedo_at(mesh, faces, weights)[:, :3] * 255
    blocks = shown.reshape(size, samples, size, samples, 3)
    pixels: U8 = np.rint(np.clip(blocks.mean(axis=(1, 3)), 0, 255)).astype(np.uint8)
    return pixels
