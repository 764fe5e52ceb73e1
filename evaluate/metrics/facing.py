"""Whether a reconstruction bends to the same side as the truth, seen from where its picture was taken."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F64
from ...geometry.camera import OrthographicCamera
from ...geometry.mesh import PosedMesh
from ...render.layers import render_layers
from .pair import MeshPair
from .score import MetricError, Score

SIZE = 128
# The picture's edge over the greatest extent of the two meshes, so that both are inside of it.
_MARGIN = 1.05


def measure_facing(pair: MeshPair) -> Score:
    """Symmetric, %: 100 where the middle points between front and back of both meshes correlate above 0, else 0.

    A mean over views is the share of them in which a person is not mirrored in depth. The middles are taken at the
    pixels of a picture of 128 x 128 that show both meshes, along the depth of the picture that was reconstructed
    (`MeshPair.depth`; along z for meshes without a picture).

    Raises:
        MetricError: fewer than two pixels show both meshes, or one of them has its middle in a plane across the depth.
    """
    return Score(100.0 if middle_correlation(pair) > 0.0 else 0.0, 0.0)


def middle_correlation(pair: MeshPair) -> float:
    """The correlation that `measure_facing` decides by, from -1 to 1; the same arguments and errors."""
    predicted, true = pair.shapes
    low, high = (np.stack(ends) for ends in zip(predicted.bounds, true.bounds, strict=True))
    lowest, highest = low.min(axis=0), high.max(axis=0)
    extent = float(np.linalg.norm(highest - lowest)) * _MARGIN
    x, y, z = ((lowest + highest) / 2).tolist()
    across, up, along = np.asarray(pair.depth) / np.linalg.norm(pair.depth)
    yaw, pitch = np.degrees(np.arctan2(-across, -along)), np.degrees(np.arcsin(np.clip(-up, -1.0, 1.0)))
    camera = OrthographicCamera((x, y, z), extent, float(yaw), float(pitch))
    middles = [_middles(mesh, camera) for mesh in (predicted, true)]
    both = np.isfinite(middles).all(axis=0)
    values = np.array([middle[both] for middle in middles])
    if values.shape[1] < 2 or (np.ptp(values, axis=1) == 0.0).any():
        raise MetricError("facing: too few pixels show both meshes, or one is flat across the depth of the picture")
    return float(np.corrcoef(values)[0, 1])


def _middles(mesh: PosedMesh, camera: OrthographicCamera) -> F64:
    """(H, W) depth of the middle between the first and the last surface; NaN in the background."""
    layers = render_layers(mesh, camera, SIZE, SIZE, ("depth_front", "depth_back"))
    assert layers.depth_front is not None
    assert layers.depth_back is not None
    middle: F64 = (layers.depth_front.astype(np.float64) + layers.depth_back) / 2
    return middle
