"""Measuring many units into a folder: resumed from what the same settings measured before, spread over processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from ..core.devices import choose_device
from ..core.files import read_json, write_json
from ..core.progress import Progress
from ..core.units import run_units, worker_count
from .metrics.pair import MeshPair
from .metrics.surface import measure_chamfer
from .records import RECORDS, ViewScores, append_record, read_records, rewrite_records

Unit = TypeVar("Unit")


def measured_before(folder: Path, fingerprint: Mapping[str, Any]) -> dict[str, ViewScores]:
    """Records that lie in the folder, if everything they depend on was the same."""
    path = folder / "settings.json"
    if not path.is_file() or read_json(path) != fingerprint:
        return {}
    return read_records(folder / RECORDS)


def begin_records(folder: Path, fingerprint: Mapping[str, Any], done: Mapping[str, ViewScores]) -> None:
    """Leave in the folder `done` alone, and what the records to come depend on."""
    folder.mkdir(parents=True, exist_ok=True)
    # Records first: after a crash between the two, old settings must not vouch for an empty file, nor new for old ones.
    rewrite_records(folder / RECORDS, (done[key] for key in sorted(done)))
    write_json(folder / "settings.json", dict(fingerprint), sort_keys=False)


def collect(
    measure: Callable[[Unit], ViewScores],
    units: Sequence[tuple[str, Unit]],
    folder: Path,
    done: dict[str, ViewScores],
    *,
    jobs: int,
    backend: str,
    devices: Sequence[str],
    told: Progress,
) -> tuple[ViewScores, ...]:
    """Measure the units that are not in `done`, append each record as it comes, and return all in the units' order.

    Args:
        measure: top-level; catches what it records as a failure.
        units: key and unit, which knows its device.
        folder: prepared by `begin_records`.
        done: by key; grows.
        jobs: processes on the CPU, 0 one a core. On GPUs one process a GPU measures.
        backend: of joblib.
        devices: from `find_devices`.
        told: of every unit.
    """
    waiting = [unit for key, unit in units if key not in done]
    if len(waiting) < len(units):
        told.message(f"{len(units) - len(waiting)} of {len(units)} views were measured before and are kept")
    told.start("Evaluate", len(waiting))
    workers = min(worker_count(jobs) if "cpu" in devices else len(devices), max(1, len(waiting)))
    if workers > 1:
        _compile_kernels(devices[0])  # here and once, rather than in every worker at the same time
    for record in run_units(measure, waiting, jobs=workers, backend=backend):
        append_record(folder / RECORDS, record)
        done[record.key] = record
        told.advance(1, f"{record.key} failed: {record.failure}" if record.failure else record.key)
    told.finish()
    return tuple(done[key] for key, _ in units)


def find_devices(name: str) -> tuple[str, ...]:
    """Where units are measured in turn: "auto" and "cuda" stand for every GPU there is, any other name for itself.

    Raises:
        SettingsError: another name, or a GPU that this machine does not have.
    """
    chosen = choose_device(name)[0]
    if chosen.type != "cuda" or ":" in name:
        return (str(chosen),)
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))


def _compile_kernels(device: str) -> None:
    """Compile what measuring needs and leave it in warp's cache on disk; seconds, once a machine."""
    corners, face = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0, 1, 2]]
    measure_chamfer(MeshPair(corners, face, corners, face, points=2, device=device))
