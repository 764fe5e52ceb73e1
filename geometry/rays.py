"""Rays against a posed mesh by Embree: whether a ray is blocked, and what it hits first."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from ..core.arrays import F32, F64, I32, Bools, Floats, Ints
from .mesh import PosedMesh

# Rays per call to Embree: their float32 copies (origins, directions, results) then stay in the processor's cache, which
# is up to twice as fast as one large call.
CHUNK_RAYS = 1 << 14
# Embree computes in float32: relative error of a position, of its distance from the mesh's centre.
FLOAT32_RELATIVE = 4e-7


@dataclass(frozen=True, eq=False)
class Hits:
    """The first surface along each of N rays.

    Attributes:
        face: (N,) int32 into the mesh's faces, -1 where nothing is hit.
        distance: (N,) float32, in lengths of the ray's direction; infinity where nothing is hit.
        barycentric: (N, 2) float32 (u, v): the hit is (1-u-v) corner 0 + u corner 1 + v corner 2; zero without a hit.
    """

    face: I32
    distance: F32
    barycentric: F32

    @property
    def hit(self) -> Bools:
        """(N,) bool: something was hit."""
        return self.face >= 0

    def weights(self) -> F64:
        """(N, 3) float64 barycentric weights, clipped to the triangle, sum 1; (1, 0, 0) without a hit."""
        u = self.barycentric[:, 0].astype(np.float64)
        v = self.barycentric[:, 1].astype(np.float64)
        weights: F64 = np.maximum(np.stack([1.0 - u - v, u, v], axis=1), 0.0)
        weights /= weights.sum(axis=1, keepdims=True)
        return weights


class RayScene:
    """A mesh (or some of its faces) prepared for ray queries by Embree; both sides of a face are hit.

    Embree works in float32. Positions are taken relative to the middle of the mesh's bounding box, so that a mesh far
    from the origin loses no accuracy; `resolution_m` bounds the error of a hit's position. A ray that starts on the
    surface may hit it at distance 0: move its origin by a few `resolution_m` first.

    Args:
        mesh: any posed mesh; Embree holds a copy.
        faces: (K,) face numbers to use; None for all. Hits always give face numbers of the whole mesh.
        watertight: no ray slips between two faces that share an edge. Without it rays are about a quarter faster, which
            is accurate enough where many rays are averaged.
    """

    def __init__(self, mesh: PosedMesh, faces: Ints | None = None, *, watertight: bool = True) -> None:
        low, high = mesh.bounds
        self.centre_world: F64 = np.asarray((low + high) * 0.5, np.float64)
        self.radius_m = float(np.linalg.norm(high - low) * 0.5)
        self.resolution_m = max(self.radius_m * FLOAT32_RELATIVE, float(np.finfo(np.float32).tiny))
        self._numbers = None if faces is None else np.ascontiguousarray(faces, np.int32)
        used = mesh.faces if faces is None else mesh.faces[faces]
        self._empty = len(used) == 0
        self._scene = EmbreeScene(robust=watertight)
        if not self._empty:
            vertices = np.ascontiguousarray(mesh.vertices - self.centre_world, np.float32)
            TriangleMesh(self._scene, vertices, np.ascontiguousarray(used, np.int32))

    def occluded(self, origins: Floats, directions: Floats) -> Bools:
        """Whether each ray hits anything, at any distance ahead.

        Args:
            origins: (N, 3), world metres.
            directions: (N, 3), or (3,) for one shared direction; any length but zero.

        Returns:
            (N,) bool.
        """
        count = len(origins)
        blocked = np.zeros(count, bool)
        if self._empty:
            return blocked
        for start in range(0, count, CHUNK_RAYS):
            part = slice(start, min(start + CHUNK_RAYS, count))
            rays = self._rays(origins[part], directions if directions.ndim == 1 else directions[part])
            blocked[part] = self._scene.run(*rays, query="OCCLUDED") == 0
        return blocked

    def occluded_local(self, origins: F32, directions: F32) -> Bools:
        """`occluded` without copies, in one call to Embree.

        Args:
            origins: (N, 3) contiguous float32, relative to `centre_world`.
            directions: (N, 3) contiguous float32.
        """
        if self._empty:
            return np.zeros(len(origins), bool)
        blocked: Bools = self._scene.run(origins, directions, query="OCCLUDED") == 0
        return blocked

    def first_hit(self, origins: Floats, directions: Floats) -> Hits:
        """Find the nearest surface on each ray.

        Args:
            origins: (N, 3), world metres.
            directions: (N, 3), or (3,) for one shared direction; any length but zero.
        """
        count = len(origins)
        face = np.full(count, -1, np.int32)
        distance = np.full(count, np.inf, np.float32)
        barycentric = np.zeros((count, 2), np.float32)
        for start in range(0, 0 if self._empty else count, CHUNK_RAYS):
            part = slice(start, min(start + CHUNK_RAYS, count))
            rays = self._rays(origins[part], directions if directions.ndim == 1 else directions[part])
            found = self._scene.run(*rays, query="INTERSECT", output=True)
            hit = found["primID"] >= 0
            face[part] = found["primID"] if self._numbers is None else self._name(found["primID"])
            distance[part] = np.where(hit, found["tfar"], np.inf)
            barycentric[part, 0] = np.where(hit, found["u"], 0.0)
            barycentric[part, 1] = np.where(hit, found["v"], 0.0)
        return Hits(face, distance, barycentric)

    def _name(self, local: I32) -> I32:
        assert self._numbers is not None
        return np.where(local >= 0, self._numbers[np.maximum(local, 0)], np.int32(-1))

    def _rays(self, origins: Floats, directions: Floats) -> tuple[F32, F32]:
        moved = np.ascontiguousarray(origins - self.centre_world, np.float32)
        if directions.ndim == 1:
            return moved, np.ascontiguousarray(np.broadcast_to(directions.astype(np.float32), moved.shape))
        return moved, np.ascontiguousarray(directions, np.float32)


_scenes: weakref.WeakKeyDictionary[PosedMesh, dict[bool, RayScene]] = weakref.WeakKeyDictionary()


def ray_scene(mesh: PosedMesh, *, watertight: bool = True) -> RayScene:
    """The mesh's RayScene, built on the first call and kept for as long as the mesh itself lives."""
    kept = _scenes.setdefault(mesh, {})
    if watertight not in kept:
        kept[watertight] = RayScene(mesh, watertight=watertight)
    return kept[watertight]
