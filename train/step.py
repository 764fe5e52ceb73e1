"""One optimiser step: augmentation of the batch, gradients of this process's views, figures of all processes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..core.devices import computes_bfloat16
from ..core.randomness import derive_rng
from ..datasets.loading.augment import augment
from ..datasets.loading.layers import move_layers
from ..datasets.loading.relight import relight_some
from .data import Item
from .distributed import Group
from .landmarks import disturb_landmarks, move_landmarks
from .settings import TrainSettings
from .stages import Stage


def wrap_network(network: nn.Module, settings: TrainSettings, group: Group) -> nn.Module:
    """Compile the network, and wrap it for several processes, where needed; the weights stay those of `network`."""
    if group.world > 1 and group.device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    model: nn.Module = torch.compile(network) if settings.compile else network  # type: ignore[assignment]
    return DistributedDataParallel(model) if group.world > 1 else model


def augment_batch(batch: Item, stage: Stage, settings: TrainSettings, step: int, group: Group) -> Item:
    """Augment the pictures, calibrations, layers and landmarks of a batch.

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
    moved = {**batch, **move_layers(batch, calibrations), "image": images, "calibration": calibrations}
    if "landmarks" in batch:
        moved["landmarks"] = disturb_landmarks(
            move_landmarks(batch["landmarks"], batch["calibration"], calibrations), settings.landmarks,
            rng=derive_rng(settings.seed, "landmarks", stage.name, step), rows=rows, count=count,
        )  # fmt: skip
    return moved


def optimise(
    stage: Stage,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Item,
    settings: TrainSettings,
    group: Group,
) -> tuple[Tensor, Tensor, float]:
    """Compute the gradient of a batch and update the weights once.

    Autocast computes in bfloat16, which has the range of float32, so no gradient scaler is needed.

    Args:
        stage: the stage that is trained.
        model: its network, possibly compiled or wrapped for distributed training.
        optimiser: of the network's weights.
        batch: the views of this process.
        settings: settings of the run.
        group: the processes that train together.

    Returns:
        The loss () and the metric (B,) of this process, and the norm of the gradient.
    """
    optimiser.zero_grad(set_to_none=True)
    parts = stage.settings.accumulate
    size = len(batch["view"]) // parts
    scores, total = [], torch.zeros((), device=group.device)
    half = settings.amp and computes_bfloat16(group.device)
    for part in range(parts):
        piece = {name: value[part * size : (part + 1) * size] for name, value in batch.items()}
        if isinstance(model, DistributedDataParallel):
            model.require_backward_grad_sync = part == parts - 1
        with torch.autocast(group.device.type, dtype=torch.bfloat16, enabled=half):
            loss, score = stage.losses(model, piece)
        mean = loss.mean() / parts
        mean.backward()  # type: ignore[no-untyped-call]
        total += mean.detach()
        scores.append(score)
    limit = stage.settings.clip or float("inf")
    norm = torch.nn.utils.clip_grad_norm_(stage.network.parameters(), limit)
    optimiser.step()
    return total, torch.cat(scores), float(norm)


def share_figures(
    group: Group, loss: Tensor, scores: Tensor, stop: bool, done: float
) -> tuple[float, Tensor, bool, float]:
    """Combine the figures of all processes; every process gets the same result.

    Args:
        group: the processes.
        loss: () of this process, from `optimise`.
        scores: (B,) metric of this process, from `optimise`.
        stop: whether this process was asked to stop.
        done: share of the stage that is over by the clock of this process.

    Returns:
        The mean loss; the metric of the whole batch (B * world,) on the CPU, in the order in which the views were
        drawn; whether any process was asked to stop; and `done` of the first process.
    """
    if group.world == 1:
        return float(loss), scores.float().cpu(), stop, done
    own = torch.cat([loss[None].float(), scores.float(), torch.tensor([float(stop), done], device=scores.device)])
    every = group.gather(own).cpu()
    # Process r holds views r, r + world, ... of the batch.
    merged = every[:, 1:-2].T.reshape(-1)
    return float(every[:, 0].mean()), merged, bool(every[:, -2].any()), float(every[0, -1])
