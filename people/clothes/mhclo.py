"""MakeHuman clothes (.mhclo with .obj): reading, bounded and inside their folder only, and fitting to a body.

A garment vertex is given by three vertices of the base mesh, three weights and an offset. The offset is in
decimetres at the size the garment was made for; it grows with the distance between two named base vertices per axis
(MakeHuman's proxy fitting; MPFB "mhclo" format).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.arrays import F32, F64, I32
from ...core.errors import InputError
from ...core.files import find_files
from ...motion.makehuman.body import BASE_VERTICES, DECIMETRE

MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 1000


@dataclass(frozen=True, eq=False)
class Asset:
    """A garment, shoes, hair or a hat of a MakeHuman assets folder.

    Attributes:
        path: the .mhclo file.
        name: from the file, lower case.
        tags: from the file, lower case.
        corners: (V, 3) int32 base vertices of each vertex.
        shares: (V, 3) their weights.
        offsets: (V, 3) decimetres, at the size the garment was made for.
        scales: per axis two base vertices and their distance in decimetres at that size; None for unscaled offsets.
        deleted: base vertices to hide.
        faces: (F, 3) int32.
        face_uv: (F, 3, 2) float64, lower left origin; zeros without texture coordinates.
    """

    path: Path
    name: str
    tags: tuple[str, ...]
    corners: I32
    shares: F64
    offsets: F64
    scales: tuple[tuple[int, int, float] | None, ...]
    deleted: I32
    faces: I32
    face_uv: F64

    @property
    def part(self) -> str:
        """The kind of asset by tags, name and folder: "hair", "shoes", "hat" or "clothes"."""
        words = " ".join((self.name, *self.tags, *(p.name.lower() for p in self.path.parents[:2])))
        if "shoe" in words or "boot" in words:
            return "shoes"
        if "hat" in self.tags or "hats" in self.tags or "fedora" in words:
            return "hat"
        return "hair" if "hair" in words else "clothes"

    def suits(self, female: bool) -> bool:
        """Whether its tags allow it for a woman (or a man)."""
        return ("male" if female else "female") not in self.tags or {"female", "male"} <= set(self.tags)


def find_assets(folder: Path) -> list[Asset]:
    """Read all .mhclo files below a folder, sorted by path.

    Raises:
        InputError: the folder has none or cannot be listed, or a file in it is malformed, too large or refers outside
            the folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "is not a folder")
    files = find_files(folder, {".mhclo"})
    if not files:
        raise InputError(folder, "holds no .mhclo file")
    if len(files) > MAX_FILES:
        raise InputError(folder, f"holds {len(files)} .mhclo files, more than {MAX_FILES}")
    return [read_mhclo(path, folder) for path in files]


