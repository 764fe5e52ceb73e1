"""Intersection over union: of two solids, at random points with exact labels, and of two arrays of labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...sampling.inside import label_inside
from .pair import MeshPair, to_array
from .score import MetricError, Score


def measure_volume_iou(pair: MeshPair) -> Score:
    """Symmetric, percent: volume inside both over volume inside either, from even points of the box around both.

    The generalised winding number decides what is inside, as for training labels, so meshes may be open, nested or
    overlapping. Greater is better.

    Raises:
        MetricError: no point lies inside one of the meshes: it is an open sheet, or far smaller than the box.
    """
    low, high = (
        combine(*(shape.bounds[k] for shape in pair.shapes)) for k, combine in ((0, np.minimum), (1, np.maximum))
    )
    count = pair.sampling.points
    points = pair.sampling.rng("evaluate", "volume").uniform(low, high, (count, 3))
    predicted, true = (label_inside(shape, points) for shape in pair.shapes)
    for name, inside in (("predicted", predicted), ("true", true)):
        if not inside.any():
            raise MetricError(f"none of {count} points lies inside the {name} mesh: it holds no volume")
    either = int((predicted | true).sum())
    share = int((predicted & true).sum()) / either
    return Score(100.0 * share, 100.0 * float(np.sqrt(share * (1.0 - share) / either)))


def measure_iou(predicted: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Symmetric, no unit, in [0, 1]: points inside both over points inside either; 1 where no point is inside.

    Args:
        predicted: (N,) bool.
        true: (N,) bool.

    Raises:
        MetricError: the arrays differ in length, or are empty.
    """
    a, b = np.asarray(to_array(predicted), np.bool_).ravel(), np.asarray(to_array(true), np.bool_).ravel()
    if len(a) != len(b) or not len(a):
        raise MetricError(f"IoU needs as many predicted as true labels, got {len(a)} and {len(b)}")
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0
