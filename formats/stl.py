"""STL, binary and ASCII: it holds no colours, so that its surface is grey."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .build_mesh import ReadMesh, build_mesh
from .limits import read_bytes

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read_stl(path: Path) -> ReadMesh:
    """Read an STL; corners with equal positions are joined.

    Raises:
        InputError: damaged; names file and reason.
    """
    content = read_bytes(path)
    count = int.from_bytes(content[80:84], "little") if len(content) >= 84 else -1
    if count >= 0 and 84 + count * _TRIANGLE.itemsize == len(content):
        with np.errstate(invalid="ignore"):  # a signalling NaN; what is not finite is refused below
            corners = np.frombuffer(content, _TRIANGLE, count, 84)["corners"].reshape(-1, 3).astype(np.float64)
    elif content.lstrip()[:5].lower() == b"solid" and b"facet" in content[:4096]:
        words = re.findall(rb"(?im)^\s*vertex\s+(\S+\s+\S+\s+\S+)\s*$", content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                flat = np.fromstring(b" ".join(words).decode("ascii"), np.float64, sep=" ") if words else np.zeros(0)
            except (ValueError, DeprecationWarning) as error:
                raise InputError(path, "a vertex line holds something that is not a number") from error
        if len(flat) % 9 or len(words) != len(re.findall(rb"(?i)\bvertex\b", content)):
            raise InputError(path, "the file ends within a triangle or has a damaged vertex line")
        corners = flat.reshape(-1, 3)
    else:
        raise InputError(path, f"is not an STL, or cut off: {count} triangles announced, {len(content)} bytes")
    if not len(corners):
        raise InputError(path, "the file has no faces")
    faces = np.arange(len(corners)).reshape(-1, 3)
    notices: list[str] = []
    mesh = build_mesh(path, corners, faces, weld=True, notices=notices)
    return ReadMesh(mesh, notices=tuple(notices))
