"""Precomputed radiance transfer: how much of each harmonic of the light reaches a vertex, past the mesh itself.

Sloan, Kautz and Snyder, "Precomputed Radiance Transfer for Real-Time Rendering in Dynamic, Low-Frequency Lighting
Environments" (2002), diffuse self-shadowed case: T_k = (1/pi) integral of visibility(w) max(n.w, 0) Y_k(w) dw.

What is in the open is known in closed form (the cosine lobe's harmonics), so rays only measure what is missing. They
go the same even (Fibonacci) directions from every vertex, the half above its horizon; docs/rendering.md has the figures
that led to this choice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..geometry.mesh import PosedMesh
from ..geometry.rays import RayScene, spatial_order
from .occluders import solid_faces
from .sh import COEFFICIENTS, LAMBERT, fibonacci_directions, sh_basis
from .shading_points import shading_points

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

# How far above the surface a ray starts, as a share of the bounding box's diagonal (0.1 mm for an adult): far above
# float32's resolution there (1e-6 m), below the thinnest cloth.
OFFSET_SHARE = 5e-5
# Rays flatter than this (cosine to the normal) are left out: 1 % of the light, a tenth of the rays, most of the acne.
# What they would have met counts as open.
LEAST_COSINE = 0.1
# Points a chunk: with 128 directions about 16,000 rays, which stay in the processor's cache; with sixteen times as many
# Embree takes twice as long.
CHUNK_POINTS = 256
# A point that sees less than this share of its own side, and more than the other share of its back side, lies on a face
# wound the wrong way: it takes the light of its back side. The back of a closed surface sees nothing, even in a deep
# crease; the inside of a scan sees a little through its holes.
DARK_SIDE = 0.3
OPEN_SIDE = 0.5
SIDE_RAYS = 32


def open_transfer(normals: F64) -> F64:
    """(N, 9) float64 transfer at unit normals (N, 3) with nothing in the way, in closed form; 0 for a zero normal."""
    return np.asarray(sh_basis(normals) * LAMBERT * (normals != 0).any(axis=1, keepdims=True), np.float64)


def radiance_transfer(mesh: PosedMesh, *, rays: int = 128) -> F32:
    """Transfer of every vertex, the mesh shadowing itself.

    Vertices that coincide with like normals (a texture seam in glTF) get one value. Cut-out faces that are mostly
    holes cast no shadow. A vertex whose own side is closed off and whose back is open (flipped faces of a messy scan)
    takes its back's light; one that is closed off on both sides (skin beneath clothes) is dark.

    Args:
        mesh: any; orientation and closedness do not matter beyond the rule above.
        rays: directions over the whole sphere; half of them are cast from a vertex. 128 gives about 3 % error (rms of
            all coefficients against 65,536 directions).

    Returns:
        (V, 9) float32, order of render/sh.py; without occlusion the first is 0.2821 (= Y_00).
    """
    points = shading_points(mesh)
    scene = RayScene(mesh, solid_faces(mesh), watertight=False)
    directions = fibonacci_directions(rays)
    offset_m = 2.0 * scene.radius_m * OFFSET_SHARE

    transfer, seen = _cast(scene, points.positions, points.normals, directions, offset_m)
    dark = np.flatnonzero(seen < DARK_SIDE)
    back = (points.positions[dark], -points.normals[dark])
    turned = _cast(scene, *back, fibonacci_directions(SIDE_RAYS), offset_m)[1] > OPEN_SIDE
    transfer[dark[turned]] = _cast(scene, back[0][turned], back[1][turned], directions, offset_m)[0]
    return np.ascontiguousarray(transfer[points.of_vertex])


def _cast(scene: RayScene, positions: F64, normals: F64, directions: F64, offset_m: float) -> tuple[F32, F32]:
    """(N, 9) transfer and (N,) cosine-weighted share of the hemisphere that is open."""
    # Neighbours first, in space and in direction: what a ray has fetched of Embree's tree serves the next.
    order = spatial_order(positions)
    directions = directions[spatial_order(directions)]
    origins = (positions + normals * offset_m - scene.centre_world).astype(np.float32)[order]
    narrow_normals, narrow_directions = normals.astype(np.float32)[order], directions.astype(np.float32)
    # 4 pi / rays each, over pi.
    basis = (sh_basis(directions) * (4.0 / len(directions))).astype(np.float32)
    blocked = np.zeros((len(positions), COEFFICIENTS), np.float32)
    for start in range(0, len(positions), CHUNK_POINTS):
        part = slice(start, start + CHUNK_POINTS)
        cosine = narrow_normals[part] @ narrow_directions.T
        vertex, direction = np.nonzero(cosine > LEAST_COSINE)
        hit = scene.occluded_local(origins[part].take(vertex, axis=0), narrow_directions.take(direction, axis=0))
        vertex, direction = vertex[hit], direction[hit]
        weight = np.zeros_like(cosine)
        weight[vertex, direction] = cosine[vertex, direction]
        blocked[order[part]] = weight @ basis
    transfer = (open_transfer(normals) - blocked).astype(np.float32)
    seen = transfer[:, 0] / np.float32(np.sqrt(1.0 / (4.0 * np.pi)))
    return transfer, seen
