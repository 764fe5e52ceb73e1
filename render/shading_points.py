"""The points at which light is computed: a mesh's vertices, duplicates merged, with normals robust to messy scans."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I64, Ints
from ..geometry.mesh import PosedMesh

# Coincident vertices share one normal if each is within 45 degrees of the common one; a sharper edge stays sharp.
SMOOTH_COSINE = float(np.cos(np.pi / 4))
# Below this ratio |sum of normals| / sum of |normals| the faces around a vertex are oriented against one another.
CANCELLED = 0.3


@dataclass(frozen=True, eq=False)
class ShadingPoints:
    """P points that represent V vertices.

    Attributes:
        positions: (P, 3) float64, world metres.
        normals: (P, 3) float64, unit; zero where no face has area.
        of_vertex: (V,) int64, the point that represents each vertex.
    """

    positions: F64
    normals: F64
    of_vertex: I64


_normals: weakref.WeakKeyDictionary[PosedMesh, F64] = weakref.WeakKeyDictionary()


def smooth_normals(mesh: PosedMesh) -> F64:
    """The normal that each vertex is lit by: (V, 3) float64, unit, zero where no face has area.

    Computed on the first call and kept for as long as the mesh itself lives.
    """
    if mesh not in _normals:
        points = shading_points(mesh)
        _normals[mesh] = points.normals[points.of_vertex]
    return _normals[mesh]


def shading_points(mesh: PosedMesh) -> ShadingPoints:
    """Merge vertices at equal positions (glTF splits them at texture seams) if their normals agree."""
    place, first = _places(mesh.vertices)
    cross = np.repeat(mesh.face_cross, 3, axis=0)
    corner = mesh.faces.reshape(-1)
    own = _sum_by(corner, cross, len(mesh.vertices))
    shared = _sum_by(place, own, len(first))
    shared = _untangled(shared, place[corner], cross)
    own_unit, shared_unit = _unit(own), _unit(shared)
    agree = (own_unit * shared_unit[place]).sum(axis=1) > SMOOTH_COSINE
    # Vertices of faces without area, and those on the border of a flipped patch, take the common normal.
    tangled = np.linalg.norm(own, axis=1) < CANCELLED * _sum_by(corner, np.linalg.norm(cross, axis=1), len(own))
    joined = agree | tangled | ~own_unit.any(axis=1)
    key = np.where(joined, place, len(first) + np.arange(len(place)))
    _, representative, of_vertex = np.unique(key, return_index=True, return_inverse=True)
    normals = np.where(joined[representative, None], shared_unit[place[representative]], own_unit[representative])
    return ShadingPoints(mesh.vertices[representative], normals, of_vertex.astype(np.int64))


def _places(vertices: F64) -> tuple[I64, I64]:
    """Index (V,) of each vertex's position among the distinct ones, and the first vertex at each position."""
    # Hash each position to one number; distinct positions collide with negligible probability.
    weights = np.array([1.0, 0.7548776662466927, 0.5698402909980532]) * np.pi
    _, first, place = np.unique((vertices + 0.0) @ weights, return_index=True, return_inverse=True)
    alike = (vertices[first[place]] == vertices).all(axis=1)
    if not alike.all():
        _, first, place = np.unique(vertices + 0.0, axis=0, return_index=True, return_inverse=True)
    return place.reshape(-1).astype(np.int64), first.astype(np.int64)


def _untangled(normals: F64, place: I64, cross: F64) -> F64:
    """Where the normals around a point cancel, orient each like that of the largest face before summing."""
    size = np.linalg.norm(cross, axis=1)
    total = _sum_by(place, size, len(normals))
    cancelled = np.linalg.norm(normals, axis=1) < CANCELLED * total
    corners = np.flatnonzero(cancelled[place])
    if not len(corners):
        return normals
    by_size = corners[np.argsort(size[corners], kind="stable")]
    leader = np.zeros_like(normals)
    leader[place[by_size]] = cross[by_size]
    facing = np.sign((cross[corners] * leader[place[corners]]).sum(axis=1))
    aligned = _sum_by(place[corners], cross[corners] * facing[:, None], len(normals))
    return np.where(cancelled[:, None], aligned, normals)


def _sum_by(index: Ints, values: F64, count: int) -> F64:
    if values.ndim == 1:
        return np.asarray(np.bincount(index, values, minlength=count), np.float64)
    return np.stack([np.bincount(index, values[:, axis], minlength=count) for axis in range(values.shape[1])], axis=1)


def _unit(vectors: F64) -> F64:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: F64 = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit
