"""Metrics of the distances between two surfaces, and of the angles between their normals."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F64
from .pair import MeshPair
from .score import Score, mean_of_two, mean_score

FSCORE_THRESHOLD_M = 0.01


def measure_chamfer(pair: MeshPair) -> Score:
    """Half of (predicted points to true surface + true points to predicted surface), centimetres, not squared.

    The mean of both directional means, as in PIFuHD's evaluator. PyTorch3D's default, the sum of squared distances
    between points, is a different quantity.
    """
    return mean_of_two((measure_p2s(pair), measure_s2p(pair)))


def measure_p2s(pair: MeshPair) -> Score:
    """Predicted points to true surface, centimetres, not squared; the mean over points even by area.

    This is the direction of "P2S" in PIFu and PIFuHD. The code of ICON, ECON and MonoPort measures the opposite
    direction, which is `measure_s2p`.
    """
    return mean_score(pair.predicted_to_true.distances, 100.0)


def measure_s2p(pair: MeshPair) -> Score:
    """True points to predicted surface, centimetres, not squared; the mean over points even by area.

    It increases where the prediction lacks a part, such as an arm, which `measure_p2s` does not detect.
    """
    return mean_score(pair.true_to_predicted.distances, 100.0)


def measure_fscore(pair: MeshPair, threshold_m: float = FSCORE_THRESHOLD_M) -> Score:
    """Both ways, percent: harmonic mean of the shares of predicted and of true points within 1 cm of the other surface.

    Knapitsch et al., "Tanks and Temples", 2017. Greater is better.
    """
    return harmonic_share(pair.predicted_to_true.distances, pair.true_to_predicted.distances, threshold_m)


def harmonic_share(there: F64, back: F64, threshold: float) -> Score:
    """Return the harmonic mean, in percent, of the shares of distances up to a threshold; 0 where both are 0.

    Args:
        there: (N,) distances of predicted points.
        back: (M,) distances of true points.
        threshold: in the unit of the distances.
    """
    precision, recall = mean_score(there <= threshold), mean_score(back <= threshold)
    total = precision.value + recall.value
    if total == 0:
        return Score(0.0, 0.0)
    slopes = 2 * recall.value**2 / total**2, 2 * precision.value**2 / total**2
    error = np.hypot(slopes[0] * precision.standard_error, slopes[1] * recall.standard_error)
    return Score(200.0 * precision.value * recall.value / total, 100.0 * float(error))


def measure_p95(pair: MeshPair) -> Score:
    """Both ways, centimetres, not squared: the greater of the two 95th percentiles of point-to-surface distance."""
    return max(
        (_quantile(found.distances, 0.95) for found in (pair.predicted_to_true, pair.true_to_predicted)),
        key=lambda score: score.value,
    )


def measure_hausdorff(pair: MeshPair) -> Score:
    """Both ways, centimetres, not squared: greatest point-to-surface distance, a lower bound from the points drawn."""
    greatest = max(float(pair.predicted_to_true.distances.max()), float(pair.true_to_predicted.distances.max()))
    return Score(100.0 * greatest, 0.0)


def measure_normal_consistency(pair: MeshPair) -> Score:
    """Both ways, degrees, not squared: mean angle between face normals at a point and at its closest point.

    Faces that are turned over count as 180 degrees. A closest face without area has no normal and counts as 90 degrees.
    """
    predicted, true = (shape.face_normals for shape in pair.shapes)
    there = _angles(predicted[pair.predicted.drawn[1]], true[pair.predicted_to_true.faces])
    back = _angles(true[pair.true.drawn[1]], predicted[pair.true_to_predicted.faces])
    return mean_of_two((mean_score(there), mean_score(back)))


def _quantile(distances: F64, share: float) -> Score:
    ordered, count = np.sort(distances), len(distances)
    # The standard error is half the width of the binomial rank interval of one standard deviation to either side.
    reach = np.sqrt(count * share * (1 - share))
    low, high = (int(np.clip(round(count * share + sign * reach), 0, count - 1)) for sign in (-1, 1))
    return Score(100.0 * float(np.quantile(ordered, share)), 50.0 * float(ordered[high] - ordered[low]))


def _angles(a: F64, b: F64) -> F64:
    angles: F64 = np.degrees(np.arccos(np.clip(np.einsum("ij,ij->i", a, b), -1.0, 1.0)))
    return angles
