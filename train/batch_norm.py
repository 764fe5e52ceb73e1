"""Batch norm statistics of averaged weights, measured anew where a stage ends."""

from __future__ import annotations

import torch
from torch import nn

from ..core.randomness import derive_rng
from .data import Views, collate, to_device
from .distributed import Group
from .settings import TrainSettings
from .stages import Stage
from .step import augment_batch

# Steps of training are counted from 0, so that these draws of augmentation are those of no step.
_FIRST_STEP = 1 << 40


@torch.no_grad()
def measure_norms(stage: Stage, network: nn.Module, views: Views, settings: TrainSettings, group: Group) -> None:
    """Replace the running statistics of every batch norm by those of training views, augmented as in training.

    Averaged weights otherwise keep the statistics of the raw weights, which belong to other activations: at the end of
    a short run the IoU was 0.005 better with their own (docs/LOG.md).

    Args:
        stage: the stage that ends; its `norm_batches` batches are used.
        network: the averaged network, changed in place and left in evaluation mode.
        views: the training views; some are drawn evenly.
        settings: settings of the run.
        group: the processes that train together; each computes the same.
    """
    network.train()
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats and norm.training]  # a frozen part stays as it is
    if not norms or not stage.settings.norm_batches:
        network.eval()
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    alone = Group(0, 1, group.device, group.reason)
    for number in range(stage.settings.norm_batches):
        rng = derive_rng(settings.seed, "batch norm", stage.name, number)
        chosen = rng.integers(len(views), size=stage.settings.batch)
        batch = to_device(collate([views[(int(view), _FIRST_STEP + number)] for view in chosen]), group.device)
        stage.losses(network, augment_batch(batch, stage, settings, _FIRST_STEP + number, alone))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
