"""A view's calibration as the intrinsic and extrinsic parts that camera files of other toolkits hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64
from ...core.errors import SettingsError
from ...geometry.camera import is_orthographic, unproject

# A calibration whose axes miss a right angle, or equal lengths, by more than this is no camera of these.
SKEW = 1e-6


@dataclass(frozen=True, eq=False)
class Lens:
    """A camera in OpenCV's axes: a point p is seen at pixels focal * (x, y) / z + principal, (x, y, z) = R (p - eye).

    An orthographic camera does not divide by z, and its focal length is in pixels per metre.

    Attributes:
        rotation: (3, 3) world to camera; its rows are right, down and away.
        eye: (3,) world metres; of an orthographic camera the middle of the view cube's nearest side.
        focal: across and down, pixels (pixels per metre).
        principal: across and down, pixels from the upper left corner of the picture, where the first pixel begins.
        orthographic: whether rays are parallel.
    """

    rotation: F64
    eye: F64
    focal: tuple[float, float]
    principal: tuple[float, float]
    orthographic: bool


def lens_of(calibration: F64, size: int) -> Lens:
    """Take a calibration (4, 4) apart, for square pictures of `size` pixels.

    Raises:
        SettingsError: it is sheared or mirrored.
    """
    half = size / 2.0
    if is_orthographic(calibration):
        rows, depth = calibration[:2, :3] * half, calibration[2, :3]
        eye = unproject(np.array([[0.0, 0.0, -1.0]]), calibration)[0]
        principal = np.array([half, half])
    else:
        # Pixels times depth are linear in the point: half * (x + w), where x / w is the view-space coordinate.
        pixels = half * (calibration[:2] + calibration[3])
        depth = calibration[3, :3]
        matrix = np.concatenate([pixels, calibration[3:]]) / np.linalg.norm(depth)
        eye = -np.linalg.solve(matrix[:, :3], matrix[:, 3])
        principal = matrix[:2, :3] @ matrix[2, :3]
        rows = matrix[:2, :3] - principal[:, None] * matrix[2, :3]
    focal = np.linalg.norm(rows, axis=1)
    rotation = np.concatenate([rows / focal[:, None], depth[None] / np.linalg.norm(depth)])
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > SKEW or np.linalg.det(rotation) < 0:
        raise SettingsError("a sheared or mirrored camera cannot be written")
    return Lens(
        np.asarray(rotation, np.float64),
        np.asarray(eye, np.float64),
        (float(focal[0]), float(focal[1])),
        (float(principal[0]), float(principal[1])),
        is_orthographic(calibration),
    )
