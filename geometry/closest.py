"""Exact closest points on a triangle mesh: a hierarchy of boxes, with one Warp source for CPU and GPU.

Triangles are sorted along a Hilbert curve and boxed in pairs, and the boxes are boxed in pairs again. A query first
tests the triangles around its own position on the curve, then descends into every box that is nearer than the best
triangle so far, the nearer box first. Boxes are float32, enlarged by its rounding error. Distances to triangles are
float64, so the result equals that of float64 brute force (which Warp's own `wp.Mesh`, float32, cannot give). A triangle
without area counts as a segment or a point.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arrays import F64, I32
from ..core.kernels import launch, load_warp
from .device_mesh import DeviceMesh, SurfaceError, checked_points

# Coordinates in the hierarchy lie in [-1, 1]: half a float32 step there is 6e-8.
_MARGIN = 1.2e-7
# Triangles longer than this share of the half diagonal are boxed apart, so that they do not enlarge others' boxes.
_LARGE = 0.05
# Queries at a time: bounds the memory.
_CHUNK = 1 << 18
# Queries and triangles that a thread processes at a time.
_QUERIES, _TRIANGLES = 1 << 12, 1 << 15


@dataclass(frozen=True, eq=False)
class ClosestPoints:
    """The nearest point of a mesh for each of N queries.

    Attributes:
        distances: (N,) float64, unit of the mesh, not squared.
        points: (N, 3) float64, on the mesh.
        faces: (N,) int32, the face each point lies on (one of them where faces tie).
    """

    distances: F64
    points: F64
    faces: I32


def closest_points(
    vertices: npt.ArrayLike, faces: npt.ArrayLike, points: npt.ArrayLike, *, device: str = "auto"
) -> ClosestPoints:
    """Query one mesh once; arguments and errors are those of `ClosestSurface` and its `query`."""
    return ClosestSurface(vertices, faces, device=device).query(points)


class ClosestSurface:
    """A triangle mesh prepared for closest-point queries.

    Args:
        vertices: (V, 3), any float dtype.
        faces: (F, 3) integers; a face without area counts as a segment or a point.
        device: "cpu", "cuda", "cuda:1", …; "auto" chooses a GPU where Warp finds one.

    Raises:
        SurfaceError: no faces, NaN or infinite coordinates.
    """

    def __init__(self, vertices: npt.ArrayLike, faces: npt.ArrayLike, *, device: str = "auto") -> None:
        self._build(DeviceMesh(vertices, faces, device=device))

    @classmethod
    def of(cls, mesh: DeviceMesh) -> ClosestSurface:
        """Prepare a mesh that is on its device already."""
        surface = cls.__new__(cls)
        surface._build(mesh)
        return surface

    def _build(self, mesh: DeviceMesh) -> None:
        wp, kernels = load_warp(), _kernels()
        self.device, self.centre, self.scale = mesh.device, mesh.centre, mesh.scale
        order, keys = self._sorted(kernels.order_triangles, [mesh.arrays, _LARGE], len(mesh), _TRIANGLES)
        counts = [-(-len(mesh) // int(kernels.LEAF))]
        while counts[-1] > 1:
            counts.append(-(-counts[-1] // int(kernels.CHILDREN)))
        firsts = [0, *np.cumsum(counts[:-1]).tolist()]
        self._tree = tree = kernels.BoxTree()
        tree.lows, tree.highs = (wp.empty(sum(counts), dtype=wp.vec3, device=self.device) for _ in range(2))
        tree.firsts, tree.counts = (wp.array(n, dtype=wp.int32, device=self.device) for n in (firsts, counts))
        tree.corners = wp.empty(3 * len(mesh), dtype=wp.vec3d, device=self.device)
        tree.face_of, tree.keys = order, keys
        self._launch(kernels.box_leaves, counts[0], [mesh.arrays, _MARGIN], [tree], _TRIANGLES // 2)
        for level in range(1, len(counts)):
            self._launch(kernels.box_nodes, counts[level], [level], [tree], _TRIANGLES)

    def query(self, points: npt.ArrayLike) -> ClosestPoints:
        """Find the closest point of the mesh for each query.

        Args:
            points: (N, 3), in the unit of the mesh, N at least 1.

        Raises:
            SurfaceError: no points, another shape, NaN or infinite coordinates, or so far away that squares overflow.
        """
        queries = checked_points(points)
        parts = [self._query(queries[first : first + _CHUNK]) for first in range(0, len(queries), _CHUNK)]
        if len(parts) == 1:
            return parts[0]
        return ClosestPoints(
            np.concatenate([part.distances for part in parts]),
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.faces for part in parts]),
        )

    def _query(self, queries: F64) -> ClosestPoints:
        wp, kernels = load_warp(), _kernels()
        scaled = wp.array((queries - self.centre) / self.scale, dtype=wp.vec3d, device=self.device)
        # Queries near one another run one after the other, so that they find the same boxes in the cache.
        order, _ = self._sorted(kernels.order_points, [scaled], len(queries), _QUERIES)
        faces = wp.empty(len(queries), dtype=wp.int32, device=self.device)
        feet = wp.empty(len(queries), dtype=wp.vec3d, device=self.device)
        squares = wp.empty(len(queries), dtype=wp.float64, device=self.device)
        self._launch(kernels.closest, len(queries), [self._tree, scaled, order], [faces, feet, squares], _QUERIES)
        found: F64 = feet.numpy() * self.scale + self.centre
        distances: F64 = np.sqrt(squares.numpy()) * self.scale
        if not np.isfinite(distances).all():
            raise SurfaceError("points are too far from the mesh, for its size, to be measured")
        return ClosestPoints(distances, found, faces.numpy())

    def _sorted(self, kernel: Any, inputs: list[Any], count: int, per_thread: int) -> tuple[Any, Any]:
        """Sort the numbers 0 to `count` by keys that a kernel computes; the numbers and the keys, as Warp arrays."""
        wp = load_warp()
        keys, order = (wp.empty(2 * count, dtype=wp.int32, device=self.device) for _ in range(2))
        self._launch(kernel, count, inputs, [keys, order], per_thread)
        wp.utils.radix_sort_pairs(keys, order, count)
        return wp.clone(order[:count]), wp.clone(keys[:count])

    def _launch(self, kernel: Any, count: int, inputs: list[Any], outputs: list[Any], per_thread: int) -> None:
        launch(kernel, count, inputs, outputs, device=self.device, per_thread=per_thread)


@lru_cache(maxsize=1)
def _kernels() -> Any:
    load_warp()
    from . import closest_kernels

    return closest_kernels
