"""The processes of a run, started by `torchrun` or one alone, with the same interface for both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor

from ..core.devices import choose_device
from ..core.errors import MpcError

# What gloo says when the process at the other end has ended; nccl says nothing, and torchrun ends who waits.
_LOST = ("closed by peer", "reset by peer", "connection closed")


@dataclass(frozen=True)
class Group:
    """The processes of a run.

    Attributes:
        rank: number of this process, from 0.
        world: number of processes.
        device: the device that this process computes on.
        reason: why that device was chosen, for the log.
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
        """Collect the values (K,) of every process to (world, K), in the order of ranks."""
        if self.world == 1:
            return values[None]
        parts = [torch.empty_like(values) for _ in range(self.world)]
        torch.distributed.all_gather(parts, values.contiguous())
        return torch.stack(parts)

    def wait(self) -> None:
        """Wait until every process has called this method."""
        if self.world > 1:
            torch.distributed.barrier()


@contextmanager
def open_group(device: str) -> Iterator[Group]:
    """Join the processes that torchrun started (gloo on the CPU, nccl on CUDA), or make a group of this process alone.

    A process that fails leaves the group as it is and ends: the others may be waiting for it in a collective call, and
    to leave the group in order would be to wait for them, too. Its end ends theirs: gloo notices the broken connection,
    and torchrun stops the processes that nccl keeps waiting.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        MpcError: another process of the run has ended.
    """
    chosen, reason = choose_device(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
        torch.backends.cudnn.benchmark = True  # all batches of a stage have one size
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(0, 1, chosen, reason)
        return
    joined = torch.distributed.is_initialized()
    if not joined:
        # Without its device, nccl would guess one from the rank.
        backend, own = ("nccl", chosen) if chosen.type == "cuda" else ("gloo", None)
        torch.distributed.init_process_group(backend, device_id=own)
    try:
        yield Group(torch.distributed.get_rank(), world, chosen, reason)
    except RuntimeError as error:
        if any(sign in str(error).lower() for sign in _LOST):
            raise MpcError("another process of this run has ended; see its message") from error
        raise
    if not joined:
        torch.distributed.destroy_process_group()