def _read_text(path: Path, root: Path) -> str:
    """Read a file of bounded size that lies below `root`, links resolved."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            raise InputError(path, f"leads outside {root}")
        if not real.is_file():
            raise InputError(path, "is not a file")
        if real.stat().st_size > MAX_BYTES:
            raise InputError(path, f"is larger than {MAX_BYTES} bytes")
        return real.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from error


def read_mhclo(path: Path, root: Path) -> Asset:
    """Read a .mhclo and the .obj it names; both must lie below `root`.

    Raises:
        InputError: naming the file and the reason.
    """
    header: dict[str, str] = {}
    tags: list[str] = []
    rows: list[tuple[float, ...]] = []
    deleted: list[int] = []
    part = "header"
    for number, line in enumerate(_read_text(path, root).splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        key = words[0].lower()
        if key in ("verts", "delete_verts", "weights"):
            part = key
        elif part == "verts" and _is_number(words[0]):
            rows.append(_vertex_row(path, number, words))
        elif part == "delete_verts" and _is_number(words[0]):
            deleted += _deleted_run(path, number, words)
        elif part == "weights":
            continue
        elif key == "tag":
            tags.append(" ".join(words[1:]).lower())
        else:
            # Some files put further keys between "verts" and the vertices, so the part stays.
            header.setdefault(key, " ".join(words[1:]))
    if not rows:
        raise InputError(path, "has no verts")
    if header.get("basemesh", "hm08") not in ("hm08", "alpha_7"):
        raise InputError(path, f"is for the base mesh {header['basemesh'][:40]!r}, expected hm08")
    table = np.array(rows)
    corners = table[:, :3].astype(np.int32)
    if corners.min() < 0 or corners.max() >= BASE_VERTICES:
        raise InputError(
            path, f"refers to base vertex {int(corners.max())} (least {int(corners.min())}) of {BASE_VERTICES}"
        )
    if "obj_file" not in header:
        raise InputError(path, "names no obj_file")
    named = header["obj_file"].strip().strip('"')
    faces, face_uv = _read_obj(_inside(path, named, root), root, len(rows))
    return Asset(
        path,
        header.get("name", path.stem).lower(),
        tuple(tags),
        corners,
        table[:, 3:6],
        table[:, 6:9],
        tuple(_scale(path, header.get(f"{axis}_scale"), axis) for axis in "xyz"),
        np.array(sorted(set(deleted)), np.int32),
        faces,
        face_uv,
    )


def _inside(path: Path, named: str, root: Path) -> Path:
    if not named or "\0" in named or Path(named).is_absolute():
        raise InputError(path, f"obj_file {named[:60]!r} is not a name below the assets folder")
    target = path.parent / named.replace("\\", "/")
    if not target.resolve().is_relative_to(root.resolve()):
        raise InputError(path, f"obj_file {named[:60]!r} leads outside the assets folder")
    return target


def _is_number(word: str) -> bool:
    return word.lstrip("+-").isdigit()


def _vertex_row(path: Path, number: int, words: list[str]) -> tuple[float, ...]:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise InputError(path, f"line {number}: {error}") from error
    if not all(math.isfinite(value) for value in values):
        raise InputError(path, f"line {number}: a value is not finite")
    if len(values) == 1:  # exactly on a base vertex
        return (values[0],) * 3 + (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if len(values) == 6:  # without an offset
        return (*values, 0.0, 0.0, 0.0)
    if len(values) != 9:
        raise InputError(path, f"line {number}: a vertex of {len(values)} values, expected 1, 6 or 9")
    return tuple(values)


def _deleted_run(path: Path, number: int, words: list[str]) -> list[int]:
    result: list[int] = []
    i = 0
    while i < len(words):
        if not words[i].isdigit():
            raise InputError(path, f"line {number}: {words[i][:20]!r} in delete_verts")
        first = last = int(words[i])
        if i + 2 < len(words) and words[i + 1] == "-" and words[i + 2].isdigit():
            last = int(words[i + 2])
            i += 2
        if not 0 <= first <= last < BASE_VERTICES:
            raise InputError(path, f"line {number}: delete_verts {first} - {last} of {BASE_VERTICES}")
        result += range(first, last + 1)
        i += 1
    return result


def _scale(path: Path, text: str | None, axis: str) -> tuple[int, int, float] | None:
    if text is None:
        return None
    words = text.split()
    try:
        first, second, length = int(words[0]), int(words[1]), float(words[2])
    except (ValueError, IndexError) as error:
        raise InputError(path, f"{axis}_scale is {text[:60]!r}, expected two vertices and a length") from error
    if not (0 <= first < BASE_VERTICES and 0 <= second < BASE_VERTICES and math.isfinite(length) and length > 0):
        raise InputError(path, f"{axis}_scale {text[:60]!r} is out of range")
    return first, second, length


def _read_obj(path: Path, root: Path, vertex_count: int) -> tuple[I32, F64]:
    """Faces and texture coordinates of an .obj whose vertices the .mhclo places."""
    count, uv = 0, [(0.0, 0.0)]
    faces: list[tuple[int, int, int]] = []
    face_uv: list[tuple[int, int, int]] = []
    for number, line in enumerate(_read_text(path, root).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if words[0] == "v":
                count += 1
            elif words[0] == "vt":
                uv.append((float(words[1]), float(words[2])))
            elif words[0] == "f":
                corners = [word.split("/") for word in words[1:]]
                points = [int(c[0]) - 1 for c in corners]
                textures = [int(c[1]) if len(c) > 1 and c[1] else 0 for c in corners]
                for k in range(1, len(points) - 1):
                    faces.append((points[0], points[k], points[k + 1]))
                    face_uv.append((textures[0], textures[k], textures[k + 1]))
        except (ValueError, IndexError) as error:
            raise InputError(path, f"line {number}: {error}") from error
    if count != vertex_count:
        raise InputError(path, f"has {count} vertices, its .mhclo places {vertex_count}")
    if not faces:
        raise InputError(path, "has no faces")
    indices, corner_uv = np.array(faces, np.int32), np.array(face_uv, np.int32)
    if indices.min() < 0 or indices.max() >= count:
        raise InputError(path, f"a face refers to vertex {int(indices.max()) + 1} of {count}")
    if corner_uv.min() < 0 or corner_uv.max() >= len(uv):
        raise InputError(path, f"a face refers to texture coordinate {int(corner_uv.max())} of {len(uv) - 1}")
    table = np.array(uv)
    if not np.isfinite(table).all():
        raise InputError(path, "a texture coordinate is not finite")
    return indices, table[corner_uv]


def fit_asset(asset: Asset, base_vertices: F64) -> F64:
    """Place a garment's vertices on a body: (V, 3) metres, from its base mesh vertices (BASE_VERTICES, 3)."""
    placed = np.einsum("vk,vkd->vd", asset.shares, base_vertices[asset.corners])
    factor = np.ones(3)
    for axis, scale in enumerate(asset.scales):
        if scale is not None:
            first, second, length = scale
            factor[axis] = abs(base_vertices[first, axis] - base_vertices[second, axis]) / (length * DECIMETRE)
    return np.asarray(placed + asset.offsets * DECIMETRE * factor)


def asset_weights(asset: Asset, base_weights: F32) -> F64:
    """Skin weights (V, B) inherited from the three base vertices; rows sum to 1."""
    shares = np.clip(asset.shares, 0.0, None)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    weights = np.einsum("vk,vkb->vb", shares, base_weights[asset.corners].astype(np.float64))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
