"""Closest points on a triangle mesh: a bounding-volume hierarchy on the CPU or a GPU, from one source (warp).

The hierarchy names a face in float32 (coordinates about the mesh's centre); the distance to that face is then computed
in float64. So an answer is the distance to a face of the mesh, never less than the true distance, and greater by at
most the float32 rounding of a tie between faces: `FLOAT32_SLACK` times the mesh's half diagonal, half a micrometre for
a person. `exact=True` compares all faces that could tie, in float64. Long needles and faces without area, on which
float32 barycentric coordinates lose their meaning, stand in a hierarchy of their own, of the boxes of short pieces, and
are always measured in float64.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import MpcError

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.floating]

log = logging.getLogger(__name__)

# Distances in the hierarchy are differences of coordinates up to 1 after scaling; worst seen in tests: 1.3e-7.
FLOAT32_SLACK = 4e-7
# Flatter faces (height in half diagonals) make warp divide by zero; the short ones enter the hierarchy as points.
_FLAT, _SHORT = 1e-7, 1e-5
# Faces lower than this part of their longest edge, and longer than this part of the half diagonal, are needles.
_NEEDLE_HEIGHT, _NEEDLE_LENGTH = 1e-3, 1e-2
_CHUNK = 1 << 18


class ClosestError(MpcError):
    """Distances that have no meaning: an empty mesh, no points, NaN."""


@dataclass(frozen=True, eq=False)
class ClosestPoints:
    """The nearest point of a mesh for each of N queries.

    Attributes:
        distances: (N,) float64, unit of the mesh, not squared.
        points: (N, 3) float64, on the mesh.
        faces: (N,) int32, the face each lies on (one of them where faces tie).
    """

    distances: F64
    points: F64
    faces: I32


def closest_points(
    vertices: npt.ArrayLike, faces: npt.ArrayLike, points: npt.ArrayLike, *, device: str = "auto"
) -> ClosestPoints:
    """Closest points of one mesh, prepared for this call alone; arguments and errors as for `ClosestSurface`."""
    return ClosestSurface(vertices, faces, device=device).query(points)


class ClosestSurface:
    """A triangle mesh prepared for closest-point queries.

    Args:
        vertices: (V, 3), any float dtype.
        faces: (F, 3) integers; zero-area faces count as the segment or point they are.
        device: "cpu", "cuda", "cuda:1", …; "auto" takes a GPU where warp finds one.

    Raises:
        ClosestError: no faces, NaN or infinite coordinates.
    """

    def __init__(self, vertices: npt.ArrayLike, faces: npt.ArrayLike, *, device: str = "auto") -> None:
        self.corners = _checked_corners(vertices, faces)
        wp = load_warp()
        self.device = str(wp.get_preferred_device()) if device == "auto" else device
        low, high = self.corners.min(axis=(0, 1)), self.corners.max(axis=(0, 1))
        self.centre = (low + high) / 2
        self.scale = float(np.linalg.norm(high - low) / 2) or 1.0
        self._scaled = (self.corners - self.centre) / self.scale
        hierarchy, self._face_of, needles = _prepare(self._scaled)
        self._mesh = wp.Mesh(
            points=wp.array(hierarchy.reshape(-1, 3), dtype=wp.vec3, device=self.device),
            indices=wp.array(np.arange(3 * len(hierarchy), dtype=np.int32), device=self.device),
        )
        self._corners64: Any = None  # on the device, once something is compared in float64
        self._needles: Any = None
        if len(needles):
            self._needles = wp.Bvh(
                wp.array(needles[:, 0], dtype=wp.vec3, device=self.device),
                wp.array(needles[:, 1], dtype=wp.vec3, device=self.device),
            )
            self._needle_of = self._face_of[-len(needles) :]

    def query(self, points: npt.ArrayLike, *, exact: bool = False) -> ClosestPoints:
        """Closest points for queries (N, 3), in the unit of the mesh, N at least 1.

        Args:
            points: any float dtype, finite.
            exact: also compare all faces that tie within float32 rounding; slower far from the mesh.

        Raises:
            ClosestError: no points, NaN or infinite coordinates.
        """
        queries = np.asarray(points, np.float64).reshape(-1, 3)
        if not len(queries):
            raise ClosestError("no points to measure from")
        if not np.isfinite(queries).all():
            raise ClosestError(
                f"{int((~np.isfinite(queries)).any(axis=1).sum())} points are not finite (NaN or infinite)"
            )
        parts = [self._query(queries[first : first + _CHUNK], exact) for first in range(0, len(queries), _CHUNK)]
        if len(parts) == 1:
            return parts[0]
        return ClosestPoints(
            np.concatenate([part.distances for part in parts]),
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.faces for part in parts]),
        )

    def _query(self, queries: F64, exact: bool) -> ClosestPoints:
        wp = load_warp()
        scaled64 = (queries - self.centre) / self.scale
        scaled = scaled64.astype(np.float32)
        farthest = 1.0 + float(np.abs(scaled).max())
        named = wp.empty(len(queries), dtype=wp.int32, device=self.device)
        claimed = wp.empty(len(queries), dtype=wp.float32, device=self.device)
        inputs = [self._mesh.id, wp.array(scaled, dtype=wp.vec3, device=self.device), 4.0 * farthest, named, claimed]
        nearest_face, undercut, undercut_needles = _kernels()
        wp.launch(nearest_face, dim=len(queries), inputs=inputs, device=self.device)
        pieces: I32 = named.numpy()
        if (pieces < 0).any():
            raise ClosestError(f"no closest face for {int((pieces < 0).sum())} points: too far away for float32")
        faces: I32 = self._face_of[pieces]
        points, distances = closest_on_triangles(queries, self.corners[faces])
        slack = FLOAT32_SLACK * farthest
        # A face that claims to be nearer than it is may have hidden another one.
        doubtful = distances / self.scale > claimed.numpy().astype(np.float64) + slack
        passes = [(undercut, self._mesh.id, self._face_of, np.flatnonzero(doubtful | exact))]
        if self._needles is not None:
            passes.append((undercut_needles, self._needles.id, self._needle_of, np.arange(len(queries))))
        for kernel, tree, owners, rows in passes:
            if not len(rows):
                continue
            if self._corners64 is None:
                self._corners64 = wp.array(self._scaled.reshape(-1, 3), dtype=wp.vec3d, device=self.device)
            best = wp.array(faces[rows], dtype=wp.int32, device=self.device)
            inputs = [
                tree,
                self._corners64,
                wp.array(owners, dtype=wp.int32, device=self.device),
                wp.array(scaled64[rows], dtype=wp.vec3d, device=self.device),
                wp.array(distances[rows] / self.scale, dtype=wp.float64, device=self.device),
                slack,
                best,
            ]
            wp.launch(kernel, dim=len(rows), inputs=inputs, device=self.device)
            found = best.numpy()
            nearer = found != faces[rows]
            rows = rows[nearer]
            if len(rows):
                faces[rows] = found[nearer]
                points[rows], distances[rows] = closest_on_triangles(queries[rows], self.corners[faces[rows]])
        return ClosestPoints(distances, points, faces)


def _prepare(corners: F64) -> tuple[F32, I32, F32]:
    """What enters the hierarchies.

    Returns:
        Triangles (P, 3, 3): the faces in the order of their numbers without needles, then a point of each needle's
        pieces, so that needles give a first bound; the face (P,) of each; the boxes (Q, 2, 3) of the pieces.
    """
    prepared = corners.astype(np.float32)
    whole = np.arange(len(corners), dtype=np.int32)
    none = np.zeros((0, 2, 3), np.float32)
    # Most faces are neither flat nor needles, which float32 can tell (heights to about 1e-6 of the longest edge).
    length, height = _shapes(prepared)
    suspects = np.flatnonzero(height < 0.01 * length + _FLAT)
    if not len(suspects):
        return prepared, whole, none
    length, height = _shapes(corners[suspects])
    flat = height < _FLAT
    tiny = flat & (length < _SHORT)
    prepared[suspects[tiny]] = prepared[suspects[tiny]][:, :1]
    needles = suspects[(flat & ~tiny) | ((height < _NEEDLE_HEIGHT * length) & (length > _NEEDLE_LENGTH))]
    if not len(needles):
        return prepared, whole, none
    starts, boxes, owners = _cut_needles(corners[needles])
    kept = np.setdiff1d(whole, needles)
    bounds = np.repeat(starts.astype(np.float32)[:, None], 3, axis=1)
    return (
        np.concatenate([prepared[kept], bounds]),
        np.concatenate([kept, needles[owners].astype(np.int32)]),
        boxes.astype(np.float32),
    )


def _cut_needles(corners: F64) -> tuple[F64, F64, npt.NDArray[np.intp]]:
    """Needles (N, 3, 3) cut across into pieces: a point of each (Q, 3), its box (Q, 2, 3), and the needle it is of."""
    # Turned so that a-b is the longest edge; a needle lies within its height of that edge.
    edges = np.linalg.norm(corners[:, [1, 2, 0]] - corners, axis=2)
    turn = (edges.argmax(axis=1)[:, None] + np.arange(3)) % 3
    a, b, _ = np.moveaxis(np.take_along_axis(corners, turn[:, :, None], axis=1), 1, 0)
    length, height = _shapes(corners)
    count = np.maximum(1, np.ceil(length / _NEEDLE_LENGTH)).astype(np.intp)
    owners = np.repeat(np.arange(len(corners)), count)
    step = np.arange(len(owners)) - np.repeat(np.cumsum(count) - count, count)
    low, high = (step / count[owners])[:, None], ((step + 1) / count[owners])[:, None]
    ends = np.stack([a[owners] + share * (b - a)[owners] for share in (low, high)])
    margin = height[owners][:, None] + FLOAT32_SLACK
    return ends[0], np.stack([ends.min(axis=0) - margin, ends.max(axis=0) + margin], axis=1), owners


def _shapes(corners: Floats) -> tuple[Floats, Floats]:
    """Longest edge (F,) and height over it (F,) of triangles (F, 3, 3)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    first, second, third = b - a, c - b, a - c
    squared = np.maximum(np.maximum(_dot(first, first), _dot(second, second)), _dot(third, third))
    length = np.sqrt(squared)
    x = first[:, 1] * second[:, 2] - first[:, 2] * second[:, 1]
    y = first[:, 2] * second[:, 0] - first[:, 0] * second[:, 2]
    z = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    doubled = np.sqrt(x * x + y * y + z * z)
    return length, np.divide(doubled, length, out=np.zeros_like(length), where=length > 0)


