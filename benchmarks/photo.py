"""Seconds from a photograph to a GLB file, and to the first drawn view, stage by stage.

    python benchmarks/photo.py person.jpg                      # the networks of the package, 257 nodes
    python benchmarks/photo.py person.jpg --run RUN --resolution 129 513 --repeat 5

The person is found and cut out by the networks of `mpc fetch` where the picture has no alpha channel. "GLB" localises
without loss, as `mpc reconstruct` does, and writes a mesh whose colours are the photograph's where it shows them.
"view" localises what the camera sees and draws it at 512 x 512 pixels, as `mpc live` does. Stages are medians over the
repetitions in one process, after one that is not counted, in which kernels are loaded; "start" is the time until that
process has imported mpc and loaded the networks, once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import torch

from mpc.core.pictures import mask_of
from mpc.formats.mesh_files import write_mesh
from mpc.models.runs import LoadedRun, load_run
from mpc.models.shipped import choose_run
from mpc.reconstruct.capture.body import measure_body
from mpc.reconstruct.capture.frame_pictures import frame_picture, with_alpha
from mpc.reconstruct.capture.framing import cut, cut_photo
from mpc.reconstruct.capture.given_landmarks import LandmarkGiver
from mpc.reconstruct.capture.people import choose_people, find_people, lazy_finder, mask_bytes
from mpc.reconstruct.capture.pictures import read_picture
from mpc.reconstruct.capture.settings import CaptureSettings
from mpc.reconstruct.localise.localise import localise
from mpc.reconstruct.picture_to_mesh import mesh_of_grid
from mpc.reconstruct.surface.camera_rays import orthographic_rays
from mpc.reconstruct.surface.direct import render_surface, to_rgba
from mpc.reconstruct.view_field import ViewEncoder, batch_points, memory_bound

UPRIGHT = np.diag([1.0, -1.0, -1.0, 1.0])  # a world that is view space with y up


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


class Photo:
    """The path of one photograph, as `reconstruct_picture` takes it.

    Args:
        run: the networks.
        path: the photograph.
    """

    def __init__(self, run: LoadedRun, path: Path) -> None:
        self.run, self.path, self.settings, self.finder = run, path, CaptureSettings(), lazy_finder()
        self.points = batch_points(run.surface, run.texture, memory_bound(run.device))
        self.encoder = ViewEncoder(run.surface, run.texture, batch=self.points, speed=self.settings.speed(run.device))

    def seconds(self, resolution: int, out: Path, *, view: bool) -> dict[str, float]:
        """Take the path once, to a drawn view or to a GLB file. Returns the seconds of each stage."""
        watch, run = Stopwatch(), self.run
        with watch.stage("read"):
            image = read_picture(self.path, None)
        with watch.stage("find and cut out"):
            person = body = None
            if image.shape[2] == 3:
                ((_, person),) = choose_people(find_people(self.finder(), image), self.settings.person)
                image, body = with_alpha(image, mask_bytes(person)), measure_body(person)
            framing = frame_picture(run, image, self.settings, body=body)
            square = cut(image, framing, int(run.settings.get("image_size", 512)))
            giver = LandmarkGiver(run, self.finder)
            landmarks = giver.of_mask(image, framing) if person is None else giver.of_person(person, framing)
        with watch.stage("encode"):
            (field,) = self.encoder.encode([square], [landmarks], [None])
        with watch.stage("localise"):
            grid = localise(
                field.occupancy, resolution, mode="visible" if view else "lossless", mask=mask_of(square),
                bracket=field.depth_range, max_batch=max(self.points, 1024),
            )  # fmt: skip
        if view:
            with watch.stage("draw"):
                rays = orthographic_rays(UPRIGHT, UPRIGHT, 512, 512)
                to_rgba(render_surface(grid, field.occupancy, rays, refinements=0))
            return watch.seconds
        with watch.stage("mesh and colours"):
            mesh = mesh_of_grid(grid, field, framing.calibration, photo=cut_photo(image, framing, len(square)))
        with watch.stage("write"):
            write_mesh(out / "person.glb", mesh.posed, lit=mesh.vertex_colours is None)
        return watch.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--run", type=Path, default=Path("base"))
    parser.add_argument("--resolution", type=int, nargs="+", default=[257])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    photo = Photo(load_run(choose_run(options.run)[0]), options.photo)
    print(f"start {time.time() - psutil.Process().create_time():.2f} s, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        for resolution in options.resolution:
            for view in (False, True):
                taken: dict[str, list[float]] = defaultdict(list)
                for turn in range(options.repeat + 1):
                    for name, value in photo.seconds(resolution, Path(folder), view=view).items():
                        if turn:
                            taken[name].append(value)
                medians = {name: float(np.median(values)) for name, values in taken.items()}
                stages = ", ".join(f"{name} {value:.3f}" for name, value in medians.items())
                print(f"{resolution} {'view' if view else 'GLB'}: {sum(medians.values()):.3f} s = {stages}", flush=True)


if __name__ == "__main__":
    main()
