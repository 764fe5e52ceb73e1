"""Small textured figures, as meshes and as folders on disk."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import trimesh


def figure(seed: int) -> trimesh.Trimesh:
    """A closed, lopsided figure about 1.7 m tall: legs, torso, head, one raised arm; feet on y = 0, nose towards +z."""
    rng = np.random.default_rng(seed)
    girth = rng.uniform(0.85, 1.2)

    def limb(start, end, radius):
        return trimesh.creation.capsule(
            height=float(np.linalg.norm(np.subtract(end, start))), radius=radius * girth, count=[12, 12]
        ).apply_transform(_along(np.asarray(start, float), np.asarray(end, float)))

    parts = [
        limb((-0.1, 0.1, 0), (-0.1, 0.85, 0), 0.075),
        limb((0.1, 0.1, 0.05), (0.1, 0.85, 0), 0.075),
        limb((0, 0.9, 0), (0, 1.3, 0), 0.15),
        limb((-0.2, 1.35, 0), (-0.45, 0.9, 0.1), 0.05),
        limb((0.2, 1.35, 0), (0.55, rng.uniform(1.4, 1.7), 0.15), 0.05),
    ]
    head = trimesh.creation.icosphere(subdivisions=3, radius=0.12)
    head.apply_translation([0, 1.6, 0.02])
    nose = trimesh.creation.icosphere(subdivisions=2, radius=0.03)
    nose.apply_translation([0, 1.58, 0.14])
    return trimesh.util.concatenate([*parts, head, nose])


def _along(start, end):
    direction = end - start
    matrix = trimesh.geometry.align_vectors([0, 0, 1], direction)
    matrix[:3, 3] = (start + end) / 2
    return matrix


def write_figure(folder: Path, seed: int) -> Path:
    """mesh.obj, mesh.mtl and texture.png: a wavy texture, so that a misplaced pixel has another colour."""
    folder.mkdir(parents=True)
    mesh = figure(seed)
    low, high = mesh.bounds
    u = (mesh.vertices[:, 0] - low[0]) / (high[0] - low[0])
    v = (mesh.vertices[:, 1] - low[1]) / (high[1] - low[1])
    grid_v, grid_u = np.mgrid[0:256, 0:256] / 256
    waves = [
        np.sin(2 * np.pi * (9 * grid_u + seed / 7)),
        np.sin(2 * np.pi * 14 * grid_v),
        np.sin(14 * (grid_u + grid_v)),
    ]
    iio.imwrite(folder / "texture.png", (150 + 60 * np.stack(waves, axis=-1)).astype(np.uint8))
    lines = ["mtllib mesh.mtl", "usemtl skin"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.vertices]
    lines += [f"vt {a:.6f} {b:.6f}" for a, b in zip(u * 0.96 + 0.02, v * 0.96 + 0.02, strict=True)]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in mesh.faces + 1]
    (folder / "mesh.obj").write_text("\n".join(lines) + "\n")
    (folder / "mesh.mtl").write_text("newmtl skin\nKd 1 1 1\nmap_Kd texture.png\n")
    return folder
