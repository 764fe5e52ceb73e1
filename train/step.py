"""One optimiser step: augmentation of the batch, gradients of this process's views, figures of all processes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..core.devices import training_dtype
from ..core.randomness import derive_rng
from ..datasets.loading.augment import augment
from ..datasets.loading.layers import move_layers
from ..datasets.loading.relight import relight_some
from .body import disturb_body
from .data import Item, with_body
from .distributed import Group
from .landmarks import disturb_landmarks, move_landmarks
from .predicted_surface import scatter_along_normals
from .settings import TrainSettings
from .stages import Stage


class StepFigures(NamedTuple):
    """Figures of this process's views in one step. They stay on the device, so that nobody waits for them one by one.

    Attributes:
        loss: () mean loss.
        norm: () norm of the gradient, of all processes together.
        scores: (B,) metric of each view.
    """

    loss: Tensor
    norm: Tensor
    scores: Tensor


def step_dtype(settings: TrainSettings, device: torch.device) -> torch.dtype:
    """The precision of a run's steps on a device; float32 where the user wants no other."""
    return training_dtype(device) if settings.amp else torch.float32


def wrap_network(network: nn.Module, settings: TrainSettings, group: Group) -> nn.Module:
    """Compile the network, and wrap it for several processes, where needed; the weights stay those of `network`."""
    if group.world > 1 and group.device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    model: nn.Module = torch.compile(network) if settings.compile else network  # type: ignore[assignment]
    return DistributedDataParallel(model) if group.world > 1 else model


def augment_batch(batch: Item, stage: Stage, settings: TrainSettings, step: int, group: Group) -> Item:
    """Augment the pictures, calibrations, layers, landmarks and bodies of a batch.

    The result does not depend on the number of processes.

    Args:
        batch: the views of this process.
        stage: the stage that is trained.
        settings: settings of the run.
        step: number of the step, which the draws depend on.
        group: the processes that share the batch.
    """
    chosen = settings.augment
    if stage.name == "texture":  # it learns the colours themselves
        chosen = replace(chosen, colour=0.0)
    if stage.name == "maps":  # who keeps size and place is learned in half the steps (docs/LOG.md); the surface follows
        chosen = replace(chosen, scale=0.0, grow=0.0, shift=0.0)
    rows, count = slice(group.rank, None, group.world), stage.settings.batch
    if chosen.relight:
        rng = derive_rng(settings.seed, "relight", stage.name, step)
        batch = relight_some(batch, chosen.relight, rng=rng, rows=rows, count=count)
    images, calibrations = augment(
        batch["image"], batch["calibration"], chosen, rng=derive_rng(settings.seed, "augment", stage.name, step),
        rows=rows, count=count,
    )  # fmt: skip
    if stage.name == "texture" and settings.colour_sigma_m:
        points = scatter_along_normals(
            batch["colour_points"], batch["colour_normals"], settings.colour_sigma_m,
            rng=derive_rng(settings.seed, "colour points", stage.name, step), rows=rows, count=count,
        )  # fmt: skip
        batch = {**batch, "colour_points": points}
    moved = {**batch, **move_layers(batch, calibrations), "image": images, "calibration": calibrations}
    if "landmarks" in batch:
        moved["landmarks"] = disturb_landmarks(
            move_landmarks(batch["landmarks"], batch["calibration"], calibrations), settings.landmarks,
            rng=derive_rng(settings.seed, "landmarks", stage.name, step), rows=rows, count=count,
        )  # fmt: skip
    moved = with_body(moved)
    if "body" in moved:
        moved["body"] = disturb_body(
            moved["body"], settings.body, noisy=settings.surface_network.body_source == "known",
            rng=derive_rng(settings.seed, "body", stage.name, step), rows=rows, count=count,
        )  # fmt: skip
    return moved


def optimise(
    stage: Stage,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Item,
    dtype: torch.dtype,
    scaler: torch.amp.GradScaler,
) -> StepFigures:
    """Compute the gradient of a batch and update the weights once.

    Args:
        stage: the stage that is trained.
        model: its network, possibly compiled or wrapped for distributed training.
        optimiser: of the network's weights.
        batch: the views of this process.
        dtype: what autocast computes in; float32: there is no autocast.
        scaler: of the gradient, enabled for float16 alone. It leaves out steps whose gradient has overflowed.
    """
    device = batch["image"].device
    optimiser.zero_grad(set_to_none=True)
    parts = stage.settings.accumulate
    size = len(batch["view"]) // parts
    scores, total = [], torch.zeros((), device=device)
    half = dtype != torch.float32
    for part in range(parts):
        piece = {name: value[part * size : (part + 1) * size] for name, value in batch.items()}
        if isinstance(model, DistributedDataParallel):
            model.require_backward_grad_sync = part == parts - 1
        with torch.autocast(device.type, dtype=dtype if half else None, enabled=half):
            loss, score = stage.losses(model, piece)
        mean = loss.mean() / parts
        scaler.scale(mean).backward()  # type: ignore[no-untyped-call]
        total += mean.detach()
        scores.append(score)
    scaler.unscale_(optimiser)
    limit = stage.settings.clip or float("inf")
    norm = torch.nn.utils.clip_grad_norm_(stage.network.parameters(), limit)
    scaler.step(optimiser)
    scaler.update()
    return StepFigures(total, norm, torch.cat(scores))


def share_figures(
    group: Group, figures: StepFigures, stop: bool, done: float
) -> tuple[float, float, Tensor, bool, float]:
    """Combine the figures of all processes; every process gets the same result. The host waits for the device once.

    Args:
        group: the processes.
        figures: of this process, from `optimise`.
        stop: whether this process was asked to stop.
        done: share of the stage that is over by the clock of this process.

    Returns:
        The mean loss; the norm of the gradient; the metric of the whole batch (B * world,) on the CPU, in the order in
        which the views were drawn; whether any process was asked to stop; and `done` of the first process.
    """
    own = torch.cat([figures.loss[None].float(), figures.norm[None].float(), figures.scores.float()])
    if group.world == 1:
        found = own.cpu()
        return float(found[0]), float(found[1]), found[2:], stop, done
    every = group.gather(torch.cat([own, torch.tensor([float(stop), done], device=own.device)])).cpu()
    # Process r holds views r, r + world, ... of the batch.
    merged = every[:, 2:-2].T.reshape(-1)
    return float(every[:, 0].mean()), float(every[0, 1]), merged, bool(every[:, -2].any()), float(every[0, -1])
