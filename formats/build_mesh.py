"""Check what a reader found in a file, and pack it into the mesh that every reader returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.arrays import F64, I64, U8, Bools
from ..core.errors import InputError, MpcError
from ..geometry.mesh import Material, PosedMesh
from .limits import MAX_FACES, MAX_VERTICES
from .weld import weld_vertices

MAX_COORDINATE = 1e9  # so that squares and products of coordinates stay far from overflow

GREY = Material("grey", colour=(0.7, 0.7, 0.7, 1.0))


@dataclass(frozen=True)
class ReadMesh:
    """A surface in the file's own units and axes.

    Attributes:
        mesh: not yet metres or y up; see `subjects/placement.py`.
        unit: "m", "cm", ... where the file or its format says so, else None.
        up: "+y", "+z", ... likewise.
        notices: what was repaired or left out, one sentence each.
    """

    mesh: PosedMesh
    unit: str | None = None
    up: str | None = None
    notices: tuple[str, ...] = ()


def build_mesh(
    path: Path,
    vertices: F64,
    faces: I64,
    *,
    materials: tuple[Material, ...] = (GREY,),
    face_material: I64 | None = None,
    uv: F64 | None = None,
    face_uv: I64 | None = None,
    vertex_colours: U8 | None = None,
    weld: bool = False,
    notices: list[str],
) -> PosedMesh:
    """Check what a reader found and pack it; unused vertices and collapsed faces are removed.

    Args:
        path: the file, for errors.
        vertices: (V, 3) in the file's unit.
        faces: (F, 3) into vertices, zero-based, not yet checked.
        materials: at least one.
        face_material: (F,) into materials; None: all faces have the first.
        uv: (T, 2) texture coordinates, v up; None without.
        face_uv: (F, 3) into uv; -1 where a corner has none.
        vertex_colours: (V, 4) uint8; None without.
        weld: join vertices of equal position (see `weld_vertices`).
        notices: sentences about repairs are appended.

    Raises:
        InputError: no faces, an index out of range, vertices that are not finite, no area.
    """
    if not len(faces):
        raise InputError(path, "the file has no faces")
    if len(vertices) > MAX_VERTICES or len(faces) > MAX_FACES:
        raise InputError(path, f"{len(vertices)} vertices and {len(faces)} faces are more than can be read")
    _check_range(path, "face", faces, len(vertices), least=0)
    bad = ~np.isfinite(vertices).all(axis=1)
    if bad.any() and (unusable := int(np.isin(np.flatnonzero(bad), faces).sum())):
        raise InputError(path, f"{unusable} vertices are not finite (NaN or infinite)")
    size = float(np.abs(vertices[np.isfinite(vertices).all(axis=1)]).max(initial=0.0))
    if size > MAX_COORDINATE:
        raise InputError(path, f"coordinates up to {size:g} cannot be a person in any unit")
    note_repeated(faces, notices)
    if weld:  # may collapse sliver faces whose corners were written with too few digits; not worth a notice
        vertices, faces, vertex_colours = _welded(vertices, faces, vertex_colours)
    collapsed = collapsed_faces(faces)
    if collapsed.any():
        keep = ~collapsed
        faces = faces[keep]
        face_material = None if face_material is None else face_material[keep]
        face_uv = None if face_uv is None else face_uv[keep]
        if not len(faces):
            raise InputError(path, "every face repeats a corner: the surface has no area")
    vertices, faces, used = _compact(vertices, faces)
    if vertex_colours is not None:
        vertex_colours = np.ascontiguousarray(vertex_colours[used])
    if uv is not None and face_uv is not None and len(uv):
        _check_range(path, "texture coordinate", face_uv, len(uv), least=-1)
        uv, face_uv = _clean_uv(uv, face_uv, notices)
    else:
        uv, face_uv = None, None
    try:
        mesh = PosedMesh(
            vertices=np.ascontiguousarray(vertices, np.float64),
            faces=np.ascontiguousarray(faces, np.int32),
            materials=materials,
            face_material=np.zeros(len(faces), np.int32)
            if face_material is None
            else np.ascontiguousarray(face_material, np.int32),
            uv=None if uv is None else np.ascontiguousarray(uv, np.float32),
            face_uv=None if face_uv is None else np.ascontiguousarray(face_uv, np.int32),
            vertex_colours=vertex_colours,
        )
    except InputError:
        raise
    except MpcError as error:
        raise InputError(path, str(error)) from error
    check_area(path, mesh)
    return mesh


def check_area(path: Path, mesh: PosedMesh) -> None:
    """Raise InputError for a surface whose area is zero (all vertices on a line) or overflows."""
    low, high = mesh.bounds
    size = float(np.abs(np.stack([low, high])).max())
    if size > MAX_COORDINATE:
        raise InputError(path, f"coordinates up to {size:g} cannot be a person in any unit")
    diagonal = float(np.linalg.norm(high - low))
    area = float(mesh.face_areas.sum())
    if not area > 1e-6 * diagonal * diagonal:
        raise InputError(path, f"the surface has no area ({area:g} for a size of {diagonal:g})")


def _check_range(path: Path, what: str, index: I64, count: int, *, least: int) -> None:
    bad = (index < least) | (index >= count)
    if bad.any():
        raise InputError(
            path, f"{int(bad.any(axis=1).sum())} faces refer to a {what} that is not there ({count} in the file)"
        )


def note_repeated(faces: I64, notices: list[str]) -> None:
    """Tell of faces that repeat a corner in the file; those that joining vertices collapses are not worth a word."""
    repeated = int(collapsed_faces(faces).sum())
    if repeated:
        notices.append(f"{repeated} faces with a repeated corner are left out")


def collapsed_faces(faces: I64) -> Bools:
    """(F,) which of the faces (F, 3) name a vertex twice."""
    first, second, third = faces.T
    repeated: Bools = (first == second) | (second == third) | (third == first)
    return repeated


def _welded(vertices: F64, faces: I64, colours: U8 | None) -> tuple[F64, I64, U8 | None]:
    vertices, faces, used = _compact(vertices, faces)
    colours = None if colours is None else colours[used]
    kept, index = weld_vertices(vertices, faces, None if colours is None else colours.astype(np.float64))
    return vertices[kept], index[faces], None if colours is None else colours[kept]


def _compact(rows: F64, index: I64) -> tuple[F64, I64, I64]:
    """Rows that `index` uses, the index into them, and which they were."""
    mark = np.zeros(len(rows), bool)
    mark[index.ravel()] = True
    used = np.flatnonzero(mark)
    if len(used) == len(rows):
        return rows, index, used
    new = np.cumsum(mark) - 1
    return rows[used], new[index], used


def _clean_uv(uv: F64, face_uv: I64, notices: list[str]) -> tuple[F64, I64]:
    missing = face_uv < 0
    if missing.any():
        uv = np.concatenate([uv, np.zeros((1, 2))])
        face_uv = np.where(missing, len(uv) - 1, face_uv)
    uv, face_uv, _ = _compact(uv, face_uv)
    bad = ~np.isfinite(uv) | (np.abs(uv) > 1e6)
    if bad.any():
        notices.append(f"{int(bad.any(axis=1).sum())} texture coordinates are not usable and set to 0")
        uv = np.where(bad, 0.0, uv)
    return uv, face_uv
