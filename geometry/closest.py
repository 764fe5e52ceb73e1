"""Closest points on a triangle mesh, exact: a hierarchy of boxes on the CPU or a GPU, from one source (warp).

Triangles are put in order along Hilbert's curve and boxed in pairs, the boxes in pairs again. A query takes the
triangles about its own place on the curve for a first guess, then looks into every box that is nearer than the best so
far, the nearer first. Boxes are float32 and wide
enough for its rounding; the distance to a triangle is float64, so that an answer is what float64 brute force would say.
Triangles without area are the segments or points they are.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import MpcError

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.floating]

log = logging.getLogger(__name__)

# Coordinates in the hierarchy lie in [-1, 1]: half a float32 step there is 6e-8.
_MARGIN = 1.2e-7
# Triangles longer than this part of the half diagonal are kept apart, so that they swell no others' box.
_LARGE = 0.05
_CHUNK = 1 << 18  # queries at a time: bounds the memory
_PER_THREAD = 1 << 12  # queries a thread takes at a time


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
        positions, triangles = _checked(vertices, faces)
        wp, kernels = load_warp(), _kernels()
        self.device = str(wp.get_preferred_device()) if device == "auto" else device
        low, high = positions.min(axis=0), positions.max(axis=0)
        self.centre: F64 = (low + high) / 2
        self.scale = float(np.linalg.norm(high - low) / 2) or 1.0
        scaled = wp.array((positions - self.centre) / self.scale, dtype=wp.vec3d, device=self.device)
        indices = wp.array(triangles, dtype=wp.vec3i, device=self.device)
        order, self._keys = self._sorted(kernels.order_triangles, [scaled, indices, _LARGE], len(triangles))
        counts = [-(-len(triangles) // int(kernels.LEAF))]
        while counts[-1] > 1:
            counts.append(-(-counts[-1] // int(kernels.CHILDREN)))
        firsts = [0, *np.cumsum(counts[:-1]).tolist()]
        self._corners = wp.empty(3 * len(triangles), dtype=wp.vec3d, device=self.device)
        self._lows, self._highs = (wp.empty(sum(counts), dtype=wp.vec3, device=self.device) for _ in range(2))
        leaves = [scaled, indices, order, _MARGIN, self._corners, self._lows, self._highs]
        wp.launch(kernels.box_leaves, dim=counts[0], inputs=leaves, device=self.device)
        for level in range(1, len(counts)):
            nodes = [firsts[level - 1], counts[level - 1], firsts[level], self._lows, self._highs]
            wp.launch(kernels.box_nodes, dim=counts[level], inputs=nodes, device=self.device)
        self._face_of = order
        self._firsts, self._counts = (wp.array(n, dtype=wp.int32, device=self.device) for n in (firsts, counts))

    def query(self, points: npt.ArrayLike) -> ClosestPoints:
        """Closest points for queries (N, 3), in the unit of the mesh, N at least 1.

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
        # Neighbours one after the other find the same boxes in the cache.
        order, _ = self._sorted(kernels.order_points, [scaled], len(queries))
        faces = wp.empty(len(queries), dtype=wp.int32, device=self.device)
        feet = wp.empty(len(queries), dtype=wp.vec3d, device=self.device)
        squares = wp.empty(len(queries), dtype=wp.float64, device=self.device)
        tree = [self._lows, self._highs, self._firsts, self._counts, self._corners, self._face_of, self._keys]

        def ask(start: int, count: int) -> None:
            inputs = [*tree, scaled, order, start, faces, feet, squares]
            wp.launch(kernels.closest, dim=count, inputs=inputs, device=self.device)

        threads = usable_threads() if self.device == "cpu" else 1
        if threads > 1 and len(queries) > _PER_THREAD:
            # A kernel runs on one core and lets go of the interpreter meanwhile.
            starts = range(0, len(queries), _PER_THREAD)
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(ask, starts, (min(_PER_THREAD, len(queries) - start) for start in starts)))
        else:
            ask(0, len(queries))
        found: F64 = feet.numpy() * self.scale + self.centre
        distances: F64 = np.sqrt(squares.numpy()) * self.scale
        return ClosestPoints(distances, found, faces.numpy())

    def _sorted(self, kernel: Any, inputs: list[Any], count: int) -> tuple[Any, Any]:
        """Numbers 0 to `count` in the order of the keys that a kernel gives them, and those keys (warp arrays)."""
        wp = load_warp()
        keys, order = (wp.empty(2 * count, dtype=wp.int32, device=self.device) for _ in range(2))
        wp.launch(kernel, dim=count, inputs=[*inputs, keys, order], device=self.device)
        wp.utils.radix_sort_pairs(keys, order, count)
        return wp.clone(order[:count]), wp.clone(keys[:count])


def compile_kernels(device: str = "auto") -> None:
    """Compile what queries on `device` need and keep it in warp's cache on disk; seconds, once a machine."""
    triangle = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    ClosestSurface(triangle, np.array([[0, 1, 2]]), device=device).query(triangle)


def _checked(vertices: npt.ArrayLike, faces: npt.ArrayLike) -> tuple[F64, I32]:
    """Vertices (V, 3) that faces (F, 3) use, and the faces."""
    positions, triangles = np.asarray(vertices, np.float64), np.asarray(faces)
    if positions.ndim != 2 or positions.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ClosestError(f"expected vertices (V, 3) and faces (F, 3), got {positions.shape} and {triangles.shape}")
    if not len(triangles):
        raise ClosestError("the mesh has no faces")
    if triangles.min() < 0 or triangles.max() >= len(positions):
        raise ClosestError(f"faces refer to vertex {int(triangles.max())} of {len(positions)}")
    triangles = np.ascontiguousarray(triangles, np.int32)
    used = np.zeros(len(positions), np.bool_)
    used[triangles] = True
    if not used.all():  # stray vertices must neither move the centre nor be NaN's excuse
        positions, triangles = positions[used], (np.cumsum(used, dtype=np.int32) - 1)[triangles]
    if not np.isfinite(positions).all():
        raise ClosestError("the mesh has coordinates that are not finite (NaN or infinite)")
    return positions, triangles


def usable_threads() -> int:
    """Cores this process may use; worker processes are told by OMP_NUM_THREADS to use one."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return min(int(told), cores) if told.isdigit() and int(told) else cores


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
def _kernels() -> Any:
    load_warp()
    from . import closest_kernels

    return closest_kernels
