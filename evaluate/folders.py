"""Measure meshes from any source: a folder of predictions against a folder of truths, matched by name."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..core.errors import InputError, MpcError, SettingsError
from ..core.files import file_sha256
from ..core.locks import one_writer
from ..core.progress import NoProgress, Progress
from ..core.settings import to_table
from ..formats.mesh_files import read_mesh
from ..geometry.mesh import PosedMesh
from .collect import begin_records, collect, find_devices, measured_before
from .match import FilePair, find_meshes, match_files, plain_name
from .metrics.measure import measure_pair
from .metrics.pair import MeshPair
from .metrics.protocols import find_protocol
from .records import Measured, ViewScores
from .settings import FORMAT, UNITS_M, VERSION, FolderSettings, Workers
from .summary import EvaluationResult, write_result

# Least and greatest extent of a person in metres; children and stretched arms are included.
PERSON_M = (0.4, 3.0)
# Predictions that are so many times higher or lower than the truths are told.
OTHER_SIZE = 1.05


@one_writer("out")
def evaluate_folders(
    predicted: Path,
    true: Path,
    out: Path,
    settings: FolderSettings | None = None,
    *,
    workers: Workers | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Measure every predicted mesh against the true one of its name; the numbers do not depend on `workers`.

    Args:
        predicted: folder of OBJ, PLY, STL, GLB or glTF files, searched recursively.
        true: folder of such files; see `match_files` for how they are matched.
        out: receives records.jsonl, result.json, scores.csv and table.txt. Records of an earlier, interrupted call
            with the same settings and files are kept.
        settings: what is measured; None for the defaults.
        workers: device and number of processes; None for one process per core on the CPU.
        fresh: measure again what was measured before.
        progress: receives every mesh.

    Raises:
        SettingsError: the device does not exist, or the unit cannot be derived from the true meshes.
        InputError: a folder holds no meshes, or no prediction has the name of a truth.
    """
    progress, workers = progress or NoProgress(), workers or Workers(device="cpu")
    settings = settings or FolderSettings()
    pairs, left = match_files(find_meshes(predicted), find_meshes(true), predicted, true)
    for key, reason in left.items():
        progress.message(f"notice: {predicted / key}: {reason}; left out")
    if settings.unit == "auto":
        settings = replace(settings, unit=guess_unit([pair.true for pair in pairs]))
        progress.message(f"coordinates are taken to be in {settings.unit} (--unit m, cm or mm if they are not)")
    settings = replace(settings, metrics=settings.metric_names)
    fingerprint = describe(predicted, true, pairs, settings)
    done = {} if fresh else measured_before(out, fingerprint)
    begin_records(out, fingerprint, done)
    devices = find_devices(workers.device)
    units = {pair.key: (pair, settings, devices[turn % len(devices)]) for turn, pair in enumerate(pairs)}
    records = collect(
        _measure_unit, _blank_record, units, out, done, devices=devices, workers=workers, progress=progress
    )
    result = EvaluationResult(folder=out, settings=fingerprint, records=records)
    write_result(result)
    for doubt in doubt_scale(records, settings):
        progress.message(f"notice: {doubt}")
    return result


def doubt_scale(records: Sequence[ViewScores], settings: FolderSettings) -> list[str]:
    """Say where predictions have another size than the truths, which no alignment without a scale can mend."""
    heights = [
        (record.notes["height_m"], record.notes["true_height_m"])
        for record in records
        if not record.failure and record.notes.get("true_height_m")
    ]
    recipe = find_protocol(settings.protocol).recipe
    if not heights or "icp-scale" in settings.align or (recipe is not None and recipe.leaves_size_aside):
        return []
    ratio = float(np.median([one / other for one, other in heights]))
    if abs(np.log(ratio)) < np.log(OTHER_SIZE):
        return []
    return [
        f"the predictions are {ratio:.2f} times as high as the truths (median): they may be in another unit or space "
        "(--align icp-scale leaves size and place aside)"
    ]


