"""PLY: ASCII and binary of both byte orders, colours of vertices and faces, polygons, MeshLab's textures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ...core.arrays import F64, I64, U8, Bools
from ...core.errors import InputError
from ...geometry.mesh import Material
from ..build_mesh import GREY, ReadMesh, build_mesh
from ..images import read_texture
from ..limits import read_bytes
from ..named_files import model_folder, picture_beside, resolve_inside
from ..polygons import triangulate
from .strips import strip_faces
from .tables import PlyTable, read_ascii, read_binary, read_header, whole_numbers


def read_ply(path: Path, root: Path | None = None) -> ReadMesh:
    """Read a PLY with faces; texture coordinates a vertex (s t, u v) or a corner (`texcoord`) are understood.

    Counts in the header are compared with the file's size before anything is allocated.

    Raises:
        InputError: damaged or hostile; names file and reason.
    """
    root = model_folder(path) if root is None else root
    content = read_bytes(path)
    order, elements, textures, start = read_header(path, content)
    if order == "ascii":
        tables = read_ascii(path, content, start, elements)
    else:
        tables = read_binary(path, content, start, elements, ">" if order == "binary_big_endian" else "<")
    notices: list[str] = []
    vertex, face = tables.get("vertex"), tables.get("face")
    if vertex is None or not all(axis in vertex.scalars for axis in "xyz"):
        raise InputError(path, "the file has no vertices with x, y and z")
    with np.errstate(invalid="ignore"):  # a signalling NaN; what is not finite is refused below
        vertices = np.stack([vertex.scalars[axis].astype(np.float64) for axis in "xyz"], axis=1)
    face = face or strip_faces(path, tables.get("tristrips"))
    corner, sizes, keep = _corners(path, face, len(vertices))
    cut, owner = triangulate(vertices, corner, sizes)
    faces = corner[cut]
    uv, face_uv = _texture_coordinates(path, vertex, face, faces, cut, keep, sizes)
    colours = _colours(vertex)
    of_faces = None if colours is not None or face is None else _colours(face)
    beside = None if textures or uv is None or colours is not None else picture_beside(path, root)
    if beside is not None:
        notices.append(f"no texture is named; textured with {beside.name}")
        textures = [beside.name]
    if textures and uv is None:
        notices.append("the faces have a texture, but no texture coordinates")
    materials, face_material = _materials(path, root, textures, face, owner, keep, uv is not None)
    if colours is not None and textures and uv is not None:
        notices.append("vertex colours beside a texture are ignored")
        colours = None
    elif colours is not None:
        materials = (Material("vertex colours"),)
        face_material = np.zeros(len(faces), np.int64)
    elif of_faces is not None and (not textures or uv is None):
        materials, uv, face_uv = _palette(of_faces[keep][owner])
    mesh = build_mesh(
        path, vertices, faces, materials=materials, face_material=face_material, uv=uv, face_uv=face_uv,
        vertex_colours=colours, weld=True, notices=notices,
    )  # fmt: skip
    return ReadMesh(mesh, notices=tuple(notices))


def _corners(path: Path, face: PlyTable | None, vertices: int) -> tuple[I64, I64, Bools]:
    """Vertex of each corner, corners of each face, and which faces have at least three."""
    lists = {} if face is None else face.lists
    found = lists.get("vertex_indices") or lists.get("vertex_index")
    if found is None or not len(found[1]):
        raise InputError(path, "the file has no faces")
    flat, sizes = found
    keep = sizes >= 3
    if not keep.any():
        raise InputError(path, "the file has no faces of three corners or more")
    row = np.repeat(np.arange(len(sizes)), sizes)
    used = np.repeat(keep, sizes)
    corner = whole_numbers(path, flat[used], "faces")
    bad = (corner < 0) | (corner >= vertices)
    if bad.any():
        first = int(row[used][bad][0])
        told = f"{len(np.unique(row[used][bad]))} faces refer to a vertex that is not there ({vertices} in the file)"
        raise InputError(path, f"{told}; the first is face {first}, counted from 0")
    return corner, sizes[keep], keep


def _texture_coordinates(
    path: Path,
    vertex: PlyTable,
    face: PlyTable | None,
    faces: I64,
    cut: I64,
    keep: Bools,
    sizes: I64,
) -> tuple[F64 | None, I64 | None]:
    if face is not None and "texcoord" in face.lists:
        flat, lengths = face.lists["texcoord"]
        if (lengths[keep] == 2 * sizes).all():
            return flat[np.repeat(keep, lengths)].astype(np.float64).reshape(-1, 2), cut
        if (lengths[keep] > 0).any():
            raise InputError(path, "faces whose texcoord list is not two numbers a corner")
    for u, v in (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t")):
        if u in vertex.scalars and v in vertex.scalars:
            return np.stack([vertex.scalars[u], vertex.scalars[v]], axis=1).astype(np.float64), faces
    return None, None


def _materials(
    path: Path,
    root: Path,
    textures: list[str],
    face: PlyTable | None,
    owner: I64,
    keep: Bools,
    has_uv: bool,
) -> tuple[tuple[Material, ...], I64]:
    if not textures or not has_uv:
        return (GREY,), np.zeros(len(owner), np.int64)
    materials = []
    for name in textures:
        texture = resolve_inside(root, name, path, "the texture")
        materials.append(Material(texture.stem, read_texture(texture, texture)))
    number = np.zeros(len(owner), np.int64)
    if face is not None and "texnumber" in face.scalars:
        number = whole_numbers(path, face.scalars["texnumber"][keep], "faces")[owner]
        materials.append(GREY)  # MeshLab writes -1 for faces without a texture
        number = np.where(number < 0, len(textures), number)
        if (number > len(textures)).any():
            raise InputError(path, f"faces refer to texture {int(number.max())} of {len(textures)}")
    return tuple(materials), number


def _palette(colours: U8) -> tuple[tuple[Material], F64, I64]:
    """A texture of one pixel a colour, and the coordinates of each face's (F, 4) pixel: faces stay of one colour."""
    distinct, number = np.unique(colours, axis=0, return_inverse=True)
    width = math.isqrt(len(distinct) - 1) + 1
    height = -(-len(distinct) // width)
    picture = np.zeros((height * width, 4), np.uint8)
    picture[: len(distinct)] = distinct
    row, column = np.divmod(np.arange(len(distinct)), width)
    uv = np.stack([(column + 0.5) / width, 1.0 - (row + 0.5) / height], axis=1)
    material = Material("face colours", picture.reshape(height, width, 4), wrap=("clamp", "clamp"))
    return (material,), uv, np.repeat(number.reshape(-1, 1), 3, axis=1)


def _colours(vertex: PlyTable) -> U8 | None:
    """(N, 4) the colours of a table's rows, vertices or faces; None without."""
    for prefix in ("", "diffuse_"):
        names = [f"{prefix}{name}" for name in ("red", "green", "blue")]
        if all(name in vertex.scalars for name in names):
            channels = [vertex.scalars[name] for name in names]
            values = np.stack(channels, axis=1).astype(np.float64)
            if not np.isfinite(values).all():
                return None
            if values.max(initial=0.0) <= 1.0 and channels[0].dtype.kind == "f":
                values = values * 255.0
            elif values.max(initial=0.0) > 255.0:
                values = values / 257.0
            rgba = np.full((len(values), 4), 255, np.uint8)
            rgba[:, :3] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
            return rgba
    return None
