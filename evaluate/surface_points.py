"""Points drawn evenly over a surface: what sampled distances are averages over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..geometry.errors import MpcError

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]


class MetricError(MpcError):
    """A metric that has no value for these meshes: empty, without area, NaN."""


def sample_surface(
    vertices: npt.ArrayLike,  # (V, 3)
    faces: npt.ArrayLike,  # (F, 3)
    count: int,
    *,
    rng: np.random.Generator,
) -> tuple[F64, I32]:
    """Draw points independently and uniformly by area.

    Args:
        vertices: any float dtype, finite.
        faces: integers.
        count: N, at least 1.
        rng: sole source of randomness.

    Returns:
        (N, 3) float64 points and (N,) int32 the faces they lie on.

    Raises:
        MetricError: no faces, no area, or NaN.
    """
    positions, triangles = np.asarray(vertices, np.float64), np.asarray(faces)
    if not len(triangles):
        raise MetricError("the mesh has no faces")
    a, b, c = (positions[triangles[:, corner]] for corner in range(3))
    (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
    areas = np.sqrt((uy * vz - uz * vy) ** 2 + (uz * vx - ux * vz) ** 2 + (ux * vy - uy * vx) ** 2)
    total = float(areas.sum())
    if not np.isfinite(total):
        raise MetricError("the mesh has coordinates that are not finite (NaN or infinite)")
    if total <= 0:
        raise MetricError("the mesh has no area")
    ends = np.cumsum(areas)
    chosen = np.minimum(np.searchsorted(ends, rng.random(count) * ends[-1], side="right"), len(ends) - 1)
    root, along = np.sqrt(rng.random(count))[:, None], rng.random(count)[:, None]
    # Turk's square-root rule: uniform over a triangle (Graphics Gems, 1990).
    points = (1 - root) * a[chosen] + root * (1 - along) * b[chosen] + root * along * c[chosen]
    return points, chosen.astype(np.int32)
