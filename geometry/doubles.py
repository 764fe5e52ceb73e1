"""Faces that lie on one another, turned opposite ways: two-sided surfaces, which cancel in a winding number.

Programs that do not draw the backs of faces write a surface twice. Where the doubled surface encloses a volume, one of
both copies is enough, and labels need it; a doubled sheet of cloth encloses nothing and stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I64, Bools
from .mesh import PosedMesh
from .topology import joined, weld

# The length of a doubled patch's free edge over the root of its area: 4 for a square sheet, 3 for a short tube, below
# one half for a person with holes.
SHEET_RATIO = 1.0


@dataclass(frozen=True, eq=False)
class Single:
    """A mesh without the second copies of doubled surfaces.

    Attributes:
        mesh: the mesh itself where nothing was left out.
        used: (V',) numbers of its vertices among those of the mesh that was given.
        notices: messages for the user.
    """

    mesh: PosedMesh
    used: I64
    notices: tuple[str, ...] = ()


def drop_doubles(mesh: PosedMesh) -> Single:
    """Leave out one of both copies where a surface that encloses a volume is there twice, once each way.

    Args:
        mesh: any mesh. Vertices at equal positions count as one.
    """
    everything = np.arange(len(mesh.vertices))
    vertices, faces, numbers = weld(mesh)
    pairs = opposing_pairs(faces)
    if not len(pairs):
        return Single(mesh, everything)
    extra = _extra_copies(vertices, faces, pairs)
    if not len(extra):
        return Single(mesh, everything)
    keep = np.ones(len(mesh.faces), bool)
    keep[numbers[extra]] = False
    found, used = mesh.subset(keep)
    return Single(found, used, (f"{len(extra)} of {len(mesh.faces)} faces are the backs of others; left out",))


def opposing_pairs(faces: I64) -> I64:
    """Pairs of faces (G, 3) with the same three corners in opposite order: (P, 2), the first of each pair in front.

    Each face is in one pair at most.
    """
    low = np.argmin(faces, axis=1)[:, None]
    first, second, third = np.take_along_axis(faces, (low + np.arange(3)) % 3, axis=1).T
    forward = second < third
    key = np.stack([first, np.minimum(second, third), np.maximum(second, third)], axis=1)
    order = np.lexsort((*key.T[::-1],))
    new = np.ones(len(faces), bool)
    new[1:] = (key[order[1:]] != key[order[:-1]]).any(axis=1)
    group = np.empty(len(faces), np.int64)
    group[order] = np.cumsum(new) - 1
    most = int(group.max(initial=-1)) + 1
    # The n-th face of one direction and the n-th of the other are a pair.
    name = group + most * _rank_within(group * 2 + forward)
    one, other = np.flatnonzero(forward), np.flatnonzero(~forward)
    _, left, right = np.intersect1d(name[one], name[other], assume_unique=True, return_indices=True)
    pairs = np.sort(np.stack([one[left], other[right]], axis=1), axis=1)
    return pairs[np.argsort(pairs[:, 0])]


def _rank_within(group: I64) -> I64:
    """(N,) int64: how many earlier entries have the same value."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(start, np.diff(np.append(start, len(group))))
    return rank


def _extra_copies(vertices: F64, faces: I64, pairs: I64) -> I64:
    """The faces to leave out: of each doubled patch that encloses a volume, the copies that face inward."""
    alone = np.ones(len(faces), bool)
    alone[pairs] = False
    doubled = faces[pairs[:, 0]]
    count = len(doubled)
    edges = np.sort(np.concatenate([doubled, faces[alone]])[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, edge = np.unique(edges[:, 0] * len(vertices) + edges[:, 1], return_inverse=True)
    edge = edge.ravel()
    mine = np.arange(len(edges)) < 3 * count
    owner = np.repeat(np.arange(count), 3)
    patch = _patches(edge[mine], owner, count)
    free = (np.bincount(edge)[edge[mine]] % 2) == 1
    ends = vertices[edges[mine][free]]
    border = np.bincount(patch[owner[free]], np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), int(patch.max()) + 1)
    corners = vertices[doubled] - vertices[doubled].mean(axis=(0, 1))
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.bincount(patch, 0.5 * np.linalg.norm(cross, axis=1))
    volume = np.bincount(patch, np.linalg.det(corners))
    solid = border < SHEET_RATIO * np.sqrt(area)
    chosen = solid[patch]
    return np.where(volume[patch] >= 0, pairs[:, 1], pairs[:, 0])[chosen]


def _patches(edge: I64, owner: I64, count: int) -> I64:
    """(count,) the patch of each face, of which those with a common edge are one."""
    order = np.argsort(edge, kind="stable")
    same = edge[order][1:] == edge[order][:-1]
    return joined(owner[order][1:][same], owner[order][:-1][same], count)


def in_pairs(faces: I64) -> Bools:
    """(G,) bool: the faces that are in one of the pairs of `opposing_pairs`."""
    found = np.zeros(len(faces), bool)
    found[opposing_pairs(faces)] = True
    return found
