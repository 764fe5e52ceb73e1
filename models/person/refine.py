"""Refines a coarse mask at the picture's own size."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label, uniform_filter

from ...core.arrays import F32, F64, U8

# Where the coarse mask is below this, nothing is refined.
LEAST = 0.01
SMOOTHNESS = 1e-3
# Radius of the filter in cells of the coarse mask: the filter must reach over the uncertain border.
RADIUS_CELLS = 2.1
# Parts of a mask hang together where it is above this.
STRAY_LEVEL = 0.25
# Rec. 601, as for the brightness of display values everywhere.
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32) / np.float32(255)


def refine_mask(picture: U8, mask: F32, cell_px: float) -> F32:
    """Move the border of a mask to the edges of the picture near it.

    The guided filter (He, Sun, Tang, "Guided Image Filtering", ECCV 2010, equations 5 and 6): around each pixel, the
    mask is replaced by the linear function of the brightness that fits it best.

    Args:
        picture: (H, W, 3) uint8.
        mask: (H, W) float32, 0 to 1.
        cell_px: side of a cell of the map that the mask was interpolated from, pixels of the picture.

    Returns:
        (H, W) float32, 0 to 1.
    """
    radius = max(2, round(RADIUS_CELLS * cell_px))
    rows, columns = np.flatnonzero((mask > LEAST).any(axis=1)), np.flatnonzero((mask > LEAST).any(axis=0))
    refined = np.zeros_like(mask)
    if not len(rows):
        return refined
    box = tuple(slice(max(int(one[0]) - 2 * radius, 0), int(one[-1]) + 2 * radius + 1) for one in (rows, columns))
    guide, target = picture[box] @ _BRIGHTNESS, mask[box]
    refined[box] = np.clip(guided_filter(guide, target, radius, SMOOTHNESS), 0, 1)
    return refined


def drop_strays(mask: F32, points: F64) -> F32:
    """Drop parts of a mask that are neither its largest part nor hold a point of the person.

    Args:
        mask: (H, W) float32, 0 to 1.
        points: (N, 2) column and row of points of the person, pixels; those outside of the picture do not count.

    Returns:
        (H, W) float32.
    """
    above = mask > STRAY_LEVEL
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if not len(rows):
        return mask
    top, left = int(rows[0]), int(columns[0])
    box = slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1)
    parts, count = label(above[box])
    if count < 2:
        return mask
    height, width = parts.shape
    places = points - (left, top)
    inside = ((places >= 0) & (places < (width, height))).all(axis=1)
    columns, rows = places[inside].astype(np.int64).T
    kept = np.zeros(count + 1, np.bool_)
    kept[parts[rows, columns]] = True
    kept[1 + np.argmax(np.bincount(parts.ravel())[1:])] = True
    kept[0] = True  # below the level: the soft edge of what is kept
    cleaned = mask.copy()
    cleaned[box] = np.where(kept[parts], mask[box], np.float32(0))
    return cleaned


def guided_filter(guide: F32, target: F32, radius: int, smoothness: float) -> F32:
    """The guided filter of a grey picture.

    Args:
        guide: (H, W) float32, the picture.
        target: (H, W) float32, what is filtered.
        radius: of the square windows, pixels; beyond an edge the picture is mirrored.
        smoothness: variance of the guide below which a window counts as flat (epsilon of equation 5).

    Returns:
        (H, W) float32.
    """

    def mean(values: F32) -> F32:
        averaged: F32 = uniform_filter(values, 2 * radius + 1)
        return averaged

    guide_mean, target_mean = mean(guide), mean(target)
    slope = (mean(guide * target) - guide_mean * target_mean) / (mean(guide * guide) - guide_mean**2 + smoothness)
    filtered: F32 = mean(slope) * guide + mean(target_mean - slope * guide_mean)
    return filtered
