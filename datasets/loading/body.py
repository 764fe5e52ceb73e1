"""The body below the clothes of a view, as one stack of maps, from the layers of an item or a batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..shards.bodies import FITTED
from .layers import PREFIX

KNOWN = ("body_depth_front", "body_depth_back", "body_normal_front", "body_normal_back")
"""Layers of the known body (`mpc render --layers`), in the order of the channels of a body (models/body.py)."""


def body_maps(item: Mapping[str, Tensor]) -> Tensor | None:
    """The body of an item of `ViewDataset`, or of a batch.

    Args:
        item: "layers/<name>" (..., 1 or 3, H, W) of KNOWN, or of FITTED, which comes first.

    Returns:
        (..., 8, H, W) float32: depths of front and back in view space, and their normals in camera axes; NaN where
        there is no body. None where the item holds neither.
    """
    for names in (FITTED, KNOWN):
        if all(PREFIX + name in item for name in names):
            maps = torch.cat([item[PREFIX + name].float() for name in names], dim=-3)
            shown = torch.isfinite(maps).all(dim=-3, keepdim=True)
            return torch.where(shown, maps, torch.nan)
    return None
