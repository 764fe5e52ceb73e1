"""Cameras: world metres to view space, the cube [-1, 1]^3 with x right, y down, z away from the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OrthographicCamera:
    """A parallel projection of a world cube onto a square picture.

    Attributes:
        centre_world: centre of the cube, metres.
        extent_m: edge of the cube, metres.
        yaw_deg: azimuth of the camera about the vertical axis, from +z (it sees the face) towards +x.
        pitch_deg: elevation of the camera above the horizon.
    """

    centre_world: tuple[float, float, float]
    extent_m: float
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0

    @property
    def rotation(self) -> F64:
        """(3, 3) float64: world directions to camera axes (rows: right, down, away)."""
        yaw, pitch = np.radians(self.yaw_deg), np.radians(self.pitch_deg)
        away = -np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
        return np.stack([right, np.cross(away, right), away])

    @property
    def calibration(self) -> F64:
        """(4, 4) float64: homogeneous world metres to view space."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation * (2.0 / self.extent_m)
        matrix[:3, 3] = -matrix[:3, :3] @ np.asarray(self.centre_world)
        return matrix


def orbit_cameras(
    centre_world: tuple[float, float, float],
    extent_m: float,
    *,
    views: int = 36,
    step_deg: float = 10.0,
    offset_deg: float = 0.0,
    pitch_deg: float = 0.0,
) -> list[OrthographicCamera]:
    """Cameras around the vertical axis, `step_deg` apart, the first at `offset_deg`."""
    return [
        OrthographicCamera(centre_world, extent_m, (offset_deg + step_deg * index) % 360.0, pitch_deg)
        for index in range(views)
    ]


def project(points_world: F64, calibration: F64) -> F64:
    """World points (N, 3), metres, to view space (N, 3) float64."""
    return points_world @ calibration[:3, :3].T + calibration[:3, 3]


def unproject(points_view: F64, calibration: F64) -> F64:
    """View-space points (N, 3) to world metres (N, 3) float64."""
    inverse = np.linalg.inv(calibration).astype(np.float64)
    return points_view @ inverse[:3, :3].T + inverse[:3, 3]


def view_to_pixels(points_view: F64, height: int, width: int) -> F64:
    """View space (N, 3) to (N, 2) float64 (row, column) with pixel centres at whole numbers.

    Pixel (i, j) of an HxW picture has its centre at ((2j+1)/W - 1, (2i+1)/H - 1): `grid_sample` with
    `align_corners=False`.
    """
    column = ((points_view[:, 0] + 1.0) * width - 1.0) * 0.5
    row = ((points_view[:, 1] + 1.0) * height - 1.0) * 0.5
    return np.stack([row, column], axis=1)


def pixel_centres(height: int, width: int) -> F64:
    """(H, W, 2) float64: view-space (x, y) of the centres of all pixels."""
    x = (2.0 * np.arange(width) + 1.0) / width - 1.0
    y = (2.0 * np.arange(height) + 1.0) / height - 1.0
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
