"""Evaluate a trained run, or a baseline, on the views of a split: rebuild each view and compare it with the truth."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..core.arrays import F64
from ..core.devices import one_thread
from ..core.locks import writing
from ..core.progress import NoProgress, Progress
from ..core.settings import to_table
from ..datasets.loading.view_table import ViewRef
from ..datasets.loading.views import ViewDataset
from ..datasets.shards.bodies import ViewBodies
from ..datasets.shards.index import read_index
from ..datasets.shards.landmarks import ViewLandmarks
from ..geometry.device_mesh import SurfaceError
from ..geometry.mesh import PosedMesh
from ..models.mean_occupancy import MeanOccupancy
from ..models.shipped import choose_run, results_folder
from ..reconstruct.picture_to_mesh import ReconstructedMesh
from .collect import begin_records, collect, find_devices, measured_before
from .methods.candidate import Candidate, open_views
from .methods.method import GivenView, Method, stored_picture
from .metrics.measure import measure_pair
from .metrics.pair import MeshPair
from .metrics.protocols import find_protocol
from .metrics.score import MetricError
from .metrics.view_colour import COLOUR_POINTS, compare_view_colours, needs_colour
from .metrics.volume import measure_iou
from .records import Measured, ViewScores
from .settings import FORMAT, VERSION, EvaluationSettings, Workers
from .summary import EvaluationResult, write_result

CPU_VIEWS_PER_SCENE = 4


@dataclass(frozen=True)
class _Source:
    """Everything that a process needs to measure a view; small and hashable, so that open files can be cached by it.

    Attributes:
        candidate: the run or baseline.
        shards: folder of the shards that hold the measured views.
        folder: folder of the results.
        settings: with the metrics and the number of views filled in.
        device: where the networks run and distances are measured.
    """

    candidate: Candidate
    shards: Path
    folder: Path
    settings: EvaluationSettings
    device: str


def evaluate(
    run: Path,
    shards: Path,
    settings: EvaluationSettings | None = None,
    *,
    training: Path | None = None,
    out: Path | None = None,
    workers: Workers | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Reconstruct the views of a split and measure them; the numbers do not depend on `workers`.

    The results are written to `<run>/eval/<split>/` (of "base": `runs/base/eval/<split>/`) or `out`: records.jsonl (one
    line per view, appended when it is measured), result.json, scores.csv and table.txt. Records of an earlier,
    interrupted call with the same settings are kept.

    Args:
        run: a run folder, a folder of runs, of which the newest is taken, or "base".
        shards: folder written by `mpc sample`.
        settings: what is measured; None for the defaults.
        training: shards whose training split gives the mean occupancy beside the run's IoU; None: `shards`.
        out: folder to write to; None: in the run's.
        workers: device and number of processes; None for all there are.
        fresh: measure again what was measured before.
        progress: receives every view.

    Raises:
        SettingsError: the device does not exist, or metrics of colour cannot be measured for this run.
        InputError: there is no such run, shards or split.
    """
    settings = settings or EvaluationSettings()
    find_devices((workers or Workers()).device)  # a missing device is told first
    run = choose_run(run)[0]
    folder = (out or results_folder(run) / "eval" / settings.split).resolve()
    candidate = Candidate((training or shards).resolve(), run=run.resolve())
    return _evaluate(candidate, shards, folder, settings, workers, fresh, progress)


