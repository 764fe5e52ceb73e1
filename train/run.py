"""A training run: data, surface stage, texture stage, and the folder that holds the result."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed

from .. import __version__
from ..core.errors import InputError, SettingsError
from ..core.files import read_json, write_json
from ..core.progress import NoProgress, Progress
from ..core.randomness import stable_hash
from ..core.settings import override, to_table
from ..models.cost import NetworkCost, count_cost
from ..models.storage import load_network
from ..models.surface import SurfaceNetwork
from .data import Views, fingerprint, view_cube
from .distributed import Group, open_group
from .log import RunLog
from .loop import StageResult, run_stage
from .settings import TrainSettings
from .stages import SurfaceTask, Task, TextureTask
from .stop import StopFlag, stop_between_steps
from .validate import mean_occupancy_baseline

logger = logging.getLogger(__name__)
FORMAT = "mpc-run"
VERSION = 1


def train(
    shards: Path,
    runs: Path,
    settings: TrainSettings,
    *,
    progress: Progress | None = None,
    name: str | None = None,
    resume: Path | None = None,
) -> Path:
    """Train on shards; see `train_views`.

    Args:
        shards: folder written by `mpc sample`; its "train" split is trained on, its "val" split validates.
        runs: a folder for the run is made inside.
        settings: of the run; with `resume` those of that run count instead, but for `stages` and a `device` asked for.
        progress: told about stages and steps.
        name: of the run's folder; the time and the preset by default.
        resume: a run to go on with: an interrupted one, or with `settings.stages` "texture" one that has its surface.

    Returns:
        The run's folder.
    """
    from ..datasets.shards.index import read_index
    from .data import open_views

    if resume is not None:
        settings = _settings_to_resume(resume, settings)
    splits = {entry.split for entry in read_index(shards).shards}
    if "train" not in splits:
        raise InputError(shards, "holds no training split")
    points, colours = settings.surface.points, settings.texture.points
    # Validation always has the paper's 4,096 points and PIFu's mixture, so that IoUs of all settings compare.
    held_out = open_views(shards, "val", settings, max(points, 4096), colours) if "val" in splits else None
    train_set = open_views(shards, "train", settings, points, colours, train=True)
    return train_views(train_set, held_out, runs, settings, progress=progress, name=name, resume=resume)


def train_views(
    train_set: Views,
    held_out: Views | None,
    runs: Path,
    settings: TrainSettings,
    *,
    progress: Progress | None = None,
    name: str | None = None,
    resume: Path | None = None,
) -> Path:
    """Train on any data sets with the interface of `data.Views`; arguments as for `train`.

    Interrupted by Ctrl-C or SIGTERM, the state is saved after the running step and KeyboardInterrupt raised; the same
    call with `resume` then goes on, on a CPU bit for bit as if it had not stopped (without `max_minutes`).

    Raises:
        SettingsError: settings that contradict each other, or other data than the run to resume.
        InputError: a damaged checkpoint.
    """
    progress = progress or NoProgress()
    if resume is not None:
        settings = _settings_to_resume(resume, settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    with open_group(settings.device) as group, stop_between_steps() as stop:
        folder = resume or _new_folder(runs, name, settings.preset, group)
        record = _open_record(folder, settings, train_set, held_out, group, resume=resume is not None)
        if group.leads:
            for stage, network in record["networks"].items():
                progress.message(f"{stage}: {NetworkCost(**network)}")
        logger.info("training on %s (%s), %d views, run %s", group.device, group.reason, len(train_set), folder)
        log = RunLog(folder, active=group.leads, tensorboard=settings.tensorboard)
        try:
            _run_stages(folder, record, train_set, held_out, settings, group, log, progress, stop)
            record["status"] = "finished"
        except KeyboardInterrupt:
            record["status"] = "interrupted"
            raise
        except BaseException:
            record["status"] = "failed"
            raise
        finally:
            log.close()
            if group.leads:
                write_json(folder / "run.json", record, sort_keys=False)
    return folder


def read_settings(run: Path) -> TrainSettings:
    """The resolved settings of a run."""
    return override(TrainSettings(), read_json(run / "run.json")["settings"])


def _settings_to_resume(run: Path, asked: TrainSettings) -> TrainSettings:
    """The run's settings; which stages, and on which device if not "auto", is asked anew."""
    settings = dataclasses.replace(read_settings(run), stages=asked.stages)
    return settings if asked.device == "auto" else dataclasses.replace(settings, device=asked.device)


