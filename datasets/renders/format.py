"""The folder `mpc render` writes and `mpc sample` reads: one folder a scene, whole or absent.

renders/settings.json                          format, version, the settings that made it
renders/manifest.jsonl                         one line a scene: key, SHA-256 of its source, of the settings and of each
                                               file (written when a run ends)
renders/<subject>/textures/<hash>.png          textures, shared by the subject's scenes
renders/<subject>/<animation>_<frame>/         scene.json, mesh.npz (posed mesh, transfer), 000.png ... 350.png,
                                               and with --layers 000.<layer>.png ... (datasets/renders/layer_files.py)
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, F64
from ...core.errors import InputError
from ...core.files import replacing_folder
from ...core.folders import FolderFormat, read_folder_settings
from ...core.sealed import read_sealed_json, write_sealed_json
from ...geometry.mesh import PosedMesh
from .mesh_file import read_mesh, write_mesh

FORMAT = "mpc-renders"
VERSION = 1
RENDERS = FolderFormat(FORMAT, VERSION, "renders")
MESH, TEXTURES = "mesh.npz", "textures"


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


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a scene was made from, and by which renderer; a later run compares it to see whether the scene still holds.

    Attributes:
        source: name of the subject's file.
        source_sha256: SHA-256 of that file; of a rig with added motions "+" and their digest follow.
        source_files: SHA-256 of the other files by their path from the subject's folder, "absent" for missing ones.
        renderer: "pyrender" or "embree".
    """

    source: str
    source_sha256: str
    source_files: dict[str, str]
    renderer: str


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
            return "`mpc import` replaces it"
        return "`mpc render MODELS --repair` renders it again"

    @property
    def facing_world(self) -> tuple[float, float, float] | None:
        """The horizontal unit vector that the person faces; None where it is unknown, as in renders of older versions.

        Raises:
            InputError: scene.json holds something else.
        """
        found = self.notes.get("facing_world")
        if found is None:
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
    """

    folder: Path
    settings: dict[str, Any]
    scenes: tuple[SceneRecord, ...]
    refused: dict[str, str] = field(default_factory=dict)


def scene_key(subject: str, animation: str, frame: int) -> str:
    """The scene's name, which is also its folder below renders/."""
    return f"{subject}/{animation}_{frame:04d}"


def read_renders(folder: Path) -> Renders:
    """Read what `mpc render` wrote (a few kB a scene; no picture is opened).

    A scene that cannot be used is listed in `Renders.refused`, and the others are read.

    Raises:
        InputError: not a renders folder, another version, or no scene of it can be used.
    """
    settings = read_folder_settings(folder, RENDERS)
    if settings is None:
        raise InputError(folder, "is not a renders folder (no settings.json); run `mpc render MODELS` first")
    scenes: list[SceneRecord] = []
    refused: dict[str, str] = {}
    first: InputError | None = None
    for place in sorted(path.parent for path in folder.glob("[!.]*/[!.]*/scene.json")):
        key = place.relative_to(folder).as_posix()
        try:
            scene = read_scene(place)
            if scene.key != key:
                raise InputError(place / "scene.json", f"describes {scene.key}; {scene.remedy}")
            scenes.append(scene)
        except InputError as error:
            first = first or error
            refused[key] = str(error)
    if first is not None and not scenes:
        raise first
    return Renders(folder, settings, tuple(sorted(scenes, key=lambda scene: scene.key)), refused)


def read_scene(folder: Path) -> SceneRecord:
    """Read one scene's scene.json.

    Raises:
        InputError: it is missing, damaged, or lacks an entry.
    """
    path = folder / "scene.json"
    content = read_sealed_json(path)
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
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"entry missing or of the wrong kind ({error})") from error


def read_scene_mesh(record: SceneRecord) -> tuple[PosedMesh, F32]:
    """The scene's posed, textured mesh and its radiance transfer (V, 9) float32.

    Raises:
        InputError: mesh.npz or a texture is missing, contradicts itself, or is not what was written.
    """
    return read_mesh(record.folder / MESH, record.read_file(MESH), record.folder.parent / TEXTURES)


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
    with replacing_folder(final) as folder:
        with ThreadPoolExecutor(1) as writer:
            textures = root / description["subject"] / TEXTURES
            written = [writer.submit(write_mesh, folder / MESH, textures, mesh, transfer)]
            for name, data in pictures.items() if isinstance(pictures, dict) else pictures:
                written.append(writer.submit(_write_new, folder / f"{name}.png", data))
        files = dict(sorted(future.result() for future in written))
        write_sealed_json(folder / "scene.json", {**description, "files": files})
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
