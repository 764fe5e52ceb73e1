"""mesh.npz of a scene, which holds its posed mesh and its radiance transfer.

Textures are files of their own, and so are the faces of a rig, which are the same in all of its scenes. They lie in the
subject's folder of textures and are named by their content.
"""

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


# Arrays of a mesh that all poses of a rig share.
SHARED = ("faces", "face_material", "uv", "face_uv", "vertex_colours", "face_part", "face_garment")
FACES_SUFFIX = ".npz"


def write_mesh(
    path: Path, textures: Path, mesh: PosedMesh, transfer: F32, *, share_faces: bool = False
) -> tuple[str, str]:
    """Write mesh.npz, and those textures that are not there yet.

    Args:
        path: the file to write.
        textures: folder of the subject's textures, named by their content.
        mesh: the posed mesh; its vertices are stored as float32.
        transfer: (V, 9) float32, radiance transfer of each vertex.
        share_faces: write faces, texture coordinates and vertex colours beside the textures, once for all meshes that
            have the same.

    Returns:
        The file's name and SHA-256.
    """
    arrays: dict[str, Any] = {
        "vertices": mesh.vertices.astype(np.float32),
        "transfer": transfer,
        "materials": np.array(json.dumps([_write_material(textures, entry) for entry in mesh.materials])),
    }
    shared = {name: getattr(mesh, name) for name in SHARED if getattr(mesh, name) is not None}
    if share_faces:
        arrays["shared"] = np.array(_write_faces(textures, shared))
    else:
        arrays |= shared
    np.savez(path, **arrays)
    return path.name, file_sha256(path)


def _write_faces(folder: Path, arrays: dict[str, Any]) -> str:
    """Write the arrays that meshes share unless they are there; the file's name, which says what it holds."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    data = buffer.getvalue()
    name = _name_faces(data)
    try:
        whole = (folder / name).read_bytes() == data
    except OSError:
        whole = False
    if not whole:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / name, data, shared=True)
    return name


def _name_faces(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16] + FACES_SUFFIX


def read_faces(path: Path) -> dict[str, Any]:
    """Read the arrays that meshes share, and compare the file with its name.

    Raises:
        InputError: it is missing, damaged, or not what was written under this name.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"damaged scene ({error.strerror}); {REPAIR}") from error
    if _name_faces(data) != path.name:
        raise InputError(path, f"damaged scene (its content is not that of its name); {REPAIR}")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


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
        if "shared" in content:
            content |= read_faces(textures / Path(str(content["shared"])).name)
        materials = tuple(_read_material(textures, entry) for entry in json.loads(str(content["materials"])))
        mesh = PosedMesh(
            content["vertices"].astype(np.float64),
            content["faces"],
            materials,
            content["face_material"],
            content.get("uv"),
            content.get("face_uv"),
            content.get("vertex_colours"),
            content.get("face_part"),
            content.get("face_garment"),
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
    """The names of the files of textures and shared faces that a mesh.npz refers to; empty where it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            entries = json.loads(str(arrays["materials"]))
            names = {entry["texture"] for entry in entries if entry["texture"] is not None}
            return names | ({str(arrays["shared"])} if "shared" in arrays.files else set())
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
