"""Choose the device that computes, and check it before anything is built on it."""

from __future__ import annotations

import os

import torch

from .errors import SettingsError

# Ampere: earlier ones emulate bfloat16, slower than float32.
_BFLOAT16_SINCE = (8, 0)


def choose_device(name: str) -> tuple[torch.device, str]:
    """Find the device of a name.

    Args:
        name: "auto", "cpu", "cuda" or "cuda:N". "auto" and "cuda" give each process of `torchrun` a GPU of its own.

    Returns:
        The device, and the reason for the choice.

    Raises:
        SettingsError: another name, or a GPU that this machine does not have.
    """
    own = int(os.environ.get("LOCAL_RANK", "0"))
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", own), "a CUDA device is there"
        return torch.device("cpu"), "no CUDA device here"
    kind, _, index = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (":" in name and not index.isdecimal())):
        raise SettingsError(f"device {name!r}: expected auto, cpu, cuda or cuda:N")
    if kind == "cpu":
        return torch.device("cpu"), "as asked"
    device, count = torch.device("cuda", int(index or own)), torch.cuda.device_count()
    if not torch.cuda.is_available() or int(index or own) >= count:
        raise SettingsError(
            f"device {name}: torch {torch.__version__} finds {count} CUDA devices here; try --device cpu"
        )
    return device, "as asked"


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 makes training faster: true on GPUs that have units for it, false on CPUs (docs/training.md)."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _BFLOAT16_SINCE
