"""Binary PLY: positions, vertex colours, and texture coordinates with the textures as PNG files beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...core.arrays import Array
from ...core.files import write_bytes
from ...geometry.mesh import PosedMesh
from ..obj.write import texture_pixels
from ..png import encode_png


def write_ply(path: Path, mesh: PosedMesh, *, comment: str = "metres, y up") -> None:
    """Write a little-endian PLY with float32 positions; each file whole or not at all.

    Textures follow MeshLab: "comment TextureFile" names them, `texcoord` holds two numbers a corner, and `texnumber`
    the texture of each face, -1 for none. Vertex colours are left out beside a texture, since viewers show one of
    both; the colours of materials without a texture are not kept.

    Args:
        path: of the .ply; its folder is made. Textures become "<stem>_texture<number>.png".
        mesh: in the unit to write.
        comment: of the header.

    Raises:
        OSError: of the disk; names the file.
    """
    lines = ["ply", "format binary_little_endian 1.0", f"comment {comment}"]
    textures = [texture_pixels(material) for material in mesh.materials] if mesh.uv is not None else []
    number_of = np.full(len(mesh.materials), -1, np.int32)
    for material, pixels in enumerate(textures):
        if pixels is not None:
            number_of[material] = number_of.max() + 1
            name = f"{path.stem}_texture{number_of[material]}.png"
            write_bytes(path.with_name(name), encode_png(pixels))
            lines.append(f"comment TextureFile {name}")
    textured = bool((number_of >= 0).any())
    points, described = _vertex_rows(mesh, coloured=mesh.vertex_colours is not None and not textured)
    lines += [f"element vertex {len(points)}", *described]
    triangles, described = _face_rows(mesh, number_of[mesh.face_material] if textured else None)
    lines += [f"element face {len(triangles)}", *described, "end_header", ""]
    write_bytes(path, "\n".join(lines).encode() + points.tobytes() + triangles.tobytes())


def _vertex_rows(mesh: PosedMesh, *, coloured: bool) -> tuple[Array, list[str]]:
    """(V,) records of the vertices and the header's lines that describe them."""
    colours = mesh.vertex_colours if coloured else None
    channels: list[str] = []
    if colours is not None:
        channels = ["red", "green", "blue", *(["alpha"] if (colours[:, 3] < 255).any() else [])]
    fields = [(axis, "<f4") for axis in "xyz"] + [(channel, "u1") for channel in channels]
    points = np.zeros(len(mesh.vertices), fields)
    for column, axis in enumerate("xyz"):
        points[axis] = mesh.vertices[:, column]
    for column, channel in enumerate(channels):
        assert colours is not None
        points[channel] = colours[:, column]
    described = [f"property float {axis}" for axis in "xyz"]
    return points, described + [f"property uchar {channel}" for channel in channels]


def _face_rows(mesh: PosedMesh, texture: Array | None) -> tuple[Array, list[str]]:
    """(F,) records of the faces and the header's lines; `texture` (F,) is the texture's number by face, or None."""
    fields: list[tuple[object, ...]] = [("count", "u1"), ("corners", "<i4", 3)]
    described = ["property list uchar int vertex_indices"]
    if texture is not None:
        fields += [("numbers", "u1"), ("uv", "<f4", (3, 2)), ("texture", "<i4")]
        described += ["property list uchar float texcoord", "property int texnumber"]
    faces = np.zeros(len(mesh.faces), fields)
    faces["count"], faces["corners"] = 3, mesh.faces
    if texture is not None:
        assert mesh.uv is not None
        faces["numbers"], faces["uv"], faces["texture"] = 6, mesh.uv[mesh.face_uv], texture
    return faces, described