def compile_kernels(device: str = "auto") -> None:
    """Compile what queries on `device` need and keep it in warp's cache on disk; seconds, once a machine."""
    triangle = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    ClosestSurface(triangle, np.array([[0, 1, 2]]), device=device).query(triangle, exact=True)


def _checked_corners(vertices: npt.ArrayLike, faces: npt.ArrayLike) -> F64:
    positions, triangles = np.asarray(vertices, np.float64), np.asarray(faces)
    if positions.ndim != 2 or positions.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ClosestError(f"expected vertices (V, 3) and faces (F, 3), got {positions.shape} and {triangles.shape}")
    if not len(triangles):
        raise ClosestError("the mesh has no faces")
    if triangles.min() < 0 or triangles.max() >= len(positions):
        raise ClosestError(f"faces refer to vertex {int(triangles.max())} of {len(positions)}")
    corners: F64 = positions[triangles]
    if not np.isfinite(corners).all():
        raise ClosestError("the mesh has coordinates that are not finite (NaN or infinite)")
    return corners


def closest_on_triangles(
    points: F64,  # (N, 3)
    triangles: F64,  # (N, 3, 3)
) -> tuple[F64, F64]:
    """The closest point of triangle n to point n, and its distance, in float64; degenerate triangles are segments.

    The distance to a triangle is that to its plane where the foot of the perpendicular lies within, else the least of
    the distances to the three edges.

    Returns:
        (N, 3) closest points and (N,) distances.
    """
    a = triangles[:, 0]
    best = np.full(len(points), np.inf)
    closest = np.empty_like(points)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        origin, edge = triangles[:, start], triangles[:, end] - triangles[:, start]
        squared = _dot(edge, edge)
        along = np.divide(_dot(points - origin, edge), squared, out=np.zeros_like(squared), where=squared > 0)
        foot = origin + np.clip(along, 0.0, 1.0)[:, None] * edge
        gap = _dot(points - foot, points - foot)
        nearer = gap < best
        best[nearer], closest[nearer] = gap[nearer], foot[nearer]
    first, second, offset = triangles[:, 1] - a, triangles[:, 2] - a, points - a
    normal = np.cross(first, second)
    squared = _dot(normal, normal)
    within: npt.NDArray[np.bool_]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        u = _dot(np.cross(offset, second), normal) / squared
        v = _dot(np.cross(first, offset), normal) / squared
        within = (u >= 0) & (v >= 0) & (u + v <= 1)  # NaN, from a triangle without area, is never within
    height = np.divide(_dot(offset, normal), squared, out=np.zeros_like(squared), where=squared > 0)
    foot = points - height[:, None] * normal
    gap = _dot(points - foot, points - foot)
    nearer = within & (gap < best)
    best[nearer], closest[nearer] = gap[nearer], foot[nearer]
    return closest, np.sqrt(best)


def _dot(a: Floats, b: Floats) -> Floats:
    product: Floats = np.einsum("ij,ij->i", a, b)
    return product


@lru_cache(maxsize=1)
def load_warp() -> Any:
    """The warp module, initialised without its banner."""
    import warp

    wp: Any = warp
    if hasattr(wp, "LOG_ERROR"):
        wp.config.log_level = wp.LOG_ERROR
    else:
        wp.config.quiet = True
    with _captured_stderr():
        wp.init()
    return wp


@contextmanager
def _captured_stderr() -> Iterator[None]:
    """Send what native code writes to the standard error to the log: warp complains there of a missing driver."""
    with tempfile.TemporaryFile() as caught:
        kept = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                log.debug("warp: %s", line)


@lru_cache(maxsize=1)
def _kernels() -> tuple[Any, Any, Any]:
    load_warp()
    from .closest_kernels import nearest_face, undercut, undercut_needles

    return nearest_face, undercut, undercut_needles
