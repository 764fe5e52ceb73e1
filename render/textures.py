"""Mip-maps for both renderers, and their trilinear samples in software as on graphics cards (GL 4.6 spec, 8.14).

Each level is averaged from the one before as it was before rounding. A level that is rounded to 8 bits and averaged
again, half up, as Pillow and Mesa do, becomes brighter by 0.5 of 255 with each level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.arrays import F32, I64, U8, U16, U32, U64, Array, Floats
from ..geometry.mesh import Wrap
from ..geometry.surface import wrap_coordinates

# Halved levels hold 16 bits a channel: values in [0, 255] times SCALE, so that 255 becomes 65535.
SCALE = 257
# Square pixels: a triangle that is smaller on the screen counts as seen edge-on.
TINY_AREA = 1e-9


class MipTexture:
    """A texture and its box-filtered halves down to one texel.

    Args:
        texture: (H, W, 4) uint8, row 0 at the top.
        wrap: what it shows beyond [0, 1] along u and v.
    """

    def __init__(self, texture: U8, wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")) -> None:
        self._wrap = wrap
        levels: list[U8 | U16] = [texture, *mip_levels(texture)]
        self._full = np.ascontiguousarray(texture).reshape(-1, 4).view(np.uint32).reshape(-1)
        smaller = [level.reshape(-1, 4) for level in levels[1:]] or [np.zeros((0, 4), np.uint16)]
        self._smaller = np.concatenate(smaller).view(np.uint64).reshape(-1)
        self._heights = np.array([level.shape[0] for level in levels])
        self._widths = np.array([level.shape[1] for level in levels])
        # The smaller levels follow one another; the full one lies by itself, as the 8-bit texture that it is.
        sizes = (self._heights * self._widths)[1:]
        self._starts = np.concatenate([[0, 0], np.cumsum(sizes)[:-1]]) if len(sizes) else np.zeros(1, np.int64)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the full texture."""
        return int(self._widths[0]), int(self._heights[0])

    def sample(self, u: Floats, v: Floats, level: Floats) -> F32:
        """Sample the texture, wrapped beyond [0, 1], with texel centres at half integers, linear between levels.

        Args:
            u: (N,) texture coordinates.
            v: (N,) texture coordinates, v up.
            level: (N,) mip-map levels; 0 is full size, k is halved k times.

        Returns:
            (3, N) float32 colours in [0, 255]; alpha decides holes elsewhere (render/cutouts.py).
        """
        top_level = len(self._starts) - 1
        level = np.clip(level, 0.0, top_level)
        lower = level.astype(np.int64)
        share = (level - lower).astype(np.float32)
        u, v = wrap_coordinates(u, v, self._wrap)
        colours = self._bilinear(u, v, lower)
        between = np.flatnonzero(share > 0)
        coarse = self._bilinear(u[between], v[between], np.minimum(lower[between] + 1, top_level))
        if len(between) == len(share):
            return _mix(colours, coarse, share)
        colours[:, between] = _mix(colours[:, between], coarse, share[between])
        return colours

    def _bilinear(self, u: Floats, v: Floats, level: I64) -> F32:
        full = level == 0
        if full.all():
            return self._filtered(u, v, level, self._full)
        if not full.any():
            return self._filtered(u, v, level, self._smaller)
        colours = np.empty((3, len(level)), np.float32)
        for chosen, texels in ((np.flatnonzero(full), self._full), (np.flatnonzero(~full), self._smaller)):
            colours[:, chosen] = self._filtered(u[chosen], v[chosen], level[chosen], texels)
        return colours

    def _filtered(self, u: Floats, v: Floats, level: I64, texels: U32 | U64) -> F32:
        """Bilinear samples of levels that all lie in `texels`: (3, N) float32 in [0, 255]."""
        width, height, start = self._widths[level], self._heights[level], self._starts[level]
        x, y = u * width - 0.5, v * height - 0.5
        left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        right_share, lower_share = (x - left).astype(np.float32), (y - top).astype(np.float32)
        right, bottom = left + 1, top + 1
        # What lies beyond an edge is the opposite one of a texture that repeats, else the edge itself.
        across, down = (side == "repeat" for side in self._wrap)
        left += (width if across else 1) * (left < 0)
        right -= (width if across else 1) * (right >= width)
        top = start + width * (top + (height if down else 1) * (top < 0))
        bottom = start + width * (bottom - (height if down else 1) * (bottom >= height))
        upper = _mix(_fetch(texels, top + left), _fetch(texels, top + right), right_share)
        under = _mix(_fetch(texels, bottom + left), _fetch(texels, bottom + right), right_share)
        colours = _mix(upper, under, lower_share)
        if texels.itemsize == 8:
            colours *= np.float32(1.0 / SCALE)
        return colours


