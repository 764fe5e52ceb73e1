"""Write and read the layers of a view as PNG files beside its picture: `<view>.<layer>.png`.

| layer | file | value |
| --- | --- | --- |
| mask | 8-bit grey | 255 where the pixel's centre sees the surface, else 0 |
| albedo | 8-bit RGBA | unlit, sRGB, 0 outside |
| depth_front, depth_back | 16-bit grey | 0 outside, else 32768 + 32767 z, z in view space |
| normal_front, normal_back | 16-bit RGB | 0 outside, else 32768 + 32767 n, n in camera axes |
| position | 16-bit RGB | 0 outside, else 32768 + 32767 (p - centre) / extent, world metres |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.arrays import U8, Array
from ...core.errors import InputError
from ...formats.png import decode_png, decode_png16, encode_png, encode_png16
from ...render.layers import RenderLayers
from .format import SceneRecord, ViewRecord

MIDDLE, SCALE = 32768.0, 32767.0
PNG_LEVEL = 4


def layer_name(view: str, layer: str) -> str:
    """The layer's file name in the scene's folder, without ".png"."""
    return f"{view}.{layer}"


def encode_view(picture: U8) -> bytes:
    """PNG bytes of a rendered 8-bit picture: grey, RGB or RGBA."""
    return encode_png(picture, level=PNG_LEVEL, runs_alone=True)


def encode_layers(
    layers: RenderLayers, names: Sequence[str], centre_world: Sequence[float], extent_m: float
) -> dict[str, bytes]:
    """Encode layers as PNG.

    Args:
        layers: drawn by a renderer.
        names: which of them to encode.
        centre_world: centre of the scene's view cube, metres.
        extent_m: edge of the cube, metres.

    Returns:
        PNG bytes by layer name.
    """
    encoded: dict[str, bytes] = {}
    for name in names:
        values: Array = getattr(layers, name)
        if name == "mask":
            encoded[name] = encode_view(values.astype(np.uint8) * np.uint8(255))
        elif name == "albedo":
            encoded[name] = encode_view(values)
        else:
            wide = values.astype(np.float64)
            outside = np.isnan(wide) if wide.ndim == 2 else np.isnan(wide).any(axis=-1) | (wide == 0).all(axis=-1)
            if name == "position":
                outside = np.isnan(wide).any(axis=-1)
                wide = (wide - np.asarray(centre_world)) / extent_m
            wide[outside] = 0.0
            code = np.rint(np.clip(MIDDLE + SCALE * wide, 1.0, 65535.0)).astype(np.uint16)
            code[outside] = 0
            encoded[name] = encode_png16(code, level=PNG_LEVEL)
    return encoded


def read_layer(scene: SceneRecord, view: ViewRecord, name: str) -> Array:
    """Read one layer.

    Args:
        scene: the scene, as `read_renders` gives it.
        view: one of its views.
        name: the layer's name, see the table above.

    Returns:
        The array as RenderLayers holds it; depths, normals and positions to within 1 / 65534 of their range.

    Raises:
        InputError: it was not rendered (`mpc render --layers`), or the file is damaged.
    """
    path = scene.folder / f"{layer_name(view.name, name)}.png"
    if not path.is_file():
        raise InputError(path, f"no such layer; render with --layers {name}")
    try:
        data = path.read_bytes()
        if name == "mask":
            return decode_png(data)[..., 0] > 127
        if name == "albedo":
            return decode_png(data)
        code = decode_png16(data)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(path, f"does not read as a layer ({error})") from error
    values = (code.astype(np.float64) - MIDDLE) / SCALE
    outside = code == 0 if code.ndim == 2 else (code == 0).all(axis=-1)
    if name == "position":
        values = np.asarray(scene.centre_world) + values * scene.extent_m
    values[outside] = 0.0 if name.startswith("normal") else np.nan
    return values.astype(np.float32)
