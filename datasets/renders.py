"""The folder `mpc render` writes and `mpc sample` reads: one folder a scene, whole or absent.

renders/settings.json                          format, version, the settings that made it
renders/manifest.jsonl                         one line a scene: key, SHA-256 of its source, of the settings and of each
                                               file (written when a run ends)
renders/<subject>/textures/<hash>.png          textures, shared by the subject's scenes
renders/<subject>/<animation>_<frame>/         scene.json, mesh.npz (posed mesh, transfer), 000.png ... 350.png,
                                               and with --layers 000.<layer>.png ... (datasets/layer_files.py)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt

from ..geometry.errors import InputError
from ..geometry.files import named, sync, write_bytes, write_json
from ..geometry.mesh import Material, MeshError, PosedMesh

FORMAT = "mpc-renders"
VERSION = 1

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ViewRecord:
    """One picture of a scene.

    Attributes:
        name: three digits of yaw, e.g. "010".
        path: RGBA PNG, sRGB, straight alpha.
        yaw_deg, pitch_deg: the camera's, see geometry/camera.py.
        calibration: (4, 4) float64, world metres to view space; the fourth row is (0, 0, 0, 1) for an orthographic
            camera, else divides (see `project`).
        light: (9, 3) float32, radiance SH coefficients in world axes, linear RGB.
        light_name: which environment it is.
    """

    name: str
    path: Path
    yaw_deg: float
    pitch_deg: float
    calibration: F64
    light: F32
    light_name: str


@dataclass(frozen=True, eq=False)
class SceneRecord:
    """One posed subject on disk; `key` is "<subject>/<animation>_<frame>", also its folder below renders/."""

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
        """The horizontal unit vector that the person faces; None where nobody knows, as in renders of earlier days.

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
    """All whole scenes of a renders folder, sorted by key, and the settings that made them."""

    folder: Path
    settings: dict[str, Any]
    scenes: tuple[SceneRecord, ...]


def scene_key(subject: str, animation: str, frame: int) -> str:
    """The scene's name and folder below renders/."""
    return f"{subject}/{animation}_{frame:04d}"


def read_renders(folder: Path) -> Renders:
    """Read what `mpc render` wrote (a few kB a scene; no picture is opened).

    Raises:
        InputError: not a renders folder, another version, or a scene.json that does not read.
    """
    settings = read_settings(folder)
    if settings is None:
        raise InputError(folder, "is not a renders folder (no settings.json); run `mpc render MODELS` first")
    paths = sorted(folder.glob("[!.]*/[!.]*/scene.json"))
    scenes = sorted((read_scene(path.parent) for path in paths), key=lambda scene: scene.key)
    return Renders(folder, settings["settings"], tuple(scenes))


def read_settings(folder: Path) -> dict[str, Any] | None:
    """The content of settings.json, None where there is none; InputError for another format or version."""
    path = folder / "settings.json"
    if not path.is_file():
        return None
    content = _read_json(path)
    if content.get("format") != FORMAT or content.get("version") != VERSION or "settings" not in content:
        raise InputError(path, f"expected format {FORMAT} version {VERSION}, got {content.get('format')} "
                               f"version {content.get('version')}")  # fmt: skip
    return content


