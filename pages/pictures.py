"""Pictures for the report: meshes drawn from the sides, strips, contact sheets, data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from ..core.arrays import F64, U8
from ..geometry.camera import Camera
from ..geometry.camera import camera_of as camera_of_calibration
from ..geometry.mesh import PosedMesh
from ..render.renderer import RendererChoice, open_renderer

BACKGROUND = (246, 244, 240)
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


def on_background(rgba: U8) -> U8:
    """(H, W, 3) uint8: a straight-alpha picture over the page's colour."""
    alpha = rgba[..., 3:].astype(np.float64) / 255.0
    blended = rgba[..., :3] * alpha + np.array(BACKGROUND, np.float64) * (1.0 - alpha)
    pixels: U8 = np.rint(blended).astype(np.uint8)
    return pixels


def resize(rgba: U8, size: int) -> U8:
    """(size, size, 4) uint8, with alpha premultiplied meanwhile, so that no dark rim appears."""
    if rgba.shape[0] == size:
        return rgba
    alpha = rgba[..., 3:].astype(np.float32) / 255.0
    channels = np.concatenate([rgba[..., :3] * alpha, alpha * 255.0], axis=2).astype(np.float32)
    filter_ = Image.Resampling.BOX if rgba.shape[0] % size == 0 else Image.Resampling.LANCZOS
    scaled = np.stack(
        [np.asarray(Image.fromarray(channels[..., c]).resize((size, size), filter_)) for c in range(4)], axis=2
    )
    cover = np.maximum(scaled[..., 3:], 1e-6) / 255.0
    straight = np.concatenate([scaled[..., :3] / cover, scaled[..., 3:]], axis=2)
    pixels: U8 = np.clip(np.rint(straight), 0, 255).astype(np.uint8)
    return pixels


def used_box(pictures: Sequence[U8], margin: float = 0.04) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of what is drawn in any of the equally large pictures, with a margin."""
    drawn = np.any([picture[..., 3] > 0 for picture in pictures], axis=0)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    height, width = drawn.shape
    if not len(rows):
        return 0, 0, height, width
    room = round(margin * height)
    return (
        max(int(rows[0]) - room, 0),
        max(int(columns[0]) - room, 0),
        min(int(rows[-1]) + room + 1, height),
        min(int(columns[-1]) + room + 1, width),
    )


def crop(picture: U8, box: tuple[int, int, int, int]) -> U8:
    """The part of a picture inside `used_box`'s answer."""
    top, left, bottom, right = box
    return picture[top:bottom, left:right]


def contact_sheet(pictures: Sequence[U8], columns: int, gap: int = 4) -> U8:
    """(H, W, 3) uint8: equally large RGBA pictures in rows."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = on_background(picture)
    return sheet


def data_uri(picture: U8, quality: int = 88) -> str:
    """A JPEG of (H, W, 3) uint8, or of RGBA over the page's colour, as a data URI."""
    pixels = on_background(picture) if picture.shape[2] == 4 else picture
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