def evaluate_baseline(
    baseline: str,
    shards: Path,
    out: Path,
    settings: EvaluationSettings | None = None,
    *,
    training: Path | None = None,
    workers: Workers | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Measure a baseline as `evaluate` measures a run.

    Args:
        baseline: name, see BASELINES in evaluate/methods/candidate.py.
        shards: folder written by `mpc sample`.
        out: folder to write to.
        settings: what is measured; None for the defaults.
        training: shards whose training split the baseline knows; None: `shards`. For "nearest", they hold true surfaces
            (`mpc sample --meshes all`).
        workers: device and number of processes; None for all there are.
        fresh: measure again what was measured before.
        progress: receives every view.

    Raises:
        SettingsError: there is no such baseline or device, or metrics of colour are asked for.
        InputError: there are no such shards or split, or no training people for a baseline that knows them.
    """
    candidate = Candidate((training or shards).resolve(), baseline=baseline)
    return _evaluate(candidate, shards, out.resolve(), settings or EvaluationSettings(), workers, fresh, progress)


def _evaluate(
    candidate: Candidate,
    shards: Path,
    folder: Path,
    settings: EvaluationSettings,
    workers: Workers | None,
    fresh: bool,
    progress: Progress | None,
) -> EvaluationResult:
    progress, workers = progress or NoProgress(), workers or Workers()
    devices = find_devices(workers.device)
    settings = _fill_in(settings, devices, progress)
    candidate.check_colours(settings)
    settings = replace(
        settings, landmarks=candidate.is_told_landmarks(shards, settings, progress),
        body=candidate.given_body(shards, settings, progress),
    )  # fmt: skip
    source = _Source(candidate, shards.resolve(), folder, settings, devices[0])
    dataset = _open_dataset(source)
    fingerprint = describe(source, dataset.image_size)
    with writing(folder, tell=progress.message):
        done = {} if fresh else measured_before(folder, fingerprint)
        if not done:
            _open_source.cache_clear()
            candidate.prepare(folder, settings, progress)
        begin_records(folder, fingerprint, done)
        assert settings.views_per_scene is not None
        units = {
            view_key(dataset.views[index]): (replace(source, device=devices[turn % len(devices)]), index)
            for turn, index in enumerate(choose_views(dataset.views, settings.views_per_scene))
        }

        def blank(unit: tuple[_Source, int]) -> ViewScores:
            return _blank_record(dataset.views[unit[1]])

        records = collect(
            _measure_unit, blank, units, folder, done, devices=devices, workers=workers, progress=progress
        )  # fmt: skip
        result = EvaluationResult(folder=folder, settings=fingerprint, records=records)
        write_result(result)
        return result


def _fill_in(settings: EvaluationSettings, devices: Sequence[str], progress: Progress) -> EvaluationSettings:
    """The settings with the protocol's metrics and number of views where the caller left them open."""
    views = settings.views_per_scene
    if views is None:
        views = find_protocol(settings.protocol).views
    if views is None:
        views = CPU_VIEWS_PER_SCENE if tuple(devices) == ("cpu",) else 0
        if views:
            progress.message(f"on the CPU, {views} evenly spaced views of each scene are measured (--views 0 for all)")
    return replace(settings, metrics=settings.metric_names, views_per_scene=views)


def describe(source: _Source, image_size: int) -> dict[str, Any]:
    """Return everything that the numbers depend on, for result.json and for resuming.

    Args:
        source: what is measured.
        image_size: edge of the pictures that the candidate is shown, pixels.
    """
    settings = source.settings
    entries = [entry for entry in read_index(source.shards).shards if entry.split == settings.split]
    chosen = find_protocol(settings.protocol).choose(settings.metrics)
    shards: dict[str, Any] = {"folder": source.shards.name, "sha256": [entry.sha256 for entry in entries]}
    if settings.landmarks:
        shards["landmarks"] = ViewLandmarks(source.shards, entries).digest
    if settings.body == "fitted":
        shards["bodies"] = ViewBodies(source.shards, entries).digest
    return {
        "format": FORMAT, "version": VERSION, "mpc": __version__, **source.candidate.describe(settings),
        "shards": shards, "settings": to_table(settings),
        "image_size": image_size, "metrics": {metric.name: metric.summary for metric in chosen},
    }  # fmt: skip


def choose_views(views: Sequence[ViewRef], per_scene: int) -> list[int]:
    """Return the indices, in order, of `per_scene` evenly spaced views of every scene; 0 stands for all views."""
    by_scene: dict[str, list[int]] = {}
    for index, view in enumerate(views):
        by_scene.setdefault(view.scene_key, []).append(index)
    chosen: list[int] = []
    for indices in by_scene.values():
        count = min(per_scene, len(indices)) if per_scene else len(indices)
        chosen.extend(indices[position * len(indices) // count] for position in range(count))
    return sorted(chosen)


def view_key(view: ViewRef) -> str:
    """Return the key of a view in the records."""
    return f"{view.scene_key}/{view.view_name}"


def measure_view(source: _Source, opened: _Opened, index: int) -> ViewScores:
    """Rebuild and measure one view; a view that cannot be rebuilt or measured gives a record with a failure.

    Args:
        source: settings and device.
        opened: the method, the views, and the mean occupancy.
        index: of the view.
    """
    ref, item = opened.dataset.views[index], opened.dataset[index]
    truth = opened.dataset.scene_mesh(ref.scene)
    view = GivenView.of(item, truth, None if opened.stored is None else stored_picture(opened.stored, index))
    rebuilt = opened.method(view)
    measured = Measured(failure=rebuilt.failure)
    if rebuilt.mesh is not None:
        measured = _measure(rebuilt.mesh, item, truth, view_key(ref), source)
    return replace(
        _blank_record(ref), failure=measured.failure, scores=measured.scores, iou=rebuilt.iou,
        baseline_iou=None if opened.mean is None else measure_iou(opened.mean.predict(view.points), view.labels),
        vertices=measured.vertices, faces=measured.faces,
        evaluations=0 if rebuilt.mesh is None else rebuilt.mesh.evaluations,
        seconds={**rebuilt.seconds, **measured.seconds},
    )  # fmt: skip


def _blank_record(ref: ViewRef) -> ViewScores:
    return ViewScores(
        key=view_key(ref), scene=ref.scene_key, subject=ref.subject, view=ref.view_name, yaw_deg=ref.yaw_deg,
        failure="", scores={}, iou=None,
    )  # fmt: skip


def _measure(
    mesh: ReconstructedMesh, item: Mapping[str, torch.Tensor], truth: PosedMesh, key: str, source: _Source
) -> Measured:
    """Measure the reconstruction of a view against the true surface of its scene."""
    settings = source.settings
    calibration: F64 = item["calibration"].double().numpy()
    begin = time.perf_counter()
    failure, scores = "", {}
    try:
        pair = MeshPair.of(
            (mesh.vertices, mesh.faces), (truth.vertices, truth.faces),
            points=settings.points, seed=settings.seed, key=key, device=source.device,
        )  # fmt: skip
        pair = replace(pair, parts=truth.face_part)
        if needs_colour(settings.metric_names):
            pair = replace(pair, colours=compare_view_colours(mesh, item, calibration, pair.device))
        scores = measure_pair(pair, settings.protocol, settings.metrics, settings.align, depth=calibration[2, :3])
    except (SurfaceError, MetricError) as error:
        failure = str(error)
    seconds = {"measure": time.perf_counter() - begin}
    return Measured(failure, scores, len(mesh.vertices), len(mesh.faces), seconds)


@dataclass(frozen=True, eq=False)
class _Opened:
    """What a process opens once for a source.

    Attributes:
        method: rebuilds views.
        dataset: the views.
        stored: the same views in the size they are stored in, where colours are measured; otherwise None.
        mean: the mean occupancy of the training people; None where there are none.
    """

    method: Method
    dataset: ViewDataset
    stored: ViewDataset | None
    mean: MeanOccupancy | None


def _measure_unit(unit: tuple[_Source, int]) -> ViewScores:
    source, index = unit
    opened = _open_source(source)
    with one_thread():  # otherwise a surface would move by a rounding error, and so its points
        return measure_view(source, opened, index)


@lru_cache(maxsize=2)
def _open_source(source: _Source) -> _Opened:
    method = source.candidate.open(source.folder, source.settings, source.device)
    stored = None
    if needs_colour(source.settings.metric_names):
        stored = ViewDataset(source.shards, source.settings.split, points=0, colour_points=0)
    return _Opened(method, _open_dataset(source), stored, source.candidate.open_mean(source.folder))


def _open_dataset(source: _Source) -> ViewDataset:
    settings, colours = source.settings, 0
    if needs_colour(settings.metric_names):
        colours = min(COLOUR_POINTS, int(read_index(source.shards).settings["colour_points"]))
    return open_views(source.shards, settings, source.candidate.image_size(settings), colours)
