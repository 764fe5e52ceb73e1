"""Evaluate a trained run on the views of a split: reconstruct each view and compare it with the true surface."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..core.arrays import F64, Bools
from ..core.devices import one_thread
from ..core.errors import SettingsError
from ..core.files import read_json
from ..core.locks import writing
from ..core.pictures import mask_of
from ..core.progress import NoProgress, Progress
from ..core.settings import to_table
from ..datasets.loading.view_table import ViewRef
from ..datasets.loading.views import ViewDataset
from ..datasets.shards.index import read_index
from ..datasets.shards.landmarks import ViewLandmarks, has_landmarks
from ..geometry.device_mesh import SurfaceError
from ..geometry.mesh import PosedMesh
from ..models.mean_occupancy import MeanOccupancy, load_mean_occupancy, save_mean_occupancy
from ..models.runs import LoadedRun, load_run
from ..models.shipped import BASE, FOLDER, choose_run
from ..reconstruct.localise.localise import FieldError, as_values
from ..reconstruct.picture_to_mesh import ReconstructedMesh, reconstruct_field
from ..reconstruct.surface.mesh import NoSurfaceError
from ..reconstruct.view_field import encode_view
from .baseline import train_baseline, view_points
from .collect import begin_records, collect, find_devices, measured_before
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
        run: folder of the run.
        shards: folder of the shards.
        folder: folder of the results.
        settings: with the metrics and the number of views filled in.
        device: where the networks run and distances are measured.
    """

    run: Path
    shards: Path
    folder: Path
    settings: EvaluationSettings
    device: str


