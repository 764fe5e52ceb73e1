"""Wavefront OBJ with its material library (MTL) and its textures as PNG files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.arrays import U8
from ...core.files import write_bytes
from ...geometry.mesh import Material, PosedMesh
from ..png import encode_png


@dataclass(frozen=True, kw_only=True)
class ObjStyle:
    """How an OBJ is written; what it says about the surface is the same in every style.

    Attributes:
        comment: first line of the file; "" for none.
        number: format of positions and texture coordinates; six decimals are a micrometre.
        lit: False where the colours hold the light already, so that viewers should show them as they are (illum 0).
        texture_name: file name of a texture, made of {stem} (of the OBJ) and {material} (name of the material). None:
            "{stem}_texture.png" for the only one, "{stem}_{material}.png" where there are several.
        png_level: zlib's level for the textures, 0 (fast) to 9 (small).
    """

    comment: str = "metres, y up"
    number: str = ".6f"
    lit: bool = True
    texture_name: str | None = None
    png_level: int = 6


def write_obj(path: Path, mesh: PosedMesh, style: ObjStyle | None = None) -> None:
    """Write the OBJ, and for a mesh with materials "<stem>.mtl" and the textures; each file whole or not at all.

    A mesh whose only material is the default one gets no library. Vertex colours follow the position, as MeshLab and
    Blender read them. A material's colour is multiplied into its texture, since readers ignore Kd beside map_Kd. A
    material name that the format cannot hold (it is empty, repeated, or has other characters than letters, digits, "_",
    "-" and ".") becomes "material<number>".

    Args:
        path: of the .obj; its folder is made.
        mesh: in the unit to write; texture coordinates count from the lower left, as OBJ's do.
        style: see ObjStyle.

    Raises:
        ValueError: two textures of one file name.
        OSError: of the disk; names the file.
    """
    style = ObjStyle() if style is None else style
    names = material_names(mesh.materials)
    lines = [f"# {style.comment}"] if style.comment else []
    if not _is_bare(mesh):
        lines.append(f"mtllib {path.stem}.mtl")
        _write_library(path, mesh.materials, names, style)
    lines += _vertex_lines(mesh, style.number)
    for number, name in enumerate(names):
        chosen = mesh.face_material == number
        if not chosen.any():
            continue
        if not _is_bare(mesh):
            lines.append(f"usemtl {name}")
        corners = (mesh.faces[chosen].astype(np.int64) + 1).tolist()
        if mesh.face_uv is None:
            lines += [f"f {a} {b} {c}" for a, b, c in corners]
        else:
            uv = (mesh.face_uv[chosen].astype(np.int64) + 1).tolist()
            lines += [f"f {a}/{ta} {b}/{tb} {c}/{tc}" for (a, b, c), (ta, tb, tc) in zip(corners, uv, strict=True)]
    write_bytes(path, ("\n".join(lines) + "\n").encode())  # last: what has an OBJ has its library and textures


def lost_wraps(mesh: PosedMesh, format: Literal["OBJ", "PLY"]) -> tuple[str, ...]:
    """Say where a texture shows something else beyond [0, 1] once the mesh is read from a file of this format.

    In an OBJ textures repeat, or with `-clamp on` end, both along u and v; in a PLY they repeat.

    Args:
        mesh: as `write_obj` takes it.
        format: of the file.

    Returns:
        A message for each material whose faces reach to where the file says something else of its texture.
    """
    if mesh.uv is None or mesh.face_uv is None:
        return ()
    notices = []
    for number, material in enumerate(mesh.materials):
        uv = mesh.uv[mesh.face_uv[mesh.face_material == number]].reshape(-1, 2)
        written = "clamp" if format == "OBJ" and _is_clamped(material) else "repeat"
        beyond = (uv < 0).any(axis=0) | (uv > 1).any(axis=0)
        lost = sorted({side for side, out in zip(material.wrap, beyond, strict=True) if out and side != written})
        if lost and material.texture is not None:
            modes = " and ".join({"mirror": "is mirrored", "clamp": "ends"}[side] for side in lost)
            notices.append(f'material "{material.name}": its texture {modes} beyond [0, 1]; in the {format} it repeats')
    return tuple(notices)


def _is_clamped(material: Material) -> bool:
    return material.wrap == ("clamp", "clamp")


def material_names(materials: tuple[Material, ...]) -> list[str]:
    """The materials' names where a file can hold them, "material<number>" where it cannot or where one repeats."""
    names: list[str] = []
    for number, material in enumerate(materials):
        plain = material.name.isascii() and material.name.replace("_", "").replace("-", "").replace(".", "").isalnum()
        names.append(material.name if plain and material.name not in names else f"material{number}")
    return names


def texture_pixels(material: Material) -> U8 | None:
    """(H, W, 3) uint8 texture with the colour multiplied in; (H, W, 4) where alpha cuts out; None without a texture."""
    if material.texture is None:
        return None
    pixels = np.rint(material.texture * np.asarray(material.colour)).astype(np.uint8)
    return np.ascontiguousarray(pixels if material.alpha_mode == "mask" else pixels[..., :3])


def _is_bare(mesh: PosedMesh) -> bool:
    """Whether the materials say nothing: the default one alone."""
    only, default = mesh.materials[0], Material()
    return len(mesh.materials) == 1 and only.texture is None and only.name == default.name and only.colour == (1,) * 4


def _vertex_lines(mesh: PosedMesh, number: str) -> list[str]:
    """Lines of positions (with colours where there are some) and texture coordinates."""
    points = mesh.vertices.tolist()
    if mesh.vertex_colours is None:
        lines = [f"v {x:{number}} {y:{number}} {z:{number}}" for x, y, z in points]
    else:
        colours = (mesh.vertex_colours[:, :3] / 255.0).tolist()
        lines = [
            f"v {x:{number}} {y:{number}} {z:{number}} {r:.4f} {g:.4f} {b:.4f}"
            for (x, y, z), (r, g, b) in zip(points, colours, strict=True)
        ]
    if mesh.uv is not None:
        lines += [f"vt {u:{number}} {v:{number}}" for u, v in mesh.uv.tolist()]
    return lines


def _write_library(path: Path, materials: tuple[Material, ...], names: list[str], style: ObjStyle) -> None:
    """The .mtl and the textures it names."""
    entries: list[str] = []
    textures: set[str] = set()
    pattern = style.texture_name
    if pattern is None:
        several = sum(material.texture is not None for material in materials) > 1
        pattern = "{stem}_{material}.png" if several else "{stem}_texture.png"
    for name, material in zip(names, materials, strict=True):
        pixels = texture_pixels(material)
        red, green, blue = (1.0, 1.0, 1.0) if pixels is not None else material.colour[:3]
        colour = f"{red:.6g} {green:.6g} {blue:.6g}"
        # Without Ks 0 a reader may add a gloss of its own, as Blender does.
        lines = [f"newmtl {name}", f"Ka {colour}", f"Kd {colour}", "Ks 0 0 0", "d 1", f"illum {int(style.lit)}"]
        if pixels is not None:
            file = pattern.format(stem=path.stem, material=name)
            if file in textures:
                raise ValueError(f"{path}: two textures would be named {file}; name them by {{material}}")
            textures.add(file)
            write_bytes(path.with_name(file), encode_png(pixels, level=style.png_level))
            clamp = "-clamp on " if _is_clamped(material) else ""
            lines += [f"map_Kd {clamp}{file}", *([f"map_d {clamp}{file}"] if material.alpha_mode == "mask" else [])]
        entries.append("\n".join(lines) + "\n")
    write_bytes(path.with_suffix(".mtl"), "\n".join(entries).encode())
