"""The training loop of one stage: draw views, compute, update weights and mining table, log, validate, save."""

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
from .batch_norm import measure_norms
from .checkpoint import Position, load_state, save_state
from .clock import Clock
from .data import Item, Views, fingerprint, open_loader, to_device
from .distributed import Group
from .log import RunLog
from .mining import MinedBatches
from .optimise import MovingAverage, build_optimiser, rate_factor
from .settings import TrainSettings
from .stages import Stage
from .step import StepFigures, augment_batch, optimise, share_figures, step_dtype, wrap_network
from .stop import StopFlag
from .threads import ThreadChooser

STATE = "state.safetensors"
# After so many steps the user is shown how long the rest will take.
STEPS_TIMED = 10


@dataclass(frozen=True)
class StageResult:
    """How a stage ended.

    Attributes:
        steps: steps done.
        seconds: training time over all sessions, validation included.
        metric: mean of the last validation metric; None without held-out views.
        best: the best validation metric so far; None without held-out views.
        drawn: (V,) how often each view was drawn.
        hardest: up to 20 views with their scores, worst first.
    """

    steps: int
    seconds: float
    metric: float | None
    best: float | None
    drawn: list[int]
    hardest: list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class StageContext:
    """Everything that the stages of a run have in common; made once, by `train_views`.

    Attributes:
        train_set: the views to train on.
        held_out: the views to validate on; None: there is no validation, and the last weights count as the best.
        folder: the folder of the run.
        settings: the settings of the run.
        group: the processes that train together; every one of them runs every stage.
        log: receives one line for each step, and pictures.
        progress: receives the progress and messages for the user.
        stop: set when the user asks to stop, and when the minutes of this call are over. The stage then saves its state
            and raises `StopFlag.error`.
    """

    train_set: Views
    held_out: Views | None
    folder: Path
    settings: TrainSettings
    group: Group
    log: RunLog
    progress: Progress
    stop: StopFlag


def run_stage(stage: Stage, context: StageContext, *, budget_s: float = 0.0) -> StageResult:
    """Train one network. Continues from folder/<stage>/state.safetensors where that file exists.

    Args:
        stage: the stage to train.
        context: the run that the stage belongs to.
        budget_s: time limit, seconds; 0 is no limit.

    Raises:
        SettingsError: the batch cannot be split over the processes, or the loss became infinite or NaN.
        InputError: a damaged checkpoint.
        KeyboardInterrupt: the user asked to stop; the state has been saved.
        TrainingPaused: the minutes of this call are over; the state has been saved.
    """
    training = _StageTraining(stage, context)
    training.train(budget_s)
    return training.result()


