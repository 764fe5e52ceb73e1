"""Cameras: from world metres to view space, the cube [-1, 1]^3 with x right, y down and z away from the camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.arrays import F64

DEFAULT_EXTENT_M = 2.4  # edge of the view cube: a tall adult with an arm raised fits


@dataclass(frozen=True)
class Camera:
    """What orthographic and perspective cameras share: the view cube and the direction of view.

    Attributes:
        centre_world: centre of the cube, metres.
        extent_m: edge of the cube, metres.
        yaw_deg: azimuth of the camera about the vertical axis, from +z (it sees the face) towards +x.
        pitch_deg: elevation of the camera above the horizon.
        roll_deg: rotation of the camera about its own axis, its right towards its down; the picture rotates the other
            way.
    """

    centre_world: tuple[float, float, float]
    extent_m: float
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    @property
    def rotation(self) -> F64:
        """(3, 3) float64: world directions to camera axes (rows: right, down, away)."""
        yaw, pitch, roll = np.radians(self.yaw_deg), np.radians(self.pitch_deg), np.radians(self.roll_deg)
        away = -np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
        down = np.cross(away, right)
        if roll:
            right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
        return np.stack([right, down, away])

    @property
    def calibration(self) -> F64:
        """(4, 4) float64: homogeneous world metres to view space; see `project`."""
        raise NotImplementedError

    def rays(self, xy: F64, *, backwards: bool = False) -> tuple[F64, F64]:
        """The rays through points of the picture.

        Args:
            xy: (N, 2) view-space points.
            backwards: cast from behind the cube towards the camera, which finds the last surface.

        Returns:
            (N, 3) origins, world metres, in front of the cube (behind it if `backwards`).
            Directions away from the camera (towards it if `backwards`), (N, 3), or (3,) where all rays are parallel.
            Their component along the camera's axis is one metre, so that a ray's distance is depth in metres.
        """
        raise NotImplementedError

    def depth_m(self, points_world: F64) -> F64:
        """Depth of points (N, 3), world metres: (N,) metres along the camera's axis from the origins of `rays`."""
        raise NotImplementedError


@dataclass(frozen=True)
class OrthographicCamera(Camera):
    """A parallel projection of a world cube onto a square picture."""

    @property
    def calibration(self) -> F64:
        """(4, 4) float64: homogeneous world metres to view space; the fourth row is (0, 0, 0, 1)."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation * (2.0 / self.extent_m)
        matrix[:3, 3] = -matrix[:3, :3] @ np.asarray(self.centre_world)
        return matrix

    def rays(self, xy: F64, *, backwards: bool = False) -> tuple[F64, F64]:
        """See Camera; the origins lie one cube edge in front of the cube's centre, or behind it if `backwards`."""
        right, down, away = self.rotation
        if backwards:
            away = -away
        middle = np.asarray(self.centre_world) - away * self.extent_m
        return middle + xy @ (np.stack([right, down]) * (self.extent_m / 2)), away

    def depth_m(self, points_world: F64) -> F64:
        """See Camera."""
        return np.asarray((points_world - np.asarray(self.centre_world)) @ self.rotation[2] + self.extent_m)


@dataclass(frozen=True)
class PerspectiveCamera(Camera):
    """A pinhole at the distance from which the cube's middle cross-section exactly fills the picture.

    View space is projective: planes stay planes, and z runs from -1 at half a cube edge in front of the centre to +1 at
    half an edge behind it, with finer steps near the camera. What the picture shows between these depths is a frustum.

    Attributes:
        fov_deg: angle of view across the picture, more than 0 and less than 90.
    """

    fov_deg: float = 40.0

    @property
    def distance_m(self) -> float:
        """Metres from the pinhole to the cube's centre."""
        return float(0.5 * self.extent_m / np.tan(np.radians(self.fov_deg) / 2))

    @property
    def eye_world(self) -> F64:
        """(3,) float64 position of the pinhole, world metres."""
        eye: F64 = np.asarray(self.centre_world) - self.rotation[2] * self.distance_m
        return eye

    @property
    def calibration(self) -> F64:
        """(4, 4) float64: homogeneous world metres to view space; the fourth row gives depth in metres."""
        distance, half = self.distance_m, self.extent_m / 2
        lens = np.zeros((4, 4))
        lens[0, 0] = lens[1, 1] = lens[2, 2] = distance / half
        lens[2, 3] = -(distance + half) * (distance - half) / half
        lens[3, 2] = 1.0
        place = np.eye(4)
        place[:3, :3] = self.rotation
        place[:3, 3] = -self.rotation @ self.eye_world
        matrix: F64 = lens @ place
        return matrix

    def rays(self, xy: F64, *, backwards: bool = False) -> tuple[F64, F64]:
        """See Camera; the origins are the pinhole, or lie one cube edge behind the cube's centre if `backwards`."""
        right, down, away = self.rotation
        directions = away + xy @ (np.stack([right, down]) * (self.extent_m / 2 / self.distance_m))
        if not backwards:
            return np.broadcast_to(self.eye_world, directions.shape), directions
        return self.eye_world + directions * (self.distance_m + self.extent_m), -directions

    def depth_m(self, points_world: F64) -> F64:
        """See Camera."""
        return np.asarray((points_world - self.eye_world) @ self.rotation[2])


