"""`mpc people --benchmark`: make the people of a benchmark, and prove that they are the listed ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.arrays import F64
from ...core.errors import InputError, SettingsError
from ...core.files import read_json_object, write_text
from ...core.guard import Limits, Lost, run_guarded
from ...core.held_out import MARK
from ...core.locks import one_writer
from ...core.progress import NoProgress, Progress
from ...motion.makehuman.body import data_folder
from ..attempt import attempt
from ..body.posing import pose_rotations
from ..make import LICENSE_TEXT, PeopleSummary
from ..person import build_person
from ..scan import write_scan
from .listed import LISTS, Benchmark, ListedPerson, digest_vertices, read_benchmark


@dataclass(frozen=True)
class _Unit:
    """One person to make or to check."""

    out: Path
    person: ListedPerson
    texture_size: int


@dataclass(frozen=True)
class _Record:
    """The outcome of a unit; `error` is None where the person is the listed one."""

    name: str
    error: str | None


@one_writer("out")
def make_benchmark(
    out: Path,
    name: str,
    *,
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> PeopleSummary:
    """Make the people of a benchmark, or check those that are there.

    Everybody's vertices are hashed as they stand in their file and compared with the list, also those of people that an
    earlier call made: to call it again is to check a folder.

    Args:
        out: folder to write `v1_easy_00/`, ..., people.json and LICENSE.txt into.
        name: of the benchmark, see `listed.BENCHMARKS`.
        jobs: worker processes; 0 for one per core.
        backend: of joblib.
        limits: time and memory of a person (core/guard.py); None for no bound and no process of its own.
        progress: where progress is reported; None reports nothing.

    Returns:
        Who was made and kept, and who failed or is not as listed, with the reason.

    Raises:
        SettingsError: there is no such benchmark, or `out` holds other people.
        PeopleUnavailable: the package anny is missing.
    """
    progress, out = progress or NoProgress(), Path(out)
    benchmark = read_benchmark(name)
    data_folder()
    out.mkdir(parents=True, exist_ok=True)
    _open_folder(out, benchmark)
    units = [_Unit(out, person, benchmark.texture_size) for person in benchmark.people]
    kept = {unit.person.name for unit in units if (out / unit.person.name).exists()}
    progress.start("people", len(units))
    made, failed = [], []
    for result in run_guarded(_make_one, units, limits=limits, jobs=jobs, backend=backend):
        record = _Record(result.unit.person.name, result.reason) if isinstance(result, Lost) else result
        if record.error is not None:
            failed.append((record.name, record.error))
            progress.message(f"{record.name}: {record.error}")
        elif record.name not in kept:
            made.append(record.name)
        progress.advance(1, record.name)
    progress.finish()
    unsound = {one for one, _ in failed}
    return PeopleSummary(out, tuple(sorted(made)), tuple(sorted(kept - unsound)), tuple(sorted(failed)))


def _open_folder(out: Path, benchmark: Benchmark) -> None:
    """Write people.json and LICENSE.txt, unless the folder holds other people."""
    index = out / "people.json"
    settings = {"benchmark": benchmark.name, "sha256": benchmark.sha256}
    if index.exists() and read_json_object(index).get("settings") != settings:
        raise SettingsError(
            f"{out} holds other people than those of the benchmark {benchmark.name}; take another folder"
        )
    lists = {one: [person.name for person in benchmark.of(one)] for one in LISTS}
    poses = {person.name: person.pose_name for person in benchmark.people}
    write_text(index, json.dumps({"settings": settings, "lists": lists, "poses": poses}, indent=1) + "\n")
    write_text(
        out / "LICENSE.txt",
        f"{MARK} {benchmark.name}: people to measure on, never to train on.\n\n{LICENSE_TEXT}",
    )


def _make_one(unit: _Unit) -> _Record:
    person, target = unit.person, unit.out / unit.person.name

    def make(folder: Path) -> str | None:
        if not target.exists():
            write_listed(folder, person, unit.texture_size)
            folder.replace(target)
        return check_listed(target / "mesh.obj", person)

    return _Record(person.name, attempt(unit.out, person.name, make))


def write_listed(folder: Path, person: ListedPerson, texture_size: int) -> None:
    """Make a listed person and write the scan into a folder."""
    # Those of v1 were drawn before arms were solid in the sleeves of open jackets.
    whole = build_person(person.plan, texture_size=texture_size, shells_hide=True)
    write_scan(folder, whole, *pose_rotations(whole.body, person.pose))


def check_listed(path: Path, person: ListedPerson) -> str | None:
    """Say how the mesh of a file differs from the listed person; None where it does not.

    Raises:
        InputError: the file cannot be read.
    """
    vertices = obj_vertices(path)
    if len(vertices) != person.vertices:
        return f"has {len(vertices)} vertices, the list says {person.vertices}"
    if digest_vertices(vertices) != person.sha256:
        return "is not as listed: a vertex is off by a tenth of a millimetre or more"
    return None


def obj_vertices(path: Path) -> F64:
    """The vertices (V, 3) of an OBJ file of `mpc people`, in the order and with the digits of the file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return np.array([line.split()[1:4] for line in lines if line.startswith("v ")], np.float64).reshape(-1, 3)
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error})") from error
