"""Write the scenes of a renders folder (datasets/renders/format.py), each whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.arrays import F32
from ...core.files import replacing_folder
from ...core.sealed import write_sealed_json
from ...geometry.mesh import PosedMesh
from .format import MESH, SCENE, TEXTURES, scene_key
from .mesh_file import texture_names, write_mesh


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a scene was made from, and by which renderer; a later run compares it to see whether the scene still holds.

    Attributes:
        source: name of the subject's file.
        source_sha256: SHA-256 of that file; of a rig with added motions "+" and their digest follow.
        source_files: SHA-256 of the other files by their path from the subject's folder, "absent" for missing ones.
        renderer: "pyrender" or "embree".
        given: unit, up, facing and height_m as the user gives them for this subject alone.
    """

    source: str
    source_sha256: str
    source_files: dict[str, str]
    renderer: str
    given: dict[str, Any] = field(default_factory=dict)


def write_scene(
    root: Path,
    description: dict[str, Any],
    mesh: PosedMesh,
    transfer: F32,
    pictures: dict[str, bytes] | Iterable[tuple[str, bytes]],
) -> Path:
    """Write one scene so that its folder is whole or absent, and return the folder.

    Args:
        root: the renders folder.
        description: what scene.json holds (see `read_scene`).
        mesh: the posed mesh; its vertices should be rounded to float32 already, as they are stored so.
        transfer: (V, 9) float32.
        pictures: names and PNG bytes; an iterator may draw them, what it has given is written meanwhile.
    """
    key = scene_key(description["subject"], description["animation"], description["frame"])
    final = root / key
    textures = root / description["subject"] / TEXTURES
    with replacing_folder(final) as folder:
        with ThreadPoolExecutor(1) as writer:
            shares = description["kind"] == "rigged"
            written = [writer.submit(write_mesh, folder / MESH, textures, mesh, transfer, share_faces=shares)]
            for name, data in pictures.items() if isinstance(pictures, dict) else pictures:
                written.append(writer.submit(_write_new, folder / f"{name}.png", data))
        files = dict(sorted(future.result() for future in written))
        sizes = {name: (folder / name).stat().st_size for name in files}
        shared = {name: (textures / name).stat().st_size for name in sorted(texture_names(folder / MESH))}
        write_sealed_json(folder / SCENE, {**description, "files": files, "bytes": sizes, "textures": shared})
    return final


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed run left half-written in a subject's folder (and in its textures)."""
    for path in [*folder.glob(".*.tmp-*"), *folder.glob("textures/.*.tmp-*")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write_new(path: Path, data: bytes) -> tuple[str, str]:
    """Write a file and flush it to the disk; its name and SHA-256."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return path.name, hashlib.sha256(data).hexdigest()
