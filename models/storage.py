"""Writes and reads networks: a safetensors file with weights and configuration, and the configuration as JSON."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.files import replacing, reserve, write_json
from ..core.settings import override, to_table
from .surface import SurfaceConfig, SurfaceNetwork
from .texture import TextureConfig, TextureNetwork

FORMAT = "mpc-network"
VERSION = 1
# More bytes than the entry of a tensor takes in the header of a file.
HEADER_BYTES = 512


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON header to one safetensors file, which appears whole or not at all.

    Args:
        path: the file.
        tensors: by name.
        header: a table that JSON can hold.

    Raises:
        OSError: the disk is full or read-only; the error names the file. An earlier file of that name stays.
    """
    # safetensors refuses tensors that share memory. Clones cost little beside a training step.
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(header)
    try:
        with replacing(path) as temporary:
            temporary.touch()
            # safetensors reports a full disk by an error of its own kind, so the room is reserved first.
            reserve(temporary, sum(tensor.nbytes for tensor in whole.values()) + len(text) + HEADER_BYTES * len(whole))
            save_file(whole, temporary, metadata={"mpc": text})
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(path)) from error


def read_tensors(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the JSON header that `write_tensors` wrote.

    Raises:
        InputError: the file is missing, is not a safetensors file, or has no header of ours.
    """
    if not path.is_file():
        raise InputError(path, "no such file")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            header = (file.metadata() or {}).get("mpc")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(path, f"not a whole safetensors file ({error})") from error
    if header is None:
        raise InputError(path, "has no mpc header; was it written by this tool?")
    return tensors, json.loads(header)


def save_network(path: Path, network: nn.Module, config: SurfaceConfig | TextureConfig, **notes: Any) -> None:
    """Write a network to a .safetensors file, and its header as JSON beside it.

    Args:
        path: ends in .safetensors.
        network: its `state_dict` is stored.
        config: the configuration that the network was built from.
        notes: further entries of the header (step, iou, ...).
    """
    kind = "surface" if isinstance(config, SurfaceConfig) else "texture"
    tensors = network.state_dict()
    header = {
        "format": FORMAT, "version": VERSION, "kind": kind, "config": to_table(config),
        "parameters": sum(p.numel() for p in network.parameters()), "sha256": tensors_sha256(tensors), **notes,
    }  # fmt: skip
    write_tensors(path, tensors, header)
    write_json(path.with_suffix(".json"), header, sort_keys=False)


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors, by name: the names and the bytes of their values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        # Bytes, since numpy has no bfloat16.
        digest.update(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_network(
    path: Path, device: torch.device | str = "cpu"
) -> tuple[SurfaceNetwork | TextureNetwork, dict[str, Any]]:
    """Read a network that `save_network` wrote, in evaluation mode, and its header.

    Raises:
        InputError: the file is of another kind or version, its weights are not those that were written, or they do not
            fit its configuration.
    """
    tensors, header = read_tensors(path, device)
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise InputError(
            path, f"format {header.get('format')} version {header.get('version')}, expected {FORMAT} {VERSION}"
        )
    if header.get("sha256") != tensors_sha256(tensors):
        raise InputError(path, "damaged: the SHA-256 of its weights is not the one that it records")
    network: SurfaceNetwork | TextureNetwork
    if header["kind"] == "surface":
        network = SurfaceNetwork(override(SurfaceConfig(), header["config"], "surface_network"))
    else:
        network = TextureNetwork(override(TextureConfig(), header["config"], "texture_network"))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(path, f"weights do not fit the configuration in the same file: {error}") from error
    return network.to(device).eval().requires_grad_(False), header
