"""The posed, textured triangle mesh: loaders make it, renderers draw it, samplers label points around it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..core.arrays import F32, F64, I32, I64, U8, Bools
from ..core.errors import MpcError

Wrap = Literal["repeat", "clamp", "mirror"]
"""What a texture shows beyond [0, 1]: itself again, the colour of its edge, or itself and its mirror image in turn."""
WRAPS: dict[str, Wrap] = {"repeat": "repeat", "clamp": "clamp", "mirror": "mirror"}


class MeshError(MpcError):
    """A mesh whose arrays contradict one another; the message names the array."""


@dataclass(frozen=True, eq=False)
class Material:
    """The unlit appearance of a set of faces.

    Attributes:
        name: from the file.
        texture: (H, W, 4) uint8, sRGB, straight alpha, row 0 at the top; None for a plain colour.
        colour: RGBA in [0, 1], display (sRGB) values; it multiplies the texture.
        alpha_mode: "opaque" ignores alpha; "mask" cuts out below `alpha_cutoff` (hair cards, lace).
        alpha_cutoff: in [0, 1], used by "mask" only.
        wrap: what the texture shows beyond [0, 1] along u and v.
    """

    name: str = "default"
    texture: U8 | None = None
    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    alpha_mode: Literal["opaque", "mask"] = "opaque"
    alpha_cutoff: float = 0.5
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")


@dataclass(frozen=True, eq=False)
class PosedMesh:
    """Triangles in world space (metres, y up, right-handed, people face +z), one pose, textured.

    Positions and texture coordinates have separate indices, as in OBJ, so a texture seam does not cut the surface.

    Attributes:
        vertices: (V, 3) float64, metres.
        faces: (F, 3) int32 into `vertices`, counter-clockwise seen from outside.
        materials: at least one.
        face_material: (F,) int32 into `materials`.
        uv: (T, 2) float32, origin at the texture's lower left, v up (OBJ, OpenGL); None without texture coordinates.
        face_uv: (F, 3) int32 into `uv`; None exactly when `uv` is None.
        vertex_colours: (V, 4) uint8, sRGB; they multiply the material's colour; None for white.
        face_part: (F,) uint8, the part of the body that a face belongs to (geometry/labels.py); None where unknown.
        face_garment: (F,) uint8, what a face is of: skin, hair, a shirt (geometry/labels.py); None where unknown.
    """

    vertices: F64
    faces: I32
    materials: tuple[Material, ...] = (Material(),)
    face_material: I32 = field(default_factory=lambda: np.zeros(0, np.int32))
    uv: F32 | None = None
    face_uv: I32 | None = None
    vertex_colours: U8 | None = None
    face_part: U8 | None = None
    face_garment: U8 | None = None

    def __post_init__(self) -> None:
        if len(self.face_material) == 0 and len(self.faces):
            object.__setattr__(self, "face_material", np.zeros(len(self.faces), np.int32))
        check_mesh(self)

    @cached_property
    def corners(self) -> F64:
        """(F, 3, 3) float64: the three corners of each face, metres."""
        corners: F64 = self.vertices[self.faces]
        return corners

    @cached_property
    def face_cross(self) -> F64:
        """(F, 3) float64: outward normal times twice the area, square metres."""
        a, b, c = self.corners[:, 0], self.corners[:, 1], self.corners[:, 2]
        return np.cross(b - a, c - a)

    @cached_property
    def face_areas(self) -> F64:
        """(F,) float64, square metres."""
        areas: F64 = np.linalg.norm(self.face_cross, axis=1) * 0.5
        return areas

    @cached_property
    def face_normals(self) -> F64:
        """(F, 3) float64, unit; zero for a face without area."""
        return _unit(self.face_cross)

    @cached_property
    def vertex_normals(self) -> F64:
        """(V, 3) float64, unit: area-weighted mean of the adjacent face normals; zero if no face uses the vertex."""
        total = np.zeros_like(self.vertices)
        for corner in range(3):
            for axis in range(3):
                total[:, axis] += np.bincount(
                    self.faces[:, corner], self.face_cross[:, axis], minlength=len(self.vertices)
                )
        return _unit(total)

    @cached_property
    def centroid(self) -> F64:
        """(3,) float64: the middle of the surface, each face weighted by its area, metres."""
        middle: F64 = np.average(self.corners.mean(axis=1), axis=0, weights=self.face_areas)
        return middle

    @cached_property
    def bounds(self) -> F64:
        """(2, 3) float64: least and greatest coordinates of the vertices that faces use, metres."""
        marked = np.zeros(len(self.vertices), np.bool_)
        marked[self.faces] = True
        used = self.vertices[marked]
        return np.stack([used.min(axis=0), used.max(axis=0)])

    def with_vertices(self, vertices: F64) -> PosedMesh:
        """The same surface in another pose; `vertices` is (V, 3) float64, metres."""
        return replace(self, vertices=np.ascontiguousarray(vertices, np.float64))

    def subset(self, keep: Bools) -> tuple[PosedMesh, I64]:
        """The chosen faces (F,) and the vertices that they use: the mesh, and the numbers (V',) of its vertices."""
        marked = np.zeros(len(self.vertices), np.bool_)
        marked[self.faces[keep]] = True
        used = np.flatnonzero(marked)
        number = (np.cumsum(marked) - 1).astype(np.int32)
        mesh = PosedMesh(
            vertices=np.ascontiguousarray(self.vertices[used]),
            faces=np.ascontiguousarray(number[self.faces[keep]]),
            materials=self.materials,
            face_material=np.ascontiguousarray(self.face_material[keep]),
            uv=self.uv,
            face_uv=None if self.face_uv is None else np.ascontiguousarray(self.face_uv[keep]),
            vertex_colours=None if self.vertex_colours is None else np.ascontiguousarray(self.vertex_colours[used]),
            face_part=None if self.face_part is None else self.face_part[keep],
            face_garment=None if self.face_garment is None else self.face_garment[keep],
        )
        return mesh, used

    def transformed(self, matrix: F64) -> PosedMesh:
        """The mesh moved by a (4, 4) affine matrix; if it mirrors, faces are reversed to stay outward."""
        moved = self.with_vertices(self.vertices @ matrix[:3, :3].T + matrix[:3, 3])
        if np.linalg.det(matrix[:3, :3]) >= 0:
            return moved
        face_uv = None if self.face_uv is None else np.ascontiguousarray(self.face_uv[:, ::-1])
        return replace(moved, faces=np.ascontiguousarray(self.faces[:, ::-1]), face_uv=face_uv)


def split_quads(quads: I32) -> I32:
    """Split quads (Q, 4) into triangles (2Q, 3); the two triangles of quad q are rows q and Q + q."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


def check_mesh(mesh: PosedMesh) -> None:
    """Raise MeshError if an array has a wrong shape or dtype, holds NaN, or has an index out of range."""
    expected: list[tuple[str, npt.NDArray[np.generic] | None, type, tuple[int | None, ...]]] = [
        ("vertices", mesh.vertices, np.float64, (None, 3)),
        ("faces", mesh.faces, np.int32, (None, 3)),
        ("face_material", mesh.face_material, np.int32, (len(mesh.faces),)),
        ("uv", mesh.uv, np.float32, (None, 2)),
        ("face_uv", mesh.face_uv, np.int32, (len(mesh.faces), 3)),
        ("vertex_colours", mesh.vertex_colours, np.uint8, (len(mesh.vertices), 4)),
        ("face_part", mesh.face_part, np.uint8, (len(mesh.faces),)),
        ("face_garment", mesh.face_garment, np.uint8, (len(mesh.faces),)),
    ]
    for name, array, dtype, shape in expected:
        if array is None:
            continue
        fits = array.ndim == len(shape) and all(
            want is None or want == got for want, got in zip(shape, array.shape, strict=True)
        )
        if array.dtype != dtype or not fits:
            raise MeshError(f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}")
    if (mesh.uv is None) != (mesh.face_uv is None):
        raise MeshError("uv and face_uv come together or not at all")
    if not len(mesh.faces):
        raise MeshError("no faces")
    if not np.isfinite(mesh.vertices).all():
        raise MeshError("vertices that are not finite (NaN or infinite)")
    if mesh.uv is not None and not np.isfinite(mesh.uv).all():
        raise MeshError("texture coordinates that are not finite (NaN or infinite)")
    _check_index("faces", mesh.faces, len(mesh.vertices))
    _check_index("face_material", mesh.face_material, len(mesh.materials))
    if mesh.face_uv is not None and mesh.uv is not None:
        _check_index("face_uv", mesh.face_uv, len(mesh.uv))


def _check_index(name: str, index: I32, count: int) -> None:
    if len(index) and (index.min() < 0 or index.max() >= count):
        raise MeshError(f"{name} refers to entry {int(index.max())} (least {int(index.min())}) of {count}")


def _unit(vectors: F64) -> F64:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: F64 = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit
