"""Wavefront OBJ, read with array operations on the bytes: a hundred thousand faces in a fraction of a second."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...core.arrays import F64, I64, U8, Bools
from ...core.errors import InputError
from ...core.files import legible
from ...geometry.mesh import Material
from ..build_mesh import GREY, ReadMesh, build_mesh
from ..images import read_texture
from ..limits import read_bytes
from ..named_files import lies_inside, model_folder, picture_beside
from ..polygons import triangulate
from .lines import SPACE, Lines, split_lines, token_starts, tokens_per_line, without_comments
from .materials import MtlMaterial, build_material, find_libraries, find_material, read_mtl, with_texture
from .numbers import read_numbers

_SLASH = ord("/")


def read_obj(path: Path, root: Path | None = None, texture: Path | None = None) -> ReadMesh:
    """Read an OBJ with its materials and textures.

    Polygons are cut into triangles; negative indices, several materials, vertex colours (x y z r g b) and libraries
    with odd names are read. Vertex colours are dropped where a material has a texture. Lines, points, curves,
    normals and groups are ignored.

    Args:
        path: the .obj.
        root: folder of the model, outside which no file is opened; None: the folder of the mesh.
        texture: the picture for materials that name none that is there; inside `root`.

    Raises:
        InputError: damaged or hostile; names file and reason.
    """
    root = model_folder(path) if root is None else root
    lines = split_lines(path, read_bytes(path))
    first, second = lines.data[lines.starts], lines.data[np.minimum(lines.starts + 1, len(lines.data) - 1)]
    is_v = (first == ord("v")) & (second == SPACE)
    is_vt = (first == ord("v")) & (second == ord("t"))
    is_f = (first == ord("f")) & (second == SPACE)
    notices: list[str] = []

    vertices, colours = _vertices(lines, is_v)
    uv = _rows(lines, is_vt, 2, "texture coordinate")[0]
    corner, corner_uv, sizes, face_line = _faces(lines, is_f, is_v, is_vt)
    cut, owner = triangulate(vertices, corner, sizes)
    faces, face_uv = corner[cut], corner_uv[cut]
    bad = ~np.isfinite(vertices).all(axis=1)
    if (bad_used := bad & np.isin(np.arange(len(vertices)), faces)).any():
        count, where = int(bad_used.sum()), lines.where(np.flatnonzero(is_v)[bad_used])
        raise InputError(path, f"{count} vertices are not finite (NaN or infinite){where}")
    face_line = face_line[owner]

    materials, entries, face_material = _materials(lines, first, face_line, root, texture, notices)
    textured = any(material.texture is not None for material in materials)
    if colours is not None and textured:
        notices.append("vertex colours beside a texture are ignored")
        colours = None
    if colours is not None:
        materials = tuple(Material(m.name) if m.texture is None else m for m in materials)
    _tell_uncovered(materials, face_material, face_uv, notices)
    uv, face_uv = _apply_map_options(uv, face_uv, face_material, entries)
    mesh = build_mesh(
        path,
        vertices,
        faces,
        materials=materials,
        face_material=face_material,
        uv=uv if len(uv) and (face_uv >= 0).any() else None,
        face_uv=face_uv,
        vertex_colours=colours,
        weld=True,
        notices=notices,
    )
    unit, up = _comments(lines, first)
    return ReadMesh(mesh, unit=unit, up=up, notices=tuple(notices))


def _vertices(lines: Lines, is_v: Bools) -> tuple[F64, U8 | None]:
    values, counts, offsets = _rows(lines, is_v, 3, "vertex")
    if not len(counts) or not (counts >= 6).all():
        return values, None
    # The flat numbers are needed again for r g b: positions 3..5 of each line.
    flat = read_numbers(lines.path, lines.numbers[is_v], lines.select(is_v, 1), "vertex", np.float64)
    rgb = flat[offsets[:, None] + np.arange(3, 6)]
    if not np.isfinite(rgb).all():
        return values, None
    if rgb.max() <= 1.0:
        rgb = rgb * 255.0
    rgba = np.full((len(rgb), 4), 255, np.uint8)
    rgba[:, :3] = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return values, rgba


def _rows(lines: Lines, mask: Bools, width: int, what: str) -> tuple[F64, I64, I64]:
    """The first `width` numbers of each chosen line (N, width), how many it holds (N,), and where its first is (N,)."""
    if not mask.any():
        empty = np.zeros(0, np.int64)
        return np.zeros((0, width)), empty, empty
    text = without_comments(lines.select(mask, 2))
    counts = tokens_per_line(text)
    flat = read_numbers(lines.path, lines.numbers[mask], text, what, np.float64)
    short = counts < width
    if short.any():
        where = lines.where(np.flatnonzero(mask)[short])
        raise InputError(lines.path, f"{int(short.sum())} {what} lines have fewer than {width} numbers{where}")
    offsets = np.cumsum(counts) - counts
    if len(flat) != int(counts.sum()):
        raise InputError(lines.path, f"a {what} line holds something that is not a number")
    return flat[offsets[:, None] + np.arange(width)], counts, offsets


def _faces(lines: Lines, is_f: Bools, is_v: Bools, is_vt: Bools) -> tuple[I64, I64, I64, I64]:
    """Vertex and texture index of each corner (zero-based; -1: none), corners of each face, line of each face."""
    line = np.flatnonzero(is_f)
    if not len(line):
        raise InputError(lines.path, "the file has no faces")
    text = without_comments(lines.select(is_f, 1))
    sizes = tokens_per_line(text)
    if (sizes < 3).any():
        where = lines.where(line[sizes < 3])
        raise InputError(lines.path, f"{int((sizes < 3).sum())} faces have fewer than 3 corners{where}")
    if b"/" in text:
        # "1//3" and "1/" leave the texture index out; 0 stands for it below (no index is 0 in OBJ).
        text = text.replace(b"//", b"/0/").replace(b"/ ", b"/0 ").replace(b"/\n", b"/0\n")
    data = np.frombuffer(text, np.uint8)
    token = token_starts(data)
    slash_owner = np.searchsorted(token, np.flatnonzero(data == _SLASH), side="right") - 1
    if len(slash_owner) and slash_owner[0] < 0:
        raise InputError(lines.path, f"a face line begins with a slash{lines.where(line)}")
    parts = 1 + np.bincount(slash_owner, minlength=len(token))
    owner_line = np.repeat(line, sizes)
    flat = read_numbers(lines.path, lines.numbers[line], text.replace(b"/", b" "), "face", np.int64)
    if len(flat) != int(parts.sum()) or parts.max() > 3:
        where = lines.where(owner_line[parts > 3])
        raise InputError(lines.path, f"a face line holds something that is not an index{where}")
    offset = np.cumsum(parts) - parts
    corner = flat[offset]
    has_uv = parts > 1
    corner_uv = np.where(has_uv, flat[np.minimum(offset + 1, len(flat) - 1)], 0)

    if (corner == 0).any():
        count, where = int((corner == 0).sum()), lines.where(owner_line[corner == 0])
        raise InputError(lines.path, f"{count} face corners have index 0 (OBJ counts from 1){where}")
    corner = _from_one(corner, is_v, owner_line)
    corner_uv = np.where(corner_uv == 0, -1, _from_one(corner_uv, is_vt, owner_line))
    _check_range(lines, "vertex", owner_line, (corner < 0) | (corner >= is_v.sum()), is_v)
    _check_range(lines, "texture coordinate", owner_line, (corner_uv < -1) | (corner_uv >= is_vt.sum()), is_vt)
    return corner, corner_uv, sizes, line


def _check_range(lines: Lines, what: str, owner_line: I64, bad: Bools, defined: Bools) -> None:
    """Refuse corners whose index is out of range."""
    if bad.any():
        count, where = len(np.unique(owner_line[bad])), lines.where(owner_line[bad])
        told = f"{count} faces refer to a {what} that is not there ({int(defined.sum())} in the file){where}"
        raise InputError(lines.path, told)


def _from_one(index: I64, defined: Bools, owner_line: I64) -> I64:
    """Make indices zero-based; a negative one counts back from the rows above its line, -2 marks one out of range."""
    if (index >= 0).all():
        return index - 1
    above = np.cumsum(defined)[owner_line]
    relative = above + index
    return np.where(index < 0, np.where(relative < 0, -2, relative), index - 1)


def _materials(
    lines: Lines, first: U8, face_line: I64, root: Path, texture: Path | None, notices: list[str]
) -> tuple[tuple[Material, ...], list[MtlMaterial | None], I64]:
    """Materials in use, their library entries, and the material of each triangle."""
    use_line: list[int] = []
    use_name: list[str] = []
    library: dict[str, MtlMaterial] = {}
    for number in np.flatnonzero((first == ord("u")) | (first == ord("m"))):
        keyword, _, rest = lines.text(int(number)).partition(" ")
        if keyword == "usemtl":
            use_line.append(int(number))
            use_name.append(rest.strip())
        elif keyword == "mtllib" and rest.strip():
            for found in find_libraries(root, rest.strip(), lines.path, notices):
                library = {**read_mtl(found), **library}
    beside = lines.path.with_suffix(".mtl")
    if not library and use_name and beside.is_file() and lies_inside(beside, root):
        library = read_mtl(beside)

    segment = np.searchsorted(np.asarray(use_line, np.int64), face_line) - 1  # -1: before any usemtl
    names = [use_name[index] if index >= 0 else "" for index in range(-1, len(use_name))]
    distinct = sorted({names[index] for index in np.flatnonzero(np.bincount(segment + 1))})
    position = {name: index for index, name in enumerate(distinct)}
    to_material = np.array([position.get(name, 0) for name in names], np.int64)
    entries = [find_material(library, name, notices) for name in distinct]
    if "" in position and entries[position[""]] is None and len(library) == 1 and len(distinct) == 1:
        entries = list(library.values())  # one material, and no face names any
    materials = []
    for name, entry in zip(distinct, entries, strict=True):
        if entry is None and name:
            notices.append(f'material "{legible(name)}" is in no library{"" if texture else "; drawn grey"}')
        if texture is not None:
            entry = with_texture(entry, name, texture, root, notices)
        materials.append(GREY if entry is None else build_material(entry, root, notices))
    if not library and texture is None:
        materials = [_texture_beside(lines.path, root, notices) or material for material in materials]
    return tuple(materials), entries, to_material[segment + 1]


def _tell_uncovered(materials: tuple[Material, ...], face_material: I64, face_uv: I64, notices: list[str]) -> None:
    """Tell of faces that have a texture and no coordinates on it."""
    textured = np.array([material.texture is not None for material in materials])
    lost = int((textured[face_material] & (face_uv < 0).any(axis=1)).sum())
    if lost:
        which = "the faces have" if lost == len(face_uv) else f"{lost} faces have"
        notices.append(f"{which} a texture, but no texture coordinates")


def _texture_beside(path: Path, root: Path, notices: list[str]) -> Material | None:
    """A material from the picture named as the mesh, for meshes that come without a library."""
    picture = picture_beside(path, root)
    if picture is None:
        return None
    notices.append(f"no material library; textured with {picture.name}")
    return Material(path.stem, read_texture(picture.resolve(), picture))


def _apply_map_options(uv: F64, face_uv: I64, face_material: I64, entries: list[MtlMaterial | None]) -> tuple[F64, I64]:
    """Bake -s and -o of map_Kd into texture coordinates of their own."""
    for index, entry in enumerate(entries):
        if entry is None or (entry.uv_scale == (1.0, 1.0) and entry.uv_offset == (0.0, 0.0)) or not len(uv):
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # build_mesh sets what is not finite to 0
            moved = uv * np.asarray(entry.uv_scale) + np.asarray(entry.uv_offset)
        which = (face_material == index)[:, None] & (face_uv >= 0)
        face_uv = np.where(which, face_uv + len(uv), face_uv)
        uv = np.concatenate([uv, moved])
    return uv, face_uv


def _comments(lines: Lines, first: U8) -> tuple[str | None, str | None]:
    """Unit and up axis where an exporter wrote them into a leading comment."""
    unit = up = None
    names = {"meter": "m", "metre": "m", "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "inch": "in"}
    names |= {"m": "m", "cm": "cm", "mm": "mm", "dm": "dm", "decimeter": "dm"}
    for number in np.flatnonzero(first[:200] == ord("#"))[:50]:
        text = lines.text(int(number)).lower()
        match = re.search(r"\bunits?\s*[:=]?\s*([a-z]+)", text)
        if match:
            unit = names.get(match[1], names.get(match[1].rstrip("s"), unit))
        match = re.search(r"\bup(?:[ _-]?axis)?\s*[:=]?\s*([+-]?[xyz])\b|\b([+-]?[xyz])[ _-]?up\b", text)
        if match:
            axis = match[1] or match[2]
            up = axis if axis[0] in "+-" else f"+{axis}"
    return unit, up
