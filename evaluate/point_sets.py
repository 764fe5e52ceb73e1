"""Chamfer between sets of points, for what has no surface; between surfaces use chamfer.py."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from .arrays import to_array
from .pair import Score, mean_score
from .surface_points import MetricError


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
        MetricError: an empty set, NaN.
    """
    sets = []
    for points in (first, second):
        array = np.asarray(to_array(points), np.float64).reshape(-1, 3)
        if not len(array) or not np.isfinite(array).all():
            raise MetricError("a set of points is empty, or holds NaN or infinity")
        sets.append(array)
    means = []
    for own, other in ((sets[0], sets[1]), (sets[1], sets[0])):
        distances = cKDTree(other).query(own)[0]
        means.append(mean_score(distances**2 if squared else distances))
    share = 0.5 if halved else 1.0
    return Score(
        share * (means[0].value + means[1].value),
        share * float(np.hypot(means[0].standard_error, means[1].standard_error)),
    )
