"""Coloured points on the surface, with what is needed to evaluate their colour under any light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import F32, F64
from ..geometry.mesh import MeshError, PosedMesh
from ..geometry.surface import albedo_at, interpolate, sample_surface

# A point whose constant transfer term is below this share of an unoccluded plane's receives almost no light: it is
# buried under other shells (skin under a shirt) and visible in no picture.
BURIED_SHARE = 0.02
# T_0 of a plane without occlusion: Y_00 = 1 / (2 sqrt(pi)), and the cosine integrates to pi.
FREE_TRANSFER = 0.28209479177387814
MAX_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class ColourSamples:
    """N surface points in random order.

    Attributes:
        positions: (N, 3) float64, world metres, on the surface.
        normals: (N, 3) float32, unit, interpolated over the face.
        albedo: (N, 3) float32, display (sRGB) values in [0, 1].
        transfer: (N, 9) float32 radiance transfer (spherical harmonics, world axes).
    """

    positions: F64
    normals: F32
    albedo: F32
    transfer: F32


def sample_colour(mesh: PosedMesh, transfer: F32, count: int, *, rng: np.random.Generator) -> ColourSamples:
    """Draw points uniformly on the part of the surface that is visible from outside.

    Args:
        mesh: world metres, textured.
        transfer: (V, 9) float32 radiance transfer of each vertex.
        count: number of points.
        rng: sole source of randomness.

    Raises:
        MeshError: no part of the surface is visible from outside, or `transfer` has another shape.
    """
    if transfer.shape != (len(mesh.vertices), 9):
        raise MeshError(f"transfer is {transfer.shape}, expected ({len(mesh.vertices)}, 9)")
    found: list[ColourSamples] = []
    missing = count
    normals = mesh.vertex_normals
    for _ in range(MAX_ROUNDS):
        surface = sample_surface(mesh, max(missing + missing // 4, 64), rng)
        at = interpolate(mesh, transfer, surface.faces, surface.barycentric)
        colour = albedo_at(mesh, surface.faces, surface.barycentric)
        cutout = np.array([m.alpha_cutoff if m.alpha_mode == "mask" else -1.0 for m in mesh.materials])
        seen = (at[:, 0] > BURIED_SHARE * FREE_TRANSFER) & (colour[:, 3] > cutout[mesh.face_material[surface.faces]])
        keep = np.flatnonzero(seen)[:missing]
        normal = interpolate(mesh, normals, surface.faces[keep], surface.barycentric[keep])
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        normal = np.where(length > 1e-6, normal / np.maximum(length, 1e-6), mesh.face_normals[surface.faces[keep]])
        found.append(
            ColourSamples(
                surface.positions[keep],
                normal.astype(np.float32),
                colour[keep, :3],
                at[keep].astype(np.float32),
            )
        )
        missing -= len(keep)
        if missing == 0:
            break
    else:
        raise MeshError("no surface to colour: nothing of the mesh is seen from outside")
    return ColourSamples(
        np.concatenate([part.positions for part in found]),
        np.concatenate([part.normals for part in found]),
        np.concatenate([part.albedo for part in found]),
        np.concatenate([part.transfer for part in found]),
    )