def mip_levels(texture: U8) -> list[U16]:
    """The smaller levels of a texture: averages of two by two texels, down to one texel (see `_half` for odd edges).

    Args:
        texture: (H, W, 4) uint8.

    Returns:
        (H', W', 4) uint16 arrays, SCALE times the value in [0, 255], each rounded once. Channels are averaged
        separately; graphics cards do not weight colours by alpha either.
    """
    levels: list[U16] = []
    exact: U8 | F32 = texture
    while max(exact.shape[:2]) > 1:
        exact = _half(exact)
        levels.append(np.rint(exact * np.float32(SCALE)).astype(np.uint16))
    return levels


def mip_level(texel_steps: Sequence[Floats], pixel_steps: Sequence[Floats]) -> F32:
    """The mip-map level of triangles: log2 of the texels per pixel, along the axis of the screen with more of them.

    Args:
        texel_steps: four arrays (N,): x and y of the step from corner 0 to corner 1, and to corner 2, in texels.
        pixel_steps: four arrays (N,): the same on the screen, in pixels.

    Returns:
        (N,) float32; negative where the texture is magnified, very large for a triangle seen edge-on.
    """
    u1, v1, u2, v2 = texel_steps
    x1, y1, x2, y2 = pixel_steps
    area = x1 * y2 - x2 * y1
    area = np.where(np.abs(area) < TINY_AREA, TINY_AREA, area)
    along_x = (u1 * y2 - u2 * y1) ** 2 + (v1 * y2 - v2 * y1) ** 2
    along_y = (u2 * x1 - u1 * x2) ** 2 + (v2 * x1 - v1 * x2) ** 2
    squared = np.maximum(along_x, along_y) / (area * area)
    return np.asarray(0.5 * np.log2(np.maximum(squared, 1e-12)), np.float32)


def cut_texture(texture: U8, cutoff: float) -> U8:
    """Make the alpha of a texture binary: 0 below `cutoff` and 255 from it on.

    The colours of holes, often black or white, would bleed into the edges when filtered. They are replaced by those
    around them (push and pull over the mip-maps: Gortler et al., "The Lumigraph", 1996, section 3.4).

    Args:
        texture: (H, W, 4) uint8.
        cutoff: in [0, 1].

    Returns:
        (H, W, 4) uint8.
    """
    solid = (texture[..., 3] >= cutoff * 255.0).astype(np.float32)[..., None]
    pyramid = [np.concatenate([texture[..., :3] * solid, solid], axis=-1)]
    while min(pyramid[-1].shape[:2]) > 1:
        fine = pyramid[-1][: pyramid[-1].shape[0] // 2 * 2, : pyramid[-1].shape[1] // 2 * 2]
        pyramid.append(0.25 * (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]))
    filled = pyramid[-1]
    for level in reversed(pyramid[:-1]):
        rows = np.minimum(np.arange(level.shape[0]) // 2, filled.shape[0] - 1)
        columns = np.minimum(np.arange(level.shape[1]) // 2, filled.shape[1] - 1)
        filled = np.where(level[..., 3:] > 0, level, filled[rows][:, columns])
    colours = filled[..., :3] / np.maximum(filled[..., 3:], 1e-6)
    return np.concatenate([np.rint(colours), solid * 255.0], axis=-1).astype(np.uint8)


def _half(level: U8 | F32) -> F32:
    """The averages of a picture (H, W, 4) over equal parts, half as many along both axes, in floats."""
    if level.shape[0] % 2 == 0 and level.shape[1] % 2 == 0:
        wide = np.uint16 if level.dtype == np.uint8 else np.float32
        rows: Array = np.add(level[::2].astype(wide), level[1::2].astype(wide))
        return np.asarray((rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25), np.float32)
    return _half_rows(_half_rows(level.astype(np.float32)).swapaxes(0, 1)).swapaxes(0, 1)


def _half_rows(level: F32) -> F32:
    """The averages over equal parts of the rows, half as many (an odd number less one): 2, or 2 + 1 / parts rows."""
    count, parts = len(level), len(level) // 2
    if parts == 0:
        return level
    if count % 2 == 0:
        return (level[::2] + level[1::2]) * np.float32(0.5)
    part = np.arange(parts, dtype=np.float32)[:, None, None]
    first, middle, last = level[:-1:2], level[1::2], level[2::2]
    return np.asarray((first * (parts - part) + middle * np.float32(parts) + last * (part + 1)) / count, np.float32)


def _fetch(texels: U32 | U64, index: I64) -> F32:
    """(3, N) float32 colours of texels whose channels are 8 or 16 bits, as stored."""
    channel = np.uint8 if texels.itemsize == 4 else np.uint16
    return texels.take(index).view(channel).reshape(-1, 4).T[:3].astype(np.float32, order="C")


def _mix(first: F32, second: F32, share: F32) -> F32:
    """first + (second - first) * share, computed in place of `second`."""
    second -= first
    second *= share
    second += first
    return second
