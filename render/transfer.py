"""Precomputed radiance transfer: how much of each harmonic of the light reaches a vertex past the rest of the mesh.

Sloan, Kautz and Snyder, "Precomputed Radiance Transfer for Real-Time Rendering in Dynamic, Low-Frequency Lighting
Environments" (2002), diffuse self-shadowed case: T_k = (1/pi) integral of visibility(w) max(n.w, 0) Y_k(w) dw.

Without occlusion the transfer has a closed form (the cosine lobe's harmonics), so rays only measure what is blocked.
They have the same uniform (Fibonacci) directions at every vertex, of which those above its horizon are used. A uniform
quarter of them is cast first, then those others whose neighbours in that quarter disagree, that is, along the outlines
of the occluders. docs/rendering.md has the figures that led to this choice.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..core.arrays import F32, F64, I32, I64, U64, Bools
from ..geometry.directions import fibonacci_directions
from ..geometry.mesh import PosedMesh
from ..geometry.morton import spatial_order
from ..geometry.rays import RayScene, ray_scene
from ..geometry.surface import albedo_at
from .light.harmonics import COEFFICIENTS, LAMBERT, sh_basis
from .shading_points import shading_points

# Height of the rays' origins above the surface, as a share of the bounding box's diagonal (0.1 mm for an adult): well
# above float32's resolution there (1e-6 m), and less than the thinnest cloth.
OFFSET_SHARE = 5e-5
# Rays with a smaller cosine to the normal are not cast and count as unblocked: they carry 1 % of the light, are a tenth
# of the rays, and cause most of the shadow acne.
LEAST_COSINE = 0.1
# Points per chunk: a few thousand rays, which stay in the processor's cache; with many more Embree takes twice as long.
# It also keeps the matrix products below the size at which BLAS starts its threads, which would not pay here.
CHUNK_POINTS = 256
# One in FIRST_SHARE directions is cast first; another direction is not cast if its NEIGHBOURS nearest of these agree.
FIRST_SHARE = 4
NEIGHBOURS = 3
# Limits of the number of first directions: fewer miss occluders, more do not fit a 64-bit word. Beyond these limits all
# directions are cast.
LEAST_FIRST, MOST_FIRST = 16, 64
# Directions over the whole sphere where the caller does not choose: 2 to 4 % error, see `radiance_transfer`.
DEFAULT_RAYS = 240
# A point with less than DARK_SIDE of its own hemisphere open and more than OPEN_SIDE of the opposite one lies on a
# flipped face and takes the light of its back. The back of a closed surface is fully blocked, even in a deep crease;
# inside a scan a little is open through its holes.
DARK_SIDE = 0.3
OPEN_SIDE = 0.5
SIDE_RAYS = 32


def open_transfer(normals: F64) -> F64:
    """Unoccluded transfer at unit normals (N, 3) in closed form: (N, 9) float64, 0 for a zero normal."""
    return np.asarray(sh_basis(normals) * LAMBERT * (normals != 0).any(axis=1, keepdims=True), np.float64)


def radiance_transfer(mesh: PosedMesh, *, rays: int = DEFAULT_RAYS, threads: int = 1) -> F32:
    """Compute the transfer of every vertex, with the mesh shadowing itself.

    Coincident vertices with similar normals (a texture seam in glTF) get one value. Cut-out faces that are mostly holes
    cast no shadow. A vertex whose own side is blocked and whose back is open (a flipped face of a messy scan) takes the
    light of its back; one that is blocked on both sides (skin under clothes) is dark.

    Args:
        mesh: any mesh, open or closed.
        rays: directions over the whole sphere, at least 16. Half of them are above a vertex's horizon, and about a
            third of those are cast (all if there are fewer than 64 or more than 256). 240 gives 2 to 4 % error (rms of
            all coefficients against 65,536 directions).
        threads: number of threads that cast rays; the result does not depend on it.

    Returns:
        (V, 9) float32, order of render/light/harmonics.py; without occlusion the first is 0.2821 (= Y_00).
    """
    points = shading_points(mesh)
    solid = solid_faces(mesh)
    scene = ray_scene(mesh, watertight=False) if solid is None else RayScene(mesh, solid, watertight=False)
    directions = _even_directions(rays)
    offset_m = 2.0 * scene.radius_m * OFFSET_SHARE

    transfer, seen = _cast(scene, points.positions, points.normals, directions, offset_m, threads)
    dark = np.flatnonzero(seen < DARK_SIDE)
    back = (points.positions[dark], -points.normals[dark])
    turned = _cast(scene, *back, _even_directions(SIDE_RAYS), offset_m)[1] > OPEN_SIDE
    transfer[dark[turned]] = _cast(scene, back[0][turned], back[1][turned], directions, offset_m)[0]
    return np.ascontiguousarray(transfer[points.of_vertex])


@dataclass(frozen=True, eq=False)
class _Directions:
    """Uniform directions, those cast first at the front.

    Attributes:
        vectors: (D, 3) unit vectors.
        basis: (D, 9) harmonics times 4 / D.
        first: number of directions cast first.
        neighbours: (D - first,) for each other direction the bits of its nearest among the first.
    """

    vectors: F32
    basis: F32
    first: int
    neighbours: U64


def _even_directions(count: int) -> _Directions:
    directions = fibonacci_directions(count)
    # Similar directions follow one another, so that the next ray finds the nodes of Embree's tree in the cache.
    directions = directions[spatial_order(directions)]
    quarter = count // FIRST_SHARE
    first = quarter if LEAST_FIRST <= quarter <= MOST_FIRST else count
    chosen = _spread(directions, first)
    others = np.setdiff1d(np.arange(count), chosen)
    directions = directions[np.concatenate([chosen, others])]
    nearest = np.argsort(-(directions[first:] @ directions[:first].T), axis=1, kind="stable")[:, :NEIGHBOURS]
    neighbours = np.bitwise_or.reduce(np.uint64(1) << nearest.astype(np.uint64), axis=1)
    # The weight of a direction is 4 pi / count; transfer is divided by pi.
    basis = (sh_basis(directions) * (4.0 / count)).astype(np.float32)
    return _Directions(directions.astype(np.float32), basis, first, neighbours)


def _spread(directions: F64, count: int) -> I64:
    """Indices (count,), ascending, of directions far apart from one another (farthest point sampling)."""
    chosen = [0]
    closeness = directions @ directions[0]
    while len(chosen) < count:
        chosen.append(int(np.argmin(closeness)))
        closeness = np.maximum(closeness, directions @ directions[chosen[-1]])
    return np.sort(np.array(chosen, np.int64))


def _cast(
    scene: RayScene, positions: F64, normals: F64, directions: _Directions, offset_m: float, threads: int = 1
) -> tuple[F32, F32]:
    """(N, 9) transfer, and (N,) cosine-weighted share of the hemisphere that is unblocked."""
    order = spatial_order(positions)
    origins = (positions + normals * offset_m - scene.centre_world).astype(np.float32)[order]
    narrow_normals = normals.astype(np.float32)[order]
    blocked = np.zeros((len(positions), COEFFICIENTS), np.float32)

    def gather(start: int) -> None:
        part = slice(start, start + CHUNK_POINTS)
        blocked[order[part]] = _blocked_transfer(scene, origins[part], narrow_normals[part], directions)

    starts = range(0, len(positions), CHUNK_POINTS)
    if threads == 1:
        for start in starts:
            gather(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(gather, starts))
    transfer = (open_transfer(normals) - blocked).astype(np.float32)
    seen = transfer[:, 0] / np.float32(np.sqrt(1.0 / (4.0 * np.pi)))
    return transfer, seen


def _blocked_transfer(scene: RayScene, origins: F32, normals: F32, directions: _Directions) -> F32:
    """The blocked part of the unoccluded transfer at a chunk of points: (N, 9)."""
    first, vectors, basis = directions.first, directions.vectors, directions.basis
    blocked = np.zeros((len(origins), COEFFICIENTS), np.float32)
    cosine = normals @ vectors[:first].T
    above = cosine > LEAST_COSINE
    hit = _blocked(scene, origins, vectors[:first], above)
    # Points without a hit in the first directions are taken to have none between them either.
    rows = np.flatnonzero(hit.any(axis=1))
    found = (cosine[rows] * hit[rows]) @ basis[:first]
    if first < len(vectors) and len(rows):
        cosine = normals[rows] @ vectors[first:].T
        around = _bits(hit[rows])[:, None] & directions.neighbours
        hidden = around == (_bits(above[rows])[:, None] & directions.neighbours)
        above = cosine > LEAST_COSINE
        unknown = above & (hidden == (around == 0))
        hit = hidden & ~unknown | _blocked(scene, origins[rows], vectors[first:], unknown)
        found += (cosine * (hit & above)) @ basis[first:]
    blocked[rows] = found
    return blocked


def _blocked(scene: RayScene, origins: F32, directions: F32, wanted: Bools) -> Bools:
    """Cast the wanted pairs (N, D) of origin and direction: (N, D) bool, whether each is blocked."""
    pairs = np.flatnonzero(wanted)
    point = pairs // len(directions)
    direction = pairs - point * len(directions)
    hit = scene.occluded_local(origins.take(point, axis=0), directions.take(direction, axis=0))
    blocked = np.zeros(wanted.shape, bool)
    blocked.reshape(-1)[pairs[hit]] = True
    return blocked


def _bits(flags: Bools) -> U64:
    """Pack rows of up to 64 flags into words: (N,) uint64, the first flag in the lowest bit."""
    padded = np.zeros((len(flags), MOST_FIRST), bool)
    padded[:, : flags.shape[1]] = flags
    words: U64 = np.packbits(padded, axis=1, bitorder="little").view("<u8")[:, 0]
    return words


# Barycentric positions at which a face's alpha is sampled.
_PROBES = np.array(
    [[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4], [3, 3, 1], [1, 3, 3], [3, 1, 3]], np.float64
)  # fmt: skip


def solid_faces(mesh: PosedMesh) -> I32 | None:
    """The faces that block light: (K,) int32, or None for all of them (no cut-out material)."""
    cut_out = np.array([material.alpha_mode == "mask" for material in mesh.materials])
    candidates = np.flatnonzero(cut_out[mesh.face_material]).astype(np.int32)
    if not len(candidates):
        return None
    cutoff = np.array([material.alpha_cutoff for material in mesh.materials])[mesh.face_material[candidates]]
    covered = np.zeros(len(candidates))
    for probe in _PROBES / _PROBES.sum(axis=1, keepdims=True):
        alpha = albedo_at(mesh, candidates, np.broadcast_to(probe, (len(candidates), 3)))[:, 3]
        covered += alpha >= cutoff
    solid = np.ones(len(mesh.faces), bool)
    solid[candidates[covered < len(_PROBES) / 2]] = False
    return np.flatnonzero(solid).astype(np.int32)
