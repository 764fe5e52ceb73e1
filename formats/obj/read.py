"""Wavefront OBJ, read with array operations on the bytes: a hundred thousand faces in a fraction of a second."""

from __future__ import annotations

import re
from dataclasses import dataclass
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
from .materials import MtlMaterial, build_material, find_libraries, find_material, read_mtl, with_texture
from .numbers import read_numbers

_SPACE, _NEWLINE, _SLASH = ord(" "), ord("\n"), ord("/")


@dataclass(frozen=True)
class _Lines:
    """The file's bytes and where its lines lie.

    Attributes:
        path: the file, for errors.
        data: (B,) the bytes.
        starts: (L,) where each line begins.
        lengths: (L,) bytes of each line, its newline included.
    """

    path: Path
    data: U8
    starts: I64
    lengths: I64

    def select(self, mask: Bools, prefix: int) -> bytes:
        """The bytes of the chosen lines, the first `prefix` bytes of each replaced by spaces."""
        chosen = np.flatnonzero(mask)
        keep = np.repeat(mask, self.lengths)
        buffer = self.data[keep]
        starts = np.cumsum(self.lengths[chosen]) - self.lengths[chosen]
        for offset in range(prefix):
            buffer[starts + offset] = _SPACE
        return buffer.tobytes()

    def text(self, line: int) -> str:
        """One line as text."""
        start = self.starts[line]
        return self.data[start : start + self.lengths[line]].tobytes().decode("utf-8", "surrogateescape").strip()


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
    lines = _split_lines(path, read_bytes(path))
    first, second = lines.data[lines.starts], lines.data[np.minimum(lines.starts + 1, len(lines.data) - 1)]
    is_v = (first == ord("v")) & (second == _SPACE)
    is_vt = (first == ord("v")) & (second == ord("t"))
    is_f = (first == ord("f")) & (second == _SPACE)
    notices: list[str] = []

    vertices, colours = _vertices(lines, is_v)
    uv = _rows(lines, is_vt, 2, "texture coordinate")[0]
    corner, corner_uv, sizes, face_line = _faces(lines, is_f, is_v, is_vt)
    cut, owner = triangulate(vertices, corner, sizes)
    faces, face_uv = corner[cut], corner_uv[cut]
    face_line = face_line[owner]

    materials, entries, face_material = _materials(lines, first, face_line, root, texture, notices)
    textured = any(material.texture is not None for material in materials)
    if colours is not None and textured:
        notices.append("vertex colours beside a texture are ignored")
        colours = None
    if colours is not None:
        materials = tuple(Material(m.name) if m.texture is None else m for m in materials)
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


def _split_lines(path: Path, content: bytes) -> _Lines:
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\\\n" in content:
        content = content.replace(b"\\\n", b" ")
    if b"\t" in content:
        content = content.replace(b"\t", b" ")
    if b"\n " in content or content[:1] == b" ":
        content = re.sub(rb"(?m)^ +", b"", content)
    if content[:3] == b"\xef\xbb\xbf":
        content = content[3:]
    if b"\0" in content[:4096]:
        raise InputError(path, "is not a text file, so not an OBJ")
    content += b"\n"
    data = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return _Lines(path, data, starts, ends + 1 - starts)


def _vertices(lines: _Lines, is_v: Bools) -> tuple[F64, U8 | None]:
    values, counts, offsets = _rows(lines, is_v, 3, "vertex")
    if not len(counts) or not (counts >= 6).all():
        return values, None
    # The flat numbers are needed again for r g b: positions 3..5 of each line.
    flat = read_numbers(lines.path, np.flatnonzero(is_v), lines.select(is_v, 1), "vertex", np.float64)
    rgb = flat[offsets[:, None] + np.arange(3, 6)]
    if not np.isfinite(rgb).all():
        return values, None
    if rgb.max() <= 1.0:
        rgb = rgb * 255.0
    rgba = np.full((len(rgb), 4), 255, np.uint8)
    rgba[:, :3] = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return values, rgba