def evaluate(
    run: Path,
    shards: Path,
    settings: EvaluationSettings | None = None,
    *,
    workers: Workers | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Reconstruct the views of a split and measure them; the numbers do not depend on `workers`.

    The results are written to `<run>/eval/<split>/` (of "base": `runs/base/eval/<split>/`): records.jsonl (one line for
    each view, appended when it is measured), result.json, scores.csv and table.txt. Records of an earlier, interrupted
    call with the same settings are kept.

    Args:
        run: a run folder, a folder of runs, of which the newest is taken, or "base".
        shards: folder written by `mpc sample`.
        settings: what is measured; None for the defaults.
        workers: device and number of processes; None for all there are.
        fresh: measure again what was measured before.
        progress: receives every view.

    Raises:
        SettingsError: the device does not exist, or metrics of colour cannot be measured for this run.
        InputError: there is no such run, shards or split.
    """
    progress, workers = progress or NoProgress(), workers or Workers()
    devices = find_devices(workers.device)
    settings = _fill_in(settings or EvaluationSettings(), devices, progress)
    run, _ = choose_run(run)
    loaded = load_run(run)
    settings = replace(settings, landmarks=_has_landmarks(shards, loaded, settings, progress))
    dataset = _open_dataset(shards, loaded, settings)
    home = Path("runs") / BASE if run == FOLDER else run  # nothing is written into the package
    source = _Source(run.resolve(), shards.resolve(), home.resolve() / "eval" / settings.split, settings, devices[0])
    fingerprint = describe(source, loaded, dataset.image_size)
    with writing(source.folder, tell=progress.message):
        done = {} if fresh else measured_before(source.folder, fingerprint)
        if not done:
            _write_baseline(source)
        begin_records(source.folder, fingerprint, done)
        assert settings.views_per_scene is not None
        units = {
            view_key(dataset.views[index]): (replace(source, device=devices[turn % len(devices)]), index)
            for turn, index in enumerate(choose_views(dataset.views, settings.views_per_scene))
        }

        def blank(unit: tuple[_Source, int]) -> ViewScores:
            return _blank_record(dataset.views[unit[1]])

        records = collect(
            _measure_unit, blank, units, source.folder, done, devices=devices, workers=workers, progress=progress
        )  # fmt: skip
        result = EvaluationResult(folder=source.folder, settings=fingerprint, records=records)
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


def _has_landmarks(shards: Path, run: LoadedRun, settings: EvaluationSettings, progress: Progress) -> bool:
    """Whether the networks are told landmarks; the user is told why not, where the networks could read them."""
    if not (run.reads_landmarks and settings.landmarks):
        return False
    there = has_landmarks(shards, settings.split)
    if not there:
        progress.message(
            f"{shards} lacks landmarks, so the run is evaluated without; `mpc landmarks {shards}` finds them"
        )
    return there


def describe(source: _Source, run: LoadedRun, image_size: int) -> dict[str, Any]:
    """Return everything that the numbers depend on, for result.json and for resuming.

    Args:
        source: what is measured.
        run: its networks.
        image_size: edge of the pictures that the networks are shown, pixels.
    """
    networks = {}
    for stage in ("surface", "texture"):
        for name in ("best", "last"):
            path = source.run / stage / f"{name}.json"
            if path.is_file():
                header = read_json(path)
                networks[stage] = {"weights": name, "step": header.get("step"), "sha256": header.get("sha256")}
                break
    settings = source.settings
    entries = [entry for entry in read_index(source.shards).shards if entry.split == settings.split]
    digests = [entry.sha256 for entry in entries]
    chosen = find_protocol(settings.protocol).choose(settings.metrics)
    told = {"landmarks": "told" if settings.landmarks else "not told"} if run.reads_landmarks else {}
    shards: dict[str, Any] = {"folder": source.shards.name, "sha256": digests}
    if settings.landmarks:
        shards["landmarks"] = ViewLandmarks(source.shards, entries).digest
    return {
        "format": FORMAT, "version": VERSION, "mpc": __version__, "run": source.run.name, "networks": networks,
        "shards": shards, **told, "settings": to_table(settings), "image_size": image_size,
        "metrics": {metric.name: metric.summary for metric in chosen},
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


def measure_view(source: _Source, run: LoadedRun, dataset: ViewDataset, index: int) -> ViewScores:
    """Reconstruct and measure one view; a view that cannot be reconstructed or measured gives a record with a failure.

    Args:
        source: settings, and the folder that holds the baseline.
        run: the networks.
        dataset: views of the split.
        index: of the view.
    """
    ref, item = dataset.views[index], dataset[index]
    points, labels = view_points(item), item["labels"].numpy() > 0.5
    baseline = _open_baseline(source.folder / "baseline.npz")
    rebuilt = _reconstruct(run, item, points, labels, source.settings)
    measured = Measured(failure=rebuilt.failure)
    if rebuilt.mesh is not None:
        measured = _measure(rebuilt.mesh, item, dataset.scene_mesh(ref.scene), view_key(ref), source)
    return replace(
        _blank_record(ref), failure=measured.failure, scores=measured.scores, iou=rebuilt.iou,
        baseline_iou=None if baseline is None else measure_iou(baseline.predict(points), labels),
        vertices=measured.vertices, faces=measured.faces,
        evaluations=0 if rebuilt.mesh is None else rebuilt.mesh.evaluations,
        seconds={**rebuilt.seconds, **measured.seconds},
    )  # fmt: skip


def _blank_record(ref: ViewRef) -> ViewScores:
    return ViewScores(
        key=view_key(ref), scene=ref.scene_key, subject=ref.subject, view=ref.view_name, yaw_deg=ref.yaw_deg,
        failure="", scores={}, iou=None,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Reconstruction:
    """What the networks made of a view.

    Attributes:
        iou: of the occupancy at the view's labelled points; None where it is not finite.
        mesh: the reconstruction; None where there is no surface.
        failure: why there is none; "" where there is one.
        seconds: by stage; empty after a failure.
    """

    iou: float | None = None
    mesh: ReconstructedMesh | None = None
    failure: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


def _reconstruct(
    run: LoadedRun, item: Mapping[str, torch.Tensor], points: F64, labels: Bools, settings: EvaluationSettings
) -> _Reconstruction:
    """Encode a view's picture, compare its occupancy with labels (N,) at points (N, 3), and make the mesh."""
    begin = time.perf_counter()
    iou = None
    try:
        picture = item["image"].permute(1, 2, 0).numpy()
        landmarks = item["landmarks"].numpy() if "landmarks" in item else None
        view = encode_view(run.surface, run.texture, picture, landmarks)
        iou = measure_iou(as_values(view.occupancy(points.astype(np.float32)), len(points)) > 0.5, labels)
        encoded = time.perf_counter()
        mesh = reconstruct_field(
            view, item["calibration"].double().numpy(), settings.resolution,
            mask=mask_of(picture) if settings.use_mask else None, largest_component=settings.largest_component,
            colour=needs_colour(settings.metric_names),
        )  # fmt: skip
    except (FieldError, NoSurfaceError) as error:
        return _Reconstruction(iou, failure=str(error))
    seconds = {"encode": encoded - begin, "rebuild": time.perf_counter() - encoded}
    return _Reconstruction(iou, mesh, seconds=seconds)


def _measure(
    mesh: ReconstructedMesh, item: Mapping[str, torch.Tensor], truth: PosedMesh, key: str, source: _Source
) -> Measured:
    """Measure the reconstruction of a view against the true surface of its scene."""
    settings, calibration = source.settings, item["calibration"].double().numpy()
    begin = time.perf_counter()
    failure, scores = "", {}
    try:
        pair = MeshPair.of(
            (mesh.vertices, mesh.faces), (truth.vertices, truth.faces),
            points=settings.points, seed=settings.seed, key=key, device=source.device,
        )  # fmt: skip
        if needs_colour(settings.metric_names):
            pair = replace(pair, colours=compare_view_colours(mesh, item, calibration, pair.device))
        scores = measure_pair(pair, settings.protocol, settings.metrics, settings.align, depth=calibration[2, :3])
    except (SurfaceError, MetricError) as error:
        failure = str(error)
    seconds = {"measure": time.perf_counter() - begin}
    return Measured(failure, scores, len(mesh.vertices), len(mesh.faces), seconds)


def _measure_unit(unit: tuple[_Source, int]) -> ViewScores:
    source, index = unit
    run, dataset = _open_source(source)
    with one_thread():  # otherwise a surface would move by a rounding error, and so its points
        return measure_view(source, run, dataset, index)


@lru_cache(maxsize=2)
def _open_source(source: _Source) -> tuple[LoadedRun, ViewDataset]:
    run = load_run(source.run, source.device)
    return run, _open_dataset(source.shards, run, source.settings)


def _open_dataset(shards: Path, run: LoadedRun, settings: EvaluationSettings) -> ViewDataset:
    size = run.settings.get("image_size")
    colours = 0
    if needs_colour(settings.metric_names):
        if run.texture is None or settings.align != "none":
            raise SettingsError("metrics of colour need a texture network, and no alignment")
        colours = min(COLOUR_POINTS, int(read_index(shards).settings["colour_points"]))
    return ViewDataset(
        shards, settings.split, points=settings.iou_points, colour_points=colours, image_size=size, seed=settings.seed,
        landmarks=settings.landmarks,
    )  # fmt: skip


@lru_cache(maxsize=2)
def _open_baseline(path: Path) -> MeanOccupancy | None:
    return load_mean_occupancy(path) if path.is_file() else None


def _write_baseline(source: _Source) -> None:
    """Fit the mean-shape baseline and write it where `measure_view` reads it; remove an older one."""
    source.folder.mkdir(parents=True, exist_ok=True)
    _open_baseline.cache_clear()
    baseline = train_baseline(source.shards, points=source.settings.iou_points, seed=source.settings.seed)
    path = source.folder / "baseline.npz"
    path.unlink(missing_ok=True)
    if baseline is not None:
        save_mean_occupancy(path, baseline)
