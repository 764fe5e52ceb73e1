"""Pictures for a report: meshes drawn from a camera, colours that show distances, and JPEGs inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
from PIL import Image

from ..core.arrays import F64, U8
from ..core.pictures import over_background
from ..geometry.camera import Camera, camera_of
from ..geometry.mesh import PosedMesh
from ..render.renderer import RendererChoice, open_renderer

CLAY = np.array([205.0, 200.0, 194.0])
# Embree draws the same picture on every machine, and a report needs few pictures.
_RENDERER = RendererChoice("embree", "pictures of a report")


def turned_camera(calibration: F64, turn_deg: float = 0.0) -> Camera:
    """Return the camera of a calibration, turned about the vertical axis through the middle of its cube.

    Args:
        calibration: (4, 4) world metres to view space.
        turn_deg: degrees added to the camera's yaw.
    """
    camera = camera_of(calibration)
    return replace(camera, yaw_deg=(camera.yaw_deg + turn_deg) % 360.0)


def draw_coloured(mesh: PosedMesh, camera: Camera, colours: U8, size: int) -> U8:
    """Draw a mesh with the given colours, without light.

    Args:
        mesh: world metres.
        camera: where it is seen from.
        colours: (V, 3) uint8 display values at the vertices.
        size: edge of the picture in pixels.

    Returns:
        (size, size, 4) uint8 RGBA.
    """
    opaque = np.concatenate([colours, np.full((len(colours), 1), 255, np.uint8)], axis=1)
    painted = PosedMesh(mesh.vertices, mesh.faces, vertex_colours=opaque)
    with open_renderer(_RENDERER, painted, size) as renderer:
        return renderer.albedo(camera)


def clay_colours(mesh: PosedMesh, camera: Camera) -> U8:
    """Return colours of plaster lit by a lamp above and to the left of the camera, (V, 3) uint8 at the vertices."""
    lamp = camera.rotation.T @ np.array([-0.45, -0.55, -0.70])
    shade = 0.28 + 0.72 * np.clip(mesh.vertex_normals @ (lamp / np.linalg.norm(lamp)), 0.0, 1.0)
    colours: U8 = np.rint(shade[:, None] * CLAY).astype(np.uint8)
    return colours


def heat_colours(values: F64, greatest: float) -> U8:
    """Return a colour for each value: blue at 0, over yellow, to dark red at `greatest` and beyond.

    Args:
        values: (V,) at least 0.
        greatest: the value that gets the last colour.

    Returns:
        (V, 3) uint8 display values.
    """
    stops = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    ramp = np.array([[69, 117, 180], [171, 217, 233], [254, 224, 144], [244, 109, 67], [165, 0, 38]], np.float64)
    share = np.clip(values / greatest, 0.0, 1.0)
    return np.stack([np.interp(share, stops, ramp[:, channel]) for channel in range(3)], axis=1).astype(np.uint8)


def data_uri(picture: U8, quality: int = 88) -> str:
    """Encode a picture as a JPEG inside a data URI.

    Args:
        picture: (H, W, 3) uint8, or (H, W, 4) uint8 with straight alpha, which is laid over the page's colour.
        quality: of the JPEG, 1 to 95.
    """
    pixels = over_background(picture) if picture.shape[2] == 4 else picture
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
