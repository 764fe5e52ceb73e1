"""The ceiling of methods that predict depth maps: the true ones, and the rule that fills what lies between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...core.arrays import F32
from ...geometry.camera import camera_of
from ...models.features import sample_map
from ...models.head import rule_logit
from ...render.layers import render_layers
from ..settings import EvaluationSettings
from .method import GivenView, Rebuilt, rebuild_field


@dataclass(frozen=True)
class TrueDepth:
    """Draws front and back of the true surface in the picture's size and fills what lies between and in the outline.

    It looks at the truth: no network with maps of this size whose head adds nothing to the rule can do better.

    Attributes:
        settings: resolution and the use of the mask.
    """

    settings: EvaluationSettings

    def __call__(self, view: GivenView) -> Rebuilt:
        """See `Method`."""
        size = len(view.picture)
        layers = render_layers(view.truth, camera_of(view.calibration), size, size, ("depth_front", "depth_back"))
        assert layers.depth_front is not None
        assert layers.depth_back is not None
        alpha = view.picture[..., 3].astype(np.float32) / np.float32(255.0)
        maps = np.stack([spread_outwards(layers.depth_front), spread_outwards(layers.depth_back), alpha])
        stack = torch.from_numpy(maps)[None]

        def occupancy(points_view: F32) -> F32:
            points = torch.from_numpy(points_view)
            front, back, shown = sample_map(stack, points[None, :, :2])[0].unbind(-1)
            values: F32 = torch.sigmoid(rule_logit(points[:, 2] - front, back - points[:, 2], shown)).numpy()
            return values

        return rebuild_field(view, self.settings, occupancy)


def spread_outwards(depth: F32) -> F32:
    """Fill pixels (H, W) that are NaN with the value of the nearest that is not; 0 where all are.

    A map of a network has values there, too, and between the middles of pixels the values of both sides are mixed.
    """
    from scipy.ndimage import distance_transform_edt  # slow to import

    empty = ~np.isfinite(depth)
    if empty.all():
        return np.zeros_like(depth)
    rows, columns = distance_transform_edt(empty, return_distances=False, return_indices=True)
    filled: F32 = depth[rows, columns]
    return filled
