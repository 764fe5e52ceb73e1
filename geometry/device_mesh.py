"""A checked triangle mesh in the memory of a device, for drawing points and finding closest points."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arrays import F64, I32
from ..core.errors import MpcError
from ..core.kernels import find_device, launch, load_warp

_PER_THREAD = 1 << 14  # triangles or points that a thread processes at a time


class SurfaceError(MpcError):
    """A mesh or points that cannot be measured: empty, without area, NaN, or faces with indices out of range."""


class DeviceMesh:
    """Triangles in coordinates of about -1 to 1, on a CPU or a GPU.

    Vertices that no face uses are left out: they do not move the centre and may be NaN.

    Args:
        vertices: (V, 3), any float dtype.
        faces: (F, 3) integers.
        device: "cpu", "cuda", "cuda:1", …; "auto" chooses a GPU where Warp finds one.

    Attributes:
        positions: (V, 3) float64, the vertices that faces use, in the mesh's own unit.
        triangles: (F, 3) int32 into `positions`.
        device: Warp's name of it.
        centre: (3,) float64, middle of the mesh's box, in its own unit.
        scale: half the diagonal of that box, in its own unit; 1 for a single point.
        arrays: `sample_kernels.Triangles` for kernels; its vertices are (vertex - centre) / scale.

    Raises:
        SurfaceError: no faces, other shapes, indices out of range, NaN or infinite coordinates.
    """

    def __init__(self, vertices: npt.ArrayLike, faces: npt.ArrayLike, *, device: str = "auto") -> None:
        self.positions, self.triangles = _checked(vertices, faces)
        columns = np.ascontiguousarray(self.positions.T)
        low, high = columns.min(axis=1), columns.max(axis=1)
        self.centre: F64 = low / 2 + high / 2
        with np.errstate(over="ignore"):
            self.scale = float(np.linalg.norm(high / 2 - low / 2)) or 1.0
        if not np.isfinite(self.scale):
            raise SurfaceError(f"coordinates as great as {np.abs(columns).max():g} are beyond what can be measured")
        self.device = find_device(device)
        wp = load_warp()
        self.arrays = _kernels().Triangles()
        self.arrays.vertices = wp.array((self.positions - self.centre) / self.scale, dtype=wp.vec3d, device=self.device)
        self.arrays.faces = wp.array(self.triangles, dtype=wp.vec3i, device=self.device)

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.triangles)

    @cached_property
    def area_sums(self) -> F64:
        """(F,) float64 running sum of the triangles' areas, in a unit of its own.

        Raises:
            SurfaceError: no triangle has an area.
        """
        areas = load_warp().empty(len(self), dtype=load_warp().float64, device=self.device)
        launch(_kernels().measure_areas, len(self), [self.arrays], [areas], device=self.device, per_thread=_PER_THREAD)
        # Summed on the CPU in a fixed order: a GPU's own sums differ from run to run.
        sums = np.cumsum(areas.numpy())
        if not sums[-1] > 0:
            raise SurfaceError("the mesh has no area")
        return sums

    def draw(self, count: int, *, rng: np.random.Generator) -> tuple[F64, I32]:
        """Draw points independently and uniformly by area; devices differ by rounding only.

        Args:
            count: N.
            rng: sole source of randomness.

        Returns:
            (N, 3) float64 points in the mesh's own unit, and (N,) int32 the faces they lie on.

        Raises:
            SurfaceError: the mesh has no area.
        """
        wp, device = load_warp(), self.device
        sums = wp.array(self.area_sums, dtype=wp.float64, device=device)
        last = int(np.searchsorted(self.area_sums, self.area_sums[-1]))  # the last face with area
        numbers = wp.array(np.stack([rng.random(count) for _ in range(3)], axis=1), dtype=wp.vec3d, device=device)
        points = wp.empty(count, dtype=wp.vec3d, device=device)
        chosen = wp.empty(count, dtype=wp.int32, device=device)
        inputs = [self.arrays, sums, last, numbers, self.scale, wp.vec3d(*self.centre)]
        launch(_kernels().place_points, count, inputs, [points, chosen], device=device, per_thread=_PER_THREAD)
        return points.numpy(), chosen.numpy()


def checked_points(points: npt.ArrayLike) -> F64:
    """Check points (N, 3) and convert them to float64.

    Raises:
        SurfaceError: no points, another shape, NaN or infinite coordinates.
    """
    array = np.asarray(points, np.float64)
    if not array.size:
        raise SurfaceError("no points to measure from")
    if array.ndim != 2 or array.shape[1] != 3:
        raise SurfaceError(f"expected points (N, 3), got {array.shape}")
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        raise SurfaceError(f"{int((~finite).sum())} points are not finite (NaN or infinite)")
    return array


def _checked(vertices: npt.ArrayLike, faces: npt.ArrayLike) -> tuple[F64, I32]:
    """Check a mesh; returns the vertices (V, 3) that its faces use, and the faces (F, 3) into them."""
    try:
        positions, triangles = np.asarray(vertices, np.float64), np.asarray(faces)
    except (TypeError, ValueError) as error:
        raise SurfaceError(f"vertices or faces are no array of numbers ({error})") from error
    if not triangles.size:
        raise SurfaceError("the mesh has no faces")
    if positions.ndim != 2 or positions.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise SurfaceError(f"expected vertices (V, 3) and faces (F, 3), got {positions.shape} and {triangles.shape}")
    if not np.issubdtype(triangles.dtype, np.integer):
        raise SurfaceError(f"expected faces of integers, got {triangles.dtype}")
    least, greatest = int(triangles.min()), int(triangles.max())
    if least < 0 or greatest >= len(positions):
        raise SurfaceError(f"faces refer to vertex {least if least < 0 else greatest} of {len(positions)}")
    triangles = np.ascontiguousarray(triangles, np.int32)
    used = np.zeros(len(positions), np.bool_)
    used[triangles] = True
    if not used.all():
        positions, triangles = positions[used], (np.cumsum(used, dtype=np.int32) - 1)[triangles]
    if not np.isfinite(positions).all():
        raise SurfaceError("the mesh has coordinates that are not finite (NaN or infinite)")
    return positions, triangles


@lru_cache(maxsize=1)
def _kernels() -> Any:
    load_warp()
    from . import sample_kernels

    return sample_kernels
