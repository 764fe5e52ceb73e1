"""Texture coordinates for a reconstructed mesh: six box projections, cut into charts that are packed on shelves.

The meshes come from marching cubes and have hundreds of thousands of small triangles of even size. A projection along
the nearest axis stretches them by a factor of at most four (usually 1.7), and takes seconds where a conformal
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
from ...geometry.shelves import largest_scale, place_on_shelves

# Texels around a chart that are filled from its edge, so that neither texture filters nor small mipmaps mix charts.
PADDING = 3
# A face may belong to a chart if the cosine between its normal and the chart's axis is greater than this.
LEAST_COSINE = 0.25
# How often the axes of faces are smoothed, and how often hidden faces are moved to charts of their own.
_SMOOTHINGS = 12
_PEELINGS = 4


@dataclass(frozen=True, eq=False)
class Atlas:
    """Where the faces of a mesh lie in a square texture.

    Attributes:
        size: texels along each side.
        source: (A,) int64, the vertex of the mesh that each vertex of the atlas is; those on seams appear repeatedly.
        uv: (A, 2) float64, column and row in texels, 0 at the outer edge of the upper left texel.
        faces: (F, 3) int32 into the vertices of the atlas, in the order of the mesh's faces.
        charts: number of charts.
    """

    size: int
    source: I64
    uv: F64
    faces: I32
    charts: int

    def texels(self) -> tuple[I64, I64, F64]:
        """The texels whose centres lie in a face.

        Returns:
            Their numbers row * size + column, (N,); their faces, (N,); and the barycentric weights, (N, 3).
        """
        flat = PosedMesh(np.column_stack([self.uv, np.zeros(len(self.uv))]), self.faces)
        hits = RayScene(flat).first_hit(_texel_rays(self.size, -1.0), np.array([0.0, 0.0, 1.0]))
        where = np.flatnonzero(hits.hit)
        return where, hits.face[where].astype(np.int64), hits.weights()[where]


def make_atlas(vertices: F64, faces: I32, size: int) -> Atlas:
    """Lay a mesh out in a square texture.

    Args:
        vertices: (V, 3), in the same unit along all axes.
        faces: (F, 3).
        size: texels along each side of the texture.

    Raises:
        SettingsError: the texture is too small for the charts.
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
        labels[under] += 6  # another layer of the same axis
    return atlas


def face_neighbours(faces: I32) -> I64:
    """The face across each edge (from one corner to the next), (F, 3); -1 where there is none."""
    ends = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64), axis=1)
    names = ends[:, 0] * (int(faces.max()) + 1) + ends[:, 1]
    order = np.argsort(names, kind="stable")
    same = names[order[1:]] == names[order[:-1]]
    one, other = order[:-1][same], order[1:][same]
    across = np.full(len(names), -1, np.int64)
    across[one], across[other] = other // 3, one // 3
    return across.reshape(-1, 3)


def _labels(normals: F64, neighbours: I64) -> I64:
    """The axis that each face is projected along, (F,): 0 to 5 for x, y, z, -x, -y, -z; smoothed for fewer charts."""
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
    """The connected part of equal labels that each face belongs to, (F,)."""
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
    """Project and pack the charts.

    Returns:
        The atlas, and the height of each of its vertices above the plane of its chart, texels.
    """
    names, inverse = np.unique(chart[:, None] * len(vertices) + faces, return_inverse=True)
    source, of_chart, placed = names % len(vertices), names // len(vertices), inverse.reshape(-1, 3).astype(np.int32)
    axis = np.zeros(int(chart.max()) + 1, np.int64)
    axis[chart] = axes
    along = axis[of_chart]
    point, rows, mirrored = vertices[source], np.arange(len(source)), along >= 3
    flat = np.column_stack([point[rows, (along + 1) % 3], point[rows, (along + 2) % 3]])
    flat[mirrored, 0] *= -1  # projected from the other side
    height = np.where(mirrored, -1.0, 1.0) * point[rows, along % 3]
    low, high = np.full((len(axis), 2), np.inf), np.full((len(axis), 2), -np.inf)
    np.minimum.at(low, of_chart, flat)
    np.maximum.at(high, of_chart, flat)
    places, scale = _pack(high - low, size)
    uv = (flat - low[of_chart]) * scale + places[of_chart]
    return Atlas(size, source, uv, placed, len(axis)), height * scale


def _pack(extents: F64, size: int) -> tuple[F64, float]:
    """Pack charts, as large as they fit.

    Args:
        extents: (C, 2) of the charts, in the unit of the mesh.
        size: texels along each side of the texture.

    Returns:
        (C, 2) low corners of the charts in texels, and texels per unit of the mesh.
    """
    order = np.argsort(-extents[:, 1], kind="stable")

    def place(scale: float) -> F64 | None:
        return place_on_shelves(np.ceil(extents[order] * scale) + 2 * PADDING, size)

    packed = largest_scale(place, 0.0, size / max(float(extents.max()), 1e-300), 30)
    if packed is None:
        raise SettingsError(f"a texture of {size} pixels a side does not hold {len(extents)} charts: make it larger")
    places = np.empty_like(packed[0])
    places[order] = packed[0] + PADDING
    return places, packed[1]


def _hidden_faces(atlas: Atlas, height: F64) -> I64:
    """Faces that are hidden under other faces of their chart."""
    raised = PosedMesh(np.column_stack([atlas.uv, height]), atlas.faces)
    scene, far = RayScene(raised), float(np.ptp(height)) + 10.0
    above = scene.first_hit(_texel_rays(atlas.size, float(height.max()) + far), np.array([0.0, 0.0, -1.0]))
    below = scene.first_hit(_texel_rays(atlas.size, float(height.min()) - far), np.array([0.0, 0.0, 1.0]))
    thickness = np.ptp(height) + 2 * far - above.distance - below.distance
    apart = above.hit & below.hit & (above.face != below.face) & (thickness > 1.5)
    return np.unique(below.face[apart]).astype(np.int64)


def _texel_rays(size: int, height: float) -> F64:
    """Origins of rays through the centres of all texels, at a height above the texture."""
    centres = (pixel_centres(size, size).reshape(-1, 2) + 1.0) * (size / 2)
    return np.column_stack([centres, np.full(len(centres), height)])
