"""What a camera sees of a panorama that is infinitely far away: the surroundings behind a person.

A pixel shows the panorama in the direction of its ray. The rays of an orthographic camera all have one direction; such
a camera sees what a pinhole of ORTHOGRAPHIC_FOV in its direction does, which fits no place exactly and every person.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.arrays import F64, U8
from ..geometry.camera import Camera, CroppedCamera, OrthographicCamera, PerspectiveCamera, pixel_centres
from .light.harmonics import yaw_rotation
from .light.panoramas import panorama_coordinates
from .textures import MipTexture

ORTHOGRAPHIC_FOV = 40.0


def panorama_texture(panorama: U8) -> MipTexture:
    """A panorama (H, W, 3) uint8, sRGB, to draw views of; it closes at its left and right edges."""
    opaque = np.full((*panorama.shape[:2], 1), 255, np.uint8)
    return MipTexture(np.concatenate([panorama, opaque], axis=2), ("repeat", "clamp"))


def draw_panorama(texture: MipTexture, camera: Camera, size: int, yaw_rad: float = 0.0) -> U8:
    """Draw what a camera sees of a panorama.

    Args:
        texture: of `panorama_texture`.
        camera: any camera.
        size: edge of the picture, pixels.
        yaw_rad: the panorama's turn about the vertical axis, from +z towards +x, as that of a light.

    Returns:
        (size, size, 3) uint8 sRGB. Where a pixel covers many of the panorama's, these are averaged.
    """
    directions, angle = panorama_rays(camera, pixel_centres(size, size).reshape(-1, 2))
    u, v = panorama_coordinates(directions @ yaw_rotation(yaw_rad))
    # Columns of the panorama in a pixel of the picture's middle; at its border a pixel covers less of them.
    columns = angle * 2.0 / size * texture.size[0] / (2.0 * np.pi)
    level = np.full(len(u), max(0.0, float(np.log2(max(columns, 1e-9)))))
    colours = texture.sample(u, v, level)
    picture: U8 = np.rint(colours.T).astype(np.uint8).reshape(size, size, 3)
    return picture


def panorama_rays(camera: Camera, xy: F64) -> tuple[F64, float]:
    """The directions in which a camera sees a panorama.

    Args:
        camera: any camera.
        xy: (N, 2) view-space points.

    Returns:
        (N, 3) unit vectors in the world, and the tangent of the angle from the picture's middle to its edge.
    """
    lens = _pinhole(camera)
    rays = np.asarray(lens.rays(xy)[1], np.float64)
    share = lens.share if isinstance(lens, CroppedCamera) else 1.0
    whole = lens.whole if isinstance(lens, CroppedCamera) else lens
    assert isinstance(whole, PerspectiveCamera)
    tangent = float(np.tan(np.radians(whole.fov_deg) / 2))
    return rays / np.linalg.norm(rays, axis=1, keepdims=True), tangent * share


def _pinhole(camera: Camera) -> Camera:
    if isinstance(camera, CroppedCamera):
        return replace(camera, whole=_pinhole(camera.whole))
    if isinstance(camera, OrthographicCamera):
        angles = (camera.yaw_deg, camera.pitch_deg, camera.roll_deg)
        return PerspectiveCamera(camera.centre_world, camera.extent_m, *angles, fov_deg=ORTHOGRAPHIC_FOV)
    return camera
