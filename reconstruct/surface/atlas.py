"""Texture coordinates for a reconstructed mesh: six box projections cut into charts, packed on shelves.

The meshes come from marching cubes: hundreds of thousands of small triangles of even size, so that a projection along
the nearest axis stretches nothing by more than a factor of four (in general 1.7), and takes seconds where a conformal
parametrisation takes minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64, I32, I64
from ...core.errors import SettingsError
from ...geometry.camera import pixel_centres
from ...geometry.mesh import PosedMesh
from ...geometry.rays import RayScene

# Texels around a chart that are filled from its edge, so that neither filters nor small mipmaps mix charts.
PADDING = 3
# A face may lie in a chart whose axis is as far from its normal as this cosine.
LEAST_COSINE = 0.25
_SMOOTHINGS = 12
_PEELINGS = 4


@dataclass(frozen=True, eq=False)
class Atlas:
    """Where the faces of a mesh lie in a square texture.

    Attributes:
        size: texels a side.
        source: (A,) int64, which vertex of the mesh each vertex of the atlas is; those on seams are there repeatedly.
        uv: (A, 2) float64, texels: column and row, 0 at the outer edge of the upper left texel.
        faces: (F, 3) int32 into the atlas's vertices, in the order of the mesh's faces.
        charts: how many.
    """

    size: int
    source: I64
    uv: F64
    faces: I32
    charts: int

    def texels(self) -> tuple[I64, I64, F64]:
        """Texels whose centre lies in a face: their numbers row * size + column, the faces, and (N, 3) weights."""
        flat = PosedMesh(np.column_stack([self.uv, np.zeros(len(self.uv))]), self.faces)
        hits = RayScene(flat).first_hit(_texel_rays(self.size, -1.0), np.array([0.0, 0.0, 1.0]))
        where = np.flatnonzero(hits.hit)
        return where, hits.face[where].astype(np.int64), hits.weights()[where]


def make_atlas(vertices: F64, faces: I32, size: int) -> Atlas:
    """Lay out a mesh.

    Args:
        vertices: (V, 3), one unit along all axes.
        faces: (F, 3).
        size: texels a side.

    Raises:
        SettingsError: the texture is too small for so many charts.
    """
    neighbours = face_neighbours(faces)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    labels = _labels(normals, neighbours)
    for peeling in range(_PEELINGS + 1):
        chart = _components(labels, neighbours)
        atlas, height = _lay_out(vertices, faces, labels % 6, chart, size)
        under = _hidden_faces(atlas, height) if peeling < _PEELINGS else np.zeros(0, np.int64)
        if not len(under):
            break
        labels[under] += 6  # another sheet of the same direction
    return atlas


def face_neighbours(faces: I32) -> I64:
    """(F, 3): the face across the edge from each corner to the next, -1 where there is none."""
    ends = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64), axis=1)
    names = ends[:, 0] * (int(faces.max()) + 1) + ends[:, 1]
    order = np.argsort(names, kind="stable")
    same = names[order[1:]] == names[order[:-1]]
    one, other = order[:-1][same], order[1:][same]
    across = np.full(len(names), -1, np.int64)
    across[one], across[other] = other // 3, one // 3
    return across.reshape(-1, 3)


def _labels(normals: F64, neighbours: I64) -> I64:
    """(F,) 0 to 5: the axis each face is seen along (x, y, z, -x, -y, -z); smoothed, so that charts are few."""
    cosines = np.concatenate([normals, -normals], axis=1)
    allowed = cosines > LEAST_COSINE
    labels: I64 = cosines.argmax(axis=1)
    for _ in range(_SMOOTHINGS):
        votes = 1.5 * cosines
        for side in range(3):
            there = np.flatnonzero(neighbours[:, side] >= 0)
            votes[there, labels[neighbours[there, side]]] += 1.0
        labels = np.where(allowed, votes, -np.inf).argmax(axis=1)
    return labels


def _components(labels: I64, neighbours: I64) -> I64:
    """(F,) number of the connected part of equal label that a face lies in."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    face, side = np.nonzero(neighbours >= 0)
    other = neighbours[face, side]
    same = labels[face] == labels[other]
    count = len(labels)
    links = coo_matrix((np.ones(int(same.sum()), np.bool_), (face[same], other[same])), (count, count))
    parts: I64 = connected_components(links, False)[1].astype(np.int64)
    return parts


