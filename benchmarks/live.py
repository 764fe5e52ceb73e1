"""Measure `mpc live`: milliseconds by stage, frames a second and delay, beside the dense grid and MonoPort's scheme.

    python benchmarks/live.py --work DIR                 # makes and draws a free person in DIR the first time
    python benchmarks/live.py --film film.mp4            # another film
    python benchmarks/live.py --tiny                     # seconds; proves that it runs

The film is a free person, drawn from two sides, who slides over a photograph of scikit-image. "find" is the person and
the mask (networks of `mpc fetch`; without them the pictures' own masks are taken), "draw" what the page gets from the
camera's place: the frame and a picture of 256 x 256, as JPEG. The sum of the stages up to there gives the frames a
second of a program that does one after the other. "turned" is a picture from 60 degrees beside it; "network" and
"turned, n." are the same two with `--network-colours`, that is, without the frame's own colours. Stages are medians
over the frames. `--clock processor` counts this process's processor time, so that with one thread the figures are an
idle core's.
"dense" evaluates the whole grid, timed on every 16th plane (513 nodes: every 64th) and multiplied; "MonoPort" is the
scheme of that paper as monoport_scheme.py restates it, on the same network, left out where memory is short. Both stand
for the localisation, and their ratio to lossless localisation, timed beside them, is printed.
The last rows play the film at 30 frames a second into the pipeline for some seconds (wall time): frames a second and
delay with the stages one after the other in one thread, and overlapped as `mpc live` has them. Compare rows of one
run: other work on the machine slows all of them.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import torch
from monoport_scheme import monoport
from PIL import Image
from segment import crop_ground, draw_people, photographs

from mpc.core.errors import MpcError
from mpc.core.pictures import mask_of
from mpc.core.randomness import derive_rng
from mpc.formats.png import read_png
from mpc.models.person.store import require_networks
from mpc.models.runs import LoadedRun, load_run
from mpc.models.shipped import shipped_run
from mpc.reconstruct.capture.people import lazy_finder
from mpc.reconstruct.localise.localise import localise
from mpc.reconstruct.view_field import ViewField
from mpc.view.live.draw import draw, input_panel
from mpc.view.live.find import StageOfFinding
from mpc.view.live.meter import Meter
from mpc.view.live.paint import FramePaint
from mpc.view.live.pipeline import Picture, Pipeline
from mpc.view.live.reconstruct import StageOfSurfaces
from mpc.view.live.settings import MODES, LiveSettings, Look
from mpc.view.live.shots import Shot, Surface, encode_jpeg
from mpc.view.live.sources import FilmFrames

SIZE, STEPS, STEP_PX = (640, 480), 12, 4
STAGES = ("find", "frame+encode", "localise", "draw", "turned", "network", "turned, n.")
WIDTH = 12
# MonoPort's scheme works on dense arrays: bytes for each node of the grid.
MONOPORT_BYTES = 60


def has_networks() -> bool:
    """Whether the networks that find people are here."""
    try:
        require_networks()
    except MpcError:
        return False
    return True


def sliding_person(work: Path, count: int) -> list[np.ndarray]:
    """Frames of a drawn person over a photograph, a dozen from each side; with the mask where networks are missing."""
    views, rng = draw_people(work, tiny=True), derive_rng(0, "live")
    ground = crop_ground(photographs([])["rocket"], *SIZE, rng).convert("RGBA")
    frames = []
    for number in range(count):
        person = Image.fromarray(read_png(views[number // STEPS % len(views)]))
        person = person.crop(person.getbbox())
        share = 0.85 * SIZE[1] / person.height
        person = person.resize((round(share * person.width), round(share * person.height)))
        layer = Image.new("RGBA", SIZE)
        layer.paste(person, (SIZE[0] // 3 + STEP_PX * (number % STEPS), 30))
        frames.append(np.asarray(Image.alpha_composite(ground, layer).convert("RGB") if has_networks() else layer))
    return frames


class Stopwatch:
    """Milliseconds by stage, a list each."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.times: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = self.clock()
        yield
        self.times[name].append(1000 * (self.clock() - began))

    def median(self, name: str) -> float:
        return float(np.median(self.times[name]))


def dense_ms(view: ViewField, resolution: int, clock: Callable[[], float]) -> float:
    """Milliseconds of the whole grid, from every 16th plane, or every 64th of a fine grid."""
    axis = np.linspace(-1, 1, resolution).astype(np.float32)
    planes, began = axis[:: 16 if resolution <= 257 else 64], clock()
    for x in planes:
        view.occupancy(np.stack(np.meshgrid(x, axis, axis, indexing="ij"), -1).reshape(-1, 3))
    return 1000 * (clock() - began) * resolution / len(planes)


