"""Chamfer between sets of points, for what has no surface; between surfaces use chamfer.py."""

from __future__ import annotations

import numpy.typing as npt
from scipy.spatial import cKDTree

from ...geometry.device_mesh import checked_points
from .pair import Score, mean_of_two, mean_score, to_array


def measure_point_chamfer(
    first: npt.ArrayLike,  # (N, 3)
    second: npt.ArrayLike,  # (M, 3)
    *,
    squared: bool = False,
    halved: bool = True,
) -> Score:
    """Both ways, in the points' unit, not squared unless asked: mean distance to the nearest point of the other set.

    Half the sum of the two directional means, or with `halved=False` their sum (PyTorch3D: squared and the sum). It
    is greater than the distance of the surfaces that the points were drawn from, and never 0 for two draws.

    Raises:
        SurfaceError: an empty set, another shape, NaN.
    """
    sets = []
    for points in (first, second):
        sets.append(checked_points(to_array(points)))
    means = []
    for own, other in ((sets[0], sets[1]), (sets[1], sets[0])):
        distances = cKDTree(other).query(own)[0]
        means.append(mean_score(distances**2 if squared else distances))
    return mean_of_two(means, 0.5 if halved else 1.0)
