"""The error of normals as pictures show them: four views around both meshes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...core.arrays import F32
from ...geometry.camera import OrthographicCamera
from ...geometry.mesh import PosedMesh
from ...render.layers import render_layers
from .pair import MeshPair, Score, to_array
from .recipes import CUBE_HEIGHT, true_height

NORMAL_YAWS = (0.0, 90.0, 180.0, 270.0)
NORMAL_SIZE = 512


def measure_normal_image(pair: MeshPair) -> Score:
    """Symmetric, no unit, squared: mean over four views and all pixels, background points included, of |n - n'|^2.

    Normals of -1 to 1 at 512 x 512, yaws 0, 90, 180 and 270, smooth as interpolated from the vertices, 0 where nothing
    is; the true body fills 88 % of the height, as in ICON's cube. PIFuHD (which prints the mean times four of colours
    of 0 to 1), ICON (the sum of four) and ECON name the same quantity, but for their rasterisers.
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
    """Symmetric, no unit, squared: mean over pixels of |n - n'|^2 for pictures (H, W, 3) of normals, -1 to 1."""
    difference = np.asarray(to_array(predicted), np.float64) - np.asarray(to_array(true), np.float64)
    return float((difference**2).sum(axis=-1).mean())


def _normals(mesh: PosedMesh, camera: OrthographicCamera) -> F32:
    layers = render_layers(mesh, camera, NORMAL_SIZE, NORMAL_SIZE, ("normal_front",))
    assert layers.normal_front is not None
    return layers.normal_front
