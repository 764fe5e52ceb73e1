"""Intersection over union of two sets of points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import to_array
from .metrics.pair import MetricError


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
