"""Several processes started by `torchrun`, or this one alone, behind the same few calls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor

from ..core.devices import choose_device


@dataclass(frozen=True)
class Group:
    """The processes of a run.

    Attributes:
        rank: this process, from 0.
        world: how many there are.
        device: where this process computes.
        reason: why that device, for the log.
    """

    rank: int
    world: int
    device: torch.device
    reason: str

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    def gather(self, values: Tensor) -> Tensor:
        """(K,) of every process -> (world, K), in order of rank."""
        if self.world == 1:
            return values[None]
        parts = [torch.empty_like(values) for _ in range(self.world)]
        torch.distributed.all_gather(parts, values.contiguous())
        return torch.stack(parts)

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.world > 1:
            torch.distributed.barrier()


@contextmanager
def open_group(device: str) -> Iterator[Group]:
    """Join the processes that torchrun started (gloo on the CPU, nccl on CUDA), or stand alone."""
    chosen, reason = choose_device(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(0, 1, chosen, reason)
        return
    joined = torch.distributed.is_initialized()
    if not joined:
        torch.distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Group(torch.distributed.get_rank(), world, chosen, reason)
    finally:
        if not joined:
            torch.distributed.destroy_process_group()