def read_scene(folder: Path) -> SceneRecord:
    """Read one scene's scene.json.

    Raises:
        InputError: it is missing, damaged, or lacks an entry.
    """
    path = folder / "scene.json"
    content = _read_json(path)
    try:
        views = tuple(
            ViewRecord(
                view["name"],
                folder / f"{view['name']}.png",
                float(view["yaw_deg"]),
                float(view["pitch_deg"]),
                np.asarray(view["calibration"], np.float64).reshape(4, 4),
                np.asarray(view["light"], np.float32).reshape(9, 3),
                view["light_name"],
            )
            for view in content["views"]
        )
        x, y, z = content["centre_world"]
        return SceneRecord(
            scene_key(content["subject"], content["animation"], content["frame"]),
            content["subject"],
            content["animation"],
            int(content["frame"]),
            content["kind"],
            folder,
            (float(x), float(y), float(z)),
            float(content["extent_m"]),
            int(content["image_size"]),
            views,
            content["notes"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"entry missing or of the wrong kind ({error})") from error


def read_scene_mesh(record: SceneRecord) -> tuple[PosedMesh, F32]:
    """The scene's posed, textured mesh and its radiance transfer (V, 9) float32.

    Raises:
        InputError: mesh.npz or a texture is missing, damaged or contradicts itself.
    """
    path = record.folder / "mesh.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        materials = tuple(_read_material(record.folder, entry) for entry in json.loads(str(content["materials"])))
        mesh = PosedMesh(
            content["vertices"].astype(np.float64),
            content["faces"],
            materials,
            content["face_material"],
            content.get("uv"),
            content.get("face_uv"),
            content.get("vertex_colours"),
        )
        return mesh, content["transfer"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, MeshError) as error:
        raise InputError(path, f"damaged scene ({error})") from error


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
        pictures: names and PNG bytes; may be drawn as they are asked for, what is there is written meanwhile.
    """
    key = scene_key(description["subject"], description["animation"], description["frame"])
    final = root / key
    with atomic_folder(final) as folder:
        with ThreadPoolExecutor(1) as writer:
            textures = root / description["subject"] / "textures"
            written = [writer.submit(_write_mesh, folder / "mesh.npz", textures, mesh, transfer)]
            for name, data in pictures.items() if isinstance(pictures, dict) else pictures:
                written.append(writer.submit(_write_new, folder / f"{name}.png", data))
        files = dict(sorted(future.result() for future in written))
        write_json(folder / "scene.json", {**description, "files": files})
    return final


@contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """A temporary folder beside `final` that takes its place when the block ends well, and is removed otherwise."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.parent / f".{final.name}.tmp-{os.getpid()}-{threading.get_ident()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        for path in temporary.iterdir():
            sync(path)
        sync(temporary)
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        sync(final.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed run left half-written in a subject's folder (and in its textures)."""
    for path in [*folder.glob(".*.tmp-*"), *folder.glob("textures/.*.tmp-*")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(path, f"does not read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(path, "holds no JSON object")
    return content


def _write_mesh(path: Path, textures: Path, mesh: PosedMesh, transfer: F32) -> tuple[str, str]:
    """Write mesh.npz, and textures that are not there yet; the file's name and SHA-256."""
    arrays: dict[str, Any] = {
        "vertices": mesh.vertices.astype(np.float32),
        "faces": mesh.faces,
        "face_material": mesh.face_material,
        "transfer": transfer,
        "materials": np.array(json.dumps([_write_material(textures, entry) for entry in mesh.materials])),
    }
    for name in ("uv", "face_uv", "vertex_colours"):
        if getattr(mesh, name) is not None:
            arrays[name] = getattr(mesh, name)
    with named(path):
        np.savez(path, **arrays)
    return path.name, file_sha256(path)


def _write_new(path: Path, data: bytes) -> tuple[str, str]:
    """Write a file and flush it to the disk; its name and SHA-256."""
    with named(path), path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return path.name, hashlib.sha256(data).hexdigest()


def _write_material(folder: Path, material: Material) -> dict[str, Any]:
    texture = None
    if material.texture is not None:
        pixels = material.texture
        if (pixels[..., 3] == 255).all():
            pixels = pixels[..., :3]
        texture = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16] + ".png"
        if not (folder / texture).exists():
            folder.mkdir(parents=True, exist_ok=True)
            data = iio.imwrite("<bytes>", np.ascontiguousarray(pixels), extension=".png", compress_level=1)
            write_bytes(folder / texture, data, shared=True)
    return {
        "name": material.name,
        "texture": texture,
        "colour": list(material.colour),
        "alpha_mode": material.alpha_mode,
        "alpha_cutoff": material.alpha_cutoff,
    }


def _read_material(folder: Path, entry: dict[str, Any]) -> Material:
    texture = None
    if entry["texture"] is not None:
        path = folder.parent / "textures" / Path(entry["texture"]).name
        texture = iio.imread(path, mode="RGBA")
    red, green, blue, alpha = entry["colour"]
    return Material(entry["name"], texture, (red, green, blue, alpha), entry["alpha_mode"], entry["alpha_cutoff"])
