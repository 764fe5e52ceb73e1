"""PaMIR's training folder (Zheng et al., TPAMI 2021): image_data and mesh_data, without SMPL.

    image_data/<scene>/color/<view>.jpg, mask/<view>.png, color_uv/<view>.png
    image_data/<scene>/meta/cam_data.mat, uv_pos.exr, uv_nml.png, uv_mask.png
    image_data/<scene>/sample/samples.mat     labelled points
    mesh_data/<scene>/mesh/<scene>.obj        the scan in the same space
    data_list.txt                             the scenes to train on; data_list_val.txt, data_list_test.txt the others

Its camera is a pinhole at a distance of 10 with a focal length of 5000 pixels; the scan's longest side is 0.75 to 0.9,
its middle the origin. So the views are drawn anew, at the yaws and under the lights that the renders folder has. The
loader reads SMPL parameters from mesh_data/<scene>/smpl/smpl_param.pkl, which whoever has fits puts there.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from ...core.arrays import F32, F64
from ...core.errors import InputError, SettingsError
from ...core.files import write_bytes
from ...core.randomness import derive_rng
from ...formats.png import write_png
from ...geometry.camera import PerspectiveCamera
from ...geometry.mesh import PosedMesh
from ...geometry.surface import sample_surface
from ...render.light.shading import display_irradiance
from ...render.renderer import open_renderer
from ...sampling.inside import label_inside
from ..renders.format import SceneRecord, ViewRecord, read_scene_mesh
from ..shards.split import SPLITS
from .multiview import EMBREE
from .options import ExportOptions
from .pictures import draw_coloured_points, move_points, write_jpeg
from .scene import write_scan

# networks/constant.py and data/main_*.py of PaMIR.
SIZE, FOCAL_PX, DISTANCE = 512, 5000.0, 10.0
LONGEST = (0.75, 0.9)
SIGMAS = (0.025, 0.01)
NEAR_POINTS, UNIFORM_POINTS = 100_000, 50_000
# A file by SciPy begins with the time; this text of the same length stands in its place.
MAT_HEADER = b"MATLAB 5.0 MAT-file".ljust(116)


def write_pamir_scene(scene: SceneRecord, name: str, out: Path, options: ExportOptions) -> tuple[str, ...]:
    """Write one scene.

    Raises:
        SettingsError: the views are not evenly spaced from a yaw of 0.
        InputError: the renders are damaged, or the mesh has no inside.
    """
    mesh, transfer = read_scene_mesh(scene)
    views = _even_views(scene)
    rng = derive_rng(options.seed, name, "pamir")
    low, high = mesh.bounds
    scale = float(rng.uniform(*LONGEST) / (high - low).max())
    to_file = np.diag([scale, scale, scale, 1.0])
    to_file[:3, 3] = -scale * (low + high) / 2
    pictures, scan = pamir_folders(out, name, scene)
    for folder in (scan, *(pictures / kind for kind in ("color", "mask", "color_uv", "meta", "sample"))):
        folder.mkdir(parents=True, exist_ok=True)
    notices = write_scan(scan / f"{name}.obj", mesh.with_vertices(move_points(mesh.vertices, to_file)))
    points = draw_coloured_points(mesh, transfer, rng)
    write_bytes(pictures / "meta" / "uv_pos.exr", points.positions(to_file))
    write_png(pictures / "meta" / "uv_nml.png", points.normals)
    write_png(pictures / "meta" / "uv_mask.png", points.mask)
    write_bytes(pictures / "sample" / "samples.mat", _mat_bytes(_draw_samples(scene, mesh, to_file, rng)))
    cameras = []
    with open_renderer(EMBREE, mesh, SIZE) as renderer:
        for number, view in enumerate(views):
            camera = _camera(view, to_file)
            picture = renderer.colour(camera, display_irradiance(transfer, view.light))
            write_jpeg(pictures / "color" / f"{number:04d}.jpg", picture[..., :3])
            write_png(pictures / "mask" / f"{number:04d}.png", picture[..., 3])
            write_png(pictures / "color_uv" / f"{number:04d}.png", points.colours(view.light))
            right, down, away = camera.rotation
            cameras.append({"center": -DISTANCE * away, "direction": away, "right": right, "up": -down})
    write_bytes(pictures / "meta" / "cam_data.mat", _mat_bytes({"cam": cameras}))
    return notices


def pamir_folders(out: Path, name: str, scene: SceneRecord) -> tuple[Path, Path]:
    """The folders of one scene: its pictures', and its mesh's beside which SMPL fits may lie."""
    del scene
    return out / "image_data" / name, out / "mesh_data" / name / "mesh"


def write_pamir_lists(out: Path, names: dict[str, str], settings: dict[str, Any]) -> None:
    """Write data_list.txt, which the loader reads, for training, and others for validation and test."""
    del settings
    for split in SPLITS:
        # The loader takes an empty last line for a scene.
        lines = "\n".join(name for name in sorted(names) if names[name] == split)
        file = "data_list.txt" if split == "train" else f"data_list_{split}.txt"
        write_bytes(out / file, lines.encode())


def _even_views(scene: SceneRecord) -> list[ViewRecord]:
    """A view at each yaw, sorted: the first where a camera has pictures under several lights.

    Raises:
        SettingsError: view k of N is not at k * 360 / N degrees, where PaMIR's loader takes it to be.
    """
    first: dict[float, ViewRecord] = {}
    for view in scene.views:
        first.setdefault(view.yaw_deg, view)
    views = [first[yaw] for yaw in sorted(first)]
    step = 360.0 / len(views)
    if any(abs(view.yaw_deg - k * step) > 1e-6 or view.pitch_deg for k, view in enumerate(views)):
        raise SettingsError(
            f"{scene.key}: PaMIR's loader takes view k of N for one at k * 360 / N degrees: render with --views and "
            "--step that go around once, without --offset, --pitch and --jitter"
        )
    return views


def _camera(view: ViewRecord, to_file: F64) -> PerspectiveCamera:
    """PaMIR's camera in our world."""
    scale = float(to_file[0, 0])
    x, y, z = (float(value) for value in -to_file[:3, 3] / scale)
    half = SIZE / 2 / FOCAL_PX  # of the picture, by the distance
    fov = float(np.degrees(2.0 * np.arctan(half)))
    return PerspectiveCamera((x, y, z), 2.0 * half * DISTANCE / scale, view.yaw_deg, 0.0, fov_deg=fov)


