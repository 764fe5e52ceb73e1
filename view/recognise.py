"""What a path holds, from the names of its files: which kind of source shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..formats.mesh_files import READ_SUFFIXES
from .content import Source
from .sources.compared import ComparedMeshes
from .sources.meshes import OneMesh

KINDS = "a mesh, or with --truth a folder of meshes"


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """What a user gives beside the path.

    Attributes:
        truth: true mesh, or folder of them, to compare the meshes of the path with.
    """

    truth: Path | None = None


def open_source(path: Path, options: ViewOptions | None = None) -> Source:
    """Find what shows a path.

    Raises:
        InputError: nothing does; the message says what is looked for.
    """
    options = options or ViewOptions()
    if options.truth is not None:
        return ComparedMeshes(path, options.truth)
    if path.is_file() and path.suffix.lower() in READ_SUFFIXES:
        return OneMesh(path)
    raise InputError(path, f"is not known; mpc view shows {KINDS}, and meshes end in {', '.join(READ_SUFFIXES)}")
