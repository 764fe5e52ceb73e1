"""The head's place and size, and closed solids of simple shape bound to it."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F64, I32
from ...geometry.mesh import split_quads
from ...motion.makehuman.body import BODY_VERTICES, Body, base_mesh, skeleton
from ..surface import Surface
from .regions import fields_of


def head_frame(body: Body) -> tuple[F64, float]:
    """Centre (3,) of the head, metres, and its size relative to the base mesh's."""
    head = base_mesh().vertices[:BODY_VERTICES, 1] > 0.70
    points = body.vertices[:BODY_VERTICES][head]
    base = base_mesh().vertices[:BODY_VERTICES][head]
    scale = float(np.ptp(points[:, 1]) / np.ptp(base[:, 1]))
    return points.mean(axis=0), scale


def grid_solid(outer: F64, inner: F64, weights: F64, fields: dict[str, F64]) -> Surface:
    """A slab between two grids (rows, columns, 3), closed all around; weights and fields are per grid point."""
    rows, columns, _ = outer.shape
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    count = rows * columns
    rim = np.concatenate([index[0, ::-1], index[1:, 0], index[-1, 1:], index[-2:0:-1, -1]])
    after = np.roll(rim, -1)
    sides = np.stack([rim, rim + count, after + count, after], axis=1)
    faces = np.concatenate([split_quads(quads), split_quads(quads[:, ::-1] + count), split_quads(sides)])
    points = np.concatenate([outer.reshape(-1, 3), inner.reshape(-1, 3)])
    volume = np.einsum("ij,ij->", points[faces[:, 0]], np.cross(points[faces[:, 1]], points[faces[:, 2]]))
    if volume < 0:
        faces = faces[:, ::-1]
    lining = np.zeros(len(faces), bool)
    return Surface(
        points,
        np.ascontiguousarray(faces, np.int32),
        np.concatenate([weights, weights]),
        {name: np.concatenate([values, values]) for name, values in fields.items()},
        lining,
    )


def ball(centre: F64, radii: F64, rows: int = 14, columns: int = 20) -> tuple[F64, I32]:
    """Vertices and outward faces of an ellipsoid with the given centre (3,) and radii (3,), metres."""
    polar = np.linspace(0, np.pi, rows)[1:-1]
    turn = np.arange(columns) / columns * 2 * np.pi
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(turn)[None],
            np.broadcast_to(np.cos(polar)[:, None], (rows - 2, columns)),
            np.sin(polar)[:, None] * np.sin(turn)[None],
        ],
        axis=-1,
    ).reshape(-1, 3)
    points = np.concatenate([ring, [[0, 1, 0], [0, -1, 0]]]) * radii + centre
    faces = []
    index = np.arange((rows - 2) * columns, dtype=np.int32).reshape(rows - 2, columns)
    nxt = np.roll(index, -1, axis=1)
    faces.append(split_quads(np.stack([index[:-1], nxt[:-1], nxt[1:], index[1:]], axis=-1).reshape(-1, 4)))
    north, south = len(points) - 2, len(points) - 1
    faces.append(np.stack([np.full(columns, north), nxt[0], index[0]], axis=1))
    faces.append(np.stack([np.full(columns, south), index[-1], nxt[-1]], axis=1))
    return points, np.concatenate(faces).astype(np.int32)


def rigid(body: Body, points: F64, faces: I32, bone: str = "head") -> Surface:
    """A surface that moves rigidly with one bone."""
    names = skeleton().names
    weights = np.zeros((len(points), len(names)))
    weights[:, names.index(bone)] = 1.0
    fields = fields_of(points, weights, body)
    fields["canonical"] = points
    return Surface(points, faces, weights, fields)
