"""Measure a trained run on the views of a split: reconstruct each, compare it with the scene's true surface."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..core.errors import SettingsError
from ..core.files import read_json
from ..core.progress import NoProgress, Progress
from ..core.settings import to_table
from ..datasets.loading.views import ViewDataset, ViewRef
from ..datasets.shards.index import read_index
from ..geometry.device_mesh import SurfaceError
from ..models.mean_occupancy import MeanOccupancy, load_mean_occupancy, save_mean_occupancy
from ..models.runs import LoadedRun, find_run, load_run
from ..reconstruct.localise.localise import FieldError, as_values
from ..reconstruct.picture_to_mesh import reconstruct_field
from ..reconstruct.surface.mesh import NoSurfaceError
from ..reconstruct.view_field import encode_view
from .baseline import train_baseline, view_points
from .collect import begin_records, collect, find_devices, measured_before
from .metrics.measure import measure_pair
from .metrics.pair import DEFAULT_POINTS, MeshPair, MetricError
from .metrics.protocols import find_protocol
from .metrics.view_colour import COLOUR_POINTS, asks_for_colour, share_true_colours
from .metrics.volume import measure_iou
from .records import ViewScores
from .settings import FORMAT, VERSION, EvaluationSettings
from .summary import EvaluationResult, write_result

logger = logging.getLogger(__name__)

CPU_VIEWS_PER_SCENE = 4


@dataclass(frozen=True)
class _Source:
    """Where a worker finds what it measures; small and hashable."""

    run: Path
    shards: Path
    folder: Path
    settings: EvaluationSettings
    device: str


def evaluate(
    run: Path,
    shards: Path,
    *,
    split: str = "test",
    metrics: Sequence[str] | None = None,
    protocol: str = "mpc",
    align: str = "none",
    resolution: int = 257,
    views_per_scene: int | None = None,
    points: int = DEFAULT_POINTS,
    largest_component: bool = False,
    seed: int = 0,
    jobs: int = 0,
    backend: str = "loky",
    device: str = "auto",
    fresh: bool = False,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Reconstruct the split's views and measure them; the numbers do not depend on `jobs`.

    Results lie in `<run>/eval/<split>/`: records.jsonl (a line a view, appended as measured), result.json, scores.csv
    and table.txt. What an earlier, interrupted call with the same settings measured is kept.

    Args:
        run: a run folder, or a folder of runs (the newest counts).
        shards: folder written by `mpc sample`.
        split: "test", "val" or "train".
        metrics: names; None for the protocol's own, which are Chamfer and P2S for "mpc".
        protocol, align: see EvaluationSettings.
        resolution: nodes a side.
        views_per_scene: evenly spaced yaws of each scene; 0 for all; None for the protocol's, else all on a GPU and 4
            on the CPU.
        points, largest_component, seed: see EvaluationSettings.
        jobs: processes on the CPU, 0 one a core. On GPUs one process a GPU measures.
        backend: of joblib.
        device: "auto", "cpu", "cuda" (every GPU there is) or "cuda:N".
        fresh: measure anew what was measured before.
        progress: told of every view.

    Raises:
        SettingsError: an unknown metric or a setting out of range.
        InputError: no such run, shards or split.
    """
    told = progress if progress is not None else NoProgress()
    devices = find_devices(device)
    chosen = find_protocol(protocol)
    if views_per_scene is None and chosen.views is not None:
        views_per_scene = chosen.views
    if views_per_scene is None:
        views_per_scene = CPU_VIEWS_PER_SCENE if devices == ("cpu",) else 0
        if views_per_scene:
            told.message(
                f"on the CPU, {views_per_scene} evenly spaced views of each scene are measured (--views 0 for all)"
            )
    settings = EvaluationSettings(
        metrics=tuple(metric.name for metric in chosen.choose(metrics)), protocol=protocol, align=align, points=points,
        seed=seed, split=split, resolution=resolution, views_per_scene=views_per_scene,
        largest_component=largest_component,
    )  # fmt: skip
    run = find_run(run)
    dataset = _open_dataset(shards, load_run(run), settings)
    source = _Source(run.resolve(), shards.resolve(), run.resolve() / "eval" / split, settings, devices[0])
    fingerprint = describe(source)
    done = {} if fresh else measured_before(source.folder, fingerprint)
    if not done:
        _write_baseline(source)
    begin_records(source.folder, fingerprint, done)
    units = [
        (view_key(dataset.views[index]), (replace(source, device=devices[turn % len(devices)]), index))
        for turn, index in enumerate(choose_views(dataset.views, settings.views_per_scene))
    ]
    records = collect(_measure_unit, units, source.folder, done, jobs=jobs, backend=backend, devices=devices, told=told)
    result = EvaluationResult(folder=source.folder, settings=fingerprint, records=records)
    write_result(result)
    return result


