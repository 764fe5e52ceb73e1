"""Measure anybody's meshes: a folder of predictions against a folder of truths, matched by name, no network asked."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..core.errors import InputError, MpcError, SettingsError
from ..core.files import file_sha256
from ..core.progress import NoProgress, Progress
from ..core.settings import to_table
from ..formats.mesh_files import READ_SUFFIXES, read_mesh
from ..geometry.mesh import PosedMesh
from .collect import begin_records, collect, find_devices, measured_before
from .metrics.measure import measure_pair
from .metrics.pair import DEFAULT_POINTS, MeshPair
from .metrics.protocols import find_protocol
from .records import ViewScores
from .settings import FORMAT, UNITS_M, VERSION, FolderSettings
from .summary import EvaluationResult, write_result

# An FBX is a rig, which packs of scans hold beside the mesh of the same name.
SUFFIXES = tuple(suffix for suffix in READ_SUFFIXES if suffix != ".fbx")
# A person's greatest extent, in metres, children and stretched arms included.
PERSON_M = (0.4, 3.0)


@dataclass(frozen=True)
class FilePair:
    """A predicted file and the true one it is measured against; `predicted` is None where there is none."""

    key: str
    true_key: str
    predicted: Path | None
    true: Path


def evaluate_folders(
    predicted: Path,
    true: Path,
    out: Path,
    *,
    metrics: Sequence[str] | None = None,
    protocol: str = "mpc",
    align: str = "none",
    points: int = DEFAULT_POINTS,
    unit: str = "auto",
    seed: int = 0,
    jobs: int = 0,
    backend: str = "loky",
    device: str = "cpu",
    fresh: bool = False,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Measure every predicted mesh against the true one of its name; the numbers do not depend on `jobs`.

    Args:
        predicted: folder of OBJ, PLY, STL, GLB or glTF files, searched recursively.
        true: the same; see `match_files` for how they are matched.
        out: receives records.jsonl, result.json, scores.csv and table.txt; what an interrupted call with the same
            settings and files measured is kept.
        metrics: names; None for the protocol's own.
        protocol, align: see FolderSettings.
        points: see FolderSettings.
        unit: of the files' coordinates; "auto" tells from the size of the true meshes.
        seed, jobs, backend, device, fresh, progress: as for `evaluate`.

    Raises:
        SettingsError: an unknown name or unit.
        InputError: no meshes, or no two of one name.
    """
    told = progress if progress is not None else NoProgress()
    chosen = find_protocol(protocol).choose(metrics)
    settings = FolderSettings(
        metrics=tuple(metric.name for metric in chosen), protocol=protocol, align=align, points=points, seed=seed,
        unit=unit,
    )  # fmt: skip
    pairs, left = match_files(find_meshes(predicted), find_meshes(true), predicted, true)
    for key in left:
        told.message(f"notice: {predicted / key}: no true mesh of that name; left out")
    if unit == "auto":
        settings = replace(settings, unit=guess_unit([pair.true for pair in pairs]))
        told.message(f"coordinates are taken to be in {settings.unit} (--unit m, cm or mm if they are not)")
    files = {
        pair.key: [None if path is None else _digest(path) for path in (pair.predicted, pair.true)] for pair in pairs
    }
    fingerprint = {
        "format": FORMAT, "version": VERSION, "mpc": __version__,
        "run": _plain(predicted.resolve().name), "truth": _plain(true.resolve().name),
        "files": files, "settings": to_table(settings),
        "metrics": {metric.name: metric.summary for metric in chosen},
    }  # fmt: skip
    done = {} if fresh else measured_before(out, fingerprint)
    begin_records(out, fingerprint, done)
    devices = find_devices(device)
    units = [(pair.key, (pair, settings, devices[turn % len(devices)])) for turn, pair in enumerate(pairs)]
    records = collect(_measure_unit, units, out, done, jobs=jobs, backend=backend, devices=devices, told=told)
    result = EvaluationResult(folder=out, settings=fingerprint, records=records)
    write_result(result)
    return result


