"""Mean distance from points on one surface to the other surface, one way."""

from __future__ import annotations

from .metrics.pair import MeshPair, Score, mean_score


def measure_p2s(pair: MeshPair) -> Score:
    """Predicted points to true surface, centimetres, not squared; the mean over points even by area.

    The direction of PIFu's and PIFuHD's "P2S". ICON, ECON and MonoPort's code measure the other way; see `measure_s2p`.
    """
    return mean_score(pair.predicted_to_true.distances, 100.0)


def measure_s2p(pair: MeshPair) -> Score:
    """True points to predicted surface, centimetres, not squared; the mean over points even by area.

    Sees what the prediction lacks (a missing arm), to which `measure_p2s` is blind.
    """
    return mean_score(pair.true_to_predicted.distances, 100.0)
