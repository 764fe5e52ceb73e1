"""Measure many units into a folder: resume from earlier records of the same settings, and use several processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from ..core.devices import choose_device
from ..core.errors import SettingsError
from ..core.files import read_json, write_json
from ..core.guard import Lost, run_guarded
from ..core.messages import describe_failure
from ..core.progress import Progress
from ..core.units import worker_count
from .metrics.pair import MeshPair
from .metrics.surface import measure_chamfer
from .records import RECORDS, ViewScores, append_record, read_records, rewrite_records
from .settings import Workers

Unit = TypeVar("Unit")


def measured_before(folder: Path, fingerprint: Mapping[str, Any]) -> dict[str, ViewScores]:
    """Read the records of a folder, by key, if everything that they depend on was the same; otherwise return none."""
    path = folder / "settings.json"
    if not path.is_file() or read_json(path) != fingerprint:
        return {}
    return read_records(folder / RECORDS)


def begin_records(folder: Path, fingerprint: Mapping[str, Any], done: Mapping[str, ViewScores]) -> None:
    """Prepare a folder for `collect`: it holds the records `done` alone, and what new records depend on."""
    folder.mkdir(parents=True, exist_ok=True)
    # The records are written first: if the process dies between the two files, old settings must not vouch for new
    # records, nor new settings for old ones.
    rewrite_records(folder / RECORDS, (done[key] for key in sorted(done)))
    write_json(folder / "settings.json", dict(fingerprint), sort_keys=False)


@dataclass(frozen=True)
class _Attempt(Generic[Unit]):
    """Measures a unit; an error that it did not expect becomes a `Lost`, so that the other views go on."""

    measure: Callable[[Unit], ViewScores]

    def __call__(self, unit: Unit) -> ViewScores | Lost[Unit]:
        try:
            return self.measure(unit)
        except SettingsError:
            raise
        except Exception as error:
            return Lost(unit, describe_failure(error))


def collect(
    measure: Callable[[Unit], ViewScores],
    blank: Callable[[Unit], ViewScores],
    units: Mapping[str, Unit],
    folder: Path,
    done: Mapping[str, ViewScores],
    *,
    devices: Sequence[str],
    workers: Workers,
    progress: Progress,
) -> tuple[ViewScores, ...]:
    """Measure the units that are not in `done` and append each record to the folder as soon as it is there.

    Args:
        measure: top-level function; it returns expected failures inside the record.
        blank: gives a unit's record without scores. It serves where a unit has no record of its own; such a failure is
            not kept, because another call may succeed.
        units: by key, in the order of the result; each unit knows its device.
        folder: prepared by `begin_records`.
        done: records that are kept, by key.
        devices: what `find_devices` returned for the device of `workers`.
        workers: how many processes, and by which backend.
        progress: receives every unit.

    Returns:
        The records of all units in their order.
    """
    waiting = [unit for key, unit in units.items() if key not in done]
    if len(waiting) < len(units):
        progress.message(f"{len(units) - len(waiting)} of {len(units)} views were measured before and are kept")
    progress.start("Evaluate", len(waiting))
    processes = min(process_count(workers.jobs, devices), max(1, len(waiting)))
    if processes > 1:
        _compile_kernels(devices[0])  # once here, rather than in every process at the same time
    records = dict(done)
    results = run_guarded(
        _Attempt(measure), waiting, limits=workers.limits, jobs=processes, backend=workers.backend
    )  # fmt: skip
    for result in results:
        if isinstance(result, Lost):
            record = replace(blank(result.unit), failure=result.reason)
        else:
            record = result
            append_record(folder / RECORDS, record)
        records[record.key] = record
        progress.advance(1, f"{record.key} failed: {record.failure}" if record.failure else record.key)
    progress.finish()
    return tuple(records[key] for key in units)


def process_count(jobs: int, devices: Sequence[str]) -> int:
    """How many processes measure.

    On GPUs that is one for each, or `jobs` where that is more: a part of the work is done on the host by one core, and
    meanwhile the GPU can serve another process.

    Args:
        jobs: of the workers.
        devices: from `find_devices`.
    """
    return worker_count(jobs) if "cpu" in devices else max(len(devices), jobs)


def find_devices(name: str) -> tuple[str, ...]:
    """Return the devices that units are spread over: all GPUs for "auto" and "cuda", else the named device.

    Raises:
        SettingsError: the name is not a device, or this machine has no such GPU.
    """
    chosen = choose_device(name)[0]
    if chosen.type != "cuda" or ":" in name:
        return (str(chosen),)
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))


def _compile_kernels(device: str) -> None:
    """Compile the kernels that measuring needs and leave them in warp's cache on disk; it takes some seconds."""
    triangle = ([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0, 1, 2]])
    measure_chamfer(MeshPair.of(triangle, triangle, points=2, device=device))
