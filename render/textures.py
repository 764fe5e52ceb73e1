"""Texture filtering in software as graphics cards do it: a mip-map pyramid, sampled trilinearly (GL 4.6 spec, 8.14)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]


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

    def sample(self, uv: Floats, level: Floats) -> F32:
        """Colours at (N, 2) `uv`, at mip-map levels (N,) (0 full size, k halved k times): (N, 4) float32 in [0, 255].

        Repeats beyond [0, 1], v up, texel centres at half integers; between levels linear.
        """
        top_level = len(self._starts) - 1
        level = np.clip(level, 0.0, top_level)
        lower = np.floor(level).astype(np.int64)
        share = (level - lower).astype(np.float32)[:, None]
        u = uv[:, 0] - np.floor(uv[:, 0])
        v = np.ceil(uv[:, 1]) - uv[:, 1]
        colours = self._bilinear(u, v, lower)
        between = np.flatnonzero(share[:, 0] > 0)
        coarse = self._bilinear(u[between], v[between], np.minimum(lower[between] + 1, top_level))
        colours[between] += (coarse - colours[between]) * share[between]
        return colours

    def _bilinear(self, u: Floats, v: Floats, level: I64) -> F32:
        width, height, start = self._widths[level], self._heights[level], self._starts[level]
        x, y = u * width - 0.5, v * height - 0.5
        left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        right_share = (x - left).astype(np.float32)[:, None]
        lower_share = (y - top).astype(np.float32)[:, None]
        columns = (np.where(left < 0, left + width, left), np.where(left + 1 >= width, left + 1 - width, left + 1))
        rows = (
            start + np.where(top < 0, top + height, top) * width,
            start + np.where(top + 1 >= height, top + 1 - height, top + 1) * width,
        )
        upper = _mix(self._fetch(rows[0] + columns[0]), self._fetch(rows[0] + columns[1]), right_share)
        under = _mix(self._fetch(rows[1] + columns[0]), self._fetch(rows[1] + columns[1]), right_share)
        return _mix(upper, under, lower_share)

    def _fetch(self, index: I64) -> F32:
        return self._texels[index].view(np.uint8).reshape(-1, 4).astype(np.float32)


def mip_level(uv_corners: Floats, pixel_corners: Floats, size: tuple[int, int]) -> F64:
    """The mip-map level at which triangles are sampled: log2 of the texels a pixel's step crosses, the longer way.

    Args:
        uv_corners: (N, 3, 2).
        pixel_corners: (N, 3, 2) the corners on the screen, in pixels.
        size: (width, height) of the texture.

    Returns:
        (N,) float64; negative where magnified; very large for a triangle seen from its edge.
    """
    screen = np.asarray(pixel_corners[:, 1:] - pixel_corners[:, :1], np.float64)
    texels = np.asarray(uv_corners[:, 1:] - uv_corners[:, :1], np.float64) * np.asarray(size, np.float64)
    area = screen[:, 0, 0] * screen[:, 1, 1] - screen[:, 0, 1] * screen[:, 1, 0]
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)[:, None]
    step_x = (texels[:, 0] * screen[:, 1, 1:] - texels[:, 1] * screen[:, 0, 1:]) / area
    step_y = (texels[:, 1] * screen[:, 0, :1] - texels[:, 0] * screen[:, 1, :1]) / area
    squared = np.maximum((step_x**2).sum(axis=1), (step_y**2).sum(axis=1))
    return np.asarray(0.5 * np.log2(np.maximum(squared, 1e-12)), np.float64)


def cut_texture(texture: U8, cutoff: float) -> U8:
    """(H, W, 4) uint8 with alpha 0 below `cutoff` (a share of 255) and 255 from it on, ready to be filtered.

    The colours of holes, often black or white, would bleed into the edges; they are replaced by those around them
    (push and pull over the mip-maps: Gortler et al., "The Lumigraph", 1996, section 3.4).
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
    # Channel by channel: as one RGBA picture Pillow would weigh colours by alpha, which graphics cards do not.
    bands = [np.asarray(Image.fromarray(level[..., band]).resize(size, Image.Resampling.BOX)) for band in range(4)]
    return np.dstack(bands)


def _mix(first: F32, second: F32, share: F32) -> F32:
    mixed: F32 = first + (second - first) * share
    return mixed