def describe(source: _Source) -> dict[str, Any]:
    """Everything the numbers depend on, for the result file and for resuming."""
    networks = {}
    for stage in ("surface", "texture"):
        for name in ("best", "last"):
            path = source.run / stage / f"{name}.json"
            if path.is_file():
                header = read_json(path)
                networks[stage] = {"weights": name, "step": header.get("step"), "sha256": header.get("sha256")}
                break
    digests = [entry.sha256 for entry in read_index(source.shards).shards if entry.split == source.settings.split]
    settings = to_table(source.settings)
    chosen = find_protocol(source.settings.protocol).choose(source.settings.metrics)
    units = {metric.name: metric.summary for metric in chosen}
    return {
        "format": FORMAT, "version": VERSION, "mpc": __version__, "run": source.run.name, "networks": networks,
        "shards": {"folder": source.shards.name, "sha256": digests}, "settings": settings, "metrics": units,
    }  # fmt: skip


def choose_views(views: Sequence[ViewRef], per_scene: int) -> list[int]:
    """Indices of `per_scene` evenly spaced views of every scene (0: all), in order."""
    by_scene: dict[str, list[int]] = {}
    for index, view in enumerate(views):
        by_scene.setdefault(view.scene_key, []).append(index)
    chosen: list[int] = []
    for indices in by_scene.values():
        count = min(per_scene, len(indices)) if per_scene else len(indices)
        chosen.extend(indices[position * len(indices) // count] for position in range(count))
    return sorted(chosen)


def view_key(view: ViewRef) -> str:
    """The name of a view in the records."""
    return f"{view.scene_key}/{view.view_name}"


def measure_view(source: _Source, run: LoadedRun, dataset: ViewDataset, index: int) -> ViewScores:
    """Reconstruct and measure one view; a reconstruction without a surface becomes a record that says so."""
    settings, ref = source.settings, dataset.views[index]
    item = dataset[index]
    calibration = item["calibration"].double().numpy()
    points = view_points(item)
    labels = item["labels"].numpy() > 0.5
    baseline = _baseline(source.folder / "baseline.npz")
    outcome: dict[str, Any] = {"failure": "", "scores": {}, "iou": None}
    coloured = asks_for_colour(settings.metrics)
    begin = time.perf_counter()
    try:
        view = encode_view(run.surface, run.texture, item["image"].permute(1, 2, 0).numpy())
        occupied = as_values(view.occupancy(points.astype(np.float32)), len(points)) > 0.5
        outcome["iou"] = measure_iou(occupied, labels)
        encoded = time.perf_counter()
        mesh = reconstruct_field(
            view, calibration, settings.resolution, largest_component=settings.largest_component, colour=coloured
        )
    except (FieldError, NoSurfaceError) as error:
        outcome["failure"] = str(error)
    else:
        rebuilt = time.perf_counter()
        outcome |= {"vertices": len(mesh.vertices), "faces": len(mesh.faces), "evaluations": mesh.evaluations}
        truth = dataset.scene_mesh(ref.scene)
        try:
            pair = MeshPair(
                mesh.vertices, mesh.faces, truth.vertices, truth.faces,
                points=settings.points, seed=settings.seed, key=view_key(ref), device=source.device,
            )  # fmt: skip
            if coloured:
                share_true_colours(pair, mesh, item, calibration)
            outcome["scores"] = measure_pair(
                pair, settings.protocol, settings.metrics, settings.align, depth=calibration[2, :3]
            )
        except (SurfaceError, MetricError) as error:
            outcome["failure"] = str(error)
        measured = time.perf_counter()
        outcome["seconds"] = {"encode": encoded - begin, "rebuild": rebuilt - encoded, "measure": measured - rebuilt}
    return ViewScores(
        key=view_key(ref), scene=ref.scene_key, subject=ref.subject, view=ref.view_name, yaw_deg=ref.yaw_deg,
        baseline_iou=None if baseline is None else measure_iou(baseline.predict(points), labels), **outcome,
    )  # fmt: skip


def _measure_unit(unit: tuple[_Source, int]) -> ViewScores:
    source, index = unit
    run, dataset = _open_source(source)
    with _one_thread():
        return measure_view(source, run, dataset, index)


@lru_cache(maxsize=2)
def _open_source(source: _Source) -> tuple[LoadedRun, ViewDataset]:
    run = load_run(source.run, source.device)
    return run, _open_dataset(source.shards, run, source.settings)


def _open_dataset(shards: Path, run: LoadedRun, settings: EvaluationSettings) -> ViewDataset:
    size = run.settings.get("image_size")
    colours = 0
    if asks_for_colour(settings.metrics):
        if run.texture is None or settings.align != "none":
            raise SettingsError("metrics of colour need a texture network, and no alignment")
        colours = min(COLOUR_POINTS, int(read_index(shards).settings["colour_points"]))
    return ViewDataset(
        shards, settings.split, points=settings.iou_points, colour_points=colours, image_size=size, seed=settings.seed
    )


@lru_cache(maxsize=2)
def _baseline(path: Path) -> MeanOccupancy | None:
    return load_mean_occupancy(path) if path.is_file() else None


@contextmanager
def _one_thread() -> Iterator[None]:
    """One torch thread: sums in another order would move a surface by a rounding, and the points drawn on it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _write_baseline(source: _Source) -> None:
    source.folder.mkdir(parents=True, exist_ok=True)
    _baseline.cache_clear()
    baseline = train_baseline(source.shards, points=source.settings.iou_points, seed=source.settings.seed)
    path = source.folder / "baseline.npz"
    path.unlink(missing_ok=True)
    if baseline is not None:
        save_mean_occupancy(path, baseline)
