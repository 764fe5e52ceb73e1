"""Draw small pictures of a person, front and side, in a fraction of a second: to look at, not to train on."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ...core.arrays import F64, U8
from ...geometry.camera import OrthographicCamera
from ...geometry.mesh import PosedMesh
from ...geometry.rays import RayScene
from ...geometry.surface import albedo_at
from ...render.cutouts import first_visible

SIZE = 160
YAWS_DEG = (0.0, 90.0)
MARGIN = 1.06
BACKGROUND = 244
AMBIENT = 0.35  # share of ambient light; the rest is a lamp at the camera, which shows folds


def thumbnail(mesh: PosedMesh, size: int = SIZE) -> U8:
    """Draw a person from +z (from the front, where the facing is right) and from +x, as large as fits.

    Args:
        mesh: the surface, world metres.
        size: edge of each view, pixels.

    Returns:
        (size, 2 size, 3) uint8 RGB.
    """
    low, high = mesh.bounds
    centre = (low + high) / 2
    # The edge is the larger of the height and the horizontal diagonal, so that both views have one scale.
    extent = float(max(high[1] - low[1], np.hypot(high[0] - low[0], high[2] - low[2]))) * MARGIN
    scene = RayScene(mesh)
    views = [_view(mesh, scene, (centre[0], centre[1], centre[2]), extent, yaw, size) for yaw in YAWS_DEG]
    return np.concatenate(views, axis=1)


def encode_jpeg(picture: U8) -> bytes:
    """Encode a picture as JPEG, a few kilobytes for a page."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=82)
    return stream.getvalue()


def _view(
    mesh: PosedMesh, scene: RayScene, centre: tuple[float, float, float], extent: float, yaw: float, size: int
) -> U8:
    right, down, away = OrthographicCamera(centre, extent, yaw).rotation
    steps = ((2.0 * np.arange(size) + 1.0) / size - 1.0) * (extent / 2)
    across, along = np.meshgrid(steps, steps)
    origins: F64 = np.asarray(centre) + across.reshape(-1, 1) * right + along.reshape(-1, 1) * down - away * extent
    hits = first_visible(mesh, scene, origins, away)
    seen = np.flatnonzero(hits.hit)
    picture = np.full((size * size, 3), BACKGROUND, np.uint8)
    if len(seen):
        faces = hits.face[seen]
        facing = np.abs(mesh.face_normals[faces] @ away)[:, None]
        colour = albedo_at(mesh, faces, hits.weights()[seen])[:, :3]
        picture[seen] = np.rint(255.0 * colour * (AMBIENT + (1.0 - AMBIENT) * facing)).astype(np.uint8)
    return picture.reshape(size, size, 3)
