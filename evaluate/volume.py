"""Intersection over union of two solids, from exact labels at seeded points."""

from __future__ import annotations

import numpy as np

from ..geometry.randomness import derive_rng
from ..sampling.inside import label_inside
from .normal_image import surface_of
from .pair import MeshPair, Score
from .surface_points import MetricError


def measure_volume_iou(pair: MeshPair) -> Score:
    """Symmetric, percent: volume inside both over volume inside either, from even points of the box around both.

    Inside is what the generalised winding number says, as for training labels: meshes may be open, nested, overlapping.
    Greater is better.

    Raises:
        MetricError: no point lies inside either.
    """
    meshes = [
        surface_of(pair.predicted_vertices, pair.predicted_faces), surface_of(pair.true_vertices, pair.true_faces)
    ]  # fmt: skip
    low = np.minimum(meshes[0].bounds[0], meshes[1].bounds[0])
    high = np.maximum(meshes[0].bounds[1], meshes[1].bounds[1])
    points = derive_rng(pair.seed, pair.key, "evaluate", "volume").uniform(low, high, (pair.points, 3))
    predicted, true = (label_inside(mesh, points) for mesh in meshes)
    either = int((predicted | true).sum())
    if not either:
        raise MetricError(f"none of {pair.points} points lies inside either mesh: they hold no volume")
    share = int((predicted & true).sum()) / either
    return Score(100.0 * share, 100.0 * float(np.sqrt(share * (1.0 - share) / either)))