def _lay_out(vertices: F64, faces: I32, axes: I64, chart: I64, size: int) -> tuple[Atlas, F64]:
    """The atlas, and how high each of its vertices is above the plane of its chart, texels."""
    names, inverse = np.unique(chart[:, None] * len(vertices) + faces, return_inverse=True)
    source, of_chart, placed = names % len(vertices), names // len(vertices), inverse.reshape(-1, 3).astype(np.int32)
    axis = np.zeros(int(chart.max()) + 1, np.int64)
    axis[chart] = axes
    along = axis[of_chart]
    point, rows, mirrored = vertices[source], np.arange(len(source)), along >= 3
    flat = np.column_stack([point[rows, (along + 1) % 3], point[rows, (along + 2) % 3]])
    flat[mirrored, 0] *= -1  # seen from the other side
    height = np.where(mirrored, -1.0, 1.0) * point[rows, along % 3]
    low, high = np.full((len(axis), 2), np.inf), np.full((len(axis), 2), -np.inf)
    np.minimum.at(low, of_chart, flat)
    np.maximum.at(high, of_chart, flat)
    places, scale = _pack(high - low, size)
    uv = (flat - low[of_chart]) * scale + places[of_chart]
    return Atlas(size, source, uv, placed, len(axis)), height * scale


def _pack(extents: F64, size: int) -> tuple[F64, float]:
    """Upper left corners (C, 2) of charts in texels and texels a unit, as large as shelves allow."""
    order = np.argsort(-extents[:, 1], kind="stable")

    def shelves(scale: float) -> F64 | None:
        boxes = np.ceil(extents[order] * scale) + 2 * PADDING
        if boxes.max() > size:
            return None
        places, x, y, tall = np.zeros((len(order), 2)), 0.0, 0.0, 0.0
        for index, (width, height) in enumerate(boxes.tolist()):
            if x + width > size:
                x, y, tall = 0.0, y + tall, 0.0
            tall = max(tall, height)
            if y + tall > size:
                return None
            places[index] = x, y
            x += width
        found = np.empty_like(places)
        found[order] = places + PADDING
        return found

    best, fits, fails = shelves(0.0), 0.0, size / max(float(extents.max()), 1e-300)
    if best is None:
        raise SettingsError(f"a texture of {size} pixels a side does not hold {len(extents)} charts: make it larger")
    for _ in range(30):
        middle = (fits + fails) / 2
        places = shelves(middle)
        if places is None:
            fails = middle
        else:
            best, fits = places, middle
    return best, fits


def _hidden_faces(atlas: Atlas, height: F64) -> I64:
    """Faces that lie under others of their chart."""
    raised = PosedMesh(np.column_stack([atlas.uv, height]), atlas.faces)
    scene, far = RayScene(raised), float(np.ptp(height)) + 10.0
    above = scene.first_hit(_texel_rays(atlas.size, float(height.max()) + far), np.array([0.0, 0.0, -1.0]))
    below = scene.first_hit(_texel_rays(atlas.size, float(height.min()) - far), np.array([0.0, 0.0, 1.0]))
    thickness = np.ptp(height) + 2 * far - above.distance - below.distance
    apart = above.hit & below.hit & (above.face != below.face) & (thickness > 1.5)
    return np.unique(below.face[apart]).astype(np.int64)


def _texel_rays(size: int, height: float) -> F64:
    centres = (pixel_centres(size, size).reshape(-1, 2) + 1.0) * (size / 2)
    return np.column_stack([centres, np.full(len(centres), height)])
