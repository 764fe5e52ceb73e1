"""Two engines that run a network on a picture: torch, and LiteRT, which is an extra and takes half the time."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...core.arrays import F32
from ...core.errors import InputError, MpcError
from .network import load_step_network
from .store import original_path, tensors_path

ENGINES = ("auto", "torch", "litert")

Engine = Callable[[F32], tuple[F32, ...]]
"""Takes a picture (H, W, 3) in the range of the network; returns its outputs, maps as (1, H, W, C)."""


def has_litert() -> bool:
    """Whether LiteRT is installed (extra `mask`)."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def open_engine(folder: Path, name: str, kind: str = "auto") -> Engine:
    """Load a network.

    Args:
        folder: of the networks, from `require_networks`.
        name: of the network, a key of `store.ORIGINS`.
        kind: "torch", "litert", or "auto": LiteRT where it is installed, otherwise torch.

    Raises:
        InputError: the file is missing or damaged.
        MpcError: LiteRT is asked for and not installed.
    """
    if kind == "litert" and not has_litert():
        raise MpcError("LiteRT is not installed: pip install 'mpc[mask]'")
    if kind == "litert" or (kind == "auto" and has_litert()):
        return _open_litert(original_path(folder, name))
    return _open_torch(tensors_path(folder, name))


def _open_torch(path: Path) -> Engine:
    network = load_step_network(path)

    def run(picture: F32) -> tuple[F32, ...]:
        outputs = network(torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None])
        return tuple((one.permute(0, 2, 3, 1) if one.ndim == 4 else one).numpy() for one in outputs)

    return run


@contextmanager
def _silent() -> Iterator[None]:
    """Keep native code from writing to stderr: LiteRT announces each network there, which nothing else turns off."""
    with open(os.devnull, "wb") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _open_litert(path: Path) -> Engine:
    from ai_edge_litert.interpreter import Interpreter

    if not path.is_file():
        raise InputError(path, "no such file; `mpc fetch` gets it")
    try:
        with _silent():
            interpreter: Any = Interpreter(model_path=str(path), num_threads=1)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise InputError(path, f"LiteRT cannot read it ({str(error).splitlines()[0]})") from error
    (picture_in,) = interpreter.get_input_details()
    # LiteRT lists outputs by their place in the file, as the converted network does.
    outputs = [one["index"] for one in interpreter.get_output_details()]

    def run(picture: F32) -> tuple[F32, ...]:
        interpreter.set_tensor(picture_in["index"], np.ascontiguousarray(picture[None], np.float32))
        interpreter.invoke()
        return tuple(interpreter.get_tensor(index) for index in outputs)

    return run
