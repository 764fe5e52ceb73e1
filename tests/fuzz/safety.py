"""Safety: kills at random moments of what writes folders, full disks, dead workers, and single flipped bits.

    python tests/fuzz/safety.py MODELS [--only WHAT...] [--kills N] [--full N] [--workers N] [--flips N]

Each kill is a SIGKILL to a fresh process at a random moment of `mpc render`, `mpc sample` or `mpc export`, or to one or
both of two that work at the same time with --part; what it left is gone on with by the next. A full disk is a bound on
the size of files, beyond which the kernel refuses to write. A dead worker is a SIGKILL to a process of the guard, which
costs its own scene. Whenever a run ends undisturbed its folder must equal that of a run that was never disturbed, byte
for byte. Each flip is one bit anywhere in the files of a shards folder; `mpc verify` must name the file.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil

from mpc.core.guard import Limits
from mpc.core.parts import Part
from mpc.datasets.exchange.export import Layout, export_renders
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.verify import verify_shards

Work = Callable[[Path], object]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def start(work: Work, out: Path) -> int:
    """A process that does the work and nothing else; its number."""
    child = os.fork()
    if child == 0:
        try:
            work(out)
            os._exit(0)
        except BaseException:
            traceback.print_exc()  # what a run that was not killed died of
        finally:
            os._exit(1)
    return child


def kill_often(name: str, work: Work, folder: Path, kills: int) -> None:
    """Kill, go on, compare; print what came of it."""
    work(folder / "whole")  # here, so that what is computed once a process is there before the children part
    begin = time.perf_counter()
    assert os.waitpid(start(work, folder / "timed"), 0)[1] == 0, "an undisturbed run fails"
    took = time.perf_counter() - begin
    wanted = contents(folder / "whole")
    rng = np.random.default_rng(0)
    out, done, finished, different, states = folder / "killed", 0, 0, 0, set()
    while done < kills:
        child = start(work, out)
        time.sleep(float(rng.uniform(0.0, took)))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            done += 1
            states.add(frozenset(path.name for path in out.rglob("*")) if out.exists() else frozenset())
        else:  # it was faster: compare, and begin anew
            finished += 1
            different += contents(out) != wanted
            shutil.rmtree(out)
    assert os.waitpid(start(work, out), 0)[1] == 0, "the run after the last kill fails"
    different += contents(out) != wanted
    print(f"{name}: {done} kills in {len(states)} different states, {finished + 1} runs brought to their end, "
          f"{different} of them differ from an undisturbed run (of {took:.1f} s)")  # fmt: skip


def kill_parts(
    name: str, work: Callable[[Path, Part], object], finish: Work, whole: Path, folder: Path, kills: int
) -> None:
    """Let two processes do the two parts of the work, kill one or both, go on, finish, and compare."""
    parts = [Part(1, 2), Part(2, 2)]
    begin = time.perf_counter()
    assert all(os.waitpid(start(partial(work, part=part), folder / "timed"), 0)[1] == 0 for part in parts)
    took = time.perf_counter() - begin
    wanted = contents(whole)
    rng = np.random.default_rng(0)
    out, done, finished, different = folder / "killed", 0, 0, 0
    ended: set[Part] = set()
    while done < kills or ended != set(parts):
        children = {part: start(partial(work, part=part), out) for part in parts if part not in ended}
        time.sleep(float(rng.uniform(0.0, took)))
        if done < kills:
            for child in list(children.values())[: int(rng.integers(1, 3))]:
                os.kill(child, signal.SIGKILL)
        for part, child in children.items():
            status = os.waitpid(child, 0)[1]
            assert status == 0 or os.WIFSIGNALED(status), "a part fails"
            done += os.WIFSIGNALED(status)
            ended |= {part} if status == 0 else set()
        if ended == set(parts):
            assert os.waitpid(start(finish, out), 0)[1] == 0, "the parts cannot be finished"
            finished += 1
            different += contents(out) != wanted
            if done < kills:
                shutil.rmtree(out)
                ended.clear()
    print(f"two parts of {name}: {done} kills, {finished} runs brought to their end, {different} of them differ from "
          f"an undisturbed run of one process")  # fmt: skip


def fill_disks(name: str, work: Work, whole: Path, folder: Path, times: int) -> None:
    """Let a run meet a full disk, go on with room, compare; print what came of it."""
    wanted = contents(whole)
    sizes = sorted(len(data) for data in wanted.values())
    rng = np.random.default_rng(0)
    refused = different = 0
    out = folder / "full"
    for _ in range(times):
        room = int(rng.integers(0, sizes[-1]))

        def bounded(out: Path, room: int = room) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            with contextlib.suppress(OSError):
                work(out)
                return
            os._exit(9)

        refused += os.WEXITSTATUS(os.waitpid(start(bounded, out), 0)[1]) == 9
        assert os.waitpid(start(work, out), 0)[1] == 0, f"{name} fails after a full disk"
        different += contents(out) != wanted
        shutil.rmtree(out)
    print(f"{name}: {refused} of {times} runs met a full disk, {different} of them differ from an undisturbed run "
          "when gone on with")  # fmt: skip


def kill_workers(name: str, work: Callable[[Path, Limits | None], int], whole: Path, folder: Path, times: int) -> None:
    """Kill one process of the guard at a random moment, go on, compare; print what came of it.

    Args:
        name: for the line.
        work: does the work under the guard, or without; gives the number of failures.
        whole: the folder of an undisturbed run.
        folder: for the disturbed runs.
        times: how many processes to kill.
    """
    wanted = contents(whole)
    rng = np.random.default_rng(0)
    out = folder / "workers"
    begin = time.perf_counter()
    assert work(out, Limits()) == 0
    took = time.perf_counter() - begin
    shutil.rmtree(out)
    runs = killed = lost = different = 0
    while killed < times:
        runs += 1
        ended = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            killer = pool.submit(kill_worker, float(rng.uniform(0.0, took)), ended)
            failures = work(out, Limits())
            ended.set()
            killed += killer.result()
        assert failures <= 1, "a dead worker costs more than its own scene"
        lost += failures
        assert work(out, None) == 0
        different += contents(out) != wanted
        shutil.rmtree(out)
    print(f"{name}: {killed} workers killed at work in {runs} runs, {lost} scenes lost for the time being, {different} "
          "runs differ from an undisturbed one when gone on with")  # fmt: skip


def kill_worker(after_s: float, ended: threading.Event) -> bool:
    """Kill a process of this one's guard; whether there was one."""
    ended.wait(after_s)
    while not ended.is_set():
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if "mpc.core.child" in " ".join(child.cmdline()):
                    child.kill()
                    return True
        time.sleep(0.01)  # it is about to be started
    return False