@dataclass(frozen=True)
class CroppedCamera(Camera):
    """A square of another camera's picture, drawn as a picture of its own.

    View space follows the square in x and y; z is that of the other camera. `extent_m` is the edge of what the square
    shows at the depth of the cube's centre. Made by `crop_camera`.

    Attributes:
        whole: the other camera.
        middle: view-space x and y of the square's middle in the picture of `whole`; the square may leave that picture.
        share: edge of the square as a share of that picture's, more than 0.
    """

    whole: Camera = field(kw_only=True)
    middle: tuple[float, float] = field(kw_only=True)
    share: float = field(kw_only=True)

    @property
    def calibration(self) -> F64:
        """(4, 4) float64: homogeneous world metres to view space; that of `whole` with x and y of the square."""
        crop = np.diag([1.0 / self.share, 1.0 / self.share, 1.0, 1.0])
        crop[:2, 3] = [-value / self.share for value in self.middle]
        matrix: F64 = crop @ self.whole.calibration
        return matrix

    def rays(self, xy: F64, *, backwards: bool = False) -> tuple[F64, F64]:
        """See Camera; the rays of `whole`."""
        return self.whole.rays(np.asarray(self.middle) + self.share * xy, backwards=backwards)

    def depth_m(self, points_world: F64) -> F64:
        """See Camera; the depth of `whole`."""
        return self.whole.depth_m(points_world)


def crop_camera(whole: Camera, middle: tuple[float, float], share: float) -> CroppedCamera:
    """The camera that sees a square of another one's picture; arguments are attributes of CroppedCamera."""
    angles = (whole.yaw_deg, whole.pitch_deg, whole.roll_deg)
    return CroppedCamera(whole.centre_world, whole.extent_m * share, *angles, whole=whole, middle=middle, share=share)


def orbit_cameras(
    centre_world: tuple[float, float, float],
    extent_m: float,
    *,
    views: int = 36,
    step_deg: float = 10.0,
    offset_deg: float = 0.0,
    pitch_deg: float = 0.0,
) -> list[OrthographicCamera]:
    """Cameras around the vertical axis.

    Args:
        centre_world: centre of their view cube, metres.
        extent_m: edge of the cube, metres.
        views: number of cameras.
        step_deg: yaw between neighbours.
        offset_deg: yaw of the first.
        pitch_deg: elevation of all.
    """
    return [
        OrthographicCamera(centre_world, extent_m, (offset_deg + step_deg * index) % 360.0, pitch_deg)
        for index in range(views)
    ]


def camera_of(calibration: F64) -> OrthographicCamera | PerspectiveCamera:
    """The camera with a given calibration (4, 4); its yaw is in [0, 360), and yaw and roll mix at a pitch of 90."""
    matrix = np.asarray(calibration, np.float64)
    if is_orthographic(matrix):
        extent = 2.0 / float(np.linalg.norm(matrix[0, :3]))
        centre = unproject(np.zeros((1, 3)), matrix)[0]
        return OrthographicCamera(_triple(centre), extent, *angles_of(matrix[:3, :3] * (extent / 2)))
    right, down, away = matrix[0, :3], matrix[1, :3], matrix[3, :3]
    zoom = float(np.linalg.norm(right))  # distance over half an edge
    eye = np.linalg.inv(matrix)[:, 2]
    eye = eye[:3] / eye[3]
    half = -float(matrix[2, 3] + zoom * away @ eye) / (zoom * zoom - 1.0)
    angles = angles_of(np.stack([right / zoom, down / zoom, away]))
    fov = float(2 * np.degrees(np.arctan(1.0 / zoom)))
    return PerspectiveCamera(_triple(eye + away * zoom * half), 2 * half, *angles, fov_deg=fov)


def angles_of(rotation: F64) -> tuple[float, float, float]:
    """(yaw, pitch, roll) in degrees of a rotation in the form of `Camera.rotation`."""
    right, _, away = rotation
    yaw = np.arctan2(-away[0], -away[2])
    pitch = np.arcsin(np.clip(-away[1], -1.0, 1.0))
    level = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
    roll = np.arctan2(right @ np.cross(away, level), right @ level)
    return float(np.degrees(yaw) % 360.0), float(np.degrees(pitch)), float(np.degrees(roll))


def _triple(point: F64) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])


def is_orthographic(calibration: F64 | Sequence[Sequence[float]]) -> bool:
    """Whether a calibration's fourth row is (0, 0, 0, 1)."""
    return bool(np.array_equal(np.asarray(calibration)[3], (0.0, 0.0, 0.0, 1.0)))


def project(points_world: F64, calibration: F64) -> F64:
    """Transform world points (N, 3), metres, to view space (N, 3) float64.

    With a perspective calibration x, y and z are divided by the depth from the pinhole, which must be positive.
    """
    view: F64 = points_world @ calibration[:3, :3].T + calibration[:3, 3]
    if is_orthographic(calibration):
        return view
    view /= (points_world @ calibration[3, :3] + calibration[3, 3])[:, None]
    return view


def unproject(points_view: F64, calibration: F64) -> F64:
    """Transform view-space points (N, 3) to world metres (N, 3) float64."""
    return project(points_view, np.linalg.inv(calibration).astype(np.float64))


def view_to_pixels(points_view: F64, height: int, width: int) -> F64:
    """Convert view-space points (N, 3) to (N, 2) float64 (row, column), with pixel centres at whole numbers.

    Pixel (i, j) of an HxW picture has its centre at ((2j+1)/W - 1, (2i+1)/H - 1): `grid_sample` with
    `align_corners=False`.
    """
    column = ((points_view[:, 0] + 1.0) * width - 1.0) * 0.5
    row = ((points_view[:, 1] + 1.0) * height - 1.0) * 0.5
    return np.stack([row, column], axis=1)


def pixel_centres(height: int, width: int) -> F64:
    """View-space (x, y) of the centres of all pixels: (H, W, 2) float64."""
    x = (2.0 * np.arange(width) + 1.0) / width - 1.0
    y = (2.0 * np.arange(height) + 1.0) / height - 1.0
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
