"""Reads the original PIFu checkpoints (`net_G`, `net_C`) into our hourglass and residual networks, key by key.

The originals enlarge their hourglass maps by corner-aligned bicubic interpolation (`upsample="bicubic-corners"`), read
maps with aligned corners (`align_corners`; at the border of the picture that is half a feature cell, 2 of 512 pixels,
from where our own networks read) and scale plain z by 1.28. Their z grows towards the camera and ours away from it. The
weights on depth therefore change their sign, so that our calibrations can be used.

`net_C` exists with two norms (the option `--norm_color`): instance norm without weights beside convolutions with
biases, which is the option's default, and group norm with weights beside convolutions without biases, as PIFu's own
evaluation script asks for. The names of the weights tell which one a file is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.files import write_json
from .depth import DepthConfig
from .hourglass import HourglassConfig
from .residual import ResidualConfig
from .storage import save_network
from .surface import SurfaceConfig, SurfaceNetwork
from .texture import TextureConfig, TextureNetwork

PIFU_SURFACE = SurfaceConfig(
    encoder=HourglassConfig(upsample="bicubic-corners"), depth=DepthConfig(kind="plain"), align_corners=True
)
PIFU_TEXTURE = {
    norm: TextureConfig(
        encoder=ResidualConfig(norm=norm, bias=norm == "instance"), depth=DepthConfig(kind="plain"), align_corners=True
    )
    for norm in ("group", "instance")
}
"""By the norm that a `net_C` was trained with."""
# Their people are 180 units tall, and their pictures show 512 * 0.4 units (`apps/render_data.py`). This is the extent
# for a person of 1.7 m.
PIFU_EXTENT_M = round(1.7 * 512 * 0.4 / 180, 4)
PIFU_IMAGE_SIZE = 512

_BLOCK = {"bn1": "norm1", "bn2": "norm2", "bn3": "norm3", "downsample.0": "shortcut.0", "downsample.2": "shortcut.2"}
_STACK = {
    "top_m_": "tops", "conv_last": "ends", "bn_end": "end_norms", "l": "outputs", "bl": "returns",
    "al": "output_returns",
}  # fmt: skip
# Convolutions of `net_C`, each followed by its norm; the blocks are reflection pad, convolution (1), norm (2), ReLU,
# reflection pad, convolution (5), norm (6).
_RESIDUAL = {"1": "stem", "2": "stem_norm", "4": "down1", "5": "norm1", "7": "down2", "8": "norm2"}
_RESIDUAL_BLOCK = {"1": "conv1", "2": "norm1", "5": "conv2", "6": "norm2"}
# Only group norm has weights.
_GROUP_NORM = "image_filter.model.2.weight"


def surface_key(key: str, depth: int = 2) -> str | None:
    """Our name for a key of `net_G`; None for weights that the original never uses.

    Args:
        key: of the state dictionary.
        depth: number of halvings inside an hourglass.

    Raises:
        KeyError: the key does not belong to the network.
    """
    if match := re.fullmatch(r"surface_classifier\.conv(\d)\.(\w+)", key):
        return f"head.layers.{match[1]}.{match[2]}"
    name = key.removeprefix("image_filter.")
    for theirs, ours in (("conv1.", "stem."), ("bn1.", "stem_norm.")):
        if name.startswith(theirs):
            return f"encoder.{ours}{name.removeprefix(theirs)}"
    if match := re.fullmatch(r"conv([234])\.(.+)", name):
        return _block_key(f"encoder.block{int(match[1]) - 1}", match[2])
    if match := re.fullmatch(r"m(\d)\.b(1|2|2_plus|3)_(\d)\.(.+)", name):
        place = f"encoder.hourglasses.{match[1]}" + ".inner" * (depth - int(match[3]))
        part = {"1": "skip", "2": "down", "2_plus": "inner", "3": "up"}[match[2]]
        return _block_key(f"{place}.{part}", match[4])
    if match := re.fullmatch(r"(top_m_|conv_last|bn_end|bl|al|l)(\d)\.(.+)", name):
        place = f"encoder.{_STACK[match[1]]}.{match[2]}"
        return _block_key(place, match[3]) if match[1] == "top_m_" else f"{place}.{match[3]}"
    raise KeyError(key)


def _block_key(place: str, rest: str) -> str | None:
    """Our name for an entry of a ConvBlock. Its bn4 is the same as downsample.0, or is unused without a downsample."""
    if rest.startswith("bn4."):
        return None
    for theirs, ours in _BLOCK.items():
        if rest.startswith(theirs + "."):
            return f"{place}.{ours}.{rest.removeprefix(theirs + '.')}"
    return f"{place}.{rest}"


def texture_key(key: str) -> str | None:
    """Our name for a key of `net_C`.

    Raises:
        KeyError: the key does not belong to the network.
    """
    if match := re.fullmatch(r"surface_classifier\.conv(\d)\.(\w+)", key):
        return f"head.layers.{match[1]}.{match[2]}"
    if match := re.fullmatch(r"image_filter\.model\.(\d)\.(weight|bias)", key):
        return f"encoder.{_RESIDUAL[match[1]]}.{match[2]}"
    if match := re.fullmatch(r"image_filter\.model\.(\d\d)\.conv_block\.(\d)\.(weight|bias)", key):
        return f"encoder.blocks.{int(match[1]) - 10}.{_RESIDUAL_BLOCK[match[2]]}.{match[3]}"
    raise KeyError(key)


def _convert(state: Mapping[str, Tensor], network: torch.nn.Module, name: str) -> None:
    """Load a published state dictionary into a network; `name` is for messages."""
    target = network.state_dict()
    found: dict[str, Tensor] = {}
    translate = surface_key if isinstance(network, SurfaceNetwork) else texture_key
    for key, value in state.items():
        try:
            ours = translate(key)
        except KeyError:
            raise InputError(name, f"{key!r} has no place in the network") from None
        if ours is None:
            continue
        if ours not in target:
            raise InputError(name, f"{key!r} would be {ours!r}, which the network does not have")
        # Their layers on points are 1D convolutions of width 1.
        shaped = value[..., 0] if value.ndim == 3 else value
        if shaped.shape != target[ours].shape:
            raise InputError(name, f"{key!r} has shape {tuple(value.shape)}, expected {tuple(target[ours].shape)}")
        if ours.startswith("head.") and ours.endswith(".weight"):
            # Depth is the last input of every layer of the head; its weights change their sign.
            shaped = torch.cat([shaped[:, :-1], -shaped[:, -1:]], dim=1)
        found[ours] = shaped
    if missing := sorted(target.keys() - found.keys()):
        raise InputError(name, f"holds no weights for {missing[0]!r} and {len(missing) - 1} others")
    network.load_state_dict(found)


def surface_from_pifu(state: Mapping[str, Tensor], name: str = "net_G") -> SurfaceNetwork:
    """PIFu's surface network from the state dictionary of `net_G`.

    Raises:
        InputError: a key is unknown or missing, or an array has another shape.
    """
    network = SurfaceNetwork(PIFU_SURFACE)
    _convert(state, network, name)
    return network.eval()


def texture_from_pifu(state: Mapping[str, Tensor], name: str = "net_C") -> TextureNetwork:
    """PIFu's texture network from the state dictionary of a `net_C` with group norm or with instance norm.

    Raises:
        InputError: as for `surface_from_pifu`.
    """
    network = TextureNetwork(PIFU_TEXTURE["group" if _GROUP_NORM in state else "instance"])
    _convert(state, network, name)
    return network.eval()


def read_pifu_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the state dictionary of a published .pth file without running any code in it.

    Raises:
        InputError: the file is missing, or holds more than tensors.
    """
    import pickle

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 (tensors alone)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(path, f"is not a checkpoint of tensors ({str(error).splitlines()[0]})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(path, "is not a state dictionary")
    return state


def write_pifu_run(run: Path, net_g: Path, net_c: Path | None = None) -> None:
    """Make a run folder from published checkpoints, for `mpc reconstruct --run`.

    Args:
        run: a folder that does not exist yet.
        net_g: checkpoint of the surface network.
        net_c: checkpoint of the texture network; None: a run without colours.

    Raises:
        InputError: `run` exists, or a file is not such a checkpoint; then nothing is written.
    """
    if run.exists():
        raise InputError(run, "exists already")
    surface = surface_from_pifu(read_pifu_checkpoint(net_g), str(net_g))
    texture = None if net_c is None else texture_from_pifu(read_pifu_checkpoint(net_c), str(net_c))
    save_network(run / "surface" / "best.safetensors", surface, PIFU_SURFACE, origin=net_g.name)
    if net_c is not None and texture is not None:
        save_network(run / "texture" / "best.safetensors", texture, texture.config, origin=net_c.name)
    write_json(run / "run.json", {
        "format": "mpc-run", "version": 1, "status": "imported", "created": "", "stages": {},
        "settings": {"preset": "pifu", "image_size": PIFU_IMAGE_SIZE},
        "data": {"extent_m": PIFU_EXTENT_M, "fov_deg": 0.0},
    })  # fmt: skip
