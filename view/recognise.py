"""What a path holds, from the names of its files: which kind of source shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError, SettingsError
from ..core.files import read_json_object
from .content import Source

KINDS = (
    "a model directory, a folder of renders or shards, a run, a mesh, or the folder of a film that was reconstructed"
)


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """What a user gives beside the path.

    Attributes:
        truth: true mesh, or folder of them, to compare the meshes of the path with.
        run: the run whose mining weights draw the views of shards.
        shards: the shards that a run was trained on.
    """

    truth: Path | None = None
    run: Path | None = None
    shards: Path | None = None


def open_source(path: Path, options: ViewOptions | None = None) -> Source:
    """Find what shows a path.

    Raises:
        InputError: nothing does, or it cannot be read.
        SettingsError: an option does not belong to what the path holds.
    """
    options = options or ViewOptions()
    kind = "meshes" if options.truth is not None else _recognise(path)
    allowed = {"meshes": "truth", "shards": "run", "run": "shards"}.get(kind)
    for name in ("truth", "run", "shards"):
        if name != allowed and getattr(options, name) is not None:
            raise SettingsError(f"--{name}: no effect, since {path} is taken as {kind}")
    return OPENERS[kind](path, options)


def _recognise(path: Path) -> str:
    if path.is_file():
        from ..formats.mesh_files import READ_SUFFIXES

        if path.suffix.lower() in READ_SUFFIXES:
            return "mesh"
        raise InputError(path, f"is not known; mpc view shows {KINDS}, and meshes end in {', '.join(READ_SUFFIXES)}")
    if (path / "settings.json").is_file():
        found = read_json_object(path / "settings.json").get("format")
        if found in ("mpc-renders", "mpc-shards"):
            return str(found).removeprefix("mpc-")
    if (path / "index.json").is_file():
        return "shards"
    if (path / "run.json").is_file() or any(path.glob("*/run.json")):
        return "run"
    if (path / "film.json").is_file() or (path / ".unfinished" / "film.json").is_file():
        return "film"
    return "models"


# Each kind is imported where it is opened, since a page is to be there at once.


def _open_meshes(path: Path, options: ViewOptions) -> Source:
    from .sources.compared import ComparedMeshes

    assert options.truth is not None
    return ComparedMeshes(path, options.truth)


def _open_mesh(path: Path, options: ViewOptions) -> Source:
    from .sources.meshes import OneMesh

    return OneMesh(path)


def _open_renders(path: Path, options: ViewOptions) -> Source:
    from .sources.renders import Renders

    return Renders(path)


def _open_shards(path: Path, options: ViewOptions) -> Source:
    from .sources.shards import Shards

    return Shards(path, None if options.run is None else _run_folder(options.run))


def _open_run(path: Path, options: ViewOptions) -> Source:
    from .sources.run import Run

    return Run(_run_folder(path), options.shards)


def _open_film(path: Path, options: ViewOptions) -> Source:
    from .sources.film import Film

    return Film(path)


def _open_models(path: Path, options: ViewOptions) -> Source:
    from .sources.models import Models

    return Models(path)


def _run_folder(path: Path) -> Path:
    """The run at a path, or the newest one in it."""
    if (path / "run.json").is_file():
        return path
    from ..models.runs import find_run

    return find_run(path)


OPENERS: dict[str, Callable[[Path, ViewOptions], Source]] = {
    "meshes": _open_meshes,
    "mesh": _open_mesh,
    "renders": _open_renders,
    "shards": _open_shards,
    "run": _open_run,
    "film": _open_film,
    "models": _open_models,
}
