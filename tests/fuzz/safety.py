"""Safety: kills at random moments of `mpc render` and `mpc sample`, and single flipped bits.

    python tests/fuzz/safety.py MODELS [--kills N] [--flips N] [--views N] [--size N]

Each kill is a SIGKILL to a fresh process at a random moment of its work; what it left is gone on with by the next, and
whenever a run ends its folder must equal that of an undisturbed run, byte for byte. Each flip is one bit anywhere in
the files of a shards folder; `mpc verify` must name the file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

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
    """Print three lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    drawing = RenderSettings(views=options.views, step_deg=360 / options.views, size=options.size, rays=16)
    sampling = SampleSettings(near_points=4000, uniform_points=2000, colour_points=1000, shard_bytes=200_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("render", "sample"):
            (folder / part).mkdir()
        kill_often(
            "mpc render",
            lambda out: render_models(options.models, out, drawing, renderer="embree", jobs=1),
            folder / "render",
            options.kills,
        )
        kill_often(
            "mpc sample",
            lambda out: sample_renders(folder / "render" / "whole", out, sampling, jobs=1),
            folder / "sample",
            options.kills,
        )
        flip_bits(folder / "sample" / "whole", options.flips)


if __name__ == "__main__":
    main()
