"""Check the files of rendered scenes against what was recorded when they were written; say what is not as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...core.errors import InputError
from .format import MESH, TEXTURES, SceneRecord
from .mesh_file import read_texture, texture_names

Damage = tuple[str, str]
"""The name of a file, from the folder of the scene's person, and what is wrong with it."""


def check_scene(scene: SceneRecord, *, deep: bool, known: dict[str, str | None] | None = None) -> Iterator[Damage]:
    """Check the pictures, the mesh and the textures of a scene.

    Args:
        scene: as `read_scene` gives it.
        deep: compare checksums, which reads every file; without it sizes are compared.
        known: what was found of textures before, by name, since the scenes of a person share them; it is added to.

    Yields:
        Each file that is not as it was written, and why.
    """
    known = {} if known is None else known
    place = scene.folder.name
    for name in scene.files:
        reason = _check_file(scene, name, deep)
        if reason is not None:
            yield f"{place}/{name}", reason
    sizes = scene.textures if scene.textures is not None else dict.fromkeys(texture_names(scene.folder / MESH))
    for name, written in sorted(sizes.items()):
        if name not in known:
            known[name] = _check_texture(scene.folder.parent / TEXTURES / name, written, deep)
        reason = known[name]
        if reason is not None:
            yield f"{TEXTURES}/{name}", reason


def _check_file(scene: SceneRecord, name: str, deep: bool) -> str | None:
    try:
        wrong = _check_size(scene.folder / name, scene.sizes.get(name))
        if wrong is None and deep:
            scene.read_file(name)
        return wrong
    except InputError:
        return "its checksum differs"


def _check_texture(path: Path, written: int | None, deep: bool) -> str | None:
    try:
        wrong = _check_size(path, written)
        if wrong is None and deep:
            read_texture(path)
        return wrong
    except InputError as error:
        return error.reason.partition(";")[0]


def _check_size(path: Path, written: int | None) -> str | None:
    """What is wrong with the size of a file; of renders of earlier versions none is recorded (None)."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if written is None:
        return None if size else "is empty"
    return None if size == written else f"has {size} bytes, {written} were written"