def _rows(lines: _Lines, mask: Bools, width: int, what: str) -> tuple[F64, I64, I64]:
    """The first `width` numbers of each chosen line (N, width), how many it holds (N,), and where its first is (N,)."""
    if not mask.any():
        empty = np.zeros(0, np.int64)
        return np.zeros((0, width)), empty, empty
    text = _without_comments(lines.select(mask, 2))
    counts = _tokens_per_line(text)
    flat = read_numbers(lines.path, np.flatnonzero(mask), text, what, np.float64)
    short = counts < width
    if short.any():
        number = int(np.flatnonzero(mask)[np.flatnonzero(short)[0]]) + 1
        raise InputError(lines.path, f"{int(short.sum())} {what} lines have fewer than {width} numbers (line {number})")
    offsets = np.cumsum(counts) - counts
    if len(flat) != int(counts.sum()):
        raise InputError(lines.path, f"a {what} line holds something that is not a number")
    return flat[offsets[:, None] + np.arange(width)], counts, offsets


def _faces(lines: _Lines, is_f: Bools, is_v: Bools, is_vt: Bools) -> tuple[I64, I64, I64, I64]:
    """Vertex and texture index of each corner (zero-based; -1: none), corners of each face, line of each face."""
    line = np.flatnonzero(is_f)
    if not len(line):
        raise InputError(lines.path, "the file has no faces")
    text = _without_comments(lines.select(is_f, 1))
    sizes = _tokens_per_line(text)
    if (sizes < 3).any():
        number = int(line[np.flatnonzero(sizes < 3)[0]]) + 1
        raise InputError(lines.path, f"{int((sizes < 3).sum())} faces have fewer than 3 corners (line {number})")
    if b"/" in text:
        # "1//3" and "1/" leave the texture index out; 0 stands for it below (no index is 0 in OBJ).
        text = text.replace(b"//", b"/0/").replace(b"/ ", b"/0 ").replace(b"/\n", b"/0\n")
    data = np.frombuffer(text, np.uint8)
    token = _token_starts(data)
    slash_owner = np.searchsorted(token, np.flatnonzero(data == _SLASH), side="right") - 1
    if len(slash_owner) and slash_owner[0] < 0:
        raise InputError(lines.path, "a face line begins with a slash")
    parts = 1 + np.bincount(slash_owner, minlength=len(token))
    flat = read_numbers(lines.path, line, text.replace(b"/", b" "), "face", np.int64)
    if len(flat) != int(parts.sum()) or parts.max() > 3:
        raise InputError(lines.path, "a face line holds something that is not an index")
    offset = np.cumsum(parts) - parts
    corner = flat[offset]
    has_uv = parts > 1
    corner_uv = np.where(has_uv, flat[np.minimum(offset + 1, len(flat) - 1)], 0)

    owner_line = np.repeat(line, sizes)
    if (corner == 0).any():
        raise InputError(lines.path, f"{int((corner == 0).sum())} face corners have index 0 (OBJ counts from 1)")
    corner = _from_one(corner, is_v, owner_line)
    corner_uv = np.where(corner_uv == 0, -1, _from_one(corner_uv, is_vt, owner_line))
    return corner, corner_uv, sizes, line


def _from_one(index: I64, defined: Bools, owner_line: I64) -> I64:
    """Make indices zero-based; a negative one counts back from the rows above its line, -2 marks one out of range."""
    if (index >= 0).all():
        return index - 1
    above = np.cumsum(defined)[owner_line]
    relative = above + index
    return np.where(index < 0, np.where(relative < 0, -2, relative), index - 1)


def _materials(
    lines: _Lines, first: U8, face_line: I64, root: Path, texture: Path | None, notices: list[str]
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


def _comments(lines: _Lines, first: U8) -> tuple[str | None, str | None]:
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


def _without_comments(text: bytes) -> bytes:
    return re.sub(rb"#[^\n]*", b"", text) if b"#" in text else text


def _token_starts(data: U8) -> I64:
    """(N,) positions where words begin."""
    word = (data != _SPACE) & (data != _NEWLINE)
    begins = word.copy()
    begins[1:] &= ~word[:-1]
    return np.flatnonzero(begins)


def _tokens_per_line(text: bytes) -> I64:
    data = np.frombuffer(text, np.uint8)
    lines_before = np.flatnonzero(data == _NEWLINE)
    return np.bincount(np.searchsorted(lines_before, _token_starts(data)), minlength=len(lines_before))
