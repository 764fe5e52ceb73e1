"""mesh.npz of a scene, which holds its posed mesh and its radiance transfer; textures are files of their own."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, U8
from ...core.errors import InputError
from ...core.files import file_sha256, write_bytes
from ...formats.png import decode_png, encode_png
from ...geometry.mesh import WRAPS, Material, MeshError, PosedMesh

REPAIR = "`mpc render MODELS --repair` renders the scene again"


def write_mesh(path: Path, textures: Path, mesh: PosedMesh, transfer: F32) -> tuple[str, str]:
    """Write mesh.npz, and those textures that are not there yet.

    Args:
        path: the file to write.
        textures: folder of the subject's textures, named by their content.
        mesh: the posed mesh; its vertices are stored as float32.
        transfer: (V, 9) float32, radiance transfer of each vertex.

    Returns:
        The file's name and SHA-256.
    """
    arrays: dict[str, Any] = {
        "vertices": mesh.vertices.astype(np.float32),
        "faces": mesh.faces,
        "face_material": mesh.face_material,
        "transfer": transfer,
        "materials": np.array(json.dumps([_write_material(textures, entry) for entry in mesh.materials])),
    }
    for name in ("uv", "face_uv", "vertex_colours"):
        if getattr(mesh, name) is not None:
            arrays[name] = getattr(mesh, name)
    np.savez(path, **arrays)
    return path.name, file_sha256(path)


def read_mesh(path: Path, data: bytes, textures: Path) -> tuple[PosedMesh, F32]:
    """Read what `write_mesh` wrote.

    Args:
        path: the file, for messages.
        data: its bytes.
        textures: folder of the subject's textures.

    Returns:
        The posed mesh, and the transfer (V, 9) float32.

    Raises:
        InputError: the file or a texture is missing, damaged or contradicts itself.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        materials = tuple(_read_material(textures, entry) for entry in json.loads(str(content["materials"])))
        mesh = PosedMesh(
            content["vertices"].astype(np.float64),
            content["faces"],
            materials,
            content["face_material"],
            content.get("uv"),
            content.get("face_uv"),
            content.get("vertex_colours"),
        )
        return mesh, content["transfer"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, MeshError) as error:
        raise InputError(path, f"damaged scene ({error})") from error


def _write_material(folder: Path, material: Material) -> dict[str, Any]:
    texture = None
    if material.texture is not None:
        pixels, texture = _name_texture(material.texture)
        if not _is_whole(folder / texture):
            folder.mkdir(parents=True, exist_ok=True)
            write_bytes(folder / texture, encode_png(pixels, level=1), shared=True)
    entry = {
        "name": material.name,
        "texture": texture,
        "colour": list(material.colour),
        "alpha_mode": material.alpha_mode,
        "alpha_cutoff": material.alpha_cutoff,
    }
    return entry if material.wrap == ("repeat", "repeat") else {**entry, "wrap": list(material.wrap)}


def _name_texture(picture: U8) -> tuple[U8, str]:
    """The channels of a texture that are stored, and the name of its file, which says what it holds."""
    pixels = picture[..., :3] if (picture[..., 3] == 255).all() else picture
    return pixels, hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16] + ".png"


def _is_whole(path: Path) -> bool:
    """Whether a texture is there already and holds what its name says."""
    try:
        state = path.stat()
    except OSError:
        return False
    return _check_texture(path, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=64)  # all frames of a rig share its textures, which need not be decoded for each of them
def _check_texture(path: Path, stamp: tuple[int, int]) -> bool:
    try:
        read_texture(path)
    except InputError:
        return False
    return True


def read_texture(path: Path) -> U8:
    """Read a texture, (H, W, 4) uint8 RGBA, and compare its content with its name.

    Raises:
        InputError: it is missing, damaged, or not what was written under this name.
    """
    try:
        picture = decode_png(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(path, f"damaged texture ({error}); {REPAIR}") from error
    if _name_texture(picture)[1] != path.name:
        raise InputError(path, f"damaged texture (its content is not that of its name); {REPAIR}")
    return picture


def texture_names(path: Path) -> set[str]:
    """The names of the texture files that a mesh.npz refers to; empty where it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {entry["texture"] for entry in json.loads(str(arrays["materials"])) if entry["texture"] is not None}
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return set()


def _read_material(folder: Path, entry: dict[str, Any]) -> Material:
    texture = None
    if entry["texture"] is not None:
        texture = read_texture(folder / Path(entry["texture"]).name)
    red, green, blue, alpha = entry["colour"]
    wraps = entry.get("wrap", ["repeat", "repeat"])  # left out where both repeat, as in files of earlier versions
    across, down = (WRAPS[str(side)] for side in wraps)
    return Material(
        entry["name"], texture, (red, green, blue, alpha), entry["alpha_mode"], entry["alpha_cutoff"], (across, down)
    )
