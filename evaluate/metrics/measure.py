"""All figures of one pair of meshes, aligned first if wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy.typing as npt

from ...core.randomness import derive_rng
from .align import align
from .pair import MeshPair, Score
from .protocols import find_protocol


def measure_pair(
    pair: MeshPair,
    protocol: str = "mpc",
    metrics: Sequence[str] | None = None,
    alignment: str = "none",
    *,
    depth: npt.ArrayLike = (0.0, 0.0, 1.0),
) -> dict[str, Score]:
    """Scores by metric name.

    Args:
        pair: prediction and truth, metres.
        protocol: see evaluate/metrics/protocols.py.
        metrics: names; None for the protocol's own.
        alignment: see evaluate/metrics/align.py.
        depth: (3,) direction of the alignment "z".

    Raises:
        SettingsError: an unknown name.
        MetricError, SurfaceError: these meshes have no such figure.
    """
    chosen = find_protocol(protocol).choose(metrics)
    if alignment != "none":
        pair = align_pair(pair, alignment, depth=depth)
    return {metric.name: metric.measure(pair) for metric in chosen}


def align_pair(pair: MeshPair, alignment: str, *, depth: npt.ArrayLike = (0.0, 0.0, 1.0)) -> MeshPair:
    """The pair with its prediction moved onto the truth."""
    matrix = align(
        pair.predicted_vertices, pair.predicted_faces, pair.true_vertices, pair.true_faces, alignment,
        depth=depth, rng=derive_rng(pair.seed, pair.key, "align"), device=pair.device,
    )  # fmt: skip
    vertices = pair.predicted_surface.positions @ matrix[:3, :3].T + matrix[:3, 3]
    mesh = None if pair.predicted_mesh is None else pair.predicted_mesh.transformed(matrix)
    return replace(pair, predicted_vertices=vertices, predicted_mesh=mesh, shared={})
