"""One optimiser step: the batch changed, gradients of this process's part, figures of all processes together."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..core.devices import computes_bfloat16
from ..core.randomness import derive_rng
from ..datasets.loading.augment import augment
from ..datasets.loading.relight import relight_some
from .data import Item
from .distributed import Group
from .settings import TrainSettings
from .stages import Task


def wrap_network(network: nn.Module, settings: TrainSettings, group: Group) -> nn.Module:
    """The network compiled and for several processes, as asked; it shares its weights with what is given."""
    if group.world > 1 and group.device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    model: nn.Module = torch.compile(network) if settings.compile else network  # type: ignore[assignment]
    return DistributedDataParallel(model) if group.world > 1 else model


def augment_batch(batch: Item, task: Task, settings: TrainSettings, step: int, group: Group) -> Item:
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


def optimise(
    task: Task,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Item,
    settings: TrainSettings,
    group: Group,
) -> tuple[Tensor, Tensor, float]:
    """Gradients of the batch and one update; loss () and metric (B,) of this process, and the gradient's norm.

    Autocast computes in bfloat16, whose range is float32's: no gradient scaler is needed.
    """
    optimiser.zero_grad(set_to_none=True)
    parts = task.settings.accumulate
    size = len(batch["view"]) // parts
    scores, total = [], torch.zeros((), device=group.device)
    half = settings.amp and computes_bfloat16(group.device)
    for part in range(parts):
        piece = {name: value[part * size : (part + 1) * size] for name, value in batch.items()}
        if isinstance(model, DistributedDataParallel):
            model.require_backward_grad_sync = part == parts - 1
        with torch.autocast(group.device.type, dtype=torch.bfloat16, enabled=half):
            loss, score = task.losses(model, piece)
        mean = loss.mean() / parts
        mean.backward()  # type: ignore[no-untyped-call]
        total += mean.detach()
        scores.append(score)
    limit = task.settings.clip or float("inf")
    norm = torch.nn.utils.clip_grad_norm_(task.network.parameters(), limit)
    optimiser.step()
    return total, torch.cat(scores), float(norm)


def share_figures(
    group: Group, loss: Tensor, scores: Tensor, stop: bool, done: float
) -> tuple[float, Tensor, bool, float]:
    """Bring together what the processes measured.

    Args:
        loss, scores: () and (B,) of this process, as `optimise` gives them.
        stop: whether this process was asked to stop.
        done: share of the stage that is over by this process's clock.

    Returns:
        The mean loss, the metric of the whole batch in drawing order (B * world,) on the CPU, whether any process was
        asked to stop, and the first one's `done`: the same for all.
    """
    if group.world == 1:
        return float(loss), scores.float().cpu(), stop, done
    own = torch.cat([loss[None].float(), scores.float(), torch.tensor([float(stop), done], device=scores.device)])
    every = group.gather(own).cpu()
    # Process r holds views r, r + world, ... of the batch.
    merged = every[:, 1:-2].T.reshape(-1)
    return float(every[:, 0].mean()), merged, bool(every[:, -2].any()), float(every[0, -1])