def flip_bits(folder: Path, flips: int) -> None:
    """Flip, verify, flip back."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    sizes = np.array([path.stat().st_size for path in files])
    rng = np.random.default_rng(1)
    found = 0
    for number in range(flips):
        # Half of them in a file at random, so that the small ones get their share, half anywhere.
        path = files[rng.integers(len(files)) if number % 2 else rng.choice(len(files), p=sizes / sizes.sum())]
        place, bit = int(rng.integers(path.stat().st_size)), int(rng.integers(8))
        with path.open("r+b", buffering=0) as file:
            byte = os.pread(file.fileno(), 1, place)
            os.pwrite(file.fileno(), bytes([byte[0] ^ 1 << bit]), place)
            found += any(problem.shard == path.name for problem in verify_shards(folder))
            os.pwrite(file.fileno(), byte, place)
    clean = not verify_shards(folder)
    print(
        f"verify: {found} of {flips} flipped bits found, by file, in {sizes.sum() / 1e6:.1f} MB; clean after: {clean}"
    )


def main() -> None:
    """Print a line for each kind of disturbance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    kinds = ("render", "sample", "export", "render-parts", "sample-parts", "full", "workers", "flips")
    parser.add_argument("--only", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--full", type=int, default=50)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    drawing = RenderSettings(views=options.views, step_deg=360 / options.views, size=options.size, rays=16)
    sampling = SampleSettings(near_points=4000, uniform_points=2000, colour_points=1000, shard_bytes=200_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in (*kinds, "icon"):
            (folder / kind).mkdir()
        renders = folder / "renders"

        def render(out: Path, part: Part | None = None, finish: bool = False) -> object:
            return render_models(options.models, out, drawing, renderer="embree", jobs=1, part=part, finish=finish)

        def sample(out: Path, limits: Limits | None = None, part: Part | None = None, finish: bool = False) -> int:
            return len(sample_renders(renders, out, sampling, jobs=1, limits=limits, part=part, finish=finish).failures)

        def export(out: Path, layout: Layout = "pifu") -> object:
            return export_renders(renders, out / "people", layout, jobs=1)

        render(renders)
        shards, meshes = folder / "shards", folder / "meshes"
        sample(shards)
        export(meshes)
        if "render" in options.only:
            kill_often("mpc render", render, folder / "render", options.kills)
        if "sample" in options.only:
            kill_often("mpc sample", sample, folder / "sample", options.kills)
        if "export" in options.only:
            pifu = options.kills - options.kills // 2
            kill_often("mpc export --format pifu", export, folder / "export", pifu)
            kill_often(
                "mpc export --format icon", partial(export, layout="icon"), folder / "icon", options.kills - pifu
            )
        for kind, work, whole in (("render", render, renders), ("sample", sample, shards)):
            if f"{kind}-parts" in options.only:
                finish = partial(work, finish=True)
                kill_parts(f"mpc {kind}", work, finish, whole, folder / f"{kind}-parts", options.kills)
        if "full" in options.only:
            shares = [options.full // 3 + (number < options.full % 3) for number in range(3)]
            fill_disks("mpc render", render, renders, folder / "full", shares[0])
            fill_disks("mpc sample", sample, shards, folder / "full", shares[1])
            fill_disks("mpc export", export, meshes, folder / "full", shares[2])
        if "workers" in options.only:
            kill_workers("mpc sample", sample, shards, folder / "workers", options.workers)
        if "flips" in options.only:
            flip_bits(shards, options.flips)


if __name__ == "__main__":
    main()
