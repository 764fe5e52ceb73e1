"""MonoPort's training folder (Li et al., ECCV 2020), which `monoport/lib/dataset/ppl_dynamic.py` of its code reads.

    <subject>/<action>/<frame>/render/<yaw>.png, calib/<yaw>.txt        as ICON's: extrinsic over intrinsic, 8 rows
    <subject>/<action>/<frame>/uv_render/<yaw>.jpg                      coloured points of the surface; never read
    <subject>/<action>/<frame>/mesh_poisson.obj                         metres
    <subject>/<action>/<frame>/skeleton.txt                             name, x, y, z: centimetres
    <subject>/<action>/<frame>/center.txt                               the pelvis, metres
    <subject>/<action>/<frame>/samples_0.05_v3/surface_0.npy, uniform_0.npy     x, y, z, inside: labelled points
    renderppl/val.txt                                                   the subjects that are not trained on

Its roots are written in the loader: `root` and `root_render` both become the folder of the export. Its loader leaves a
scene out whose head is below its hips or whose joints leave the view.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32
from ...core.errors import SettingsError
from ...core.files import replacing, write_bytes
from ...core.randomness import derive_rng
from ...formats.png import write_png
from ...motion.joints import JOINTS
from ...sampling.occupancy import OccupancySamples, PointSet, sample_occupancy
from ..renders.format import SceneRecord, read_scene_mesh, scene_key
from ..renders.joints import read_world_joints
from ..renders.layer_files import read_picture
from .calibrations import to_eight_rows
from .options import ExportOptions
from .pictures import draw_coloured_points, write_jpeg
from .scene import write_scan

# Its loader crops pictures of this size, and reads a view for each degree.
SIZE, VIEWS = 512, 360
SIGMA_M = 0.05
NEAR_POINTS, UNIFORM_POINTS = 100_000, 25_000
# Its skeletons are Mixamo's, of which the loader asks for number 1 (hips) and 6 (head); what is not known of the spine
# is the pelvis again.
FIRST_JOINTS = ("pelvis", "pelvis", "spine1", "spine2", "spine3", "neck", "head")


def write_monoport_scene(scene: SceneRecord, name: str, out: Path, options: ExportOptions) -> tuple[str, ...]:
    """Write one scene.

    Raises:
        SettingsError: pictures of another size, a perspective camera, yaws between whole degrees, or no joints.
        InputError: the renders are damaged.
    """
    if scene.image_size != SIZE:
        raise SettingsError(
            f"{scene.key}: MonoPort's loader takes pictures of {SIZE} pixels: render with --size {SIZE}"
        )
    skeleton, pelvis = _skeleton(scene)
    mesh, transfer = read_scene_mesh(scene)
    (folder,) = monoport_folders(out, name, scene)
    samples = folder / f"samples_{SIGMA_M:.2f}_v3"
    for path in (samples, *(folder / kind for kind in ("render", "calib", "uv_render"))):
        path.mkdir(parents=True, exist_ok=True)
    notices = write_scan(folder / "mesh_poisson.obj", mesh)
    rng = derive_rng(options.seed, name, "monoport")
    points = draw_coloured_points(mesh, transfer, rng)
    written: set[str] = set()
    for view in scene.views:
        stem = f"{round(view.yaw_deg) % 360:03d}"
        if stem in written or abs(view.yaw_deg - round(view.yaw_deg)) > 1e-3:
            raise SettingsError(f"{scene.key}: a view at {view.yaw_deg:g} degrees: MonoPort's are one a whole degree")
        written.add(stem)
        write_png(folder / "render" / f"{stem}.png", read_picture(scene, view))
        _write_text(folder / "calib" / f"{stem}.txt", to_eight_rows(view.calibration, scene.image_size))
        write_jpeg(folder / "uv_render" / f"{stem}.jpg", points.colours(view.light))
    write_bytes(folder / "skeleton.txt", skeleton.encode())
    _write_text(folder / "center.txt", pelvis[None])
    pool = sample_occupancy(
        mesh, [view.calibration for view in scene.views], near_counts={SIGMA_M: NEAR_POINTS},
        uniform_count=UNIFORM_POINTS, noise="normal", rng=rng,
    )  # fmt: skip
    for kind, points_of in zip(("surface", "uniform"), pool.sets, strict=True):
        _write_points(samples / f"{kind}_0.npy", pool, points_of)
    few = () if len(written) == VIEWS else (f"{len(written)} views; MonoPort's loader reads 360: --views 360 --step 1",)
    return (*notices, *few)


def monoport_folders(out: Path, name: str, scene: SceneRecord) -> tuple[Path]:
    """The folder of one scene."""
    del name
    return (out / scene.subject / scene.animation / f"{scene.frame:06d}",)


def write_monoport_lists(out: Path, names: dict[str, str], settings: dict[str, Any]) -> None:
    """Write renderppl/val.txt, which lists the subjects outside the training split."""
    del settings
    held: set[str] = set()
    for path in out.glob("[!.]*/*/*/render"):
        subject, animation, frame = path.parts[-4:-1]
        if names.get(scene_key(subject, animation, int(frame)).replace("/", "_"), "train") != "train":
            held.add(subject)
    write_bytes(out / "renderppl" / "val.txt", "".join(f"{subject}\n" for subject in sorted(held)).encode())


def _skeleton(scene: SceneRecord) -> tuple[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """The lines of skeleton.txt, and the pelvis in metres.

    Raises:
        SettingsError: those joints that the loader asks for are not known.
    """
    world = read_world_joints(scene)
    places = {} if world is None else dict(zip(JOINTS, world, strict=True))
    known = {joint: place for joint, place in places.items() if np.isfinite(place).all()}
    missing = sorted({"pelvis", "head"} - set(known))
    if missing:
        raise SettingsError(
            f"{scene.key}: joints are not known ({', '.join(missing)}), without which MonoPort's loader leaves it out"
        )
    first = [joint if joint in known else "pelvis" for joint in FIRST_JOINTS]
    order = [*first, *(joint for joint in known if joint not in FIRST_JOINTS)]
    lines = [f"{joint} {' '.join(f'{value * 100:.6f}' for value in known[joint])}\n" for joint in order]
    return "".join(lines), known["pelvis"]


def _write_points(path: Path, pool: OccupancySamples, points: PointSet) -> None:
    """Write (N, 4) float32: position as labelled, and 1 inside or 0 outside."""
    places = pool.lattice.positions(points.q).astype(np.float32)
    rows: F32 = np.column_stack([places, points.inside]).astype(np.float32)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, rows)


def _write_text(path: Path, rows: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    with replacing(path) as temporary:
        np.savetxt(temporary, rows, fmt="%.17g")
