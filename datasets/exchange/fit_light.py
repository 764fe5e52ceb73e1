"""Estimation of the light of a picture whose mesh, colours and camera are known."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F32, F64, U8
from ...geometry.camera import view_to_pixels
from ...geometry.mesh import PosedMesh
from ...geometry.rays import ray_scene
from ...render.light.shading import DISPLAY_GAMMA
from ...sampling.colour import ColourSamples

LIFT = 64.0
# Albedo below and pictures above these display values say little about the light.
DARK, BRIGHT = 0.1, 0.98
LEAST_POINTS = 100
# Weight of the prior that the light is even, relative to one point; it determines what the picture does not.
RIDGE = 1e-3


def fit_light(mesh: PosedMesh, points: ColourSamples, calibration: F64, picture: U8) -> tuple[F32, float]:
    """Fit the light by least squares of (picture / albedo)^2.2 = transfer . light over the points that the camera sees.

    Args:
        mesh: the surface, for occlusion tests.
        points: coloured surface points.
        calibration: (4, 4) orthographic.
        picture: (H, W, 4) uint8.

    Returns:
        (9, 3) float32 light, and the mean absolute error of display values, in [0, 1]; an even white light and NaN
        where fewer than LEAST_POINTS points are seen.
    """
    even = np.zeros((9, 3))
    even[0] = 2.0 * np.sqrt(np.pi)
    view = points.positions @ calibration[:3, :3].T + calibration[:3, 3]
    size = len(picture)
    place = np.rint(view_to_pixels(view, size, size)).astype(np.int64)
    within = ((place >= 0) & (place < size)).all(axis=1)
    pixels = picture[place[:, 0].clip(0, size - 1), place[:, 1].clip(0, size - 1)].astype(np.float64) / 255.0
    towards = -calibration[2, :3] / np.linalg.norm(calibration[2, :3])
    rays = ray_scene(mesh)
    faces_camera = points.normals @ towards > 0.2
    lifted = points.positions + points.normals * (LIFT * rays.resolution_m)
    seen = within & faces_camera & (pixels[:, 3] == 1.0) & ~rays.occluded(lifted, towards)
    seen &= (points.albedo > DARK).all(axis=1) & (pixels[:, :3] < BRIGHT).all(axis=1)
    if seen.sum() < LEAST_POINTS:
        return even.astype(np.float32), float("nan")
    transfer, albedo = points.transfer[seen].astype(np.float64), points.albedo[seen].astype(np.float64)
    wanted = (pixels[seen, :3] / albedo) ** DISPLAY_GAMMA
    normal = transfer.T @ transfer + RIDGE * seen.sum() * np.diag(np.arange(9) > 0)
    light = np.linalg.solve(normal, transfer.T @ wanted)
    shown = albedo * np.maximum(transfer @ light, 0.0) ** (1.0 / DISPLAY_GAMMA)
    return light.astype(np.float32), float(np.abs(shown - pixels[seen, :3]).mean())
