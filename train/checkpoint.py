"""The state of an unfinished stage: everything that decides how its training continues."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..core.errors import InputError
from ..models.storage import read_tensors, write_tensors
from .mining import MiningTable
from .optimise import MovingAverage, optimiser_tensors, restore_optimiser

FORMAT = "mpc-training-state"
VERSION = 1


@dataclass
class Position:
    """How far a stage has come.

    Attributes:
        step: number of steps done.
        seconds: time they took, over all sessions.
        best: best validation score so far, higher is better; None before the first validation.
        pending: see `MinedBatches.pending`.
        finished: whether the stage is complete.
    """

    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    pending: list[tuple[int, list[int]]] | None = None
    finished: bool = False


def save_state(
    path: Path,
    position: Position,
    network: nn.Module,
    average: MovingAverage,
    optimiser: torch.optim.Optimizer,
    table: MiningTable,
    scaler: torch.amp.GradScaler,
) -> None:
    """Write one file with the weights, their moving average, and the states of optimiser, mining and random numbers.

    Args:
        path: the file.
        position: how far the stage has come, with the views that are drawn already.
        network: the network that is trained.
        average: the moving average of its weights.
        optimiser: of the network's weights.
        table: the mining table.
        scaler: of the gradient.
    """
    tensors = {f"network/{name}": value for name, value in network.state_dict().items()}
    if average.decay > 0:
        tensors |= {f"average/{name}": value for name, value in average.network.state_dict().items()}
    states, numbers = optimiser_tensors(optimiser)
    tensors |= states
    tensors |= {f"mining/{name}": torch.from_numpy(value) for name, value in table.state().items()}
    tensors["random/torch"] = torch.get_rng_state()
    header: dict[str, Any] = {"format": FORMAT, "version": VERSION, "position": vars(position), "optimiser": numbers}
    header["scaler"] = scaler.state_dict()  # empty without float16
    write_tensors(path, tensors, header)


def load_state(
    path: Path,
    network: nn.Module,
    average: MovingAverage,
    optimiser: torch.optim.Optimizer,
    table: MiningTable,
    scaler: torch.amp.GradScaler,
) -> Position:
    """Restore in place what `save_state` wrote.

    Args:
        path: the file.
        network: receives the weights.
        average: receives their moving average.
        optimiser: receives its state.
        table: receives the scores.
        scaler: receives its scale, if the state has one: a run may go on with another precision.

    Raises:
        InputError: the file is damaged or belongs to other networks.
    """
    tensors, header = read_tensors(path)
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise InputError(path, f"is not a training state of version {VERSION}")

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    try:
        network.load_state_dict(part("network/"))
        if average.decay > 0:
            average.network.load_state_dict(part("average/"))
    except RuntimeError as error:
        raise InputError(path, f"does not fit the networks of the settings ({error})") from error
    restore_optimiser(optimiser, tensors, header["optimiser"])
    if scaler.is_enabled() and header.get("scaler"):
        scaler.load_state_dict(header["scaler"])
    table.restore({name: value.numpy() for name, value in part("mining/").items()})
    torch.set_rng_state(tensors["random/torch"])
    position = Position(**header["position"])
    position.pending = [(int(drawn), list(views)) for drawn, views in position.pending or []]
    return position
