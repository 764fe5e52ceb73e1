"""A training run: open the data, train the surface stage and the texture stage, keep the result in a folder."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import nn

from .. import __version__
from ..core.errors import InputError, SettingsError
from ..core.files import read_json, write_json
from ..core.locks import writing
from ..core.progress import NoProgress, Progress
from ..core.randomness import stable_hash
from ..core.settings import to_table
from ..models.cost import NetworkCost, count_cost
from ..models.maps import MapsEncoder
from ..models.storage import load_network
from ..models.surface import SurfaceNetwork
from .data import Views, fingerprint, view_cube
from .distributed import Group, open_group
from .log import RunLog
from .loop import StageContext, StageResult, run_stage
from .settings import TrainSettings
from .stages import MapsStage, Stage, SurfaceStage, TextureStage
from .start import check_resumed, copy_state, read_settings, start_from
from .stop import TrainingPaused, stop_between_steps
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
    init: Path | None = None,
    anneal: Path | None = None,
    minutes_now: float = 0.0,
) -> Path:
    """Train on shards; see `train_views`.

    Args:
        shards: folder written by `mpc sample`. The "train" split is used for training, the "val" split for validation.
        runs: folder in which the run's own folder is made.
        settings: settings of the run. With `resume` they replace those of the run, as far as they may change
            (`start.check_resumed`); with `anneal` they come from `start.settings_to_anneal`.
        progress: receives stages, steps and messages.
        name: name of the run's folder; by default the time and the preset.
        resume: folder of a run to continue: an interrupted one, or, with `settings.stages` "texture", one whose
            surface network is trained.
        init: folder of a run whose weights the networks start from, as far as names and shapes agree.
        anneal: folder of a run of which a copy is trained to its end with a falling rate; the run stays as it is.
        minutes_now: end this call after so many minutes, so that it can be resumed; 0: no limit.

    Returns:
        The run's folder.
    """
    from ..datasets.loading.augment import open_backgrounds
    from ..datasets.shards.index import read_index
    from .data import open_views, refuse_held_out
    from .find_landmarks import use_landmarks

    index = read_index(shards)
    splits = {entry.split for entry in index.shards}
    if "train" not in splits:
        raise InputError(shards, "holds no training split")
    refuse_held_out(shards, index)
    if settings.augment.backgrounds:
        open_backgrounds(settings.augment.backgrounds)
    points, colours = settings.surface.points, settings.texture.points
    # Validation always has the paper's 4,096 points and PIFu's mixture, so that IoUs of all settings compare.
    told = use_landmarks(shards, settings, earlier=resume or anneal, progress=progress)
    held_out = (
        open_views(shards, "val", settings, max(points, 4096), colours, landmarks=told) if "val" in splits else None
    )
    train_set = open_views(shards, "train", settings, points, colours, train=True, landmarks=told)
    return train_views(
        train_set, held_out, runs, settings, progress=progress, name=name, resume=resume, init=init, anneal=anneal,
        minutes_now=minutes_now,
    )  # fmt: skip


def train_views(
    train_set: Views,
    held_out: Views | None,
    runs: Path,
    settings: TrainSettings,
    *,
    progress: Progress | None = None,
    name: str | None = None,
    resume: Path | None = None,
    init: Path | None = None,
    anneal: Path | None = None,
    minutes_now: float = 0.0,
) -> Path:
    """Train on any data sets with the interface of `data.Views`.

    On Ctrl-C or SIGTERM the state is saved after the current step and KeyboardInterrupt is raised. The same call with
    `resume` then continues; on a CPU, and without `max_minutes`, the result is bit for bit that of a run which was
    not interrupted.

    Args:
        train_set: the views to train on.
        held_out: the views to validate on; None trains without validation.
        runs: as for `train`, like the arguments that follow.
        settings: see `train`.
        progress: see `train`.
        name: see `train`.
        resume: see `train`.
        init: see `train`.
        anneal: see `train`.
        minutes_now: see `train`.

    Returns:
        The run's folder.

    Raises:
        SettingsError: settings that contradict each other, or other data than those of the run to resume.
        InputError: a damaged checkpoint.
    """
    progress = progress or NoProgress()
    if resume is not None:
        check_resumed(resume, read_settings(resume), settings)
    elif settings.freeze_level1 and init is None and anneal is None:
        raise SettingsError("freeze_level1 keeps weights of another run: give that run (--init)")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    with open_group(settings.device) as group, stop_between_steps(minutes_now) as stop, ExitStack() as held:
        folder = resume or _new_folder(runs, name, settings.preset, group)
        if group.leads:
            held.enter_context(writing(folder, tell=progress.message))
        log = RunLog(folder, active=group.leads, tensorboard=settings.tensorboard)
        context = StageContext(train_set, held_out, folder, settings, group, log, progress, stop)
        record = _open_record(context, resume=resume is not None)
        if init is not None:
            record["init"] = str(init)
        if anneal is not None and group.leads:
            copy_state(anneal, folder, settings.stages)
            record["annealed"] = str(anneal)
        group.wait()
        if group.leads:
            for stage, network in record["networks"].items():
                progress.message(f"{stage}: {NetworkCost(**network)}")
        logger.info("training on %s (%s), %d views, run %s", group.device, group.reason, len(train_set), folder)
        try:
            _run_stages(context, record)
            record["status"] = "finished"
        except TrainingPaused:
            record["status"] = "paused"
            progress.message(f"stopped after {minutes_now:g} minutes; --resume continues {folder}")
        except KeyboardInterrupt:
            record["status"] = "interrupted"
            raise
        except BaseException:
            record["status"] = "failed"
            raise
        finally:
            log.close()
            _write_record(context, record)
    return folder


def _run_stages(context: StageContext, record: dict[str, Any]) -> None:
    """Train the stages that the settings name, one after the other; stages that are finished are skipped."""
    settings = context.settings
    for name in settings.stage_names:
        if name in record["stages"] and not _may_go_on(name, context, record):
            continue
        if name != "texture" and context.held_out is not None and "baseline" not in record:
            record["baseline"] = dataclasses.asdict(
                mean_occupancy_baseline(context.train_set, context.held_out, views=settings.surface.validation_views)
            )
        context.group.wait()
        with _seeded(settings.seed, name):
            stage = _make_stage(name, context)
        if "init" in record:
            start_from(stage, Path(record["init"]), context)
        if settings.freeze_level1 and isinstance(stage, SurfaceStage):
            freeze_level1(stage.network)
        result = run_stage(stage, context, budget_s=settings.minutes_of(name) * 60.0)
        _record_stage(context, record, stage, result)


def _may_go_on(name: str, context: StageContext, record: dict[str, Any]) -> bool:
    """Whether a finished stage, the last so far, has more steps or minutes in these settings than it was given."""
    settings, done = context.settings, record["stages"][name]
    budget_s = settings.minutes_of(name) * 60.0
    steps = getattr(settings, name).total_steps(len(context.train_set))
    # What follows a stage was trained on its result, so only the last one may still change.
    return bool(name == list(record["stages"])[-1] and done["steps"] < steps and not 0.0 < budget_s <= done["seconds"])


def freeze_level1(network: nn.Module) -> None:
    """Keep level 1 of a surface network's maps as it is."""
    assert isinstance(network, SurfaceNetwork)
    assert isinstance(network.encoder, MapsEncoder)
    network.encoder.freeze_level1()


