"""Triangle surfaces with skin weights and fields, and matrices that average over neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from ..core.arrays import F64, I32, Bools


@dataclass(frozen=True, eq=False)
class Surface:
    """A triangle surface in rest pose.

    Attributes:
        vertices: (V, 3) float64, metres.
        faces: (F, 3) int32, counter-clockwise from outside.
        weights: (V, B) float64 skin weights, rows sum to 1.
        fields: name to (V,) or (V, k) float64, interpolated where vertices are added.
        lining: (F,) bool, faces that close the solid behind a hem and are rarely visible.
    """

    vertices: F64
    faces: I32
    weights: F64
    fields: dict[str, F64] = field(default_factory=dict)
    lining: Bools = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        if len(self.lining) != len(self.faces):
            object.__setattr__(self, "lining", np.zeros(len(self.faces), bool))

    def moved(self, vertices: F64) -> Surface:
        """The same surface with other positions (V, 3)."""
        return replace(self, vertices=vertices)


def vertex_normals(vertices: F64, faces: I32) -> F64:
    """Area-weighted unit normals: (V, 3), zero for a vertex that no face uses."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for axis in range(3):
        total[:, axis] = np.bincount(faces.ravel(), np.repeat(cross[:, axis], 3), minlength=len(vertices))
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20))


def averaging(faces: I32, count: int) -> sparse.csr_matrix:
    """(V, V) matrix that replaces a vertex by its neighbours' mean; on a border only border neighbours count."""
    pairs = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    edges, counts = np.unique(np.sort(pairs, axis=1), axis=0, return_counts=True)
    border = counts == 1
    on_border = np.zeros(count, bool)
    on_border[edges[border]] = True
    both = np.concatenate([edges, edges[:, ::-1]])
    border_both = np.concatenate([border, border])
    use = np.where(on_border[both[:, 0]], border_both, True)
    both = both[use]
    matrix = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
    degree = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.diags(1.0 / np.maximum(degree, 1.0)) @ matrix + sparse.diags((degree == 0).astype(float))


def compact(surface: Surface) -> Surface:
    """The surface without the vertices that no face uses."""
    used = np.unique(surface.faces)
    lookup = np.zeros(len(surface.vertices), np.int32)
    lookup[used] = np.arange(len(used))
    return Surface(
        surface.vertices[used],
        lookup[surface.faces],
        surface.weights[used],
        {name: values[used] for name, values in surface.fields.items()},
        surface.lining,
    )


def averaging_all(faces: I32, count: int) -> sparse.csr_matrix:
    """(V, V) matrix that replaces a vertex by the mean of all its neighbours, borders included."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = np.concatenate([pairs, pairs[:, ::-1]])
    matrix = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
    matrix.data[:] = 1.0
    degree = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.diags(1.0 / np.maximum(degree, 1.0)) @ matrix + sparse.diags((degree == 0).astype(float))


def merge(surfaces: list[Surface]) -> tuple[Surface, I32]:
    """Concatenate surfaces, with the fields that all of them have; also returns each face's surface number (F,)."""
    offsets = np.cumsum([0] + [len(s.vertices) for s in surfaces])
    names = set.intersection(*(set(s.fields) for s in surfaces))
    merged = Surface(
        np.concatenate([s.vertices for s in surfaces]),
        np.concatenate([s.faces + o for s, o in zip(surfaces, offsets[:-1], strict=True)]).astype(np.int32),
        np.concatenate([s.weights for s in surfaces]),
        {name: np.concatenate([s.fields[name] for s in surfaces]) for name in sorted(names)},
        np.concatenate([s.lining for s in surfaces]),
    )
    owner = np.concatenate([np.full(len(s.faces), i, np.int32) for i, s in enumerate(surfaces)])
    return merged, owner
