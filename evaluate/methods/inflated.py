"""The outline of a person, inflated: every disk that the mask holds becomes a ball about the middle of the cube.

A limb that is seen from its side becomes a round limb, and a disk a ball; nothing is learned, and the colours are not
looked at. It is the shape that the medial axis transform (Blum 1967) of the mask gives where its disks are balls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...core.arrays import F32, F64, Bools
from ...core.pictures import mask_of
from ...models.features import sample_map
from ..settings import EvaluationSettings
from .method import GivenView, Rebuilt, rebuild_field


@dataclass(frozen=True)
class InflatedMask:
    """Fills the balls whose middles lie in the plane z = 0 of view space and whose outlines the mask holds.

    Attributes:
        settings: resolution and the use of the mask.
    """

    settings: EvaluationSettings

    def __call__(self, view: GivenView) -> Rebuilt:
        """See `Method`."""
        thickness = inflate(mask_of(view.picture)) * (2.0 / len(view.picture))
        half = torch.from_numpy(thickness.astype(np.float32))[None, None]

        def occupancy(points_view: F32) -> F32:
            points = torch.from_numpy(points_view)
            reach = sample_map(half, points[None, :, :2])[0, :, 0]
            # Inside above one half; the slope decides nothing, but lets the surface lie between nodes.
            value: F32 = torch.sigmoid((reach - points[:, 2].abs()) * 60.0).numpy()
            return np.where(reach.numpy() > 0, value, np.float32(0.0))

        return rebuild_field(view, self.settings, occupancy)


def inflate(mask: Bools) -> F64:
    """Half the thickness of an inflated mask at each pixel.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) float64 pixels: the greatest sqrt(R(q)^2 - |p - q|^2) over all pixels q, where R(q) is the distance from
        q to the nearest edge of the mask; 0 outside.
    """
    from scipy.ndimage import distance_transform_edt  # slow to import

    squares = np.zeros(mask.shape)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return squares
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # The edge lies half a pixel before the middle of the nearest pixel outside; nobody is outside the picture.
    distance = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][box] - 0.5
    best = np.where(mask[box], distance**2, -np.inf)
    for _ in range(2):  # squared distances are sums over both axes, so one axis is maximised after the other
        place = np.arange(best.shape[1], dtype=np.float64)
        apart = (place[:, None] - place) ** 2
        best = np.stack([(row[None, :] - apart).max(axis=1) for row in best]).T
    squares[box] = np.where(mask[box], np.maximum(best, 0.0), 0.0)
    return np.sqrt(squares)
