"""Chamfer distance between sets of points, for data without a surface; for meshes use `measure_chamfer`."""

from __future__ import annotations

import numpy.typing as npt
from scipy.spatial import cKDTree

from ...geometry.device_mesh import checked_points
from .pair import to_array
from .score import Score, mean_of_two, mean_score


def measure_point_chamfer(
    first: npt.ArrayLike,  # (N, 3)
    second: npt.ArrayLike,  # (M, 3)
    *,
    squared: bool = False,
    halved: bool = True,
) -> Score:
    """Both ways, in the points' unit, squared only with `squared=True`: mean distance to the nearest other point.

    It is greater than the distance between the surfaces that the points were drawn from, and never 0 for two draws of
    one surface. PyTorch3D's `chamfer_distance` is `squared=True, halved=False`.

    Args:
        first: one set of points.
        second: the other set of points, in the same unit.
        squared: average squared distances.
        halved: return the mean of both directions instead of their sum.

    Raises:
        SurfaceError: a set is empty, has another shape, or holds NaN.
    """
    sets = [checked_points(to_array(points)) for points in (first, second)]
    means = []
    for own, other in ((sets[0], sets[1]), (sets[1], sets[0])):
        distances = cKDTree(other).query(own)[0]
        means.append(mean_score(distances**2 if squared else distances))
    return mean_of_two(means, 0.5 if halved else 1.0)
