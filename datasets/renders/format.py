"""The folder `mpc render` writes and `mpc sample` reads: one folder a scene, whole or absent.

renders/settings.json                          format, version, the settings that made it
renders/manifest.jsonl                         lines about scenes: which belong to the last run, with the SHA-256 of
                                               sources, settings and files (datasets/renders/manifest.py)
renders/<subject>/textures/<hash>.png          textures, shared by the subject's scenes
renders/<subject>/textures/<hash>.npz          faces and texture coordinates that all scenes of a rig share
renders/<subject>/<animation>_<frame>/         scene.json, mesh.npz (posed mesh, transfer), 000.png ... 350.png,
                                               and with --layers 000.<layer>.png ... (datasets/renders/layer_files.py)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...core.arrays import F32, F64
from ...core.errors import InputError
from ...core.folders import FolderFormat, read_folder_settings
from ...core.sealed import read_sealed_json
from ...geometry.mesh import PosedMesh
from ...subjects.placement import CONVENTION
from .manifest import Line, read_manifest
from .mesh_file import read_mesh

Scene = TypeVar("Scene")

FORMAT = "mpc-renders"
VERSION = 1
RENDERS = FolderFormat(FORMAT, VERSION, "renders")
SCENE, MESH, TEXTURES = "scene.json", "mesh.npz", "textures"
UNFINISHED = "it was made by a run that was stopped"


@dataclass(frozen=True, eq=False, kw_only=True)
class ViewRecord:
    """One picture of a scene.

    Attributes:
        name: three digits of yaw, e.g. "010".
        path: RGBA PNG, sRGB, straight alpha.
        yaw_deg: the camera's yaw, degrees, see geometry/camera.py.
        pitch_deg: the camera's elevation, degrees.
        calibration: (4, 4) float64, world metres to view space; the fourth row is (0, 0, 0, 1) for an orthographic
            camera, and gives the divisor for a perspective one (see `project`).
        light: (9, 3) float32, radiance SH coefficients in world axes, linear RGB.
        light_name: the name of the environment.
    """

    name: str
    path: Path
    yaw_deg: float
    pitch_deg: float
    calibration: F64
    light: F32
    light_name: str


@dataclass(frozen=True, eq=False, kw_only=True)
class SceneRecord:
    """One posed subject on disk.

    Attributes:
        key: "<subject>/<animation>_<frame>", also the scene's folder below renders/.
        subject: the subject's id.
        animation: see SceneSpec.
        frame: see SceneSpec.
        kind: "scan", "rigged" or "scans", see Subject.
        folder: where the scene's files are.
        centre_world: centre of the view cube, metres.
        extent_m: edge of the view cube, metres.
        image_size: edge of the pictures, pixels.
        views: the pictures.
        notes: what scene.json says of source, placement and pose.
        files: SHA-256 of every other file in the folder, by name, as it was written.
        sizes: bytes of these files, by name; empty for renders of earlier versions.
        textures: bytes of the textures that its mesh refers to, by name; None for renders of earlier versions.
        sha256: SHA-256 of scene.json.
    """

    key: str
    subject: str
    animation: str
    frame: int
    kind: str
    folder: Path
    centre_world: tuple[float, float, float]
    extent_m: float
    image_size: int
    views: tuple[ViewRecord, ...]
    notes: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    textures: dict[str, int] | None = None
    sha256: str = ""

    def read_file(self, name: str) -> bytes:
        """Read a file of the scene's folder and compare it with the checksum that was recorded when it was written.

        Args:
            name: the file's name in the folder, such as "090.png".

        Raises:
            InputError: it cannot be read, or is not the file that was written; says what to do.
        """
        path = self.folder / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(path, f"damaged scene ({error.strerror}); {self.remedy}") from error
        if hashlib.sha256(data).hexdigest() != self.files.get(name):
            reason = f"damaged scene (the file's SHA-256 is not the one that scene.json records); {self.remedy}"
            raise InputError(path, reason)
        return data

    @property
    def remedy(self) -> str:
        """What the user does about a damaged scene, as part of a message."""
        if "imported" in self.notes:
            return "`mpc import` of its folder replaces it"
        return "`mpc render MODELS --repair` renders it again"

    @property
    def facing_world(self) -> tuple[float, float, float] | None:
        """The horizontal unit vector that the person faces; None where it is unknown.

        Renders of older versions lack it, or have that of the convention for scans of which nobody knew it.

        Raises:
            InputError: scene.json holds something else.
        """
        found = self.notes.get("facing_world")
        reasons = self.notes.get("reasons")
        if found is None or (self.kind == "scan" and isinstance(reasons, dict) and reasons.get("facing") == CONVENTION):
            return None
        try:
            x, y, z = (float(value) for value in found)
        except (TypeError, ValueError) as error:
            raise InputError(self.folder / "scene.json", f"facing_world: three numbers expected ({error})") from error
        if not 0.99 < x * x + y * y + z * z < 1.01:
            raise InputError(self.folder / "scene.json", f"facing_world ({x}, {y}, {z}) is no unit vector")
        return x, y, z


@dataclass(frozen=True, eq=False)
class Renders:
    """A renders folder.

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
    scenes: tuple[SceneRecord, ...]
    refused: dict[str, str] = field(default_factory=dict)
    aside: frozenset[str] | None = frozenset()

    @property
    def sources(self) -> dict[str, str]:
        """SHA-256 of the file that a person was read from, by subject, where it is recorded."""
        noted = ((scene.subject, scene.notes.get("source_sha256")) for scene in self.scenes)
        return {subject: str(source).partition("+")[0] for subject, source in noted if source}


