"""One stage, step by step: draw, compute, update weights and mining table, log, validate, save."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .. import __version__
from ..datasets.augment import augment
from ..datasets.relight import relight_some
from ..geometry.errors import SettingsError
from ..geometry.progress import Progress
from ..geometry.randomness import derive_rng
from .checkpoint import Position, load_state, save_state
from .data import Item, Views, fingerprint, open_loader, to_device
from .distributed import Group
from .log import RunLog
from .mining import MinedBatches
from .optimise import MovingAverage, build_optimiser, rate_factor
from .settings import TrainSettings
from .stop import StopFlag
from .tasks import Task


@dataclass(frozen=True)
class StageResult:
    """How a stage ended.

    Attributes:
        steps: steps done.
        seconds: training time over all sessions, validation included.
        metric: the last validation metric (mean), None without a validation split.
        best: the best one.
        drawn: how often each view was drawn, (V,) counts.
        hardest: up to 20 views, worst first, with their score.
    """

    steps: int
    seconds: float
    metric: float | None
    best: float | None
    drawn: list[int]
    hardest: list[dict[str, Any]]


def run_stage(
    task: Task,
    train_set: Views,
    held_out: Views | None,
    folder: Path,
    settings: TrainSettings,
    *,
    group: Group,
    log: RunLog,
    progress: Progress,
    stop: StopFlag,
    budget_s: float = 0.0,
) -> StageResult:
    """Train one network; continues from folder/<stage>/state.safetensors where that exists.

    Args:
        task: what to train.
        train_set, held_out: views; without held-out ones the last weights count as the best.
        folder: of the run.
        settings: of the run.
        group: the processes that train together; every one calls this.
        log, progress: where to tell.
        stop: asked to stop, the stage saves its state and raises KeyboardInterrupt.
        budget_s: end within so many seconds; 0 is no limit.
    """
    stage = task.settings
    if stage.batch % (group.world * stage.accumulate):
        raise SettingsError(
            f"{task.name}.batch {stage.batch} cannot be split over {group.world} processes x {stage.accumulate} parts"
        )
    place = folder / task.name
    steps = stage.total_steps(len(train_set))
    network = task.network.to(group.device)
    if group.device.type == "cuda":
        # Tensor cores want it; on CPUs it was slower (1.2 s against 0.95 s for the tiny surface step).
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = build_optimiser(network, stage)
    average = MovingAverage(network, stage.ema)
    table = task.table(len(train_set), settings.seed)
    position = Position()
    if (place / "state.safetensors").is_file():
        position = load_state(place / "state.safetensors", network, average, optimiser, table)
    log.rewind(task.name, position.step)
    model = _wrap(network, settings, group)
    batches = MinedBatches(
        table, stage.batch, first=position.step, last=steps, rank=group.rank, world=group.world,
        pending=position.pending,
    )  # fmt: skip
    origin = {"data_sha256": fingerprint(train_set), "versions": {"mpc": __version__, "torch": torch.__version__}}
    validate_every = stage.validate_every or max(1, steps // 10)
    metric: float | None = None
    began = time.monotonic() - position.seconds
    shown = 0
    progress.start(f"train {task.name}", steps)

    def share(step: int, seconds: float) -> float:
        return max(step / steps, seconds / budget_s if budget_s > 0 else 0.0)

    def save(*, best: bool) -> None:
        if group.leads:
            notes = {"step": position.step, task.metric: metric, **origin}
            task.save(place / "last.safetensors", average.network, **notes)
            if best:
                task.save(place / "best.safetensors", average.network, **notes)
            save_state(place / "state.safetensors", position, network, average, optimiser, table)
        group.wait()

    done = share(position.step, position.seconds)
    loader = iter(open_loader(train_set, batches, workers=settings.workers, group=group))
    first_step, session = position.step, time.monotonic()
    waited = 0.0
    while not position.finished and position.step < steps:
        asked = time.monotonic()
        batch = _augment(to_device(next(loader), group.device), task, settings, position.step, group)
        waited += time.monotonic() - asked
        views, stale = batches.take()
        rate = stage.learning_rate * rate_factor(done, stage)
        for entry in optimiser.param_groups:
            entry["lr"] = rate
        network.train()
        loss, scores, norm = _step(task, model, optimiser, batch, settings, group)
        average.update(position.step)
        clock = share(position.step + 1, time.monotonic() - began)
        losses, scores, asked_to_stop, done = _share(group, loss, scores, stop.asked, clock)
        table.update(views, task.mining_score(scores).double().numpy(), position.step)
        position.step += 1
        position.seconds = time.monotonic() - began
        finished = position.step >= steps or done >= 1.0
        position.pending = batches.pending()
        validating = finished or position.step % validate_every == 0
        line: dict[str, Any] = {}
        better = False
        if validating:
            if held_out is not None:
                metric = float(task.validate(average.network, held_out, group.device).mean())
                line = {f"val_{task.metric}": metric}
                better = position.best is None or task.goodness(metric) > position.best
                position.best = task.goodness(metric) if better else position.best
            else:
                better = True
        position.finished = finished
        every = settings.picture_every
        drawing = validating if every == 0 else every > 0 and position.step % every == 0
        if drawing and held_out is not None and group.leads:
            log.picture(task.name, position.step, task.picture(average.network, held_out[0], group.device))
        if validating or position.step % settings.log_every == 0:
            log.write(
                task.name,
                position.step,
                {
                    "seconds": round(position.seconds, 3), "loss": losses, task.metric: float(scores.mean()),
                    "rate": rate, "gradient_norm": norm, "stale_steps": stale,
                    "waiting_share": round(waited / max(time.monotonic() - session, 1e-9), 4),
                    **table.summary(), **line,
                },
            )  # fmt: skip
        if (
            asked_to_stop
            or validating
            or (settings.checkpoint_every and position.step % settings.checkpoint_every == 0)
        ):
            save(best=better)
        now = round(min(1.0, done) * steps) if not finished else steps
        progress.advance(now - shown, f"{task.metric} {float(scores.mean()):.3f}")
        shown = now
        if position.step - first_step == 10 and not finished:
            each = (time.monotonic() - session) / 10
            left = (steps - position.step) * each
            left = min(left, budget_s - position.seconds) if budget_s else left
            progress.message(f"{task.name}: {each:.2f} s a step on {group.device}, about {left / 60:.1f} minutes to go")
        if asked_to_stop and not finished:
            progress.finish()
            raise KeyboardInterrupt
        if finished:
            break
    progress.finish()
    if position.step < steps:
        progress.message(f"{task.name}: {position.step} of {steps} steps fitted the time allowed")
    best = None if position.best is None else abs(position.best)
    hardest = [
        {
            "scene": train_set.views[i].scene_key,
            "view": train_set.views[i].view_name,
            "score": float(table.scores[i]),
            "drawn": int(table.drawn[i]),
        }
        for i in table.hardest()
    ]
    return StageResult(position.step, position.seconds, metric, best, table.drawn.tolist(), hardest)


def _wrap(network: nn.Module, settings: TrainSettings, group: Group) -> nn.Module:
    """The network compiled and for several processes, as asked."""
    if group.world > 1 and group.device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    model: nn.Module = torch.compile(network) if settings.compile else network  # type: ignore[assignment]
    return DistributedDataParallel(model) if group.world > 1 else model


def _augment(batch: Item, task: Task, settings: TrainSettings, step: int, group: Group) -> Item:
    """The batch with pictures and calibrations changed, the same way however many processes share it."""
    chosen = settings.augment
    if task.name == "texture":  # colours are what it learns
        chosen = replace(chosen, colour=0.0)
    rows, count = slice(group.rank, None, group.world), task.settings.batch
    if chosen.relight:
        rng = derive_rng(settings.seed, "relight", task.name, step)
        batch = relight_some(batch, chosen.relight, rng=rng, rows=rows, count=count)
    images, calibrations = augment(
        batch["image"], batch["calibration"], chosen, rng=derive_rng(settings.seed, "augment", task.name, step),
        rows=rows, count=count,
    )  # fmt: skip
    return {**batch, "image": images, "calibration": calibrations}


def _step(
    task: Task,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Item,
    settings: TrainSettings,
    group: Group,
) -> tuple[Tensor, Tensor, float]:
    """Gradients of the batch and one update; loss () and metric (B,) of this process, and the gradient's norm."""
    optimiser.zero_grad(set_to_none=True)
    parts = task.settings.accumulate
    size = len(batch["view"]) // parts
    scores, total = [], torch.zeros((), device=group.device)
    for part in range(parts):
        piece = {name: value[part * size : (part + 1) * size] for name, value in batch.items()}
        last = part == parts - 1
        if isinstance(model, DistributedDataParallel):
            model.require_backward_grad_sync = last
        use_amp = settings.amp and group.device.type == "cuda"
        with torch.autocast(group.device.type, dtype=torch.bfloat16, enabled=use_amp):
            loss, score = task.losses(model, piece)
        mean = loss.mean() / parts
        mean.backward()  # type: ignore[no-untyped-call]
        total += mean.detach()
        scores.append(score)
    limit = task.settings.clip or float("inf")
    norm = torch.nn.utils.clip_grad_norm_(task.network.parameters(), limit)
    optimiser.step()
    return total, torch.cat(scores), float(norm)


def _share(group: Group, loss: Tensor, scores: Tensor, stop: bool, done: float) -> tuple[float, Tensor, bool, float]:
    """Bring what the processes measured together: mean loss, metric of the whole batch in drawing order, whether any
    was asked to stop, and the first one's clock."""
    own = torch.cat([loss[None].float(), scores.float(), torch.tensor([float(stop), done], device=scores.device)])
    every = group.gather(own).cpu()
    # Process r holds views r, r + world, ... of the batch.
    merged = every[:, 1:-2].T.reshape(-1)
    if group.world == 1:
        return float(loss), merged, stop, done
    return float(every[:, 0].mean()), merged, bool(every[:, -2].any()), float(every[0, -1])
