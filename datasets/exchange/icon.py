"""ICON's training folder (Xiu et al., CVPR 2022): <set>/scans, <set>_<N>views/<subject>/{render, calib, normal_F, ...}.

Files that depend on SMPL fits (fits/, T_normal_*, vis/) are not written, because mpc has no body model. Scans are in
metres, and its configuration multiplies them by a scale (100 for THuman2.0) before the calibration is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, F64, U8
from ...core.errors import InputError, SettingsError
from ...core.files import write_bytes
from ...formats.png import read_png, write_png
from ...geometry.camera import OrthographicCamera
from ...render.layers import render_layers
from ..renders.format import SceneRecord, read_scene_mesh
from ..renders.layer_files import read_picture
from .calibrations import from_eight_rows, take_apart, to_eight_rows
from .options import ExportOptions
from .scene import ForeignScene, ForeignView, write_scan

# `dataset.scales` of ICON's configurations for scans in metres.
SCALE = 100.0


def write_icon_scene(scene: SceneRecord, name: str, out: Path, options: ExportOptions) -> tuple[str, ...]:
    """Write one scene; gives notices for the user. Nothing is random or drawn anew, so `options` are not used.

    Raises:
        SettingsError: the folder cannot describe a camera, or a yaw is not a whole number of degrees.
        InputError: the renders are damaged.
    """
    del options
    mesh, _ = read_scene_mesh(scene)
    notices = write_scan(out / "scans" / name / f"{name}.obj", mesh)
    views = icon_folders(out, name, scene)[1]
    written: set[str] = set()
    for kind in ("render", "calib", "normal_F", "normal_B"):
        (views / kind).mkdir(parents=True, exist_ok=True)
    unscale = np.diag([1.0 / SCALE, 1.0 / SCALE, 1.0 / SCALE, 1.0])
    for view in scene.views:
        rows = to_eight_rows(view.calibration @ unscale, scene.image_size)
        stem = f"{_yaw(rows[:3, :3]):03d}"
        if stem in written:
            raise SettingsError(f"{scene.key} has two views at {stem} degrees; ICON's files are named by the yaw")
        write_png(views / "render" / f"{stem}.png", read_picture(scene, view))
        camera = OrthographicCamera(scene.centre_world, scene.extent_m, view.yaw_deg, view.pitch_deg)
        if not np.allclose(camera.calibration, view.calibration, atol=1e-9):
            raise SettingsError(f"{scene.key} view {view.name}: the calibration is not that of its yaw and pitch")
        size = scene.image_size
        layers = render_layers(mesh, camera, size, size, ("mask", "normal_front", "normal_back"))
        for kind, normals in (("normal_F", layers.normal_front), ("normal_B", layers.normal_back)):
            assert normals is not None
            write_png(views / kind / f"{stem}.png", _coded(normals))
        written.add(stem)
        np.savetxt(views / "calib" / f"{stem}.txt", rows, fmt="%.17g")
    return notices


def icon_folders(out: Path, name: str, scene: SceneRecord) -> tuple[Path, Path]:
    """The folders of one scene: its mesh's, and its views' beside the set."""
    return out / "scans" / name, out.parent / f"{out.name}_{len(scene.views)}views" / name


def list_icon_files(scene: ForeignScene) -> list[Path]:
    """The files that a scene is imported from."""
    assert scene.views is not None
    folders = (scene.mesh.parent, scene.views / "calib", scene.views / "render")
    return [path for folder in folders for path in sorted(folder.glob("*")) if path.is_file()]


def write_icon_lists(out: Path, names: dict[str, str], settings: dict[str, Any]) -> None:
    """Write all.txt with names; train.txt, val.txt and test.txt with "<set>/<name>"."""
    del settings
    write_bytes(out / "all.txt", "".join(f"{name}\n" for name in sorted(names)).encode())
    for split in ("train", "val", "test"):
        lines = [f"{out.name}/{name}\n" for name in sorted(names) if names[name] == split]
        write_bytes(out / f"{split}.txt", "".join(lines).encode())


def find_icon_scenes(root: Path) -> list[ForeignScene]:
    """Find the scenes of one of ICON's sets (the folder that holds scans/), its views in "<set>_<N>views" beside it.

    Raises:
        InputError: `root` is not such a folder.
    """
    root = root.resolve()
    folders = sorted(root.parent.glob(f"{root.name}_*views"), key=lambda path: (len(path.name), path.name))
    if not (root / "scans").is_dir() or not folders:
        raise InputError(root, f"is no set of ICON's (no scans/, or no {root.name}_<N>views beside it)")
    return [
        ForeignScene(path.name, path / f"{path.name}.obj", root, folders[-1] / path.name)
        for path in sorted((root / "scans").iterdir())
        if path.is_dir()
    ]


def read_icon_views(scene: ForeignScene) -> list[ForeignView]:
    """Read the views of one scene. Their light is None, because ICON does not store it.

    Raises:
        InputError: a file is missing or damaged; the message names it.
    """
    assert scene.views is not None
    paths = sorted((scene.views / "calib").glob("*.txt"))
    if not paths:
        raise InputError(scene.views, "holds no calib/<yaw>.txt")
    scale = np.diag([SCALE, SCALE, SCALE, 1.0])
    views = []
    for path in paths:
        try:
            calibration = from_eight_rows(np.loadtxt(path, dtype=np.float64, ndmin=2)) @ scale
            rotation = take_apart(calibration).rotation
        except (ValueError, np.linalg.LinAlgError, SettingsError) as error:
            raise InputError(path, f"is no calibration ({error})") from error
        image = scene.views / "render" / f"{path.stem}.png"
        picture = read_png(image)
        if picture.shape[0] != picture.shape[1]:
            raise InputError(image, f"is {picture.shape[1]}x{picture.shape[0]}, expected a square")
        away = rotation[2]
        yaw = float(np.degrees(np.arctan2(-away[0], -away[2])) % 360.0)
        pitch = float(np.degrees(np.arcsin(np.clip(-away[1], -1.0, 1.0))))
        views.append(ForeignView(yaw, pitch, calibration, np.array(picture), None))
    return views


def _yaw(rotation: F64) -> int:
    """ICON's name of a view: the scan's rotation in whole degrees, opposite to our camera's yaw."""
    yaw = float(np.degrees(np.arctan2(rotation[0, 2], rotation[0, 0])))
    if abs(yaw - round(yaw)) > 1e-3:
        raise SettingsError(f"a yaw of {yaw:.3f} degrees: ICON's views are named by whole degrees")
    return round(yaw) % 360


def _coded(normals: F32) -> U8:
    """RGBA of view-space normals: (n + 1) / 2 of x right, y up, z towards the camera; transparent without a surface."""
    values = np.rint((normals * np.array([1.0, -1.0, -1.0], np.float32) * 0.5 + 0.5) * 255.0)
    solid = (normals != 0).any(axis=2, keepdims=True)
    return np.concatenate([np.where(solid, values, 0), solid * 255.0], axis=2).astype(np.uint8)
