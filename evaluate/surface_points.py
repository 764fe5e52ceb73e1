"""Points drawn evenly over a surface: what sampled distances are averages over."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.compiled import launch, load_warp
from ..geometry.device_mesh import DeviceMesh
from ..geometry.errors import MpcError

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]

_PER_THREAD = 1 << 14


class MetricError(MpcError):
    """A metric that has no value for these meshes: empty, without area, NaN."""


def sample_surface(
    vertices: npt.ArrayLike,  # (V, 3)
    faces: npt.ArrayLike,  # (F, 3)
    count: int,
    *,
    rng: np.random.Generator,
    device: str = "cpu",
) -> tuple[F64, I32]:
    """Draw points independently and uniformly by area; the same on every device, but for rounding.

    Args:
        vertices: any float dtype, finite.
        faces: integers.
        count: N, at least 1.
        rng: sole source of randomness.
        device: see `DeviceMesh`.

    Returns:
        (N, 3) float64 points and (N,) int32 the faces they lie on.

    Raises:
        SurfaceError: no faces, NaN, indices out of range.
        MetricError: no area.
    """
    return draw_points(DeviceMesh(vertices, faces, device=device), count, rng=rng)


def draw_points(mesh: DeviceMesh, count: int, *, rng: np.random.Generator) -> tuple[F64, I32]:
    """`sample_surface` on a mesh that lies on its device already."""
    wp, kernels = load_warp(), _kernels()
    areas = wp.empty(len(mesh), dtype=wp.float64, device=mesh.device)
    triangles = [mesh.vertices, mesh.faces]
    launch(kernels.measure_areas, len(mesh), triangles, [areas], device=mesh.device, per_thread=_PER_THREAD)
    ends = np.cumsum(areas.numpy())  # here, in one order: a GPU's own sums differ from run to run
    if not ends[-1] > 0:
        raise MetricError("the mesh has no area")
    last = int(np.searchsorted(ends, ends[-1]))  # the last face with area
    numbers = np.stack([rng.random(count) for _ in range(3)], axis=1)
    points = wp.empty(count, dtype=wp.vec3d, device=mesh.device)
    chosen = wp.empty(count, dtype=wp.int32, device=mesh.device)
    sums, numbers = (wp.array(n, dtype=t, device=mesh.device) for n, t in ((ends, wp.float64), (numbers, wp.vec3d)))
    inputs = [*triangles, sums, last, numbers, mesh.scale, wp.vec3d(*mesh.centre)]
    launch(kernels.place_points, count, inputs, [points, chosen], device=mesh.device, per_thread=_PER_THREAD)
    return points.numpy(), chosen.numpy()


@lru_cache(maxsize=1)
def _kernels() -> Any:
    load_warp()
    from ..geometry import sample_kernels

    return sample_kernels
