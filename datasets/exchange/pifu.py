"""PIFu's training folder (Saito et al., ICCV 2019): GEO, RENDER, MASK, PARAM, UV_*, val.txt.

Its meshes are in centimetres with the feet at y = 0, since its loader draws uniform points in a fixed box of
256 units. Its loader uses the UV_* pictures only as lists of coloured surface points, so they are written as
such lists: points drawn over the visible surface, not laid out as a texture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...core.arrays import F64, U8
from ...core.errors import InputError
from ...core.files import write_bytes
from ...core.randomness import derive_rng
from ...formats.png import write_png
from ...render.light.harmonics import sh_rotation
from ..renders.format import SceneRecord, read_scene_mesh
from ..renders.layer_files import read_picture
from .calibrations import TO_GL, from_pifu, take_apart, to_pifu
from .options import ExportOptions
from .params import read_params, write_params
from .pictures import draw_coloured_points, move_points, write_jpeg
from .scene import ForeignScene, ForeignView, write_scan

CENTIMETRES = 100.0
KINDS = ("RENDER", "MASK", "PARAM", "UV_RENDER", "UV_MASK", "UV_POS", "UV_NORMAL", "GEO/OBJ")
# Our transfer is divided by pi (render/transfer.py), theirs is not.
PI = np.float64(np.pi)


def write_pifu_scene(scene: SceneRecord, name: str, out: Path, options: ExportOptions) -> tuple[str, ...]:
    """Write one scene; gives notices for the user.

    Raises:
        SettingsError: the folder cannot describe a camera.
        InputError: the renders are damaged, or two views share a whole degree of yaw.
    """
    mesh, transfer = read_scene_mesh(scene)
    to_file = np.diag([CENTIMETRES, CENTIMETRES, CENTIMETRES, 1.0])
    to_file[:3, 3] = -CENTIMETRES * np.array([scene.centre_world[0], mesh.bounds[0][1], scene.centre_world[2]])
    cameras = [to_pifu(view.calibration @ np.linalg.inv(to_file), scene.image_size) for view in scene.views]
    stems = [_stem(camera["R"]) for camera in cameras]
    if len(set(stems)) != len(stems):
        raise InputError(scene.folder, "two views share a whole degree of yaw; PIFu's files are named by it")
    for folder in pifu_folders(out, name, scene):
        folder.mkdir(parents=True, exist_ok=True)
    moved = mesh.with_vertices(move_points(mesh.vertices, to_file))
    notices = write_scan(out / "GEO" / "OBJ" / name / f"{name}_100k.obj", moved)
    points = draw_coloured_points(mesh, transfer, derive_rng(options.seed, name, "uv"))
    write_png(out / "UV_MASK" / name / "00.png", points.mask)
    write_bytes(out / "UV_POS" / name / "00.exr", points.positions(to_file))
    write_png(out / "UV_NORMAL" / name / "00.png", points.normals)
    for view, camera, stem in zip(scene.views, cameras, stems, strict=True):
        picture = read_picture(scene, view)
        write_jpeg(out / "RENDER" / name / f"{stem}.jpg", picture[..., :3])
        write_png(out / "MASK" / name / f"{stem}.png", picture[..., 3])
        write_jpeg(out / "UV_RENDER" / name / f"{stem}.jpg", points.colours(view.light))
        light = sh_rotation(camera["R"]) @ view.light.astype(np.float64) / PI
        write_params(out / "PARAM" / name / f"{stem}.npy", {**camera, "sh": light})
    return notices


def pifu_folders(out: Path, name: str, scene: SceneRecord) -> tuple[Path, ...]:
    """The folders of one scene, one for each kind of file."""
    del scene
    return tuple(out / kind / name for kind in KINDS)


def list_pifu_files(scene: ForeignScene) -> list[Path]:
    """The files that a scene is imported from."""
    folders = (scene.mesh.parent, *(scene.root / kind / scene.name for kind in ("PARAM", "RENDER", "MASK")))
    return [path for folder in folders for path in sorted(folder.glob("*")) if path.is_file()]


def write_pifu_lists(out: Path, names: dict[str, str], settings: dict[str, Any]) -> None:
    """Write val.txt, which lists all scenes outside the training split."""
    del settings
    held = sorted(name for name, split in names.items() if split != "train")
    # With a single line NumPy returns a string instead of a list of strings, and PIFu's loader fails.
    lines = held * 2 if len(held) == 1 else held
    write_bytes(out / "val.txt", "".join(f"{name}\n" for name in lines).encode())


def find_pifu_scenes(root: Path) -> list[ForeignScene]:
    """Find the scenes of a PIFu training folder.

    Raises:
        InputError: `root` is not such a folder.
    """
    if not (root / "GEO" / "OBJ").is_dir() or not (root / "PARAM").is_dir():
        raise InputError(root, "is no PIFu training folder (no GEO/OBJ or no PARAM)")
    names = sorted(path.name for path in (root / "GEO" / "OBJ").iterdir() if path.is_dir())
    return [ForeignScene(name, root / "GEO" / "OBJ" / name / f"{name}_100k.obj", root) for name in names]


def read_pifu_views(scene: ForeignScene) -> list[ForeignView]:
    """Read the views of one scene; where a view has several lights, only the first is read.

    Raises:
        InputError: a file is missing or damaged; the message names it.
    """
    folder = scene.root / "PARAM" / scene.name
    found = (path.stem for path in folder.glob("*_*_00.npy"))
    stems = sorted(found, key=lambda stem: [int(part) for part in stem.split("_")])
    if not stems:
        raise InputError(folder, "holds no parameters (<yaw>_<pitch>_00.npy)")
    return [_read_view(scene, stem) for stem in stems]


def _read_view(scene: ForeignScene, stem: str) -> ForeignView:
    params = read_params(scene.root / "PARAM" / scene.name / f"{stem}.npy")
    colour = _open(scene.root / "RENDER" / scene.name / f"{stem}.jpg", "RGB")
    mask = _open(scene.root / "MASK" / scene.name / f"{stem}.png", "L")
    if colour.shape[:2] != mask.shape or colour.shape[0] != colour.shape[1]:
        raise InputError(scene.root / "RENDER" / scene.name / f"{stem}.jpg",
                         f"is {colour.shape[1]}x{colour.shape[0]}, its mask {mask.shape[1]}x{mask.shape[0]}; "
                         "expected equal squares")  # fmt: skip
    picture = np.dstack([np.where(mask[..., None] > 0, colour, 0), mask])
    yaw, pitch, _ = (int(part) for part in stem.split("_"))
    light = params["sh"].reshape(9, -1) * PI * np.ones(3)
    return ForeignView(float(-yaw % 360), float(pitch), from_pifu(params, len(mask)), picture.astype(np.uint8), light)


def camera_light_to_world(light: F64, calibration: F64) -> F64:
    """Convert PIFu's light, in camera axes (x right, y up, z towards the camera), to world axes."""
    return np.asarray(sh_rotation((TO_GL @ take_apart(calibration).rotation).T) @ light, np.float64)


def _stem(rotation: F64) -> str:
    """Return the file stem "<yaw>_<pitch>_00" of R = pitch about x after yaw about y."""
    yaw = round(float(np.degrees(np.arctan2(rotation[0, 2], rotation[0, 0])))) % 360
    pitch = round(float(np.degrees(np.arcsin(np.clip(rotation[2, 1], -1.0, 1.0)))))
    return f"{yaw}_{pitch}_00"


def _open(path: Path, mode: str) -> U8:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert(mode))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(path, f"does not read as a picture ({error})") from error