def _make_stage(name: str, context: StageContext) -> Stage:
    """A stage with fresh weights, or with those that an earlier stage of the run has trained for it."""
    settings, folder = context.settings, context.folder
    if name == "texture":
        surface, _ = load_network(best_or_last(folder, "surface"), context.group.device)
        assert isinstance(surface, SurfaceNetwork)
        return TextureStage(
            settings.texture_network, surface, settings.texture, settings.mining, settings.colour_reach_m
        )
    if name == "maps":
        return MapsStage(settings.surface_network, settings.maps, settings.mining)
    stage = SurfaceStage(settings.surface_network, settings.surface, settings.mining)
    if settings.has_maps and (folder / "maps" / "last.safetensors").is_file():
        stage.network.load_state_dict(load_network(best_or_last(folder, "maps"))[0].state_dict())
    return stage


def _record_stage(context: StageContext, record: dict[str, Any], stage: Stage, result: StageResult) -> None:
    """Add a finished stage to run.json."""
    record["stages"][stage.name] = {
        "steps": result.steps, "seconds": round(result.seconds, 3), f"val_{stage.metric}": result.metric,
        f"best_val_{stage.metric}": result.best, "views_drawn": sum(1 for n in result.drawn if n),
        "most_drawn": max(result.drawn), "hardest": result.hardest,
        "parameters": sum(p.numel() for p in stage.network.parameters()),
    }  # fmt: skip
    _write_record(context, record)


