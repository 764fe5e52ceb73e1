"""What the pixels of a layer mean: the numbers that its PNG holds, and the values that they stand for.

| kind | PNG | value |
| --- | --- | --- |
| mask | 8-bit grey | True where it is above 127 |
| colour | 8-bit RGBA | itself: sRGB, 0 outside |
| depth | 16-bit grey | 0 outside (NaN), else 32768 + 32767 z, z in view space |
| normal | 16-bit RGB | 0 outside (0), else 32768 + 32767 n, n a unit vector in camera axes |
| position | 16-bit RGB | 0 outside (NaN), else 32768 + 32767 (p - centre) / extent, p in world metres |
| label | 8-bit grey | itself: 0 outside, else a number of PARTS or GARMENTS (geometry/labels.py), 255 unknown |

A layer's name says its kind (`layer_kind`). Shards record it (docs/shard-format.md), so that a reader need not know the
name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal, get_args

import numpy as np

from ...core.arrays import F64, U8, U16, Array
from ...core.errors import InputError

LayerKind = Literal["mask", "colour", "depth", "normal", "position", "label"]
KINDS: tuple[LayerKind, ...] = get_args(LayerKind)
MIDDLE, SCALE = 32768.0, 32767.0
# dtype and channels (0: none, a grey picture) of each kind's PNG.
STORED: dict[LayerKind, tuple[type, int]] = {
    "mask": (np.uint8, 0),
    "colour": (np.uint8, 4),
    "depth": (np.uint16, 0),
    "normal": (np.uint16, 3),
    "position": (np.uint16, 3),
    "label": (np.uint8, 0),
}
# Words of names that tell of another word for a kind.
_WORDS: dict[str, LayerKind] = {"albedo": "colour", "photo": "colour", "part": "label", "garment": "label"}


def layer_kind(name: str) -> LayerKind:
    """The kind of a layer: "depth_front", "depth_back" and all others with the word depth are depths, and so on.

    Raises:
        InputError: no kind is known for the name.
    """
    words = name.split("_")
    for kind in KINDS:
        if kind in words:
            return kind
    for word, kind in _WORDS.items():
        if word in words:
            return kind
    known = ", ".join((*KINDS, *_WORDS))
    raise InputError(name, f"is no layer whose kind is known (a word of its name is one of {known})")


def layer_codes(kind: LayerKind, values: Array, centre_world: Sequence[float], extent_m: float) -> U8 | U16:
    """The numbers that a layer's PNG holds.

    Args:
        kind: of the layer.
        values: (H, W) or (H, W, C) as RenderLayers holds them.
        centre_world: centre of the scene's view cube, metres.
        extent_m: edge of the cube, metres.
    """
    if kind == "mask":
        return values.astype(np.uint8) * np.uint8(255)
    if kind in ("colour", "label"):
        return values
    wide = values.astype(np.float64)
    outside = np.isnan(wide) if wide.ndim == 2 else np.isnan(wide).any(axis=-1)
    if kind == "normal":
        outside |= (wide == 0).all(axis=-1)
    if kind == "position":
        wide = (wide - np.asarray(centre_world)) / extent_m
    wide[outside] = 0.0
    codes = np.rint(np.clip(MIDDLE + SCALE * wide, 1.0, 65535.0)).astype(np.uint16)
    codes[outside] = 0
    return codes


def layer_values(kind: LayerKind, codes: U8 | U16, centre_world: Sequence[float], extent_m: float) -> Array:
    """What the numbers of a layer's PNG stand for; arguments and result as for `layer_codes`, the other way round.

    Raises:
        ValueError: the PNG has other channels or another depth than the kind.
    """
    dtype, channels = STORED[kind]
    found = codes.shape[2] if codes.ndim == 3 else 0
    if codes.dtype != dtype or found != channels:
        raise ValueError(f"{8 * codes.dtype.itemsize} bits in {max(found, 1)} channels are no {kind} layer")
    if kind == "mask":
        return codes > 127
    if kind in ("colour", "label"):
        return codes
    outside = codes == 0 if codes.ndim == 2 else (codes == 0).all(axis=-1)
    if kind == "position":
        values = (np.asarray(centre_world) + _unit_values()[codes] * extent_m).astype(np.float32)
    else:
        values = _unit_values().astype(np.float32)[codes]
    values[outside] = outside_value(kind)
    return values


def outside_value(kind: LayerKind) -> float:
    """What a layer holds where the view shows no surface."""
    return np.nan if kind in ("depth", "position") else 0


@cache
def _unit_values() -> F64:
    """(65536,) float64 values in [-1, 1] that 16-bit numbers stand for: a table is faster than arithmetic."""
    return (np.arange(65536, dtype=np.float64) - MIDDLE) / SCALE
