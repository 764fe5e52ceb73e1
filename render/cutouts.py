"""The first visible surface along a ray: rays pass through the holes of cut-out materials (hair cards)."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64
from ..geometry.mesh import PosedMesh
from ..geometry.rays import Hits, RayScene
from ..geometry.surface import albedo_at

# A ray passes at most this many holes; the next surface it meets counts as visible.
MAX_HOLES = 16


def first_visible(mesh: PosedMesh, scene: RayScene, origins: F64, directions: F64) -> Hits:
    """`scene.first_hit` that continues through holes: points of "mask" materials with alpha below their cutoff.

    Args:
        mesh: the scene's mesh.
        scene: the rays' view of the whole mesh.
        origins: (N, 3) world metres.
        directions: (N, 3), or (3,) for one shared direction.
    """
    hits = scene.first_hit(origins, directions)
    cut_out = np.array([material.alpha_mode == "mask" for material in mesh.materials])
    if not cut_out.any():
        return hits
    cutoff = np.array([material.alpha_cutoff for material in mesh.materials])
    face, distance, barycentric = hits.face.copy(), hits.distance.copy(), hits.barycentric.copy()
    step = 4 * scene.resolution_m + 1e-6
    check = np.flatnonzero(hits.hit)
    for _ in range(MAX_HOLES):
        check = check[cut_out[mesh.face_material[face[check]]]]
        weights = Hits(face[check], distance[check], barycentric[check]).weights()
        alpha = albedo_at(mesh, face[check], weights)[:, 3]
        check = check[alpha < cutoff[mesh.face_material[face[check]]]]
        if not len(check):
            break
        travelled = distance[check].astype(np.float64) + step
        ahead = directions if directions.ndim == 1 else directions[check]
        onward = scene.first_hit(origins[check] + ahead * travelled[:, None], ahead)
        face[check], barycentric[check] = onward.face, onward.barycentric
        distance[check] = (travelled + onward.distance).astype(np.float32)
        check = check[onward.hit]
    return Hits(face, distance, barycentric)
