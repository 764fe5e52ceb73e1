"""The Chamfer distance between two surfaces, from points to the exact surface both ways."""

from __future__ import annotations

from .metrics.pair import MeshPair, Score, mean_of_two
from .p2s import measure_p2s, measure_s2p


def measure_chamfer(pair: MeshPair) -> Score:
    """Half of (predicted points to true surface + true points to predicted surface), centimetres, not squared.

    The mean of both directional means, as in PIFuHD's evaluator. PyTorch3D's default is the sum of squared distances
    between points, which is another quantity.
    """
    return mean_of_two((measure_p2s(pair), measure_s2p(pair)))