def describe(predicted: Path, true: Path, pairs: Sequence[FilePair], settings: FolderSettings) -> dict[str, Any]:
    """Return everything that the numbers depend on, for result.json and for resuming."""
    files = {
        pair.key: [None if path is None else _digest(path) for path in (pair.predicted, pair.true)] for pair in pairs
    }
    chosen = find_protocol(settings.protocol).choose(settings.metrics)
    return {
        "format": FORMAT, "version": VERSION, "mpc": __version__,
        "run": plain_name(predicted.resolve().name), "truth": plain_name(true.resolve().name),
        "files": files, "settings": to_table(settings),
        "metrics": {metric.name: metric.summary for metric in chosen},
    }  # fmt: skip


def _digest(path: Path) -> str:
    """The file's SHA-256; "" where it cannot be read, which the record of its pair will report."""
    try:
        return file_sha256(path)
    except OSError:
        return ""


def guess_unit(paths: Sequence[Path]) -> str:
    """Return the unit in which a mesh is as large as a person.

    Args:
        paths: mesh files; the first one that can be read decides.

    Returns:
        "m", "cm" or "mm".

    Raises:
        SettingsError: the mesh has the size of a person in none of these units.
        InputError: none of the files can be read.
    """
    for path in paths:
        try:
            extent = float(np.ptp(read_mesh(path).bounds, axis=0).max())
        except MpcError:
            continue
        for unit, metres in UNITS_M.items():
            if PERSON_M[0] <= extent * metres <= PERSON_M[1]:
                return unit
        raise SettingsError(
            f"{path}: {extent:g} units tall is no person in metres, centimetres or millimetres; say --unit m to "
            "measure in the files' own unit"
        )
    raise InputError(paths[0], "no true mesh can be read")


def _blank_record(unit: tuple[FilePair, FolderSettings, str]) -> ViewScores:
    pair = unit[0]
    yaw = re.search(r"(\d+)$", pair.view)
    return ViewScores(
        key=pair.key, scene=pair.true_key, subject=pair.true_key, view=pair.view,
        yaw_deg=float(yaw.group(1)) % 360 if yaw else 0.0, failure="", scores={}, iou=None,
    )  # fmt: skip


def _measure_unit(unit: tuple[FilePair, FolderSettings, str]) -> ViewScores:
    begin = time.perf_counter()
    measured = _measure(*unit)
    return replace(
        _blank_record(unit), failure=measured.failure, scores=measured.scores,
        vertices=measured.vertices, faces=measured.faces, seconds={"measure": time.perf_counter() - begin},
        notes=measured.notes,
    )  # fmt: skip


def _measure(pair: FilePair, settings: FolderSettings, device: str) -> Measured:
    """Read and measure two files; what is wrong with them becomes a failure."""
    notes: dict[str, Any] = {}
    try:
        if pair.predicted is None:
            raise InputError(pair.true, "has no prediction")
        meshes = open_pair(pair, settings, device)
        notes["true_height_m"] = float(np.ptp(meshes.true.mesh.positions[:, 1]))
        notes["height_m"] = float(np.ptp(meshes.predicted.mesh.positions[:, 1]))
        scores = measure_pair(meshes, settings.protocol, settings.metrics, settings.align)
    except SettingsError:
        raise
    except MpcError as error:
        return Measured(failure=plain_name(str(error)), notes=notes)
    mesh = meshes.predicted.mesh
    return Measured(scores=scores, vertices=len(mesh.positions), faces=len(mesh.triangles), notes=notes)


def open_pair(pair: FilePair, settings: FolderSettings, device: str = "cpu") -> MeshPair:
    """Read both meshes of a pair and convert them to metres.

    Args:
        pair: with a prediction.
        settings: unit of the files, number of points and seed.
        device: where points are drawn and distances measured.

    Raises:
        InputError: a file cannot be read.
        SurfaceError: a mesh is empty, has no area or holds NaN.
    """
    assert pair.predicted is not None
    predicted, true = _read_metres(pair.predicted, settings.unit), _read_metres(pair.true, settings.unit)
    return MeshPair.of(predicted, true, points=settings.points, seed=settings.seed, key=pair.key, device=device)


@lru_cache(maxsize=2)
def _read_metres(path: Path, unit: str) -> PosedMesh:
    mesh = read_mesh(path)
    return mesh if unit == "m" else mesh.with_vertices(mesh.vertices * UNITS_M[unit])
