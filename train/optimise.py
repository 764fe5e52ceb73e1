"""Optimisers by name, the learning rate over a stage, and the moving average of weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .muon import Muon
from .settings import StageSettings


def build_optimiser(network: nn.Module, settings: StageSettings) -> torch.optim.Optimizer:
    """The optimiser that `settings.optimiser` names, otherwise with PyTorch's defaults."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    rate = settings.learning_rate
    if settings.optimiser == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate)
    if settings.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=rate)
    if settings.optimiser == "muon":
        return Muon(parameters, lr=rate, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=settings.weight_decay)


def rate_factor(progress: float, settings: StageSettings) -> float:
    """Factor of the learning rate when the share `progress` of the stage is over: warm-up times schedule."""
    warm = min(1.0, (progress + 1e-4) / settings.warmup) if settings.warmup > 0 else 1.0
    if settings.schedule == "step":
        return warm * 0.1 ** sum(progress >= share for share in settings.decay_at)
    if settings.schedule in ("cosine", "anneal"):
        begin = settings.decay_at[0] if settings.schedule == "anneal" else 0.0
        falling = (min(progress, 1.0) - begin) / (1.0 - begin) if progress > begin else 0.0
        cosine = float(torch.cos(torch.tensor(torch.pi * falling, dtype=torch.float64)))
        return warm * (0.01 + 0.99 * 0.5 * (1.0 + cosine))
    return warm


class MovingAverage:
    """Exponential moving average of a network's weights; with decay 0 it is the network itself.

    The decay is at most (1 + step) / (10 + step), so that the random start is soon forgotten.

    Args:
        network: the network that is trained.
        decay: of the average, in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.source = decay, network
        self.network = copy.deepcopy(network).requires_grad_(False) if decay > 0 else network

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the network's weights after step `step` (counted from 0) to the average."""
        if self.decay <= 0:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        # All weights in a few kernels on a GPU, one by one on a CPU.
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(list(self.network.parameters()), list(self.source.parameters()), 0)
        for kept, buffer in zip(self.network.buffers(), self.source.buffers(), strict=True):
            kept.copy_(buffer)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The state of an optimiser, as named tensors and a table that JSON can hold."""
    state = optimiser.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            target = tensors if isinstance(value, torch.Tensor) else numbers
            target[f"optimiser/{index}/{name}"] = value
    return tensors, {"numbers": numbers, "groups": state["param_groups"]}


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], table: dict[str, Any]
) -> None:
    """Restore a state from `optimiser_tensors`."""
    state: dict[int, dict[str, Any]] = {}
    entries = {**{k: v for k, v in tensors.items() if k.startswith("optimiser/")}, **table["numbers"]}
    for key, value in entries.items():
        _, index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": table["groups"]})
