"""Read the picture of a view, and write and read its layers, files beside it: `<view>.<layer>.png` (layer_kinds.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.arrays import U8, Array
from ...core.errors import InputError
from ...formats.png_box import decode_png_whole, encode_png_box
from ...render.layers import RenderLayers
from .format import SceneRecord, ViewRecord
from .layer_kinds import layer_codes, layer_kind, layer_values


def layer_name(view: str, layer: str) -> str:
    """The layer's file name in the scene's folder, without ".png"."""
    return f"{view}.{layer}"


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
        encoded[name] = encode_png_box(codes)
    return encoded


def layer_path(scene: SceneRecord, view: ViewRecord, name: str) -> Path:
    """The file of a layer."""
    return scene.folder / f"{layer_name(view.name, name)}.png"


def read_picture(scene: SceneRecord, view: ViewRecord) -> U8:
    """Read the picture of a view.

    Returns:
        (H, H, 4) uint8 RGBA, sRGB, straight alpha, H the scene's image size; 0 outside the box that the file holds.

    Raises:
        InputError: the file is missing, damaged, or of another size.
    """
    try:
        return decode_png_whole(scene.read_file(view.path.name), scene.image_size)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(view.path, f"does not read as a picture ({error})") from error


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
    path = layer_path(scene, view, name)
    if not path.is_file():
        raise InputError(path, f"no such layer; render with --layers {name}")
    try:
        codes = decode_png_whole(scene.read_file(path.name), scene.image_size, exact=True)
        return layer_values(layer_kind(name), codes, scene.centre_world, scene.extent_m)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(path, f"does not read as a layer ({error})") from error
