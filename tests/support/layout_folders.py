"""Folders of the shapes that data sets have, made from the small figures of conftest."""

from __future__ import annotations

import pickle
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from support.figures import figure


def parts_of(seed: int):
    """Vertices (metres, y up, facing +z), faces and uv of a figure."""
    mesh = figure(seed)
    low, high = mesh.bounds
    uv = ((mesh.vertices - low) / (high - low))[:, :2] * 0.96 + 0.02
    return np.asarray(mesh.vertices), np.asarray(mesh.faces), uv


def picture(seed: int, size: int = 64):
    """Red grows to the right, green upwards, blue names the person; row 0 at the top."""
    ramp = np.linspace(0, 255, size)
    rows = np.broadcast_to(ramp[::-1, None], (size, size))
    columns = np.broadcast_to(ramp, (size, size))
    return np.stack([columns, rows, np.full((size, size), 40 * seed)], axis=-1).astype(np.uint8)


def write_obj(path, vertices, faces, uv, *, library: str | None = None, material: str = "skin") -> None:
    """An OBJ as exporters write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [] if library is None else [f"mtllib {library}", f"usemtl {material}"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
    lines += [f"vt {a:.6f} {b:.6f}" for a, b in uv]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in faces + 1]
    path.write_text("\n".join(lines) + "\n")


def renderpeople(root: Path, seed: int, name: str, *, library: bool = True, z_up: bool = False) -> Path:
    """rp_<name>_posed_001_OBJ: centimetres, two sizes of mesh, the texture in tex/, a library with a foreign path."""
    folder = root / f"rp_{name}_posed_001_OBJ"
    vertices, faces, uv = parts_of(seed)
    if z_up:
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], axis=1)
    stem = f"rp_{name}_posed_001"
    for size in ("30k", "100k"):
        write_obj(
            folder / f"{stem}_{size}.obj", vertices * 100, faces, uv, library=f"{stem}_{size}.mtl" if library else None
        )
        if library:
            (folder / f"{stem}_{size}.mtl").write_text(
                f"newmtl skin\nKd 0 0 0\nmap_Kd D:\\scans\\{stem}\\{stem}_dif_16k.tif\n"
            )
    (folder / "tex").mkdir()
    for size in ("2k", "8k"):
        iio.imwrite(folder / "tex" / f"{stem}_dif_{size}.jpg", picture(seed, 32 if size == "2k" else 64), quality=95)
    iio.imwrite(folder / "tex" / f"{stem}_norm_8k.jpg", np.zeros((8, 8, 3), np.uint8))
    return folder


def thuman(root: Path, seed: int, scale: float | None, *, fits: str = "THuman2.0_smplx", turn_deg: int = 0) -> Path:
    """THuman2.0_Release/<id> of arbitrary scale and yaw, its fit in a folder beside the release (None: none)."""
    name = f"{seed:04d}"
    folder = root / "THuman2.0_Release" / name
    vertices, faces, uv = parts_of(seed)
    yaw = np.radians(turn_deg)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    moved = (vertices @ turn.T) * (scale or 0.55) + [0.1, -0.3, 0.2]
    write_obj(folder / f"{name}.obj", moved, faces, uv, library="material0.mtl", material="material0")
    (folder / "material0.mtl").write_text("newmtl material0\nKd 1 1 1\nmap_Kd material0.jpeg\n")
    iio.imwrite(folder / "material0.jpeg", picture(seed))
    if scale is not None:
        fit = root / fits / name / "smplx_param.pkl"
        fit.parent.mkdir(parents=True)
        content = {
            "betas": np.zeros((1, 10), np.float32),
            "body_pose": np.zeros((1, 63), np.float32),
            "global_orient": np.array([[0, yaw, 0]], np.float32),
            "scale": np.full(1, scale, np.float32),
            "translation": np.array([0.1, -0.3, 0.2], np.float32),
        }
        fit.write_bytes(pickle.dumps(content))
        write_obj(fit.parent / "mesh_smplx.obj", moved, faces, uv)
    return folder


def customhumans(root: Path, seed: int) -> Path:
    """mesh/<idx>_xxx/mesh-f00101.obj with the fitted body beside."""
    folder = root / "mesh" / f"{seed:04d}_ab12"
    vertices, faces, uv = parts_of(seed)
    write_obj(folder / "mesh-f00101.obj", vertices, faces, uv, library="mesh-f00101.mtl")
    (folder / "mesh-f00101.mtl").write_text("newmtl skin\nmap_Kd mesh-f00101.png\n")
    iio.imwrite(folder / "mesh-f00101.png", picture(seed))
    (folder / "mesh-f00101.json").write_text('{"betas": [0, 0]}')
    write_obj(folder / "mesh-f00101_smpl.obj", vertices, faces, uv)
    return folder


def two_k2k(root: Path, seed: int) -> Path:
    """<id>/<id>.ply with vertex colours and <id>.json."""
    name = f"{seed:05d}"
    folder = root / name
    folder.mkdir(parents=True)
    vertices, faces, _ = parts_of(seed)
    lines = [
        "ply", "format ascii 1.0", f"element vertex {len(vertices)}", "property float x", "property float y",
        "property float z", "property uchar red", "property uchar green", "property uchar blue",
        f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header",
    ]  # fmt: skip
    lines += [f"{x:.5f} {y:.5f} {z:.5f} 200 {100 + seed} 90" for x, y, z in vertices]
    lines += [f"3 {a} {b} {c}" for a, b, c in faces]
    (folder / f"{name}.ply").write_text("\n".join(lines) + "\n")
    (folder / f"{name}.json").write_text('{"transl": [[0, 0, 0]]}')
    return folder


def xhumans(root: Path, seed: int, takes: dict[str, int], *, protocol: int = 4) -> Path:
    """<subject>/<mode>/<take>/meshes_pkl with the given number of frames; the person walks along +z."""
    folder = root / f"{seed:05d}"
    vertices, faces, uv = parts_of(seed)
    for take, frames in takes.items():
        meshes = folder / take / "meshes_pkl"
        meshes.mkdir(parents=True)
        (folder / take / "SMPLX").mkdir()
        for frame in range(frames):
            number = f"f{frame + 7:05d}"
            content = {
                "vertices": np.add(vertices, (0, 0, 0.1 * frame)).astype(np.float32),
                "normals": np.zeros_like(vertices, np.float32),
                "uvs": uv.astype(np.float32),
                "faces": faces.astype(np.int64),
            }
            (meshes / f"mesh-{number}.pkl").write_bytes(pickle.dumps(content, protocol))
            # Row 0 of the stored picture is v = 0.
            flipped = np.ascontiguousarray(picture(seed)[::-1])
            (meshes / f"atlas-{number}.pkl").write_bytes(pickle.dumps(flipped, protocol))
            write_obj(folder / take / "SMPLX" / f"mesh-{number}_smplx.obj", vertices, faces, uv)
    (folder / "gender.txt").write_text("male\n")
    np.save(folder / "mean_shape_smplx.npy", np.zeros(10))
    return folder
