"""Splitting large triangles: light is stored per vertex, and must not depend on how finely a mesh is divided."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64, I32, I64, Bools
from .mesh import PosedMesh

# Rounds of halving: enough for an edge that is 256 times too long.
MAX_ROUNDS = 8


def refine_mesh(
    mesh: PosedMesh, longest_edge_m: float, *, most_faces: int = 1_000_000, rest: F64 | None = None
) -> PosedMesh:
    """Halve edges until none is longer than `longest_edge_m`, without moving the surface or its texture.

    Both faces of a long edge are split at its middle, so no crack opens. A mesh without long edges is returned as is.

    Args:
        mesh: any mesh.
        longest_edge_m: metres, > 0.
        most_faces: a round that could exceed this number of faces is not begun; some edges then stay longer.
        rest: (V, 3) the vertices of a rig's rest pose, metres: edges are halved where they are too long in that pose,
            so that all poses of the rig have the same faces; None: where they are too long in the mesh.

    Returns:
        A mesh whose first V vertices are the given ones; new vertices have interpolated uv and vertex colours.
    """
    for _ in range(MAX_ROUNDS):
        edges, of_face = _edges(mesh.faces)
        measured = mesh.vertices if rest is None else rest
        length = np.linalg.norm(measured[edges[:, 0]] - measured[edges[:, 1]], axis=1)
        long = length > longest_edge_m
        cuts = long[of_face]
        if not long.any() or len(mesh.faces) + int(cuts.sum()) > most_faces:
            break
        mesh = _split(mesh, edges, of_face, long)
        if rest is not None:
            rest = np.concatenate([rest, rest[edges[long]].mean(axis=1)])
    return mesh


def _edges(faces: I32) -> tuple[I32, I64]:
    """Distinct edges (E, 2), and the three of each face (F, 3): edge k runs from corner k to corner k + 1."""
    pairs = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    key = pairs[:, 0].astype(np.int64) * (int(faces.max()) + 1) + pairs[:, 1]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return pairs[first], inverse.reshape(-1, 3)


def _split(mesh: PosedMesh, edges: I32, of_face: I64, long: Bools) -> PosedMesh:
    middle = np.full(len(edges), -1, np.int64)
    middle[long] = len(mesh.vertices) + np.arange(int(long.sum()))
    ends = edges[long]
    vertices = np.concatenate([mesh.vertices, mesh.vertices[ends].mean(axis=1)])
    colours = mesh.vertex_colours
    if colours is not None:
        between = np.rint(colours[ends].astype(np.float64).mean(axis=1)).astype(np.uint8)
        colours = np.concatenate([colours, between])
    faces, parent = _divide(mesh.faces.astype(np.int64), middle[of_face])
    uv, face_uv = mesh.uv, mesh.face_uv
    if uv is not None and face_uv is not None:
        # Texture edges are halved where the edges in space are; each side of a seam gets a middle of its own.
        uv_edges, uv_of_face = _edges(face_uv)
        uv_long = np.zeros(len(uv_edges), bool)
        uv_long[uv_of_face[long[of_face]]] = True
        uv_middle = np.full(len(uv_edges), -1, np.int64)
        uv_middle[uv_long] = len(uv) + np.arange(int(uv_long.sum()))
        cut = np.where(long[of_face], uv_middle[uv_of_face], -1)
        uv = np.concatenate([uv, uv[uv_edges[uv_long]].mean(axis=1)]).astype(np.float32)
        face_uv = _divide(face_uv.astype(np.int64), cut)[0]
    return PosedMesh(
        np.ascontiguousarray(vertices),
        faces,
        mesh.materials,
        mesh.face_material[parent],
        uv,
        face_uv,
        colours,
        None if mesh.face_part is None else mesh.face_part[parent],
        None if mesh.face_garment is None else mesh.face_garment[parent],
    )


def _divide(corners: I64, cut: I64) -> tuple[I32, I64]:
    """Split faces at the vertices `cut` (F, 3) on their edges (-1: not split): (F', 3) faces and parents."""
    count = (cut >= 0).sum(axis=1)
    pieces: list[I64] = [corners[count == 0]]
    parents: list[I64] = [np.flatnonzero(count == 0)]
    # Rotate the corners of every face so that a single cut is on edge 0, and two cuts are on edges 0 and 1.
    for number in (1, 2, 3):
        face = np.flatnonzero(count == number)
        start = np.argmax(cut[face] >= 0, axis=1) if number == 1 else (np.argmax(cut[face] < 0, axis=1) + 1) % 3
        turn = (start[:, None] + np.arange(3)) % 3 if number < 3 else np.tile(np.arange(3), (len(face), 1))
        a, b, c = np.take_along_axis(corners[face], turn, axis=1).T
        ab, bc, ca = np.take_along_axis(cut[face], turn, axis=1).T
        parts = {
            1: [(a, ab, c), (ab, b, c)],
            2: [(ab, b, bc), (a, ab, bc), (a, bc, c)],
            3: [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)],
        }[number]
        pieces.extend(np.stack(part, axis=1) for part in parts)
        parents.extend(face for _ in parts)
    faces, parent = np.concatenate(pieces), np.concatenate(parents)
    order = np.argsort(parent, kind="stable")
    return np.ascontiguousarray(faces[order], np.int32), parent[order].astype(np.int64)
