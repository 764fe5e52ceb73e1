"""Where near-surface points are drawn more densely: thin parts (fingers, ears, cloth, hair) and sharp bends."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64
from ..geometry.mesh import PosedMesh
from ..geometry.rays import ray_scene

# A part this thick or thicker is not thin: a finger is 15 mm, a wrist 50 mm.
THIN_BELOW_M = 0.04
# A bend of this radius or less gets the full weight: a fingertip, a cloth edge.
CURVED_BELOW_M = 0.008
# Rays start this far below the surface, in units of the ray scene's `resolution_m`.
LIFT = 16.0


def face_focus(mesh: PosedMesh, strength: float) -> F64:
    """Weights of faces for drawing points: 1 on broad parts, up to 1 + `strength` on thin or sharply bent ones.

    Thickness is the distance to the first hit of a ray into the surface (cloth over skin counts as thin). The bend is
    the angle between neighbouring faces divided by the distance of their centres.

    Args:
        mesh: world metres.
        strength: 0 or more.

    Returns:
        (F,) float64.
    """
    return 1.0 + strength * np.maximum(_thinness(mesh), _bend(mesh))


def _thinness(mesh: PosedMesh) -> F64:
    """(F,) in [0, 1]: 1 at thickness 0, 0 from THIN_BELOW_M on and where a ray into the surface hits nothing."""
    rays = ray_scene(mesh)
    lift = LIFT * rays.resolution_m
    hits = rays.first_hit(mesh.corners.mean(axis=1) - mesh.face_normals * lift, -mesh.face_normals)
    return np.asarray(np.clip(1.0 - hits.distance.astype(np.float64) / THIN_BELOW_M, 0.0, 1.0))


def _bend(mesh: PosedMesh) -> F64:
    """(F,) in [0, 1]: the sharpest bend to a neighbour across an edge."""
    a, b = mesh.faces.ravel().astype(np.int64), np.roll(mesh.faces, -1, axis=1).ravel().astype(np.int64)
    code = np.minimum(a, b) * len(mesh.vertices) + np.maximum(a, b)
    order = np.argsort(code, kind="stable")
    same = np.flatnonzero(np.diff(code[order]) == 0)
    first, second = order[same] // 3, order[same + 1] // 3
    cosine = (mesh.face_normals[first] * mesh.face_normals[second]).sum(axis=1)
    middles = mesh.corners.mean(axis=1)
    apart = np.linalg.norm(middles[first] - middles[second], axis=1)
    curvature = np.arccos(np.clip(cosine, -1.0, 1.0)) / np.maximum(apart, 1e-6)
    bend = np.zeros(len(mesh.faces))
    for face in (first, second):
        np.maximum.at(bend, face, np.clip(curvature * CURVED_BELOW_M, 0.0, 1.0))
    return bend
