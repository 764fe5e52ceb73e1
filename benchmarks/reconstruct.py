"""Measure seconds a picture of each stage (encode, localise, mesh, render), beside evaluating the dense grid.

    python benchmarks/reconstruct.py --run RUN --shards SHARDS --resolution 257 513

The figures are medians over views of the test split. "dense" is one encoding and the whole grid, timed on every 16th
plane and multiplied. "render" is one 512 x 512 picture by direct rendering, with normals only, or with colour where the
run has a texture network. `--clock processor` counts the processor's seconds of this process, so that with one thread
the figure is what an idle core would take.
MonoPort's authors publish 15 frames a second on two GPUs; nothing here ran on a GPU unless it says so.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch

from mpc.datasets.loading.views import ViewDataset
from mpc.geometry.camera import OrthographicCamera
from mpc.models.runs import load_run
from mpc.reconstruct.capture.settings import PRECISIONS, CaptureSettings
from mpc.reconstruct.localise.localise import localise
from mpc.reconstruct.surface.camera_rays import orthographic_rays
from mpc.reconstruct.surface.direct import render_surface
from mpc.reconstruct.surface.mesh import extract_mesh
from mpc.reconstruct.view_field import ViewEncoder, ViewField, batch_points, memory_bound

HEAD = ["nodes", "mode", "mask", "asked", "encode", "localise", "mesh", "render", "frames/s", "dense"]


class Stopwatch:
    """Seconds by stage."""

    def __init__(self, clock: Callable[[], float], device: torch.device) -> None:
        self.clock, self.device = clock, device
        self.seconds: dict[str, float] = dict.fromkeys(("encode", "localise", "mesh", "render"), float("nan"))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = self.clock()
        yield
        if self.device.type == "cuda":  # encoding returns before it is done
            torch.cuda.synchronize(self.device)
        self.seconds[name] = self.clock() - began


def dense_seconds(view: ViewField, resolution: int, clock: Callable[[], float]) -> float:
    """The whole grid, from every 16th plane."""
    axis = np.linspace(-1, 1, resolution).astype(np.float32)
    planes = axis[::16]
    began = clock()
    for x in planes:
        view.occupancy(np.stack(np.meshgrid(x, axis, axis, indexing="ij"), -1).reshape(-1, 3))
    return (clock() - began) * resolution / len(planes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--resolution", type=int, nargs="+", default=[257])
    parser.add_argument("--views", type=int, default=5)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    run = load_run(options.run, torch.device(options.device))
    dataset = ViewDataset(options.shards, "test", points=0, colour_points=0, image_size=run.settings.get("image_size"))
    batch = batch_points(run.surface, run.texture, memory_bound(run.device))
    settings = CaptureSettings(precision=options.precision, compiled=options.compile)
    encoder = ViewEncoder(run.surface, run.texture, batch=batch, speed=settings.speed(run.device))
    clock = time.process_time if options.clock == "processor" else time.perf_counter
    upright = np.diag([1.0, -1.0, -1.0, 1.0])  # a world that is view space with y up
    print(
        f"device {options.device}, {torch.get_num_threads()} threads, {options.clock} seconds, {encoder.speed}, "
        f"{batch} points a call, medians of {options.views}"
    )
    print(" ".join(f"{word:>9}" for word in HEAD))
    warm = localise(encoder.encode([dataset.picture(0).transpose(1, 2, 0)])[0].occupancy, 65, max_batch=batch)
    render_surface(warm, lambda points: points[:, 0], orthographic_rays(upright, upright, 16, 16), refinements=0)
    cases = [("lossless", False), ("lossless", True), ("fast", True), ("visible", True)]
    for resolution, (mode, masked) in product(options.resolution, cases):
        camera = OrthographicCamera((0.0, 0.0, 0.0), 2.0, 0.0 if mode == "visible" else 30.0)
        rays = orthographic_rays(upright, camera.calibration, options.size, options.size)
        asked, rows = [], []
        for index in np.linspace(0, len(dataset) - 1, options.views).round().astype(int):
            picture = dataset.picture(int(index)).transpose(1, 2, 0)
            mask = picture[..., 3] > 127 if masked else None
            watch = Stopwatch(clock, run.device)
            with watch.stage("encode"):
                (view,) = encoder.encode([picture])
            with watch.stage("localise"):
                grid = localise(view.occupancy, resolution, mode=mode, mask=mask, max_batch=batch)
                grid = replace(grid, device=str(run.device))
            colour = None if view.texture_features is None else view.colours
            with watch.stage("render"):
                render_surface(grid, view.occupancy, rays, colour=colour, refinements=0)
            if mode != "visible":
                with watch.stage("mesh"):
                    extract_mesh(grid)
            asked.append(grid.total_evaluations)
            rows.append(list(watch.seconds.values()))
        encode, localising, mesh, render = np.median(rows, axis=0)
        dense = encode + dense_seconds(view, resolution, clock) if not masked else float("nan")
        numbers = [f"{x:9.3f}" for x in (encode, localising, mesh, render, 1 / (encode + localising + render), dense)]
        print(f"{resolution:9d} {mode:>9} {masked!s:>9} {np.median(asked):9.0f} {' '.join(numbers)}", flush=True)


if __name__ == "__main__":
    main()