def _draw_samples(scene: SceneRecord, mesh: PosedMesh, to_file: F64, rng: np.random.Generator) -> dict[str, F32]:
    """Points near the surface and anywhere, float32 in the file's space, parted by whether they are inside."""
    surface = move_points(sample_surface(mesh, NEAR_POINTS, rng).positions, to_file)
    near = surface + rng.normal(size=surface.shape) * rng.choice(SIGMAS, (NEAR_POINTS, 1))
    low, high = move_points(mesh.bounds, to_file)
    in_box = rng.uniform(low, high, (UNIFORM_POINTS, 3))
    anywhere = rng.uniform(-0.5, 0.5, (UNIFORM_POINTS, 3))
    # Rounded before they are labelled, so that a label belongs to the position as stored.
    stored = np.concatenate([near, in_box, anywhere]).astype(np.float32)
    back = np.asarray(np.linalg.inv(to_file), np.float64)
    labels = label_inside(mesh, move_points(stored.astype(np.float64), back))
    ends = (NEAR_POINTS, NEAR_POINTS + UNIFORM_POINTS)
    points, inside = np.split(stored, ends), np.split(labels, ends)
    most = UNIFORM_POINTS // 4
    found: dict[str, F32] = {
        "surface_points_inside": points[0][inside[0]],
        "surface_points_outside": points[0][~inside[0]],
        "uniform_points_inside": points[1][inside[1]][:most],
        "uniform_points_outside": points[2][~inside[2]][:most],
    }
    empty = [name for name, kept in found.items() if not len(kept)]
    if empty:
        raise InputError(scene.folder, f"the mesh has no {empty[0].replace('_', ' ')}, which PaMIR's loader draws from")
    return found


def _mat_bytes(content: dict[str, Any]) -> bytes:
    """A MATLAB file; equal content gives equal bytes."""
    buffer = io.BytesIO()
    savemat(buffer, content, do_compression=True)
    return MAT_HEADER + buffer.getvalue()[len(MAT_HEADER) :]
