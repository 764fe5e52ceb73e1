"""Rays of a camera in the view space of a reconstructed picture: a description that devices compute them from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...core.arrays import F64
from ...geometry.camera import is_orthographic

# In a perspective view space, rays from far away start at this distance before the middle of the cube.
BEFORE_CUBE = 4.0


@dataclass(frozen=True, eq=False)
class Rays:
    """Straight lines in the view space of the reconstructed picture, one for each pixel of another camera.

    They are kept as a description: devices compute each ray where it is needed.

    Attributes:
        height: pixels.
        width: pixels.
        heads: (4, 3) float64: times (column, row, 1), a ray's first point in homogeneous view space.
        steps: (4, 3) float64: the same for the vector from its first to a second point.
        least: the least weight of homogeneous points in the cube; None: the view space is orthographic.
        to_pixels: (3, 4) float64, takes homogeneous view-space points to (column, row, 1) times a positive weight, with
            pixel centres at integers; the weight is not positive behind the camera.
    """

    height: int
    width: int
    heads: F64
    steps: F64
    least: float | None
    to_pixels: F64

    @property
    def origins(self) -> F64:
        """(H, W, 3) the points of depth 0: the camera's pinhole or plane.

        In a perspective view space, a ray that begins behind that space's own pinhole or far from the cube starts at a
        point before the cube.
        """
        return self._lines[0]

    @property
    def directions(self) -> F64:
        """(H, W, 3) unit vectors along the rays."""
        return self._lines[1]

    @cached_property
    def _lines(self) -> tuple[F64, F64]:
        """Origins and directions, as `ray_of` in draw_state.py computes them.

        With a perspective calibration, view space holds only what lies in front of its pinhole. A ray that begins
        behind the pinhole comes in from infinity; it then starts before the cube. A ray that never comes in front of
        the pinhole is replaced by one that misses the cube.
        """
        row, column = np.mgrid[0 : self.height, 0 : self.width].reshape(2, -1)
        at = np.stack([column, row, np.ones_like(row)]).astype(np.float64)
        heads, steps = (self.heads @ at).T, (self.steps @ at).T
        if self.least is None:
            origins, directions = heads[:, :3], steps[:, :3]
            directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        else:
            weight, change = heads[:, 3], steps[:, 3]
            # The derivative of heads / weight, times the square of the weight, is constant along the line.
            directions = steps[:, :3] * weight[:, None] - heads[:, :3] * change[:, None]
            directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-300)
            behind, never = weight < self.least, (weight < self.least) & (change <= 0)
            ahead = np.where(behind & ~never, (self.least - weight) / np.where(behind & ~never, change, 1.0), 0.0)
            moved = heads + ahead[:, None] * steps
            origins = moved[:, :3] / np.where(never, 1.0, moved[:, 3])[:, None]
            along = (origins * directions).sum(axis=1)
            # Move distant origins close to the cube, which reaches to 1.73 from its middle, but not into it.
            origins += np.maximum(-BEFORE_CUBE - along, 0.0)[:, None] * directions
            origins[never], directions[never] = (0.0, 0.0, BEFORE_CUBE), (0.0, 0.0, 1.0)
        shape = self.height, self.width, 3
        return origins.reshape(shape), directions.reshape(shape)


def orthographic_rays(calibration: F64, camera_calibration: F64, height: int, width: int) -> Rays:
    """Rays of an orthographic camera, in the view space of a field.

    Args:
        calibration: (4, 4) world metres to the field's view space.
        camera_calibration: (4, 4) world metres to the camera's view space; its rays start at z = -2, before the cube.
        height: of the picture to draw, pixels.
        width: of the picture to draw, pixels.
    """
    # The ends of rays are linear in (column, row, 1): first in the camera's view space, then in the world.
    centres = np.array([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 0], [0, 0, 1]])
    starts, ends = centres.copy(), centres.copy()
    starts[2, 2], ends[2, 2] = -2.0, 2.0
    to_world = np.linalg.inv(camera_calibration)
    # view space of the field -> world -> view space of the camera -> pixels
    turn = camera_calibration @ np.linalg.inv(calibration)
    scale = np.array([[width / 2, 0, 0, (width - 1) / 2], [0, height / 2, 0, (height - 1) / 2], [0, 0, 0, 1]])
    return _rays(to_world @ starts, to_world @ ends, calibration, scale @ turn, (height, width))


def perspective_rays(calibration: F64, world_to_camera: F64, focal_px: float, height: int, width: int) -> Rays:
    """Rays of a pinhole camera whose principal point is in the middle of the picture, in the view space of a field.

    Args:
        calibration: (4, 4) world metres to the field's view space.
        world_to_camera: (4, 4) rigid, world metres to camera metres; x right, y down, z away from the camera.
        focal_px: focal length, pixels.
        height: of the picture to draw, pixels.
        width: of the picture to draw, pixels.
    """
    inverse = np.linalg.inv(world_to_camera)
    starts = np.zeros((4, 3))
    starts[:, 2] = inverse[:, 3]
    away = np.array(
        [[1 / focal_px, 0, (0.5 - width / 2) / focal_px], [0, 1 / focal_px, (0.5 - height / 2) / focal_px], [0, 0, 1]]
    )
    ends = starts + np.vstack([inverse[:3, :3] @ away, np.zeros(3)])
    lens = np.array([[focal_px, 0, (width - 1) / 2, 0], [0, focal_px, (height - 1) / 2, 0], [0, 0, 1, 0]])
    to_pixels = lens @ world_to_camera @ np.linalg.inv(calibration)
    return _rays(starts, ends, calibration, to_pixels, (height, width))


def _rays(starts: F64, ends: F64, calibration: F64, to_pixels: F64, shape: tuple[int, int]) -> Rays:
    """Take the world lines through starts and ends, (4, 3) each, to view space, where they are straight as well."""
    least = None
    if not is_orthographic(calibration):
        corners = np.array([(x, y, z, 1.0) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        least = float((1.0 / (corners @ np.linalg.inv(calibration)[3])).min())
    return Rays(*shape, calibration @ starts, calibration @ (ends - starts), least, to_pixels)
