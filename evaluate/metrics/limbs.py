"""Whether head, hands and feet are there: the parts of a person that a reconstruction loses first."""

from __future__ import annotations

import numpy as np

from ...geometry.labels import PARTS
from .pair import MeshPair
from .score import MetricError, Score

REACH_M = 0.05
LEAST_SHARE = 0.5
# A head is counted with its hair.
LIMBS = {
    "head": ("head", "hair"),
    **{name: (name,) for name in ("left_hand", "right_hand", "left_foot", "right_foot")},
}


def measure_limbs(pair: MeshPair) -> Score:
    """True points to predicted surface, %: head, hands and feet of which half of the points are within 5 cm of it.

    The mean over a person's head (with hair), two hands and two feet of 100 for one that is there and 0 for one that is
    not; parts that the truth does not have do not count. Points are even by area, so "half" is half of the surface.

    Raises:
        MetricError: nobody knows the parts of the true surface, or none of these is among them.
    """
    there = limbs_there(pair)
    return Score(100.0 * float(np.mean(list(there.values()))), 0.0)


def limbs_there(pair: MeshPair) -> dict[str, bool]:
    """Which of the true surface's head, hands and feet are there, by the names of LIMBS; errors as above."""
    if pair.parts is None:
        raise MetricError(
            "limbs: the parts of the true surface are unknown; sample renders of people with labels again"
        )
    near = pair.true_to_predicted.distances <= REACH_M
    part = pair.parts[pair.true.drawn[1]]
    found = {}
    for limb, names in LIMBS.items():
        own = np.isin(part, [PARTS.index(name) for name in names])
        if own.any():
            found[limb] = bool(near[own].mean() >= LEAST_SHARE)
    if not found:
        raise MetricError("limbs: the true surface has no head, hand or foot among its known parts")
    return found
