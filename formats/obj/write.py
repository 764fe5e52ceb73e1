"""A posed mesh as OBJ with MTL and textures, as other toolkits read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ...core.arrays import F64
from ...geometry.mesh import Material, PosedMesh


def write_obj(path: Path, mesh: PosedMesh, vertices: F64) -> None:
    """Write `path`, "<stem>.mtl" and textures beside it.

    Args:
        path: the .obj.
        mesh: faces, materials, colours.
        vertices: (V, 3) positions to write, in the unit wanted.
    """
    lines = [f"mtllib {path.stem}.mtl"]
    if mesh.vertex_colours is None:
        lines += [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices.tolist()]
    else:
        colours = (mesh.vertex_colours[:, :3] / 255.0).tolist()
        lines += [
            f"v {x:.9g} {y:.9g} {z:.9g} {r:.4f} {g:.4f} {b:.4f}"
            for (x, y, z), (r, g, b) in zip(vertices.tolist(), colours, strict=True)
        ]
    if mesh.uv is not None:
        lines += [f"vt {u:.9g} {v:.9g}" for u, v in mesh.uv.tolist()]
    for number in range(len(mesh.materials)):
        chosen = mesh.face_material == number
        if not chosen.any():
            continue
        lines.append(f"usemtl material{number}")
        corners = (mesh.faces[chosen] + 1).tolist()
        if mesh.face_uv is None:
            lines += [f"f {a} {b} {c}" for a, b, c in corners]
        else:
            uv = (mesh.face_uv[chosen] + 1).tolist()
            lines += [f"f {a}/{ta} {b}/{tb} {c}/{tc}" for (a, b, c), (ta, tb, tc) in zip(corners, uv, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    entries = [_material(path, number, material) for number, material in enumerate(mesh.materials)]
    path.with_suffix(".mtl").write_text("\n".join(entries))


def _material(path: Path, number: int, material: Material) -> str:
    red, green, blue, _ = material.colour
    lines = [f"newmtl material{number}", f"Kd {red:.6g} {green:.6g} {blue:.6g}", "d 1", "illum 1"]
    if material.texture is not None:
        name = f"{path.stem}_material{number}.png"
        cutout = material.alpha_mode == "mask"
        # Readers ignore Kd beside a texture, so the factor goes into the picture.
        pixels = np.rint(material.texture * np.asarray(material.colour)).astype(np.uint8)
        pixels = pixels if cutout else pixels[..., :3]
        Image.fromarray(np.ascontiguousarray(pixels)).save(path.parent / name, compress_level=1)
        lines += [f"map_Kd {name}", *([f"map_d {name}"] if cutout else [])]
    return "\n".join(lines) + "\n"
