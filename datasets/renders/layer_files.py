"""Write and read the layers of a view as PNG files beside its picture, `<view>.<layer>.png` (see layer_kinds.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.arrays import U8, U16, Array
from ...core.errors import InputError
from ...formats.png import decode_png_exact, encode_png, encode_png_rows
from ...render.layers import RenderLayers
from .format import SceneRecord, ViewRecord
from .layer_kinds import layer_codes, layer_kind, layer_values

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
        codes = layer_codes(layer_kind(name), getattr(layers, name), centre_world, extent_m)
        eight = codes.dtype.itemsize == 1
        encoded[name] = encode_view(codes.astype("u1")) if eight else encode_png_rows(codes, level=PNG_LEVEL)
    return encoded


def layer_path(scene: SceneRecord, view: ViewRecord, name: str) -> Path:
    """The file of a layer."""
    return scene.folder / f"{layer_name(view.name, name)}.png"


def read_layer_codes(scene: SceneRecord, view: ViewRecord, name: str) -> U8 | U16:
    """Read the numbers that a layer's file holds; arguments and errors as for `read_layer`."""
    path = layer_path(scene, view, name)
    if not path.is_file():
        raise InputError(path, f"no such layer; render with --layers {name}")
    try:
        return decode_png_exact(scene.read_file(path.name))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(path, f"does not read as a layer ({error})") from error


def read_layer(scene: SceneRecord, view: ViewRecord, name: str) -> Array:
    """Read one layer.

    Args:
        scene: the scene, as `read_renders` gives it.
        view: one of its views.
        name: the layer's name; which there are says render/layers.py.

    Returns:
        The array as RenderLayers holds it; depths, normals and positions to within 1 / 65534 of their range.

    Raises:
        InputError: it was not rendered (`mpc render --layers`), or the file is damaged.
    """
    codes = read_layer_codes(scene, view, name)
    try:
        return layer_values(layer_kind(name), codes, scene.centre_world, scene.extent_m)
    except ValueError as error:
        raise InputError(layer_path(scene, view, name), f"does not read as a layer ({error})") from error