def find_meshes(folder: Path) -> dict[str, Path]:
    """Mesh files below a folder by name: the path without its suffix, or the subfolder's where it holds just one.

    Hidden files (".…") are left out. Names are in Unicode's composed form: another system may write accents apart.

    Raises:
        InputError: there are none, or two of one name.
    """
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not paths:
        raise InputError(folder, f"holds no meshes ({', '.join(SUFFIXES)})")
    in_folder: dict[Path, int] = {}
    for path in paths:
        in_folder[path.parent] = in_folder.get(path.parent, 0) + 1
    found: dict[str, Path] = {}
    for path in paths:
        alone = path.parent != folder and in_folder[path.parent] == 1
        key = _plain((path.parent if alone else path.with_suffix("")).relative_to(folder).as_posix())
        if key in found:
            raise InputError(path, f"has the same name as {found[key]}")
        found[key] = path
    return found


def match_files(
    predicted: dict[str, Path], true: dict[str, Path], predicted_folder: Path, true_folder: Path
) -> tuple[list[FilePair], list[str]]:
    """Pairs by name, and the predictions without a truth.

    A prediction belongs to the truth of the same name, else to the longest name that its own begins with, followed by
    "/", "_", "-" or "." (so one person may have several: anna_000, anna_090). A truth without a prediction is a pair
    too, and a failure.

    Raises:
        InputError: no two match.
    """
    pairs: list[FilePair] = []
    left, met = [], set()
    for key, path in predicted.items():
        owners = [name for name in true if key == name or (key.startswith(name) and key[len(name)] in "/_-.")]
        if not owners:
            left.append(key)
            continue
        owner = max(owners, key=len)
        met.add(owner)
        pairs.append(FilePair(key, owner, path, true[owner]))
    if not pairs:
        raise InputError(
            predicted_folder,
            f"no mesh has the name of one in {true_folder} ({', '.join(list(predicted)[:3])} … and "
            f"{', '.join(list(true)[:3])} …)",
        )
    pairs += [FilePair(name, name, None, path) for name, path in true.items() if name not in met]
    return sorted(pairs, key=lambda pair: pair.key), left


def _plain(text: str) -> str:
    """Composed characters, and bytes of a name that are no UTF-8 as escapes: what every file and screen can take."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", whole)


def _digest(path: Path) -> str:
    """The file's SHA-256; "" where it cannot be read, which its pair's record will say."""
    try:
        return file_sha256(path)
    except OSError:
        return ""


def guess_unit(paths: Sequence[Path]) -> str:
    """The unit in which the first of these meshes that can be read is as large as a person.

    Raises:
        SettingsError: none is.
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


def _measure_unit(unit: tuple[FilePair, FolderSettings, str]) -> ViewScores:
    pair, settings, device = unit
    rest = pair.key[len(pair.true_key) :].strip("/_-.")
    yaw = re.search(r"(\d+)$", rest)
    outcome: dict[str, Any] = {"failure": "", "scores": {}}
    begin = time.perf_counter()
    try:
        if pair.predicted is None:
            raise InputError(pair.true, "has no prediction")
        meshes = open_pair(pair, settings, device)
        outcome["notes"] = {"true_height_m": float(np.ptp(np.asarray(meshes.true_vertices)[:, 1]))}
        outcome["scores"] = measure_pair(meshes, settings.protocol, settings.metrics, settings.align)
        outcome |= {
            "vertices": len(np.asarray(meshes.predicted_vertices)),
            "faces": len(np.asarray(meshes.predicted_faces)),
        }
    except SettingsError:
        raise
    except MpcError as error:
        outcome["failure"] = _plain(str(error))
    outcome["seconds"] = {"measure": time.perf_counter() - begin}
    return ViewScores(
        key=pair.key, scene=pair.true_key, subject=pair.true_key, view=rest, iou=None,
        yaw_deg=float(yaw.group(1)) % 360 if yaw else 0.0, **outcome,
    )  # fmt: skip


def open_pair(pair: FilePair, settings: FolderSettings, device: str = "cpu") -> MeshPair:
    """Both meshes of a pair in metres."""
    assert pair.predicted is not None
    predicted, true = _read_metres(pair.predicted, settings.unit), _read_metres(pair.true, settings.unit)
    return MeshPair(
        predicted.vertices, predicted.faces, true.vertices, true.faces, points=settings.points, seed=settings.seed,
        key=pair.key, device=device, predicted_mesh=predicted, true_mesh=true,
    )  # fmt: skip


@lru_cache(maxsize=2)
def _read_metres(path: Path, unit: str) -> PosedMesh:
    mesh = read_mesh(path)
    return mesh if unit == "m" else mesh.with_vertices(mesh.vertices * UNITS_M[unit])
