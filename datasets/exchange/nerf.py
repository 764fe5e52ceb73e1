"""One folder a scene for NeRF (Mildenhall et al., ECCV 2020) and nerfstudio (Tancik et al., SIGGRAPH 2023).

    <scene>/images/<view>.png                  RGBA, straight alpha, as they were rendered
    <scene>/transforms.json                    nerfstudio: intrinsics in pixels, camera to world, the split of the views
    <scene>/transforms_{train,val,test}.json   NeRF's synthetic scenes: one angle of view for all

Cameras have OpenGL's axes (x right, y up, looking along -z) and the world has z up, its origin at the centre of the
scene's view cube, its unit the metre. Orthographic cameras are nerfstudio's ORTHOPHOTO, whose focal length is in pixels
per metre; NeRF's own files cannot describe them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import SettingsError
from ...core.files import write_bytes, write_json
from ...formats.png import write_png
from ..renders.format import SceneRecord
from ..renders.layer_files import read_picture
from ..shards.split import SPLITS
from .lenses import Lens, lens_of
from .options import ExportOptions

# Our world (y up) to theirs (z up): a person who faced +z faces -y, as in Blender.
Z_UP: F64 = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
# OpenCV's camera axes to OpenGL's.
TO_GL: F64 = np.diag([1.0, -1.0, -1.0])
# Every eighth view is held out, as is usual since Mildenhall et al. (LLFF, 2019).
HELD_OUT = 8
UNDISTORTED = {"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}


def write_nerf_scene(scene: SceneRecord, name: str, out: Path, options: ExportOptions) -> tuple[str, ...]:
    """Write one scene; nothing in it is random, and no picture is drawn anew.

    Raises:
        SettingsError: its views are in part orthographic, or a camera cannot be described.
        InputError: the renders are damaged.
    """
    del options
    lenses = [lens_of(view.calibration, scene.image_size) for view in scene.views]
    kinds = {lens.orthographic for lens in lenses}
    if len(kinds) > 1:
        raise SettingsError("has orthographic and perspective views, and a transforms.json holds one kind")
    folder = out / name
    (folder / "images").mkdir(parents=True)
    for view in scene.views:
        write_png(folder / "images" / f"{view.name}.png", read_picture(scene, view))
    names = [f"images/{view.name}.png" for view in scene.views]
    frames = [
        {"file_path": path, "transform_matrix": _to_world(lens, scene).tolist(), **_intrinsics(lens)}
        for path, lens in zip(names, lenses, strict=True)
    ]
    held = [path for number, path in enumerate(names) if number % HELD_OUT == 0]
    splits = {"train": [path for path in names if path not in held] or names, "val": held, "test": held}
    applied = np.column_stack([Z_UP, -Z_UP @ np.asarray(scene.centre_world)])
    content = {
        "camera_model": "ORTHOPHOTO" if kinds == {True} else "OPENCV",
        "w": scene.image_size,
        "h": scene.image_size,
        **UNDISTORTED,
        "applied_transform": applied.tolist(),
        "frames": frames,
        **{f"{split}_filenames": paths for split, paths in splits.items()},
    }
    write_json(folder / "transforms.json", content)
    return (*_write_synthetic(folder, scene, lenses, frames, splits), *_tell_light(scene))


def _write_synthetic(
    folder: Path, scene: SceneRecord, lenses: list[Lens], frames: list[dict[str, Any]], splits: dict[str, list[str]]
) -> tuple[str, ...]:
    """Write NeRF's own files; where they cannot describe the cameras, say so instead."""
    if lenses[0].orthographic:
        return ("orthographic, which NeRF's transforms_train.json cannot describe: `mpc render --fov` renders others",)
    first, middle = lenses[0], scene.image_size / 2.0
    if any(not np.allclose([*lens.focal, *lens.principal], [first.focal[0]] * 2 + [middle] * 2) for lens in lenses):
        return ("its views have several angles of view or centres: transforms.json alone describes them",)
    angle = 2.0 * float(np.arctan(middle / first.focal[0]))
    for split, paths in splits.items():
        own = [
            {"file_path": f"./{frame['file_path'].removesuffix('.png')}", "transform_matrix": frame["transform_matrix"]}
            for frame in frames
            if frame["file_path"] in paths
        ]
        write_json(folder / f"transforms_{split}.json", {"camera_angle_x": angle, "frames": own})
    return ()


def _tell_light(scene: SceneRecord) -> tuple[str, ...]:
    same = all(np.array_equal(view.light, scene.views[0].light) for view in scene.views)
    return () if same else ("each view has light of its own, which a radiance field takes for the surface's",)


def write_nerf_lists(out: Path, names: dict[str, str], settings: dict[str, Any]) -> None:
    """Write train.txt, val.txt and test.txt, which list the scenes of the people in each split."""
    del settings
    for split in SPLITS:
        lines = [f"{name}\n" for name in sorted(names) if names[name] == split]
        write_bytes(out / f"{split}.txt", "".join(lines).encode())


def _to_world(lens: Lens, scene: SceneRecord) -> F64:
    """(4, 4) camera to world, in OpenGL's axes and the world with z up."""
    matrix = np.eye(4)
    matrix[:3, :3] = Z_UP @ lens.rotation.T @ TO_GL
    matrix[:3, 3] = Z_UP @ (lens.eye - np.asarray(scene.centre_world))
    return matrix


def _intrinsics(lens: Lens) -> dict[str, float]:
    (across, down), (column, row) = lens.focal, lens.principal
    return {"fl_x": across, "fl_y": down, "cx": column, "cy": row}
