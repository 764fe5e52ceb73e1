"""Intersection over union of two solids, from exact labels at seeded points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...core.randomness import derive_rng
from ...sampling.inside import label_inside
from .pair import MeshPair, MetricError, Score, to_array


def measure_volume_iou(pair: MeshPair) -> Score:
    """Symmetric, percent: volume inside both over volume inside either, from even points of the box around both.

    Inside is what the generalised winding number says, as for training labels: meshes may be open, nested, overlapping.
    Greater is better.

    Raises:
        MetricError: no point lies inside one of them: an open sheet, or a mesh far smaller than the box.
    """
    low, high = (
        combine(*(shape.bounds[k] for shape in pair.shapes)) for k, combine in ((0, np.minimum), (1, np.maximum))
    )
    points = derive_rng(pair.seed, pair.key, "evaluate", "volume").uniform(low, high, (pair.points, 3))
    predicted, true = (label_inside(shape, points) for shape in pair.shapes)
    for name, inside in (("predicted", predicted), ("true", true)):
        if not inside.any():
            raise MetricError(f"none of {pair.points} points lies inside the {name} mesh: it holds no volume")
    either = int((predicted | true).sum())
    share = int((predicted & true).sum()) / either
    return Score(100.0 * share, 100.0 * float(np.sqrt(share * (1.0 - share) / either)))


def measure_iou(predicted: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Symmetric, no unit, in [0, 1]: points inside both over points inside either, for bool arrays (N,).

    1 where nothing is inside either.

    Raises:
        MetricError: different lengths, or no points.
    """
    a, b = np.asarray(to_array(predicted), np.bool_).ravel(), np.asarray(to_array(true), np.bool_).ravel()
    if len(a) != len(b) or not len(a):
        raise MetricError(f"IoU needs as many predicted as true labels, got {len(a)} and {len(b)}")
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0
