"""Precomputed radiance transfer: how much of each harmonic of the light reaches a vertex, past the mesh itself.

Sloan, Kautz and Snyder, "Precomputed Radiance Transfer for Real-Time Rendering in Dynamic, Low-Frequency Lighting
Environments" (2002), diffuse self-shadowed case: T_k = (1/pi) integral of visibility(w) max(n.w, 0) Y_k(w) dw.

What is in the open is known in closed form (the cosine lobe's harmonics), so rays only measure what is missing. They
go the same even (Fibonacci) directions from every vertex, the half above its horizon: first an even quarter of them;
of the others only those whose neighbours in that quarter disagree, that is, along the outlines of what is in the way.
docs/rendering.md has the figures that led to this choice.
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

# How far above the surface a ray starts, as a share of the bounding box's diagonal (0.1 mm for an adult): far above
# float32's resolution there (1e-6 m), below the thinnest cloth.
OFFSET_SHARE = 5e-5
# Rays flatter than this (cosine to the normal) are left out: 1 % of the light, a tenth of the rays, most of the acne.
# What they would have met counts as open.
LEAST_COSINE = 0.1
# Points a chunk: some thousand rays, which stay in the processor's cache; with very many more Embree takes twice as
# long. Also keeps the small matrix products below the size at which BLAS wakes its threads for nothing.
CHUNK_POINTS = 256
# The share of directions cast first, and how many of these must agree for the others between them not to be cast.
FIRST_SHARE = 4
NEIGHBOURS = 3
# Fewer see too little; more do not fit a 64-bit word. Beyond either all directions are cast.
LEAST_FIRST, MOST_FIRST = 16, 64
# Directions over the whole sphere where the caller does not choose: 2 to 4 % error, see `radiance_transfer`.
DEFAULT_RAYS = 240
# A point that sees less than this share of its own side, and more than the other share of its back side, lies on a face
# wound the wrong way: it takes the light of its back side. The back of a closed surface sees nothing, even in a deep
# crease; the inside of a scan sees a little through its holes.
DARK_SIDE = 0.3
OPEN_SIDE = 0.5
SIDE_RAYS = 32


def open_transfer(normals: F64) -> F64:
    """(N, 9) float64 transfer at unit normals (N, 3) with nothing in the way, in closed form; 0 for a zero normal."""
    return np.asarray(sh_basis(normals) * LAMBERT * (normals != 0).any(axis=1, keepdims=True), np.float64)


def radiance_transfer(mesh: PosedMesh, *, rays: int = DEFAULT_RAYS, threads: int = 1) -> F32:
    """Transfer of every vertex, the mesh shadowing itself.

    Vertices that coincide with like normals (a texture seam in glTF) get one value. Cut-out faces that are mostly
    holes cast no shadow. A vertex whose own side is closed off and whose back is open (flipped faces of a messy scan)
    takes its back's light; one that is closed off on both sides (skin beneath clothes) is dark.

    Args:
        mesh: any; orientation and closedness do not matter beyond the rule above.
        rays: directions over the whole sphere, at least 16; half of them are above a vertex's horizon, about a third
            of those are cast (all where there are fewer than 64 or more than 256). 240 gives 2 to 4 % error (rms of
            all coefficients against 65,536 directions).
        threads: that cast rays side by side; the result does not depend on it.

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
    """Even directions, those cast first in front; `neighbours` holds for each other one the bits of its nearest."""

    vectors: F32
    basis: F32
    first: int
    neighbours: U64


def _even_directions(count: int) -> _Directions:
    directions = fibonacci_directions(count)
    # Neighbours in direction one after the other: what a ray has fetched of Embree's tree serves the next.
    directions = directions[spatial_order(directions)]
    quarter = count // FIRST_SHARE
    first = quarter if LEAST_FIRST <= quarter <= MOST_FIRST else count
    chosen = _spread(directions, first)
    others = np.setdiff1d(np.arange(count), chosen)
    directions = directions[np.concatenate([chosen, others])]
    nearest = np.argsort(-(directions[first:] @ directions[:first].T), axis=1, kind="stable")[:, :NEIGHBOURS]
    neighbours = np.bitwise_or.reduce(np.uint64(1) << nearest.astype(np.uint64), axis=1)
    # 4 pi / count each, over pi.
    basis = (sh_basis(directions) * (4.0 / count)).astype(np.float32)
    return _Directions(directions.astype(np.float32), basis, first, neighbours)


def _spread(directions: F64, count: int) -> I64:
    """(count,) numbers, ascending, of directions as far from one another as can be (farthest point sampling)."""
    chosen = [0]
    closeness = directions @ directions[0]
    while len(chosen) < count:
        chosen.append(int(np.argmin(closeness)))
        closeness = np.maximum(closeness, directions @ directions[chosen[-1]])
    return np.sort(np.array(chosen, np.int64))


def _cast(
    scene: RayScene, positions: F64, normals: F64, directions: _Directions, offset_m: float, threads: int = 1
) -> tuple[F32, F32]:
    """(N, 9) transfer and (N,) cosine-weighted share of the hemisphere that is open."""
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
    """(N, 9) what is missing of the open transfer at a chunk of points."""
    first, vectors, basis = directions.first, directions.vectors, directions.basis
    blocked = np.zeros((len(origins), COEFFICIENTS), np.float32)
    cosine = normals @ vectors[:first].T
    above = cosine > LEAST_COSINE
    hit = _blocked(scene, origins, vectors[:first], above)
    # Points that see nothing in the first directions see nothing between them either.
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
    """(N, D) bool: something is in the way of the wanted pairs (N, D) of origin and direction."""
    pairs = np.flatnonzero(wanted)
    point = pairs // len(directions)
    direction = pairs - point * len(directions)
    hit = scene.occluded_local(origins.take(point, axis=0), directions.take(direction, axis=0))
    blocked = np.zeros(wanted.shape, bool)
    blocked.reshape(-1)[pairs[hit]] = True
    return blocked


def _bits(flags: Bools) -> U64:
    """(N,) uint64: each row of up to 64 flags as the bits of one word, the first the lowest."""
    padded = np.zeros((len(flags), MOST_FIRST), bool)
    padded[:, : flags.shape[1]] = flags
    words: U64 = np.packbits(padded, axis=1, bitorder="little").view("<u8")[:, 0]
    return words


# Corners' middles and centre: where a face's alpha is looked up.
_PROBES = np.array(
    [[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4], [3, 3, 1], [1, 3, 3], [3, 1, 3]], np.float64
)  # fmt: skip


def solid_faces(mesh: PosedMesh) -> I32 | None:
    """(K,) int32 faces that block light, or None for all of them (no cut-out material)."""
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
