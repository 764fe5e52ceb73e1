"""Pictures for the report: meshes drawn from the sides, strips, contact sheets, data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
from PIL import Image

from ..core.arrays import F64, U8
from ..core.pictures import on_background
from ..geometry.camera import Camera
from ..geometry.camera import camera_of as camera_of_calibration
from ..geometry.mesh import PosedMesh
from ..render.renderer import RendererChoice, open_renderer

CLAY = np.array([205.0, 200.0, 194.0])
# Embree draws the same on every machine, and a report needs few pictures.
_RENDERER = RendererChoice("embree", "pictures of a report")


def camera_of(calibration: F64, turn_deg: float = 0.0) -> Camera:
    """The camera of a calibration (4, 4), turned `turn_deg` further about the vertical through the middle."""
    camera = camera_of_calibration(calibration)
    return replace(camera, yaw_deg=(camera.yaw_deg + turn_deg) % 360.0)


def draw_coloured(mesh: PosedMesh, camera: Camera, colours: U8, size: int) -> U8:
    """(size, size, 4) uint8: a mesh with display colours (V, 3) uint8 at its vertices, unlit."""
    opaque = np.concatenate([colours, np.full((len(colours), 1), 255, np.uint8)], axis=1)
    painted = PosedMesh(mesh.vertices, mesh.faces, vertex_colours=opaque)
    with open_renderer(_RENDERER, painted, size) as renderer:
        return renderer.albedo(camera)


def clay_colours(mesh: PosedMesh, camera: Camera) -> U8:
    """(V, 3) uint8: plaster under a lamp at the camera's upper left."""
    lamp = camera.rotation.T @ np.array([-0.45, -0.55, -0.70])
    shade = 0.28 + 0.72 * np.clip(mesh.vertex_normals @ (lamp / np.linalg.norm(lamp)), 0.0, 1.0)
    colours: U8 = np.rint(shade[:, None] * CLAY).astype(np.uint8)
    return colours


def heat_colours(values: F64, greatest: float) -> U8:
    """(V, 3) uint8 for values (V,) from 0 (pale blue) over yellow to `greatest` and beyond (dark red)."""
    stops = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    ramp = np.array([[69, 117, 180], [171, 217, 233], [254, 224, 144], [244, 109, 67], [165, 0, 38]], np.float64)
    share = np.clip(values / greatest, 0.0, 1.0)
    return np.stack([np.interp(share, stops, ramp[:, channel]) for channel in range(3)], axis=1).astype(np.uint8)


def data_uri(picture: U8, quality: int = 88) -> str:
    """A JPEG of (H, W, 3) uint8, or of RGBA over the page's colour, as a data URI."""
    pixels = on_background(picture) if picture.shape[2] == 4 else picture
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
