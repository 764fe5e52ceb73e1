"""PLY files that hold triangle strips in place of faces, as the Stanford scans do; each strip ends with -1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .tables import PlyTable, whole_numbers


def strip_faces(path: Path, strips: PlyTable | None) -> PlyTable | None:
    """The triangles of a table "tristrips" as a table of faces; None where there is no such table.

    Every three neighbours in a strip are a triangle, of which every second is turned round; triangles that repeat a
    corner only join strips.

    Args:
        path: the file, for errors.
        strips: its list "vertex_indices" holds one strip a row, or several that are parted by -1.

    Raises:
        InputError: indices that are not whole numbers.
    """
    found = None if strips is None else strips.lists.get("vertex_indices") or strips.lists.get("vertex_index")
    if found is None:
        return None
    flat, sizes = found
    # A mark behind each row, so that no triangle reaches into the next one.
    index = np.insert(whole_numbers(path, flat, "strips"), np.cumsum(sizes), -1)
    part = np.cumsum(index < 0)
    begin = np.searchsorted(part, part, side="left")  # of each entry's strip, at its mark
    begin = np.where(part > 0, begin + 1, 0)
    triangles = np.stack([index[:-2], index[1:-1], index[2:]], axis=1)
    odd = ((np.arange(len(triangles)) - begin[: len(triangles)]) % 2).astype(bool)
    triangles[odd] = triangles[odd][:, [1, 0, 2]]
    first, second, third = triangles.T
    whole = (triangles >= 0).all(axis=1) & (first != second) & (second != third) & (third != first)
    triangles = triangles[whole]
    return PlyTable({}, {"vertex_indices": (triangles.ravel(), np.full(len(triangles), 3, np.int64))})