def monoport_ms(view: ViewField, resolution: int, clock: Callable[[], float]) -> tuple[float, int]:
    """Milliseconds and evaluations of MonoPort's lossless scheme."""
    axis = np.linspace(-1, 1, resolution).astype(np.float32)
    nodes, asked = np.arange(resolution**3).reshape((resolution,) * 3), 0

    def ask(flat: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += flat.size
        i, j, k = np.unravel_index(flat.reshape(-1), nodes.shape)
        return view.occupancy(np.stack([axis[i], axis[j], axis[k]], axis=1)).reshape(flat.shape)

    began = clock()
    monoport(ask, nodes, stride=(resolution - 1) // 16)
    return 1000 * (clock() - began), asked


def measure_stages(
    run: LoadedRun, frames: list[np.ndarray], resolution: int, mode: str, clock: Callable[[], float]
) -> Surface:
    """Print one row; returns the last surface."""
    watch, meter = Stopwatch(clock), Meter()
    finding, surfaces = StageOfFinding(lazy_finder()), StageOfSurfaces(run, 1.7, meter)
    for number, frame in enumerate(frames):
        with watch.stage("find"):
            seen = finding.find(Shot(number, number / 30, encode_jpeg(frame) if frame.shape[2] == 3 else frame))
        with watch.stage("frame+encode"):
            surface = surfaces.localise(
                seen, surfaces.frame(seen), resolution, "visible"
            )  # which localises nothing yet
        with watch.stage("localise+"):
            surface = surfaces.localise(seen, surface.framing, resolution, mode)
        with watch.stage("draw"):
            paint = FramePaint(surface)
            encode_jpeg(input_panel(surface, LiveSettings.size))
            encode_jpeg(draw(surface, Look(), LiveSettings.size, paint))
        for name, yaw, colours in (("turned", 60.0, paint), ("network", 0.0, None), ("turned, n.", 60.0, None)):
            with watch.stage(name):
                encode_jpeg(draw(surface, Look(yaw), LiveSettings.size, colours))
    times = {name: watch.median(name) for name in STAGES if name != "localise"}
    times["localise"] = max(watch.median("localise+") - times["frame+encode"], 0.0)
    total = sum(times[name] for name in STAGES[:4])
    asked = 0 if surface.grid is None else surface.grid.total_evaluations
    row = " ".join(f"{times[name]:{WIDTH}.1f}" for name in STAGES)
    print(f"{resolution:9d} {mode:>9} {asked:9d} {row} {1000 / total:9.2f}", flush=True)
    return surface


def measure_alternatives(surface: Surface, resolution: int, clock: Callable[[], float]) -> None:
    """Print what the dense grid and MonoPort's scheme take on the same network and frame."""
    watch, view = Stopwatch(clock), surface.view
    for _ in range(3):
        with watch.stage("ours"):
            localise(view.occupancy, resolution, mask=mask_of(surface.square), bracket=view.depth_range)
    localise_ms = watch.median("ours")
    dense = dense_ms(surface.view, resolution, clock)
    print(f"{resolution:9d} dense     {resolution**3:9d} {dense:38.1f} ms, {dense / localise_ms:.1f} times ours")
    if MONOPORT_BYTES * resolution**3 < psutil.virtual_memory().available:
        took, asked = monoport_ms(surface.view, resolution, clock)
        print(f"{resolution:9d} MonoPort  {asked:9d} {took:38.1f} ms, {took / localise_ms:.1f} times ours", flush=True)


def play(run: LoadedRun, frames: list[np.ndarray], settings: LiveSettings, seconds: float, *, overlapped: bool) -> None:
    """Play frames at 30 a second, and print frames a second and delay."""

    def deliver(viewer: str, picture: Picture) -> None:
        """Nobody is there."""

    pipeline = Pipeline(run, lazy_finder(), settings, deliver)
    meter, number, began = pipeline.meter, 0, time.monotonic()
    pipeline.look("viewer", Look())
    if overlapped:
        pipeline.start()
    else:
        finding, surfaces = StageOfFinding(lazy_finder()), pipeline.surfaces
    while time.monotonic() - began < seconds:
        number = max(number, round(30 * (time.monotonic() - began)))  # the newest frame
        shot = Shot(number, began + number / 30, frames[number % len(frames)])
        if overlapped:
            pipeline.shots.put(shot)
            number += 1
            time.sleep(max(began + number / 30 - time.monotonic(), 0.0))
        else:
            surface = surfaces.reconstruct(finding.find(shot), settings.resolution, settings.mode)
            encode_jpeg(input_panel(surface, settings.size))
            encode_jpeg(draw(surface, Look(), settings.size, FramePaint(surface)))
            meter.drawn(shot.taken, time.monotonic())
    pipeline.close()
    report = meter.report(time.monotonic())
    how = "overlapped" if overlapped else "one by one"
    print(f"{settings.resolution:9d} {settings.mode:>9} {how:>12} {meter.frames / seconds:9.2f} frames a second, "
          f"{report['delay_ms']} ms behind", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--film", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--resolution", type=int, nargs="+", default=[129, 257, 513])
    parser.add_argument("--mode", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each row that plays; 0 leaves them out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves torch's own number")
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if options.tiny:
        options.resolution, options.frames, options.seconds, options.mode = [65], 2, 0.5, ["fast"]
    if options.threads:
        torch.set_num_threads(options.threads)
    clock = time.process_time if options.clock == "processor" else time.perf_counter
    run = load_run(options.run or shipped_run(), torch.device(options.device))
    with tempfile.TemporaryDirectory() as scratch:
        if options.film is None:
            frames = sliding_person(options.work or Path(scratch), options.frames)
        else:
            frames = [frame for _, frame in itertools.islice(FilmFrames(options.film).frames(), options.frames)]
    height, width = frames[0].shape[:2]
    print(f"device {options.device}, {torch.get_num_threads()} threads, {options.clock} ms", flush=True)
    print(f"{len(frames)} frames of {width} x {height}, networks of {run.settings.get('image_size')} pixels")
    print(f"{'nodes':>9} {'mode':>9} {'asked':>9} {' '.join(f'{name:>{WIDTH}}' for name in STAGES)} {'frames/s':>9}")
    for resolution in options.resolution:
        for mode in options.mode:
            surface = measure_stages(run, frames, resolution, mode, clock)
        measure_alternatives(surface, resolution, clock)
    for resolution, overlapped in itertools.product(options.resolution if options.seconds else (), (False, True)):
        settings = LiveSettings(resolution=resolution, mode=options.mode[0])
        play(run, frames, settings, options.seconds, overlapped=overlapped)


if __name__ == "__main__":
    main()