def _write_record(context: StageContext, record: dict[str, Any]) -> None:
    if context.group.leads:
        write_json(context.folder / "run.json", record, sort_keys=False)


def best_or_last(folder: Path, stage: str) -> Path:
    """The file with a stage's best weights, or its last ones where there is no best file.

    Raises:
        InputError: the stage has no weights yet.
    """
    for name in ("best", "last"):
        if (path := folder / stage / f"{name}.safetensors").is_file():
            return path
    raise InputError(folder, f"holds no {stage} network; train it first (--stage {stage})")


@contextmanager
def _seeded(seed: int, stage: str) -> Iterator[None]:
    """Draw fresh weights from the seed and the stage alone; torch's random state is restored afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(stable_hash(seed, stage, "weights") % 2**63)
        yield


def _new_folder(runs: Path, name: str | None, preset: str, group: Group) -> Path:
    """Make a new folder for the run; all processes get the same one."""
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


def _open_record(context: StageContext, *, resume: bool) -> dict[str, Any]:
    """The content of run.json: a new one, or that of the run to resume, checked against the data."""
    folder, settings, train_set = context.folder, context.settings, context.train_set
    data: dict[str, Any] = {
        "train_views": len(train_set), "val_views": 0 if context.held_out is None else len(context.held_out),
        "train_sha256": fingerprint(train_set), **view_cube(train_set),
    }  # fmt: skip
    size = int(train_set[0]["image"].shape[-1])
    found = getattr(train_set, "landmarks", None)
    if found is not None:
        data["landmarks"] = found.digest
    if settings.surface_network.body_source != "none":
        data["body"] = settings.surface_network.body_source
        if (fitted := getattr(train_set, "bodies", None)) is not None:
            data["bodies"] = fitted.digest
    networks = {}
    if settings.stages != "texture":
        networks["surface"] = dataclasses.asdict(count_cost(settings.surface_network, size))
    if settings.stages in ("both", "texture"):
        networks["texture"] = dataclasses.asdict(count_cost(settings.texture_network, size))
    if resume:
        record: dict[str, Any] = read_json(folder / "run.json")
        if record.get("format") != FORMAT or record.get("version") != VERSION:
            raise InputError(folder / "run.json", f"is not a run of version {VERSION}")
        if record["data"]["train_sha256"] != data["train_sha256"]:
            raise SettingsError(f"{folder} was trained on other views; resume it with the same shards")
        if record["data"].get("landmarks") != data.get("landmarks"):
            raise SettingsError(f"{folder} was trained with other landmarks; resume it with the same ones")
        if record["data"].get("bodies") != data.get("bodies"):
            raise SettingsError(f"{folder} was trained with other fitted bodies; resume it with the same ones")
        record["status"] = "running"
        record["settings"] = to_table(settings)
        record["networks"] = {**record.get("networks", {}), **networks}
    else:
        record = {
            "format": FORMAT, "version": VERSION, "status": "running",
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
            "settings": to_table(settings), "data": data, "networks": networks, "stages": {},
            "device": f"{context.group.device} ({context.group.reason})", "processes": context.group.world,
            "versions": {"mpc": __version__, "torch": torch.__version__, "python": platform.python_version()},
        }  # fmt: skip
    _write_record(context, record)
    return record
