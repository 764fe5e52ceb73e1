"""Read people who were scanned many times (X-Humans): each frame of a sequence is a scan, placed as the first one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..core.arrays import U8, Array
from ..core.errors import InputError
from ..formats.array_pickle import read_arrays
from ..formats.build_mesh import GREY, ReadMesh, build_mesh
from ..geometry.mesh import Material
from .layouts.xhumans import FOLDER, MODES

_FRAME = re.compile(r"mesh-f\d+\.pkl", re.IGNORECASE)


def person_folder(frames: Path, models: Path) -> Path:
    """The folder of the person that a folder of frames belongs to: the one above train/test, never above `models`."""
    above = frames.parent.parent if frames.parent.parent.name.lower() not in MODES else frames.parent.parent.parent
    return above if above == models or models in above.parents else models


def first_frame(frames: Path) -> Path | None:
    """The first mesh in a folder of frames."""
    files = _frame_files(frames)
    return files[0] if files else None


def list_takes(root: Path) -> dict[str, tuple[Path, ...]]:
    """The frames of each sequence of a person, by a name such as "train_Take1"; both in order.

    Raises:
        OSError: a folder cannot be listed, so that sequences would be missing.
    """
    above = _folders(root)
    takes = {f"{mode.name}_{name}": files for mode in above for name, files in _takes_of(mode)}
    return takes or dict(_takes_of(root))  # without modes, the sequences lie in the folder itself


def _takes_of(folder: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    for take in _folders(folder):
        if (take / FOLDER).is_dir():
            files = _frame_files(take / FOLDER)
            if files:
                yield take.name, files


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def read_frame(path: Path) -> ReadMesh:
    """Read one scan: a pickle of vertices, faces and uvs, and its texture in the `atlas-` pickle beside it.

    Raises:
        InputError: the file is damaged or holds more than arrays; names file and reason.
    """
    content = read_arrays(path)
    if not isinstance(content, dict):
        raise InputError(path, "is a pickle, but not of a scan (a dictionary of vertices and faces)")
    vertices = _table(path, content, "vertices", 3, np.dtype(np.float64))
    faces = _table(path, content, "faces", 3, np.dtype(np.int64))
    uv = _table(path, content, "uvs", 2, np.dtype(np.float64)) if "uvs" in content else None
    notices: list[str] = []
    material = GREY
    atlas = path.with_name("atlas-" + path.name.removeprefix("mesh-"))
    if uv is not None and len(uv) == len(vertices) and atlas.is_file():
        # The picture's first row is v = 0.
        material = Material("atlas", np.ascontiguousarray(_picture(atlas)[::-1]))
    else:
        uv = None
        notices.append("no texture (atlas-f....pkl with one uv a vertex); drawn grey")
    mesh = build_mesh(
        path, vertices, faces, materials=(material,), uv=uv, face_uv=None if uv is None else faces, weld=True,
        notices=notices,
    )  # fmt: skip
    return ReadMesh(mesh, unit="m", up="+y", notices=tuple(notices))


def _frame_files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if _FRAME.fullmatch(path.name)))


def _table(path: Path, content: dict[str, object], name: str, width: int, dtype: np.dtype[Any]) -> Array:
    value = content.get(name)
    kinds = "iu" if dtype.kind == "i" else "fiu"
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.shape[1] != width or value.dtype.kind not in kinds:
        raise InputError(path, f'"{name}" is not an array of {width} numbers a row')
    return value.astype(dtype)


def _picture(path: Path) -> U8:
    value: U8 = read_arrays(path)
    good = isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[2] in (3, 4) and value.dtype == np.uint8
    if not good or 0 in value.shape:
        raise InputError(path, "is not a picture of 8 bit RGB")
    if value.shape[2] == 4:
        return value
    return np.dstack([value, np.full(value.shape[:2], 255, np.uint8)])
