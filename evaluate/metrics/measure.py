"""Measure one pair of meshes with the metrics of a protocol, after aligning the prediction where that is requested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...geometry.device_mesh import DeviceMesh
from .align import align, transform
from .pair import MeshPair
from .protocols import find_protocol
from .score import Score


def measure_pair(
    pair: MeshPair,
    protocol: str = "mpc",
    metrics: Sequence[str] | None = None,
    alignment: str = "none",
    *,
    depth: npt.ArrayLike = (0.0, 0.0, 1.0),
) -> dict[str, Score]:
    """Measure a prediction against the truth.

    Args:
        pair: prediction and truth, metres.
        protocol: name of a protocol, see evaluate/metrics/protocols.py.
        metrics: names; None for the protocol's own choice.
        alignment: how the prediction is moved first, see evaluate/metrics/align.py.
        depth: (3,) direction of the depth of the picture, which the alignment "z" moves along and `facing` looks along.

    Returns:
        Scores by metric name.

    Raises:
        SettingsError: a name does not exist.
        MetricError: a metric has no value for these meshes.
        SurfaceError: an aligned mesh has no area.
    """
    chosen = find_protocol(protocol).choose(metrics)
    x, y, z = np.asarray(depth, np.float64).tolist()
    pair = replace(pair, depth=(x, y, z))
    if alignment != "none":
        pair = align_pair(pair, alignment, depth=depth)
    return {metric.name: metric.measure(pair) for metric in chosen}


def align_pair(pair: MeshPair, alignment: str, *, depth: npt.ArrayLike = (0.0, 0.0, 1.0)) -> MeshPair:
    """Return the pair with its prediction moved onto the truth; arguments as for `measure_pair`."""
    predicted = pair.predicted
    matrix = align(predicted.mesh, pair.true.mesh, alignment, depth=depth, rng=pair.sampling.rng("align"))
    mesh = DeviceMesh(transform(matrix, predicted.mesh.positions), predicted.mesh.triangles, device=pair.device)
    coloured = None if predicted.coloured is None else predicted.coloured.transformed(matrix)
    return replace(pair, predicted=replace(predicted, mesh=mesh, coloured=coloured))