class _StageTraining:
    """A stage in progress: the network, and everything that decides how training continues."""

    def __init__(self, stage: Stage, context: StageContext) -> None:
        options, group, settings = stage.settings, context.group, context.settings
        if options.batch % (group.world * options.accumulate):
            raise SettingsError(
                f"{stage.name}.batch {options.batch} cannot be split over {group.world} processes x "
                f"{options.accumulate} parts"
            )
        self.stage, self.context = stage, context
        self.place = context.folder / stage.name
        self.steps = options.total_steps(len(context.train_set))
        self.network = stage.network.to(group.device)
        self.dtype = step_dtype(settings, group.device)
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=self.dtype == torch.float16)
        if group.device.type == "cuda" or self.dtype != torch.float32 or settings.has_maps:
            # Units for half precision want this layout, and so do wide 3x3 convolutions on any CPU (U-net: 0.87 s
            # against 1.29 s). Without such units a narrow hourglass was slower with it (tiny: 1.2 s against 0.95 s).
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = build_optimiser(self.network, options)
        self.average = MovingAverage(self.network, options.ema)
        self.table = stage.table(len(context.train_set), settings.seed)
        self.position = Position()
        if (self.place / STATE).is_file():
            self.position = load_state(
                self.place / STATE, self.network, self.average, self.optimiser, self.table, self.scaler
            )  # fmt: skip
        context.log.rewind(stage.name, self.position.step)
        self.model = wrap_network(self.network, settings, group)
        self.batches = MinedBatches(
            self.table, options.batch, first=self.position.step, last=self.steps, rank=group.rank, world=group.world,
            pending=self.position.pending,
        )  # fmt: skip
        self.origin = {
            "data_sha256": fingerprint(context.train_set),
            "versions": {"mpc": __version__, "torch": torch.__version__},
        }
        self.metric: float | None = None

    def train(self, budget_s: float) -> None:
        """Train to the last step or the time limit, or until it is to stop (`StopFlag.error`)."""
        stage, position, steps, context = self.stage, self.position, self.steps, self.context
        validate_every = stage.settings.validate_every or max(1, steps // 10)
        # A longer schedule than that of an earlier session goes on where that one ended.
        position.finished = position.step >= steps or 0.0 < budget_s <= position.seconds
        clock = Clock(position, steps, budget_s)
        context.progress.start(f"train {stage.name}, {clock.title}", clock.total)
        done = clock.share_done(position.step, position.seconds)
        shown = clock.shown(position)
        context.progress.skip(shown)  # steps before this run tell nothing of its pace
        threads = ThreadChooser(self._most_threads())
        workers = context.settings.workers
        loader = iter(open_loader(context.train_set, self.batches, workers=workers, group=context.group))
        while not position.finished and position.step < steps:
            batch = clock.wait_for(loader)
            began = time.monotonic()
            own, figures = self._step(batch, done)
            threads.note(time.monotonic() - began)
            reached = clock.share_done(position.step + 1, clock.seconds())
            figures["loss"], norm, scores, stopping, done = share_figures(
                context.group, own, context.stop.due(), reached
            )
            # A step in float16 whose gradient has overflowed was left out.
            figures["gradient_norm"] = norm if math.isfinite(norm) else None
            ended = self._count_step(figures, scores, done, clock)
            validating = ended or position.step % validate_every == 0
            if ended:
                measure_norms(stage, self.average.network, context.train_set, context.settings, context.group)
            found, better = self._validate() if validating else ({}, False)
            if self._due(context.settings.picture_every, validating):
                self._write_preview()
            if validating or position.step % context.settings.log_every == 0:
                context.log.write(stage.name, position.step, {
                    "seconds": round(position.seconds, 3), stage.metric: float(scores.mean()), **figures,
                    "waiting_share": clock.waiting_share(), **self.table.summary(), **found,
                })  # fmt: skip
            if stopping or validating or self._due(context.settings.checkpoint_every or -1, validating):
                self._save(best=better)
                context.group.wait()
                clock.note_saved()
            elif clock.saving_is_due(context.settings.checkpoint_minutes):
                self._save(best=False)  # the others need not wait, and their clocks differ
                clock.note_saved()
            now = clock.shown(position)
            context.progress.advance(now - shown, f"step {position.step}, {stage.metric} {float(scores.mean()):.3f}")
            shown = now
            if clock.steps_here(position) == STEPS_TIMED and not position.finished:
                context.progress.message(f"{stage.name}: {clock.estimate(position, context.group.device)}")
            if stopping and not position.finished:
                context.progress.finish()
                raise context.stop.error()
        context.progress.finish()
        if position.step < steps:
            context.progress.message(f"{stage.name}: {position.step} of {steps} steps fitted the time allowed")

    def _most_threads(self) -> int:
        """Threads that steps may use; 1, so that none are chosen, where the user has chosen or they do not matter."""
        settings, group = self.context.settings, self.context.group
        chosen = settings.threads or group.device.type != "cpu" or group.world > 1 or self.steps < STEPS_TIMED
        return 1 if chosen else torch.get_num_threads()

    def _step(self, batch: Item, done: float) -> tuple[StepFigures, dict[str, Any]]:
        """Update the weights once.

        Args:
            batch: the views of this process.
            done: share of the stage that is over, which sets the learning rate.

        Returns:
            Figures of this process, and what the log reports of the step besides.
        """
        stage, position, context = self.stage, self.position, self.context
        batch = to_device(batch, context.group.device)
        batch = augment_batch(batch, stage, context.settings, position.step, context.group)
        views, stale = self.batches.take()
        rate = stage.settings.learning_rate * rate_factor(done, stage.settings)
        for entry in self.optimiser.param_groups:
            entry["lr"] = rate
        self.network.train()
        figures = optimise(stage, self.model, self.optimiser, batch, self.dtype, self.scaler)
        self.average.update(position.step)
        return figures, {"views": views, "rate": rate, "stale_steps": stale}

    def _count_step(self, figures: dict[str, Any], scores: Tensor, done: float, clock: Clock) -> bool:
        """Record a finished step in the mining table and in the position; refuse a loss that is not finite.

        Returns:
            Whether it was the last step of the stage.
        """
        stage, position = self.stage, self.position
        if not math.isfinite(figures["loss"]):
            raise SettingsError(
                f"{stage.name}: the loss is not finite at step {position.step + 1}; lower {stage.name}.learning_rate "
                f"({stage.settings.learning_rate:g}) or set {stage.name}.clip, then start again"
            )
        self.table.update(figures.pop("views"), stage.mining_score(scores).double().numpy(), position.step)
        position.step += 1
        position.seconds = clock.seconds()
        position.pending = self.batches.pending()
        position.finished = position.step >= self.steps or done >= 1.0
        return position.finished

    def _validate(self) -> tuple[dict[str, float], bool]:
        """The log's entry about the held-out views, and whether these weights are the best so far."""
        held_out = self.context.held_out
        if held_out is None:
            return {}, True
        stage, position = self.stage, self.position
        self.metric = float(stage.validate(self.average.network, held_out, self.context.group.device).mean())
        goodness = stage.goodness(self.metric)
        better = position.best is None or goodness > position.best
        position.best = goodness if better else position.best
        further = stage.figures(self.average.network, held_out, self.context.group.device)
        return {f"val_{stage.metric}": self.metric, **{f"val_{name}": value for name, value in further.items()}}, better

    def _due(self, every: int, validating: bool) -> bool:
        """Whether something is due after this step: every `every` steps, at validations (0), or never (-1)."""
        return validating if every == 0 else every > 0 and self.position.step % every == 0

    def _write_preview(self) -> None:
        """Write the reconstruction of the first held-out view to the log."""
        held_out, group = self.context.held_out, self.context.group
        if held_out is not None and group.leads:
            preview = self.stage.preview(self.average.network, held_out[0])
            self.context.log.picture(self.stage.name, self.position.step, preview.picture, preview.mesh)

    def _save(self, *, best: bool) -> None:
        """Write the weights (as the best ones, too, where they are) and the state to resume from."""
        if self.context.group.leads:
            notes = {"step": self.position.step, self.stage.metric: self.metric, **self.origin}
            self.stage.save(self.place / "last.safetensors", self.average.network, **notes)
            if best:
                self.stage.save(self.place / "best.safetensors", self.average.network, **notes)
            save_state(
                self.place / STATE, self.position, self.network, self.average, self.optimiser, self.table, self.scaler
            )  # fmt: skip

    def result(self) -> StageResult:
        """How the stage ended."""
        table, position, views = self.table, self.position, self.context.train_set.views
        hardest = [
            {
                "scene": views[index].scene_key,
                "view": views[index].view_name,
                "score": float(table.scores[index]),
                "drawn": int(table.drawn[index]),
            }
            for index in table.hardest()
        ]
        # Both metrics are 0 or more; the goodness of an error is its negative.
        best = None if position.best is None else abs(position.best)
        return StageResult(position.step, position.seconds, self.metric, best, table.drawn.tolist(), hardest)
