"""Colours of a frame's surface from the frame itself: what the camera sees is taken from it, the rest from the network.

As surface/photo.py does for meshes, where the constants and their reasons stand, but without a mesh, and on reduced
pictures, since this is done for every frame. The texture network is evaluated only where the frame does not show the
surface by itself, which from the camera's place is the outline.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from ...core.arrays import F32, Bools
from ...geometry.surface import sample_bilinear
from ...reconstruct.localise.grid import LocalisedGrid
from ...reconstruct.localise.localise import localise
from ...reconstruct.surface.camera_rays import orthographic_rays
from ...reconstruct.surface.direct import render_surface
from ...reconstruct.surface.photo import FACING, GRAZING, HIDDEN_SHARE
from .shots import Surface

# A pixel counts by how far the mask covers the square of so many pixels around it: from COVERED of it, and alone from
# WHOLE of it, since masks of networks are a little less than 1 inside. At a straight outline that is from 0.75 to 1.3
# pixels inside.
SQUARE_PX, COVERED, WHOLE = 3, 0.75, 0.95
# Pixels along each side of the depth map from the camera's place; how far around its pixels something may hide a point.
DEPTH_SIZE, REACH_PX = 256, 1


class FramePaint:
    """The frame of a surface as colours of that surface.

    Args:
        surface: of a frame.
    """

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self._photos: dict[int, F32] = {}
        self._front: F32 | None = None

    def colours(self, points: F32, cosine: F32, network: Callable[[F32], F32], size: float, *, own_place: bool) -> F32:
        """Colours of surface points.

        Args:
            points: (N, 3) in the frame's view space.
            cosine: (N,) of the angle between the normal and the direction to the camera of the frame.
            network: the texture network's colours (M, 3) at points (M, 3).
            size: pixels of the drawn picture that the frame's cube covers along each side.
            own_place: the points are seen along the rays of the frame's own camera: nothing hides them, and its pixels
                are right however the surface is turned.

        Returns:
            (N, 3) float32 display values in [0, 1].
        """
        colours, share = self._photo(points, size)
        if not own_place:
            part = np.clip((cosine - GRAZING) / (FACING - GRAZING), 0.0, 1.0)
            share = np.where(self._is_seen(points), part * part * (3.0 - 2.0 * part) * share, 0.0)
        rest = np.flatnonzero(share < 1.0)
        if len(rest):
            own = network(points[rest])
            colours[rest] = own + (colours[rest] - own) * share[rest, None]
        return colours

    def _photo(self, points: F32, size: float) -> tuple[F32, F32]:
        """What the frame shows at points: colours (N, 3), and how much they count (N,), 0 to 1."""
        picture, framing = self.surface.seen.picture, self.surface.framing
        side = framing.extent_m * framing.pixels_per_metre
        shrunk = max(int(side / size), 1)  # interpolation between four pixels would leave out those between
        if shrunk not in self._photos:
            self._photos[shrunk] = _trusted(np.asarray(Image.fromarray(picture).reduce(shrunk), np.float32))
        photo = self._photos[shrunk]
        height, width = photo.shape[0] * shrunk, photo.shape[1] * shrunk
        uv = np.empty((len(points), 2), np.float32)
        uv[:, 0] = (framing.column + points[:, 0] * (side / 2)) / width
        uv[:, 1] = 1.0 - (framing.row + points[:, 1] * (side / 2)) / height
        values = sample_bilinear(photo, uv, ("clamp", "clamp"))
        return np.ascontiguousarray(values[:, :3]), values[:, 3]

    def _is_seen(self, points: F32) -> Bools:
        """Whether the camera sees points (N, 3)."""
        if self._front is None:
            self._front = self._depth_map()
        place = np.clip((points[:, :2] + 1.0) / 2.0 * DEPTH_SIZE, 0, DEPTH_SIZE - 1).astype(np.int64)
        seen: Bools = points[:, 2] <= self._front[place[:, 1], place[:, 0]] + 2.0 * HIDDEN_SHARE
        return seen

    def _depth_map(self) -> F32:
        """The least depth z of the surface near each pixel, (DEPTH_SIZE, DEPTH_SIZE), from the camera's place."""
        from scipy.ndimage import minimum_filter  # slow to import

        surface = self.surface
        grid: LocalisedGrid | None = surface.grid
        if grid is None:
            grid = localise(surface.view.occupancy, surface.resolution, mode="visible")
        # In the frame's own view space, the camera's rays are the lines along z, whatever its lens.
        rays = orthographic_rays(np.eye(4), np.eye(4), DEPTH_SIZE, DEPTH_SIZE)
        seen = render_surface(grid, surface.view.occupancy, rays, refinements=0)
        depth = np.where(seen.mask, seen.points[..., 2], np.float32(np.inf))
        nearest: F32 = minimum_filter(depth, 2 * REACH_PX + 1)
        return nearest


def _trusted(picture: F32) -> F32:
    """A picture (H, W, 4) of bytes as display values in [0, 1]; in place of alpha, how much each pixel counts."""
    from scipy.ndimage import uniform_filter  # slow to import

    picture = picture / np.float32(255.0)
    # Nobody is outside the picture, so its own edge is an outline, too.
    covered = uniform_filter(np.ascontiguousarray(picture[..., 3]), SQUARE_PX, mode="constant")
    picture[..., 3] = np.clip((covered - COVERED) / (WHOLE - COVERED), 0.0, 1.0)
    return picture