def scene_key(subject: str, animation: str, frame: int) -> str:
    """The scene's name, which is also its folder below renders/."""
    return f"{subject}/{animation}_{frame:04d}"


def scene_folders(folder: Path) -> list[Path]:
    """The folders of all scenes in a renders folder, sorted, whether or not the scenes can be used."""
    return sorted(path.parent for path in folder.glob(f"[!.]*/[!.]*/{SCENE}"))


def read_renders(folder: Path) -> Renders:
    """Read what `mpc render` wrote (a few kB a scene; no picture is opened).

    The scenes are those that belong to the last finished run (datasets/renders/manifest.py); where no run has finished
    yet, all that are there. A scene that cannot be used is listed in `Renders.refused`, and the others are read.

    Raises:
        InputError: not a renders folder, another version, or no scene of it can be used.
    """
    settings, scenes, refused, aside = walk_scenes(folder, read_listed)
    return Renders(folder, settings, tuple(sorted(scenes, key=lambda scene: scene.key)), refused, aside)


def walk_scenes(
    folder: Path, read: Callable[[Path, str, Line | None], Scene]
) -> tuple[dict[str, Any], list[Scene], dict[str, str], frozenset[str] | None]:
    """Go through the scenes of a renders folder.

    Args:
        folder: the renders folder.
        read: reads a scene that belongs by its folder, its key, and the manifest's line about it (None: there is no
            manifest); a scene that cannot be used is an InputError.

    Returns:
        The settings of the folder; what `read` gave; `refused` and `aside` as Renders has them.

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
    return settings, scenes, refused, None if lines is None else frozenset(aside)


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


def read_scene(folder: Path) -> SceneRecord:
    """Read one scene's scene.json.

    Raises:
        InputError: it is missing, damaged, or lacks an entry.
    """
    path = folder / "scene.json"
    content, sha256 = read_sealed_json(path)
    try:
        views = tuple(
            ViewRecord(
                name=view["name"],
                path=folder / f"{view['name']}.png",
                yaw_deg=float(view["yaw_deg"]),
                pitch_deg=float(view["pitch_deg"]),
                calibration=np.asarray(view["calibration"], np.float64).reshape(4, 4),
                light=np.asarray(view["light"], np.float32).reshape(9, 3),
                light_name=view["light_name"],
            )
            for view in content["views"]
        )
        x, y, z = content["centre_world"]
        return SceneRecord(
            key=scene_key(content["subject"], content["animation"], content["frame"]),
            subject=content["subject"],
            animation=content["animation"],
            frame=int(content["frame"]),
            kind=content["kind"],
            folder=folder,
            centre_world=(float(x), float(y), float(z)),
            extent_m=float(content["extent_m"]),
            image_size=int(content["image_size"]),
            views=views,
            notes=content["notes"],
            files=dict(content["files"]),
            sizes=dict(content.get("bytes", {})),
            textures=content.get("textures"),
            sha256=sha256,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"entry missing or of the wrong kind ({error})") from error


def read_scene_mesh(record: SceneRecord) -> tuple[PosedMesh, F32]:
    """The scene's posed, textured mesh and its radiance transfer (V, 9) float32.

    Raises:
        InputError: mesh.npz or a texture is missing, contradicts itself, or is not what was written.
    """
    return read_mesh(record.folder / MESH, record.read_file(MESH), record.folder.parent / TEXTURES)
