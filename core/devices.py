"""Choose the device that computes, and check it before anything is built on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import SettingsError

# Ampere: earlier ones emulate bfloat16, slower than float32.
_BFLOAT16_SINCE = (8, 0)
# Volta has the first units for float16 (Turing follows). On Pascal float16 is mostly slower than float32.
_FLOAT16_SINCE = (7, 0)


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
    """Whether the device has units for bfloat16, which make training faster: GPUs from Ampere on, CPUs by their flags.

    On a CPU with AVX-512 BF16 or AMX a training step takes about half the time; without them bfloat16 is emulated and
    slower than float32 (docs/training.md).
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _BFLOAT16_SINCE
    return device.type == "cpu" and _cpu_has_bfloat16()


def training_dtype(device: torch.device) -> torch.dtype:
    """The precision that networks are trained in: what the device has units for.

    Returns:
        bfloat16 where the device computes it; float16 on older GPUs with units for that, with which gradients must be
        scaled, since float16 has no room for small ones; otherwise float32.
    """
    if computes_bfloat16(device):
        return torch.bfloat16
    half = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _FLOAT16_SINCE
    return torch.float16 if half else torch.float32


def _cpu_has_bfloat16() -> bool:
    # These questions to the processor are not in torch's public interface, and older versions have other names.
    return any(
        bool(getattr(torch.cpu, name, bool)()) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: the order of its sums, and so their last bits, depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
