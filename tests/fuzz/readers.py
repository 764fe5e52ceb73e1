"""Damaged files against every reader: how many were read, refused with a reason, crashed, hung; time and memory.

    cd tests && python -m fuzz.readers [--inputs N] [--seed S] [--jobs J] [--formats obj ply ...] [--keep FOLDER]

Small good files of each format are made here and damaged: bytes and blocks changed, cut, doubled and swapped, numbers
replaced by awkward ones, in glTF values of the JSON with the container put together again, and in the labels beside a
mesh whole arrays with their heads. Each goes the whole way: found, loaded, placed, and scenes of it posed. Whatever is
not an MpcError counts as a crash; a process that dies, or a batch that does not end, is counted by the same guard that
protects `mpc render`.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fuzz.damage import make_input
from fuzz.files import good_files
from mpc.core.errors import MpcError
from mpc.core.guard import Limits, Lost, run_guarded
from mpc.formats.array_pickle import read_arrays
from mpc.formats.bvh import read_bvh
from mpc.subjects.find import find_subjects
from mpc.subjects.scenes import list_scenes, load_subject, pose_scene

BATCH = 250
BATCH_TIMEOUT_S = 300.0
SLOW_S = 5.0  # an input of a few kilobytes that takes longer hangs
MEMORY = 2 << 30


@dataclass(frozen=True)
class Batch:
    """One unit: `count` inputs of a format, from a seed."""

    kind: str
    number: int
    count: int
    seed: int
    keep: Path | None


@dataclass
class Tally:
    """What became of a batch."""

    kind: str
    inputs: int = 0
    read: int = 0
    refused: int = 0
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_mib: float = 0.0


def check_good(folder: Path) -> None:
    """The undamaged files are read: damage to what is refused anyway would prove nothing."""
    for name, content in good_files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    use(folder)


def use(folder: Path) -> None:
    """The whole way from a folder to posed scenes."""
    for clip in folder.glob("*.bvh"):
        read_bvh(clip)
    for arrays in folder.glob("*.pkl"):
        read_arrays(arrays)
    for subject in find_subjects(folder):
        loaded = load_subject(subject)
        for spec in list_scenes(subject, seed=0)[:3]:
            json.dumps(pose_scene(loaded, spec).describe_known(), allow_nan=False)


def run_batch(batch: Batch) -> Tally:
    """One unit of work."""
    tally = Tally(batch.kind)
    with tempfile.TemporaryDirectory() as scratch:
        for index in range(batch.count):
            rng = np.random.default_rng([batch.seed, batch.number, index])
            files = make_input(batch.kind, rng)
            folder = Path(scratch) / "models"
            folder.mkdir()
            for name, content in files.items():
                (folder / name).write_bytes(content)
            label = f"{batch.kind} {batch.number}/{index}"
            started, bad = time.perf_counter(), False
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", RuntimeWarning)  # unguarded arithmetic is a fault, too
                    use(folder)
                tally.read += 1
            except MpcError:
                tally.refused += 1
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                tally.crashes.append(
                    f"{label}: {type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
                )
                bad = True
            seconds = time.perf_counter() - started
            if seconds > SLOW_S:
                tally.hangs.append(f"{label}: {seconds:.1f} s")
                bad = True
            tally.inputs += 1
            tally.slowest_s = max(tally.slowest_s, seconds)
            if bad and batch.keep is not None:
                folder.rename(_new_folder(batch.keep, label))
            else:
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
    tally.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return tally


def _new_folder(keep: Path, label: str) -> Path:
    keep.mkdir(parents=True, exist_ok=True)
    return keep / label.replace(" ", "_").replace("/", "_")


FORMATS: tuple[str, ...] = ("obj", "ply", "stl", "gltf", "bvh", "pickle", "labels")


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000, help="of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--keep", type=Path, help="folder for the inputs that crash or hang")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        check_good(Path(scratch))
    batches = [
        Batch(kind, number, min(BATCH, options.inputs - number * BATCH), options.seed, options.keep)
        for kind in options.formats
        for number in range(-(-options.inputs // BATCH))
    ]
    total = {kind: Tally(kind) for kind in options.formats}
    limits = Limits(timeout_s=BATCH_TIMEOUT_S, memory_bytes=MEMORY)
    add: Callable[[Tally, Tally], None] = _add
    for result in run_guarded(run_batch, batches, limits=limits, jobs=options.jobs):
        if isinstance(result, Lost):
            unit = result.unit
            where = total[unit.kind].hangs if "stopped" in result.reason else total[unit.kind].crashes
            where.append(f"{unit.kind} batch {unit.number}: {result.reason}")
        else:
            add(total[result.kind], result)
    print(
        f"{'format':8}{'inputs':>8}{'read':>8}{'refused':>9}{'crashes':>9}{'hangs':>7}{'slowest':>10}{'peak MiB':>10}"
    )
    for tally in total.values():
        print(
            f"{tally.kind:8}{tally.inputs:8}{tally.read:8}{tally.refused:9}{len(tally.crashes):9}{len(tally.hangs):7}"
            f"{tally.slowest_s * 1000:8.0f}ms{tally.peak_mib:10.0f}"
        )
    bad = [line for tally in total.values() for line in (*tally.crashes, *tally.hangs)]
    for line in bad[:50]:
        print(line)
    sys.exit(1 if bad else 0)


def _add(total: Tally, part: Tally) -> None:
    total.inputs += part.inputs
    total.read += part.read
    total.refused += part.refused
    total.crashes += part.crashes
    total.hangs += part.hangs
    total.slowest_s = max(total.slowest_s, part.slowest_s)
    total.peak_mib = max(total.peak_mib, part.peak_mib)


if __name__ == "__main__":
    main()
