"""The error of normals in pictures: four views around both meshes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...core.arrays import F32
from ...geometry.camera import OrthographicCamera
from ...geometry.mesh import PosedMesh
from ...render.layers import render_layers
from .pair import MeshPair, to_array
from .recipes import CUBE_HEIGHT, true_height
from .score import Score

NORMAL_YAWS = (0.0, 90.0, 180.0, 270.0)
NORMAL_SIZE = 512


def measure_normal_image(pair: MeshPair) -> Score:
    """Symmetric, no unit, squared: mean of |n - n'|^2 of smooth normals at all points of four pictures.

    Normals are unit vectors, interpolated between those of the vertices, and 0 in the background, which counts, too.
    Pictures have 512 x 512 pixels and yaws 0, 90, 180 and 270; the true body fills 88 % of the height, as in ICON's
    cube. PIFuHD (which prints four times the mean for colours from 0 to 1), ICON (the sum of four views) and ECON
    report the same quantity, apart from their rasterisers.
    """
    predicted, true = pair.shapes
    low, high = true.bounds
    x, y, z = ((low + high) / 2).tolist()
    extent = true_height(true.vertices) * 2.0 / CUBE_HEIGHT
    errors = []
    for yaw in NORMAL_YAWS:
        camera = OrthographicCamera((x, y, z), extent, yaw)
        errors.append(normal_image_error(*(_normals(mesh, camera) for mesh in (predicted, true))))
    return Score(float(np.mean(errors)), 0.0)


def normal_image_error(predicted: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Symmetric, no unit, squared: mean over pixels of |n - n'|^2.

    Args:
        predicted: (H, W, 3) normals from -1 to 1; 0 in the background.
        true: (H, W, 3), the same.
    """
    difference = np.asarray(to_array(predicted), np.float64) - np.asarray(to_array(true), np.float64)
    return float((difference**2).sum(axis=-1).mean())


def _normals(mesh: PosedMesh, camera: OrthographicCamera) -> F32:
    layers = render_layers(mesh, camera, NORMAL_SIZE, NORMAL_SIZE, ("smooth_normal_front",))
    assert layers.smooth_normal_front is not None
    return layers.smooth_normal_front
