"""Meshes of any format, read and written by the suffix of their file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ..core.errors import InputError, SettingsError
from ..geometry.mesh import PosedMesh
from .build_mesh import ReadMesh
from .build_rig import ReadPerson
from .fbx.read import read_fbx
from .gltf.read import read_gltf
from .gltf.write import write_glb
from .obj.read import read_obj
from .obj.write import ObjStyle, lost_wraps, write_obj
from .ply.read import read_ply
from .ply.write import write_ply
from .sniff import find_other_kind
from .stl import read_stl

logger = logging.getLogger(__name__)

_READERS: dict[str, Callable[[Path, Path | None], ReadMesh | ReadPerson]] = {
    ".obj": read_obj,
    ".ply": read_ply,
    ".stl": lambda path, _: read_stl(path),  # names no other files
    ".glb": read_gltf,
    ".gltf": read_gltf,
    ".fbx": read_fbx,
}
READ_SUFFIXES = tuple(_READERS)
WRITE_FORMATS = ("glb", "ply", "obj")
"""Suffixes that are written, without their dot."""


def read_mesh(path: Path) -> PosedMesh:
    """Read the surface of a file: OBJ, PLY, STL, GLB, glTF or FBX.

    Args:
        path: the file; pictures it names are read where they lie in its folder.

    Returns:
        The surface as its coordinates stand: an OBJ, PLY or STL does not say its unit and axes, glTF and FBX are in
        metres, y up. Of a rig, the rest pose.

    Raises:
        InputError: the file is missing, damaged, hostile or of another format; names file and reason.
    """
    return read_mesh_file(path).mesh


def read_mesh_file(path: Path, root: Path | None = None, *, texture: Path | None = None) -> ReadMesh | ReadPerson:
    """Read a file with all it says about itself.

    Args:
        path: the file.
        root: folder of the model, outside which no file is opened; None: the folder of the file.
        texture: of an OBJ, the picture for materials that name none that is there; see `read_obj`.

    Returns:
        ReadPerson for glTF and FBX, which may hold a rig; ReadMesh for the others.

    Raises:
        InputError: the file is missing, damaged, hostile or of another format; names file and reason.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise InputError(path, f"files of type {suffix or 'unknown'} are not read; convert it to GLB, FBX, OBJ or PLY")
    try:
        if suffix == ".obj":
            return read_obj(path, root, texture)
        return _READERS[suffix](path, root)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from error
    except InputError as error:
        other = find_other_kind(path) if error.path == path else None
        if other is not None:
            raise InputError(path, other) from error
        raise


def write_mesh(path: Path, mesh: PosedMesh, *, lit: bool = True) -> None:
    """Write a mesh as GLB, PLY or OBJ; each file whole or not at all.

    Textures lie in the GLB; the other formats have them as PNG files beside the mesh, the OBJ its library, too.

    Args:
        path: ends in .glb, .ply or .obj.
        mesh: metres, y up.
        lit: False where the colours hold the light already (what `mpc reconstruct` makes), so that viewers should add
            none; a PLY cannot say so.

    Raises:
        SettingsError: another suffix.
        OSError: of the disk; names the file.
    """
    suffix = path.suffix.lower()
    if suffix == ".glb":
        write_glb(path, mesh, lit=lit)
    elif suffix == ".ply":
        write_ply(path, mesh)
        _warn(path, lost_wraps(mesh, "PLY"))
    elif suffix == ".obj":
        write_obj(path, mesh, ObjStyle(lit=lit))
        _warn(path, lost_wraps(mesh, "OBJ"))
    else:
        raise SettingsError(f"{path}: meshes are written as {', '.join('.' + name for name in WRITE_FORMATS)}")


def _warn(path: Path, notices: tuple[str, ...]) -> None:
    for notice in notices:
        logger.warning("%s: %s", path, notice)
