"""Read a renders folder: which scenes belong to the last finished run, and why the others are not taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ...core.errors import InputError
from ...core.folders import read_folder_settings
from .format import RENDERS, SCENE, SceneRecord, read_scene, scene_folders
from .manifest import Line, read_manifest

UNFINISHED = "it was made by a run that was stopped"


class AnyScene(Protocol):
    """What `Renders` needs to know of a scene: attributes of SceneRecord and of ListedScene."""

    @property
    def key(self) -> str:
        """See SceneRecord."""

    @property
    def subject(self) -> str:
        """See SceneRecord."""

    @property
    def source_sha256(self) -> str | None:
        """See SceneRecord."""


Scene = TypeVar("Scene", bound=AnyScene)


@dataclass(frozen=True, eq=False)
class Renders(Generic[Scene]):
    """A renders folder, with its scenes read (`SceneRecord`) or listed (`ListedScene`).

    Attributes:
        folder: where it is.
        settings: the settings that made it, as settings.json holds them.
        scenes: all whole scenes, sorted by key.
        refused: why a scene is not among `scenes`, by its key; each reason says what to do.
        aside: keys of those refused scenes that do not belong to the last finished run; None where no run has finished,
            and all scenes that are there are taken.
    """

    folder: Path
    settings: dict[str, Any]
    scenes: tuple[Scene, ...]
    refused: dict[str, str] = field(default_factory=dict)
    aside: frozenset[str] | None = frozenset()

    @property
    def sources(self) -> dict[str, str]:
        """SHA-256 of the file that a person was read from, by subject, where it is recorded."""
        noted = ((scene.subject, scene.source_sha256) for scene in self.scenes)
        return {subject: source.partition("+")[0] for subject, source in noted if source}


def read_renders(folder: Path) -> Renders[SceneRecord]:
    """Read what `mpc render` wrote (a few kB a scene; no picture is opened).

    The scenes are those that belong to the last finished run (datasets/renders/manifest.py); where no run has finished
    yet, all that are there. A scene that cannot be used is listed in `Renders.refused`, and the others are read.

    Raises:
        InputError: not a renders folder, another version, or no scene of it can be used.
    """
    return walk_renders(folder, read_listed)


def walk_renders(folder: Path, read: Callable[[Path, str, Line | None], Scene]) -> Renders[Scene]:
    """Go through the scenes of a renders folder.

    Args:
        folder: the renders folder.
        read: reads a scene that belongs by its folder, its key, and the manifest's line about it (None: there is no
            manifest); a scene that cannot be used is an InputError.

    Raises:
        InputError: as `read_renders`.
    """
    settings = read_folder_settings(folder, RENDERS)
    if settings is None:
        raise InputError(folder, "is not a renders folder (no settings.json); run `mpc render MODELS` first")
    command = _command(settings)
    lines = read_manifest(folder)
    scenes: list[Scene] = []
    aside: set[str] = set()
    lost = (key for key, line in (lines or {}).items() if "aside" not in line)
    refused = {key: f"{folder / key}: the scene is gone; `{command}` makes it again" for key in lost}
    for place in scene_folders(folder):
        key = place.relative_to(folder).as_posix()
        refused.pop(key, None)
        line = None if lines is None else lines.get(key)
        if lines is not None and (line is None or "aside" in line):
            aside.add(key)
            stopped = f"{UNFINISHED}; `{command}` again ends what that began"
            refused[key] = stopped if line is None else f"{line['aside']}; `{command} --prune` removes it"
            continue
        try:
            scenes.append(read(place, key, line))
        except InputError as error:
            refused[key] = str(error)
    if refused and not scenes:
        raise InputError(folder, f"no scene can be used; {min(refused)}: {refused[min(refused)]}")
    ordered = tuple(sorted(scenes, key=lambda scene: scene.key))
    return Renders(folder, settings, ordered, refused, None if lines is None else frozenset(aside))


def read_listed(place: Path, key: str, line: Line | None) -> SceneRecord:
    """Read a scene that belongs, and compare it with the manifest's line about it (None: there is no manifest)."""
    scene = read_scene(place)
    if scene.key != key:
        raise InputError(place / SCENE, f"describes {scene.key}; {scene.remedy}")
    if line is not None and line.get("scene_sha256", scene.sha256) != scene.sha256:
        again = f"type `{_command(scene.notes)}` again"
        raise InputError(place / SCENE, f"is not what the last finished run recorded; {again}")
    return scene


def describe_unfinished(aside: frozenset[str] | None) -> list[str]:
    """A remark where no run has finished in a renders folder; `aside` is that of Renders."""
    return ["renders: no run has ended there yet; the scenes that are there are used"] if aside is None else []


def _command(settings: dict[str, Any]) -> str:
    """The command that made a renders folder, or a scene, by its settings or notes."""
    return "mpc import SOURCE" if "imported" in settings else "mpc render MODELS"
