"""The folder `mpc render` writes and `mpc sample` reads: one folder a scene, whole or absent.

renders/settings.json                          format, version, the settings that made it
renders/manifest.jsonl                         lines about scenes: which belong to the last run, with the SHA-256 of
                                               sources, settings and files (datasets/renders/manifest.py)
renders/<subject>/textures/<hash>.png          textures, shared by the subject's scenes
renders/<subject>/textures/<hash>.npz          faces and texture coordinates that all scenes of a rig share
renders/<subject>/<animation>_<frame>/         scene.json, mesh.npz (posed mesh, transfer), 000.png ... 350.png,
                                               and with --layers 000.<layer>.png ... (datasets/renders/layer_files.py)
                                               and with --crops 000@face.png ... (datasets/renders/crops.py)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, F64
from ...core.errors import InputError
from ...core.folders import FolderFormat
from ...core.sealed import read_sealed_json
from ...geometry.mesh import PosedMesh
from ...subjects.placement import CONVENTION
from .mesh_file import read_mesh

FORMAT = "mpc-renders"
VERSION = 1
RENDERS = FolderFormat(FORMAT, VERSION, "renders")
SCENE, MESH, TEXTURES = "scene.json", "mesh.npz", "textures"


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
        joints: what scene.json says of the joints in this view, see `read_view_joints`; None where it says nothing.
        crops: what scene.json says of its crops by kind, see datasets/renders/crops.py.
    """

    name: str
    path: Path
    yaw_deg: float
    pitch_deg: float
    calibration: F64
    light: F32
    light_name: str
    joints: dict[str, Any] | None = None
    crops: dict[str, Any] = field(default_factory=dict)


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
        labels: what scene.json says of joints, foot contact and the person (docs/labels.md); empty where nothing.
        crop_size: edge of the pictures of crops, pixels; 0 where none were asked for.
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
    labels: dict[str, Any] = field(default_factory=dict)
    crop_size: int = 0

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
    def source_sha256(self) -> str | None:
        """SHA-256 of the file that the person was read from ("+", and of its further files); None where unrecorded."""
        found = self.notes.get("source_sha256")
        return None if found is None else str(found)

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


def scene_key(subject: str, animation: str, frame: int) -> str:
    """The scene's name, which is also its folder below renders/."""
    return f"{subject}/{animation}_{frame:04d}"


def scene_folders(folder: Path) -> list[Path]:
    """The folders of all scenes in a renders folder, sorted, whether or not the scenes can be used."""
    return sorted(path.parent for path in folder.glob(f"[!.]*/[!.]*/{SCENE}"))


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
                joints=view.get("joints"),
                crops=dict(view.get("crops", {})),
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
            labels=dict(content.get("labels", {})),
            crop_size=int(content.get("crop_size", 0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"entry missing or of the wrong kind ({error})") from error


def read_scene_mesh(record: SceneRecord) -> tuple[PosedMesh, F32]:
    """The scene's posed, textured mesh and its radiance transfer (V, 9) float32.

    Raises:
        InputError: mesh.npz or a texture is missing, contradicts itself, or is not what was written.
    """
    return read_mesh(record.folder / MESH, record.read_file(MESH), record.folder.parent / TEXTURES)
