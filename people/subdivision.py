"""Catmull-Clark subdivision of quadrilateral meshes, as a matrix."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..core.arrays import I32


def catmull_clark(quads: I32, count: int) -> tuple[sparse.csr_matrix, I32]:
    """One Catmull-Clark step as a matrix (Catmull and Clark 1978), so that fields and weights are refined alike.

    Args:
        quads: (Q, 4) int32 into the vertices, each of which some quad uses.
        count: number of vertices.

    Returns:
        The (V', count) matrix and the (4Q, 4) refined quads.
    """
    edges, edge_of, faces_of_edge = _quad_edges(quads)
    faces, points = len(quads), count
    face_rows = sparse.csr_matrix(
        (np.full(4 * faces, 0.25), (np.repeat(np.arange(faces), 4), quads.ravel())), (faces, points)
    )
    border = faces_of_edge == 1
    ends = sparse.csr_matrix(
        (np.full(2 * len(edges), 0.5), (np.repeat(np.arange(len(edges)), 2), edges.ravel())), (len(edges), points)
    )
    incidence = sparse.csr_matrix(
        (np.ones(4 * faces), (edge_of.ravel(), np.repeat(np.arange(faces), 4))), (len(edges), faces)
    )
    inner = sparse.diags(np.where(border, 0.0, 1.0))
    edge_rows = inner @ (0.5 * ends + 0.25 * incidence @ face_rows) + sparse.diags(border.astype(float)) @ ends
    # New positions of vertices: (F + 2R + (n-3)P)/n inside, weights (1, 6, 1)/8 along a border.
    touch = sparse.csr_matrix((np.ones(4 * faces), (quads.ravel(), np.repeat(np.arange(faces), 4))), (points, faces))
    at_edge = sparse.csr_matrix(
        (np.ones(2 * len(edges)), (edges.ravel(), np.repeat(np.arange(len(edges)), 2))), (points, len(edges))
    )
    valence = np.maximum(np.asarray(touch.sum(axis=1)).ravel(), 1.0)
    edge_valence = np.maximum(np.asarray(at_edge.sum(axis=1)).ravel(), 1.0)
    smooth = (
        sparse.diags(1.0 / valence**2) @ touch @ face_rows
        + sparse.diags(2.0 / (valence * edge_valence)) @ at_edge @ ends
        + sparse.diags((valence - 3.0) / valence)
    )
    border_edges = at_edge @ sparse.diags(border.astype(float))
    on_border = np.asarray(border_edges.sum(axis=1)).ravel()
    border_rows = 0.25 * border_edges @ ends + 0.5 * sparse.eye(points)
    plain = (on_border > 0) & (on_border != 2)
    keep = sparse.diags((on_border == 0).astype(float)) @ smooth
    keep = keep + sparse.diags((on_border == 2).astype(float)) @ border_rows + sparse.diags(plain.astype(float))
    matrix = sparse.vstack([keep, face_rows, edge_rows]).tocsr()
    centre = points + np.arange(faces)[:, None]
    edge_point = points + faces + edge_of
    corners = [np.stack([quads[:, k], edge_point[:, k], centre[:, 0], edge_point[:, k - 1]], axis=1) for k in range(4)]
    return matrix, np.concatenate(corners).astype(np.int32)


def _quad_edges(quads: I32) -> tuple[I32, I32, I32]:
    pairs = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)
    edges, inverse, counts = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True, return_counts=True)
    return edges.astype(np.int32), inverse.reshape(quads.shape).astype(np.int32), counts.astype(np.int32)