def _run_stages(
    folder: Path,
    record: dict[str, Any],
    train_set: Views,
    held_out: Views | None,
    settings: TrainSettings,
    group: Group,
    log: RunLog,
    progress: Progress,
    stop: StopFlag,
) -> None:
    """Surface, then texture, as `settings.stages` says."""
    budget = settings.max_minutes * 60.0
    shares = {"both": (settings.surface_share, 1 - settings.surface_share)}.get(settings.stages, (1.0, 1.0))

    def note(task: Task, result: StageResult) -> None:
        record["stages"][task.name] = {
            "steps": result.steps, "seconds": round(result.seconds, 3), f"val_{task.metric}": result.metric,
            f"best_val_{task.metric}": result.best, "views_drawn": sum(1 for n in result.drawn if n),
            "most_drawn": max(result.drawn), "hardest": result.hardest,
            "parameters": sum(p.numel() for p in task.network.parameters()),
        }  # fmt: skip
        if group.leads:
            write_json(folder / "run.json", record, sort_keys=False)

    if settings.stages in ("both", "surface") and not _finished(record, "surface"):
        if held_out is not None and "baseline" not in record:
            most = settings.surface.validation_views
            record["baseline"] = dataclasses.asdict(mean_occupancy_baseline(train_set, held_out, views=most))
        with _seeded(settings.seed, "surface"):
            surface_task = SurfaceTask(settings.surface_network, settings.surface, settings.mining)
        note(surface_task, run_stage(
            surface_task, train_set, held_out, folder, settings,
            group=group, log=log, progress=progress, stop=stop, budget_s=budget * shares[0],
        ))  # fmt: skip
    if settings.stages in ("both", "texture") and not _finished(record, "texture"):
        group.wait()
        surface, _ = load_network(best_or_last(folder, "surface"), group.device)
        assert isinstance(surface, SurfaceNetwork)
        with _seeded(settings.seed, "texture"):
            texture_task = TextureTask(settings.texture_network, surface, settings.texture, settings.mining)
        note(texture_task, run_stage(
            texture_task, train_set, held_out, folder, settings,
            group=group, log=log, progress=progress, stop=stop, budget_s=budget * shares[1],
        ))  # fmt: skip


def best_or_last(folder: Path, stage: str) -> Path:
    """The weights file of a stage.

    Raises:
        InputError: the stage has none yet.
    """
    for name in ("best", "last"):
        if (path := folder / stage / f"{name}.safetensors").is_file():
            return path
    raise InputError(folder, f"holds no {stage} network; train it first (--stage {stage})")


def _finished(record: dict[str, Any], stage: str) -> bool:
    return stage in record["stages"]


@contextmanager
def _seeded(seed: int, stage: str) -> Iterator[None]:
    """Fresh weights from the seed and the stage alone; the caller's random state stays as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(stable_hash(seed, stage, "weights") % 2**63)
        yield


def _new_folder(runs: Path, name: str | None, preset: str, group: Group) -> Path:
    """A fresh folder for the run, the same on all processes."""
    stem = name or f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{preset}"
    names = [stem]
    if group.leads:
        count = 1
        while (runs / names[0]).exists():
            if name is not None:
                raise SettingsError(f"{runs / name} exists already: choose another name, or resume it")
            count += 1
            names[0] = f"{stem}-{count}"
        (runs / names[0]).mkdir(parents=True)
    if group.world > 1:
        torch.distributed.broadcast_object_list(names, src=0)
    return runs / names[0]


def _open_record(
    folder: Path, settings: TrainSettings, train_set: Views, held_out: Views | None, group: Group, *, resume: bool
) -> dict[str, Any]:
    """The content of run.json: new, or that of the run to resume after checking that the data is the same."""
    data = {
        "train_views": len(train_set), "val_views": 0 if held_out is None else len(held_out),
        "train_sha256": fingerprint(train_set), **view_cube(train_set),
    }  # fmt: skip
    size = int(train_set[0]["image"].shape[-1])
    networks = {}
    if settings.stages in ("both", "surface"):
        networks["surface"] = dataclasses.asdict(count_cost(settings.surface_network, size))
    if settings.stages in ("both", "texture"):
        networks["texture"] = dataclasses.asdict(count_cost(settings.texture_network, size))
    if resume:
        record: dict[str, Any] = read_json(folder / "run.json")
        if record.get("format") != FORMAT or record.get("version") != VERSION:
            raise InputError(folder / "run.json", f"is not a run of version {VERSION}")
        if record["data"]["train_sha256"] != data["train_sha256"]:
            raise SettingsError(f"{folder} was trained on other views; resume it with the same shards")
        record["status"] = "running"
        record["settings"]["stages"] = settings.stages
        record["networks"] = {**record.get("networks", {}), **networks}
    else:
        record = {
            "format": FORMAT, "version": VERSION, "status": "running",
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
            "settings": to_table(settings), "data": data, "networks": networks, "stages": {},
            "device": f"{group.device} ({group.reason})", "processes": group.world,
            "versions": {"mpc": __version__, "torch": torch.__version__, "python": platform.python_version()},
        }  # fmt: skip
    if group.leads:
        write_json(folder / "run.json", record, sort_keys=False)
    return record
