"""Cutting a surface along the zero level of a field on its vertices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..core.arrays import F64, I32
from .surface import Surface, compact


def clip(surface: Surface, level: F64) -> Surface:
    """Keep the part where the per-vertex field `level` (V,) is positive; triangles are cut along straight lines.

    Vertices close to the zero level are first moved onto it, along their steepest crossing edge, to avoid slivers.
    """
    surface, level = _snap(surface, level)
    inside = level > 0
    corner_in = inside[surface.faces]
    count_in = corner_in.sum(axis=1)
    whole = surface.faces[count_in == 3]
    one, two = np.flatnonzero(count_in == 1), np.flatnonzero(count_in == 2)
    cuts: list[I32] = []

    def turned(rows: npt.NDArray[np.intp], lead: npt.NDArray[np.intp]) -> I32:
        return np.take_along_axis(surface.faces[rows], (lead[:, None] + np.arange(3)) % 3, axis=1)

    lone = turned(one, np.argmax(corner_in[one], axis=1))
    pair = turned(two, np.argmin(corner_in[two], axis=1))
    cuts = [lone[:, [0, 1]], lone[:, [0, 2]], pair[:, [1, 0]], pair[:, [2, 0]]]
    pairs = np.concatenate(cuts)  # (inside vertex, outside vertex)
    if not len(pairs):
        return compact(replace(surface, faces=whole, lining=surface.lining[count_in == 3]))
    keys, inverse = np.unique(pairs, axis=0, return_inverse=True)
    share = (level[keys[:, 0]] / (level[keys[:, 0]] - level[keys[:, 1]]))[:, None]
    new = (inverse.ravel() + len(surface.vertices)).astype(np.int32)
    n1, n2 = len(one), len(two)
    la, lb, pa, pb = new[:n1], new[n1 : 2 * n1], new[2 * n1 : 2 * n1 + n2], new[2 * n1 + n2 :]
    faces = np.concatenate(
        [
            whole,
            np.stack([lone[:, 0], la, lb], axis=1),
            np.stack([pa, pair[:, 1], pair[:, 2]], axis=1),
            np.stack([pa, pair[:, 2], pb], axis=1),
        ]
    ).astype(np.int32)
    lining = np.concatenate(
        [surface.lining[count_in == 3], surface.lining[one], surface.lining[two], surface.lining[two]]
    )

    def grown(values: F64) -> F64:
        weight = share if values.ndim == 2 else share[:, 0]
        return np.concatenate([values, values[keys[:, 0]] * (1 - weight) + values[keys[:, 1]] * weight])

    return compact(
        Surface(
            grown(surface.vertices),
            faces,
            grown(surface.weights),
            {name: grown(values) for name, values in surface.fields.items()},
            lining,
        )
    )


def _snap(surface: Surface, level: F64) -> tuple[Surface, F64]:
    pairs = np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    a, b = level[pairs[:, 0]], level[pairs[:, 1]]
    crossing = ((a > 0) != (b > 0)) & (np.abs(a) < 0.25 * np.abs(a - b))
    pairs = pairs[crossing]
    if not len(pairs):
        return surface, level
    # Sorted by steepness: the steepest crossing edge of each vertex is written last.
    steep = np.argsort(np.abs(level[pairs[:, 0]] - level[pairs[:, 1]]), kind="stable")
    target = np.full(len(level), -1, np.int64)
    target[pairs[steep, 0]] = pairs[steep, 1]
    rows = np.flatnonzero(target >= 0)
    share = (level[rows] / (level[rows] - level[target[rows]]))[:, None]

    def moved(values: F64) -> F64:
        weight = share if values.ndim == 2 else share[:, 0]
        result = values.copy()
        result[rows] = values[rows] * (1 - weight) + values[target[rows]] * weight
        return result

    fields = {name: moved(values) for name, values in surface.fields.items()}
    level = level.copy()
    level[rows] = 0.0  # counts as outside, so that the cut passes through these vertices
    return Surface(moved(surface.vertices), surface.faces, moved(surface.weights), fields, surface.lining), level
