"""`mpc verify` of a renders folder: compare every file with what was recorded when it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import InputError
from ...core.folders import read_folder_settings
from ...core.progress import NoProgress, Progress
from ...core.units import run_units
from .format import MESH, RENDERS, SCENE, TEXTURES, SceneRecord, read_scene, scene_folders
from .manifest import Line, read_manifest
from .mesh_file import FACES_SUFFIX, read_faces, read_texture, texture_names
from .read import UNFINISHED

Damage = tuple[str, str]
"""The name of a file, from the folder of the scene's person, and what is wrong with it."""


@dataclass(frozen=True)
class RenderProblem:
    """One file of a renders folder that is not as it was written.

    Attributes:
        file: its path from the folder.
        scene: key of the scene that needs it; None where not just one scene is concerned.
        reason: what is wrong, in words.
    """

    file: str
    scene: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class RendersReport:
    """What was found in a renders folder.

    Attributes:
        scenes: number of scenes that belong to the last finished run, and were checked.
        problems: what is wrong with them.
        aside: scenes that are there and do not belong, by key, with the reason.
    """

    scenes: int
    problems: tuple[RenderProblem, ...]
    aside: dict[str, str]


@dataclass(frozen=True)
class _Unit:
    """One unit of work: the scenes of one person, by key, with the manifest's lines (empty where there is none)."""

    folder: Path
    lines: dict[str, Line]
    deep: bool


def verify_renders(
    folder: Path, *, deep: bool = False, jobs: int = 1, progress: Progress | None = None
) -> RendersReport:
    """Check every scene of a renders folder that belongs to its last finished run.

    Args:
        folder: written by `mpc render` or `mpc import`.
        deep: compare the checksum of every file; without it only files that are missing, or whose size is not the one
            that was written, are found, and scene.json, whose checksum is always compared.
        jobs: worker processes, see core/units.py.
        progress: receives each person's scenes.

    Raises:
        InputError: it is not a renders folder, or its manifest is damaged.
    """
    if read_folder_settings(folder, RENDERS) is None:
        raise InputError(folder, "is not a renders folder (no settings.json)")
    listed = read_manifest(folder)
    found = {place.relative_to(folder).as_posix(): Line() for place in scene_folders(folder)}
    lines: dict[str, Line] = found if listed is None else listed
    aside = {key: str(line["aside"]) for key, line in lines.items() if "aside" in line and key in found}
    aside |= {key: UNFINISHED for key in found if key not in lines}
    people: dict[str, dict[str, Line]] = {}
    for key, line in sorted(lines.items()):
        if "aside" not in line:
            people.setdefault(key.partition("/")[0], {})[key] = line
    progress = progress or NoProgress()
    progress.start("verify scenes", sum(len(own) for own in people.values()))
    problems: list[RenderProblem] = []
    for name, count, wrong in run_units(
        _verify_person, [_Unit(folder, own, deep) for own in people.values()], jobs=jobs
    ):
        problems.extend(wrong)
        progress.advance(count, name)
    progress.finish()
    problems.sort(key=lambda problem: (problem.scene or "", problem.file))
    return RendersReport(scenes=sum(len(own) for own in people.values()), problems=tuple(problems), aside=aside)


def _verify_person(unit: _Unit) -> tuple[str, int, list[RenderProblem]]:
    problems: list[RenderProblem] = []
    known: dict[str, str | None] = {}
    subject = ""
    for key, line in unit.lines.items():
        subject = key.partition("/")[0]
        try:
            scene = read_scene(unit.folder / key)
            if scene.key != key:
                raise InputError(unit.folder / key / SCENE, f"describes {scene.key}")
            if line.get("scene_sha256", scene.sha256) != scene.sha256:
                raise InputError(unit.folder / key / SCENE, "is not what the last finished run recorded")
        except InputError as error:
            problems.append(RenderProblem(f"{key}/{SCENE}", key, error.reason))
            continue
        for file, reason in check_scene(scene, deep=unit.deep, known=known):
            problems.append(RenderProblem(f"{subject}/{file}", key, reason))
    return subject, len(unit.lines), problems


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
            (read_faces if path.suffix == FACES_SUFFIX else read_texture)(path)
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
