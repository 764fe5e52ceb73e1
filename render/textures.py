"""Texture filtering in software, as on graphics cards: trilinear samples of a mip-map pyramid (GL 4.6 spec, 8.14)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..core.arrays import F32, I64, U8, Floats

# Square pixels: a triangle that is smaller on the screen counts as seen edge-on.
TINY_AREA = 1e-9


class MipTexture:
    """A texture and its box-filtered halves down to one texel.

    Args:
        texture: (H, W, 4) uint8, row 0 at the top.
    """

    def __init__(self, texture: U8) -> None:
        levels = [np.ascontiguousarray(texture)]
        while max(levels[-1].shape[:2]) > 1:
            levels.append(_half(levels[-1]))
        self._texels = np.concatenate([level.reshape(-1, 4) for level in levels]).view(np.uint32).reshape(-1)
        self._heights = np.array([level.shape[0] for level in levels])
        self._widths = np.array([level.shape[1] for level in levels])
        sizes = self._heights * self._widths
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the full texture."""
        return int(self._widths[0]), int(self._heights[0])

    def sample(self, u: Floats, v: Floats, level: Floats) -> F32:
        """Sample the texture, repeated beyond [0, 1], with texel centres at half integers, linear between levels.

        Args:
            u: (N,) texture coordinates.
            v: (N,) texture coordinates, v up.
            level: (N,) mip-map levels; 0 is full size, k is halved k times.

        Returns:
            (4, N) float32 in [0, 255].
        """
        top_level = len(self._starts) - 1
        level = np.clip(level, 0.0, top_level)
        lower = level.astype(np.int64)
        share = (level - lower).astype(np.float32)
        u = u - np.floor(u)
        v = np.ceil(v) - v
        colours = self._bilinear(u, v, lower)
        between = np.flatnonzero(share > 0)
        coarse = self._bilinear(u[between], v[between], np.minimum(lower[between] + 1, top_level))
        if len(between) == len(share):
            return _mix(colours, coarse, share)
        colours[:, between] = _mix(colours[:, between], coarse, share[between])
        return colours

    def _bilinear(self, u: Floats, v: Floats, level: I64) -> F32:
        width, height, start = self._widths[level], self._heights[level], self._starts[level]
        x, y = u * width - 0.5, v * height - 0.5
        left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        right_share, lower_share = (x - left).astype(np.float32), (y - top).astype(np.float32)
        right, bottom = left + 1, top + 1
        left += width * (left < 0)
        right -= width * (right >= width)
        top = start + width * (top + height * (top < 0))
        bottom = start + width * (bottom - height * (bottom >= height))
        upper = _mix(self._fetch(top + left), self._fetch(top + right), right_share)
        under = _mix(self._fetch(bottom + left), self._fetch(bottom + right), right_share)
        return _mix(upper, under, lower_share)

    def _fetch(self, index: I64) -> F32:
        return self._texels.take(index).view(np.uint8).reshape(-1, 4).T.astype(np.float32, order="C")


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


def _half(level: U8) -> U8:
    height, width = level.shape[:2]
    size = (max(1, width // 2), max(1, height // 2))
    # Each channel separately: Pillow weights the colours of an RGBA picture by alpha, which graphics cards do not.
    bands = [np.asarray(Image.fromarray(level[..., band]).resize(size, Image.Resampling.BOX)) for band in range(4)]
    return np.dstack(bands)


def _mix(first: F32, second: F32, share: F32) -> F32:
    """first + (second - first) * share, computed in place of `second`."""
    second -= first
    second *= share
    second += first
    return second
