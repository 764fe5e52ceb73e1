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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, F64
from ...core.errors import InputError
from ...core.files import read_json_object, replacing_folder, write_json
from ...core.folders import FolderFormat, read_folder_settings
from ...geometry.mesh import PosedMesh
from .mesh_file import read_mesh, write_mesh

FORMAT = "mpc-renders"
VERSION = 1
RENDERS = FolderFormat(FORMAT, VERSION, "renders")


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
    """

    folder: Path
    settings: dict[str, Any]
    scenes: tuple[SceneRecord, ...]


def scene_key(subject: str, animation: str, frame: int) -> str:
    """The scene's name, which is also its folder below renders/."""
    return f"{subject}/{animation}_{frame:04d}"


def read_renders(folder: Path) -> Renders:
    """Read what `mpc render` wrote (a few kB a scene; no picture is opened).

    Raises:
        InputError: not a renders folder, another version, or a scene.json that does not read.
    """
    settings = read_folder_settings(folder, RENDERS)
    if settings is None:
        raise InputError(folder, "is not a renders folder (no settings.json); run `mpc render MODELS` first")
    paths = sorted(folder.glob("[!.]*/[!.]*/scene.json"))
    scenes = sorted((read_scene(path.parent) for path in paths), key=lambda scene: scene.key)
    return Renders(folder, settings, tuple(scenes))


def read_scene(folder: Path) -> SceneRecord:
    """Read one scene's scene.json.

    Raises:
        InputError: it is missing, damaged, or lacks an entry.
    """
    path = folder / "scene.json"
    content = read_json_object(path)
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
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"entry missing or of the wrong kind ({error})") from error


def read_scene_mesh(record: SceneRecord) -> tuple[PosedMesh, F32]:
    """The scene's posed, textured mesh and its radiance transfer (V, 9) float32.

    Raises:
        InputError: mesh.npz or a texture is missing, damaged or contradicts itself.
    """
    return read_mesh(record.folder / "mesh.npz", record.folder.parent / "textures")


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
            textures = root / description["subject"] / "textures"
            written = [writer.submit(write_mesh, folder / "mesh.npz", textures, mesh, transfer)]
            for name, data in pictures.items() if isinstance(pictures, dict) else pictures:
                written.append(writer.submit(_write_new, folder / f"{name}.png", data))
        files = dict(sorted(future.result() for future in written))
        write_json(folder / "scene.json", {**description, "files": files})
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
