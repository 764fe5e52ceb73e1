"""One stage, step by step: draw, compute, update weights and mining table, log, validate, save."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..core.errors import SettingsError
from ..core.progress import Progress
from .checkpoint import Position, load_state, save_state
from .data import Item, Views, fingerprint, open_loader, to_device
from .distributed import Group
from .log import RunLog
from .mining import MinedBatches
from .optimise import MovingAverage, build_optimiser, rate_factor
from .settings import TrainSettings
from .stages import Task
from .step import augment_batch, optimise, share_figures, wrap_network
from .stop import StopFlag

STATE = "state.safetensors"


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

    Raises:
        SettingsError: a batch that the processes cannot share, or a loss that grew beyond all numbers.
        InputError: a damaged checkpoint.
        KeyboardInterrupt: asked to stop, after saving.
    """
    stage = _Stage(task, train_set, held_out, folder, settings, group, log)
    stage.train(progress, stop, budget_s)
    return stage.result()


class _Stage:
    """A stage in progress: the network, and all that decides how it goes on."""

    def __init__(
        self,
        task: Task,
        train_set: Views,
        held_out: Views | None,
        folder: Path,
        settings: TrainSettings,
        group: Group,
        log: RunLog,
    ) -> None:
        options = task.settings
        if options.batch % (group.world * options.accumulate):
            raise SettingsError(
                f"{task.name}.batch {options.batch} cannot be split over {group.world} processes x "
                f"{options.accumulate} parts"
            )
        self.task, self.train_set, self.held_out = task, train_set, held_out
        self.settings, self.group, self.log = settings, group, log
        self.place = folder / task.name
        self.steps = options.total_steps(len(train_set))
        self.network = task.network.to(group.device)
        if group.device.type == "cuda":
            # Tensor cores want it; on CPUs it was slower (1.2 s against 0.95 s for the tiny surface step).
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = build_optimiser(self.network, options)
        self.average = MovingAverage(self.network, options.ema)
        self.table = task.table(len(train_set), settings.seed)
        self.position = Position()
        if (self.place / STATE).is_file():
            self.position = load_state(
                self.place / STATE, self.network, self.average, self.optimiser, self.table
            )  # fmt: skip
        log.rewind(task.name, self.position.step)
        self.model = wrap_network(self.network, settings, group)
        self.batches = MinedBatches(
            self.table, options.batch, first=self.position.step, last=self.steps, rank=group.rank, world=group.world,
            pending=self.position.pending,
        )  # fmt: skip
        self.origin = {
            "data_sha256": fingerprint(train_set),
            "versions": {"mpc": __version__, "torch": torch.__version__},
        }
        self.metric: float | None = None

    def train(self, progress: Progress, stop: StopFlag, budget_s: float) -> None:
        """Step by step to the end, the time limit, or until asked to stop (KeyboardInterrupt)."""
        task, position, steps = self.task, self.position, self.steps
        validate_every = task.settings.validate_every or max(1, steps // 10)
        began = time.monotonic() - position.seconds
        session, first_step, waited, shown = time.monotonic(), position.step, 0.0, 0

        def share(step: int, seconds: float) -> float:
            return max(step / steps, seconds / budget_s if budget_s > 0 else 0.0)

        progress.start(f"train {task.name}", steps)
        done = share(position.step, position.seconds)
        loader = iter(open_loader(self.train_set, self.batches, workers=self.settings.workers, group=self.group))
        while not position.finished and position.step < steps:
            asked = time.monotonic()
            batch = next(loader)
            waited += time.monotonic() - asked
            loss, scores, figures = self._step(batch, done)
            clock = share(position.step + 1, time.monotonic() - began)
            figures["loss"], scores, stopping, done = share_figures(self.group, loss, scores, stop.asked, clock)
            if not math.isfinite(figures["loss"]):
                raise SettingsError(
                    f"{task.name}: the loss is not finite at step {position.step + 1}; lower {task.name}.learning_rate "
                    f"({task.settings.learning_rate:g}) or set {task.name}.clip, then start again"
                )
            self.table.update(figures.pop("views"), task.mining_score(scores).double().numpy(), position.step)
            position.step += 1
            position.seconds = time.monotonic() - began
            position.pending = self.batches.pending()
            position.finished = position.step >= steps or done >= 1.0
            validating = position.finished or position.step % validate_every == 0
            found, better = self._validate() if validating else ({}, False)
            if self._due(self.settings.picture_every, validating):
                self._draw()
            if validating or position.step % self.settings.log_every == 0:
                waiting = round(waited / max(time.monotonic() - session, 1e-9), 4)
                self.log.write(task.name, position.step, {
                    "seconds": round(position.seconds, 3), task.metric: float(scores.mean()), **figures,
                    "waiting_share": waiting, **self.table.summary(), **found,
                })  # fmt: skip
            if stopping or validating or self._due(self.settings.checkpoint_every or -1, validating):
                self._save(best=better)
            now = steps if position.finished else round(min(1.0, done) * steps)
            progress.advance(now - shown, f"{task.metric} {float(scores.mean()):.3f}")
            shown = now
            if position.step - first_step == 10 and not position.finished:
                each = (time.monotonic() - session) / 10
                left = (steps - position.step) * each
                left = min(left, budget_s - position.seconds) if budget_s else left
                progress.message(
                    f"{task.name}: {each:.2f} s a step on {self.group.device}, about {left / 60:.1f} minutes to go"
                )
            if stopping and not position.finished:
                progress.finish()
                raise KeyboardInterrupt
        progress.finish()
        if position.step < steps:
            progress.message(f"{task.name}: {position.step} of {steps} steps fitted the time allowed")

    def _step(self, batch: Item, done: float) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """One update; loss () and metric (B,) of this process, and what the log says of the step."""
        task, position = self.task, self.position
        batch = augment_batch(to_device(batch, self.group.device), task, self.settings, position.step, self.group)
        views, stale = self.batches.take()
        rate = task.settings.learning_rate * rate_factor(done, task.settings)
        for entry in self.optimiser.param_groups:
            entry["lr"] = rate
        self.network.train()
        loss, scores, norm = optimise(task, self.model, self.optimiser, batch, self.settings, self.group)
        self.average.update(position.step)
        return loss, scores, {"views": views, "rate": rate, "gradient_norm": norm, "stale_steps": stale}

    def _validate(self) -> tuple[dict[str, float], bool]:
        """What the log says of the held-out views, and whether these weights are the best so far."""
        if self.held_out is None:
            return {}, True
        task, position = self.task, self.position
        self.metric = float(task.validate(self.average.network, self.held_out, self.group.device).mean())
        goodness = task.goodness(self.metric)
        better = position.best is None or goodness > position.best
        position.best = goodness if better else position.best
        return {f"val_{task.metric}": self.metric}, better

    def _due(self, every: int, validating: bool) -> bool:
        """Whether something is due after this step: each `every` steps, at validations (0), or never (-1)."""
        return validating if every == 0 else every > 0 and self.position.step % every == 0

    def _draw(self) -> None:
        if self.held_out is not None and self.group.leads:
            picture = self.task.picture(self.average.network, self.held_out[0], self.group.device)
            self.log.picture(self.task.name, self.position.step, picture)

    def _save(self, *, best: bool) -> None:
        if self.group.leads:
            notes = {"step": self.position.step, self.task.metric: self.metric, **self.origin}
            self.task.save(self.place / "last.safetensors", self.average.network, **notes)
            if best:
                self.task.save(self.place / "best.safetensors", self.average.network, **notes)
            save_state(
                self.place / STATE, self.position, self.network, self.average, self.optimiser, self.table
            )  # fmt: skip
        self.group.wait()

    def result(self) -> StageResult:
        """How it ended."""
        table, position = self.table, self.position
        hardest = [
            {
                "scene": self.train_set.views[i].scene_key,
                "view": self.train_set.views[i].view_name,
                "score": float(table.scores[i]),
                "drawn": int(table.drawn[i]),
            }
            for i in table.hardest()
        ]
        # Both metrics are 0 or more; goodness is an error's negative.
        best = None if position.best is None else abs(position.best)
        return StageResult(position.step, position.seconds, self.metric, best, table.drawn.tolist(), hardest)
