"""Which faces share an edge, and in which directions: welded vertices, half-edges, and the boundary of a surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..core.arrays import F64, I64, Bools
from .mesh import PosedMesh


@dataclass(frozen=True, eq=False)
class Boundary:
    """The boundary of an oriented surface: the edges whose directed copies do not cancel.

    Attributes:
        edges: (B, 2) int64 into the welded vertices, in the direction of their faces, repeated by multiplicity;
            empty for a closed, consistently oriented surface.
    """

    edges: I64


@dataclass(frozen=True, eq=False)
class HalfEdges:
    """The half-edges (3 a face) of a surface, those of one edge beside one another.

    Attributes:
        code: (3 G,) int64, the same number for all half-edges of an edge, ascending.
        face: (3 G,) int64, the face of each.
        forward: (3 G,) bool, whether it runs from the lower to the higher vertex.
        count: (3 G,) int64, number of half-edges of its edge.
    """

    code: I64
    face: I64
    forward: Bools
    count: I64


def weld(mesh: PosedMesh) -> tuple[F64, I64, I64]:
    """Merge vertices with equal positions, and drop the faces that thereby lose a corner.

    Returns:
        (W, 3) float64 vertices.
        (G, 3) int64 faces.
        (G,) int64 number of each of them among the mesh's faces.
    """
    # Adding 0 turns -0.0 into 0.0, which compares equal but has other bits.
    rows = np.ascontiguousarray(mesh.vertices + 0.0).view(np.dtype((np.void, 24))).ravel()
    _, first, name = np.unique(rows, return_index=True, return_inverse=True)
    faces = name.ravel()[mesh.faces].astype(np.int64)
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return mesh.vertices[first], faces[whole], np.flatnonzero(whole)


def find_boundary(faces: I64) -> Boundary:
    """Find the boundary of an oriented surface (G, 3) as a chain: each directed edge minus its reverse.

    If it is empty, the winding number is a whole number everywhere off the surface and equal to the signed crossings of
    any ray. Any number of faces may share an edge.
    """
    a, b = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    size = int(faces.max(initial=0)) + 1
    code = np.minimum(a, b) * size + np.maximum(a, b)
    edges, name = np.unique(code, return_inverse=True)
    net = np.bincount(name.ravel(), weights=np.where(a < b, 1.0, -1.0), minlength=len(edges)).astype(np.int64)
    open_edges = np.flatnonzero(net)
    low, high = edges[open_edges] // size, edges[open_edges] % size
    forward = net[open_edges] > 0
    directed = np.stack([np.where(forward, low, high), np.where(forward, high, low)], axis=1)
    return Boundary(np.repeat(directed, np.abs(net[open_edges]), axis=0))


def find_half_edges(faces: I64) -> HalfEdges:
    """The half-edges of faces (G, 3)."""
    a, b = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    size = int(faces.max(initial=0)) + 1
    code = np.minimum(a, b) * size + np.maximum(a, b)
    order = np.argsort(code, kind="stable")
    _, count = np.unique(code, return_counts=True)
    return HalfEdges(code[order], order // 3, (a < b)[order], np.repeat(count, count).astype(np.int64))


def edge_parts(faces: I64) -> I64:
    """(G,) int64: parts of a surface whose faces are joined by edges, of any number of faces."""
    half = find_half_edges(faces)
    same = half.code[1:] == half.code[:-1]
    return joined(half.face[:-1][same], half.face[1:][same], len(faces))


def joined(first: I64, second: I64, count: int) -> I64:
    """(count,) int64: the component of each node of a graph with edges from `first` to `second`."""
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def open_parts(faces: I64, part: I64) -> Bools:
    """Which parts are open when taken alone: (P,) bool, for faces (G, 3) and the part (G,) of each."""
    size = int(faces.max()) + 1
    names, apart = np.unique(faces + size * part[:, None], return_inverse=True)
    edges = find_boundary(apart.reshape(-1, 3)).edges
    is_open = np.zeros(int(part.max()) + 1, bool)
    is_open[names[edges[:, 0]] // size] = True
    return is_open
