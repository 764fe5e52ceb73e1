"""A mesh in the form graphics cards need: one part per material, vertices split where texture coordinates differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import F32, I32, U8
from ..geometry.mesh import PosedMesh, Wrap
from .textures import cut_texture

# After how much of a texture coordinate the texture shows the same again; 0 for never.
PERIODS = {"repeat": 1, "mirror": 2, "clamp": 0}


@dataclass(frozen=True, eq=False)
class MeshPart:
    """The faces of one material.

    Attributes:
        material: index into the mesh's materials.
        cut_out: whether the material has holes.
        texture: (H, W, 4) uint8; None for a plain colour. Alpha is 255 everywhere, or 0 or 255 for a cut-out, whose
            holes are filled with the colours around them.
        wrap: what the texture shows beyond [0, 1] along u and v.
        colour: RGBA factor in [0, 1].
        vertex: (N,) int32, the mesh's vertex that each vertex of the part is a copy of.
        positions: (N, 3) float32, world metres.
        uv: (N, 2) float32, or None without a texture.
        faces: (F', 3) int32 into the part's vertices.
        vertex_colours: (N, 4) float32 in [0, 1], or None for white.
    """

    material: int
    cut_out: bool
    texture: U8 | None
    wrap: tuple[Wrap, Wrap]
    colour: tuple[float, float, float, float]
    vertex: I32
    positions: F32
    uv: F32 | None
    faces: I32
    vertex_colours: F32 | None

    def colours(self, vertex_irradiance: F32) -> F32:
        """Irradiance (V, 3) of the mesh's vertices times vertex colours: (N, 4) float32, alpha 1."""
        colours = np.ones((len(self.vertex), 4), np.float32)
        colours[:, :3] = vertex_irradiance[self.vertex]
        if self.vertex_colours is not None:
            colours *= self.vertex_colours
        return colours


def split_parts(mesh: PosedMesh) -> list[MeshPart]:
    """Split a mesh into one part per material in use."""
    parts = []
    for number in np.unique(mesh.face_material):
        chosen = mesh.face_material == number
        material = mesh.materials[number]
        corners = mesh.faces[chosen].reshape(-1).astype(np.int64)
        textured = material.texture is not None and mesh.uv is not None and mesh.face_uv is not None
        if textured and mesh.uv is not None and mesh.face_uv is not None:
            uv_corners = mesh.face_uv[chosen].reshape(-1)
            keys, faces = np.unique(corners * len(mesh.uv) + uv_corners, return_inverse=True)
            vertex, uv_index = np.divmod(keys, len(mesh.uv))
            uv = _near_zero(mesh.uv, material.wrap)[uv_index]
        else:
            vertex, faces = np.unique(corners, return_inverse=True)
            uv = None
        cut_out = material.alpha_mode == "mask"
        texture = material.texture if textured else None
        if texture is not None and cut_out:
            texture = cut_texture(texture, material.alpha_cutoff / max(material.colour[3], 1e-6))
        elif texture is not None and texture[..., 3].min() < 255:
            texture = np.dstack([texture[..., :3], np.full(texture.shape[:2], 255, np.uint8)])
        colours = None
        if mesh.vertex_colours is not None:
            colours = mesh.vertex_colours[vertex].astype(np.float32) / np.float32(255.0)
            colours[:, 3] = 1.0
        parts.append(
            MeshPart(
                int(number),
                cut_out,
                texture,
                material.wrap,
                material.colour,
                vertex.astype(np.int32),
                mesh.vertices[vertex].astype(np.float32),
                uv,
                faces.reshape(-1, 3).astype(np.int32),
                colours,
            )
        )
    return parts


def _near_zero(uv: F32, wrap: tuple[Wrap, Wrap]) -> F32:
    """Shift texture coordinates by a common period: graphics cards lose the fraction of large ones."""
    period = np.array([PERIODS[side] for side in wrap])
    whole = np.where(period > 0, np.floor(np.median(uv, axis=0) / np.maximum(period, 1)) * period, 0.0)
    return uv - whole.astype(np.float32)
