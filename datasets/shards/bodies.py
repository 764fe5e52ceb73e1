"""Bodies that were fitted to the landmarks of the views of shards, in files beside the shards: `bodies/<shard>.npz`.

Of each view (8, S, S) uint16, S = SIDE: depth of the front and of the back, and the normal of each, in the numbers of
layers (datasets/renders/layer_kinds.py), 0 where there is no body. A body has no detail that more pixels would show.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...core.arrays import F32, U16
from ..renders.layer_kinds import MIDDLE, SCALE
from .beside import Beside, NumbersInMemory
from .index import ShardEntry

SIDE = 64
"""Edge of the maps of a body, pixels."""
BODIES = Beside(
    name="bodies", shape=(8, SIDE, SIDE), dtype="uint16", blank=0, command="mpc landmarks --bodies", packed=True
)
FITTED = (
    "fitted_body_depth_front", "fitted_body_depth_back", "fitted_body_normal_front", "fitted_body_normal_back"
)  # fmt: skip
"""Names of the maps among the layers of an item of `ViewDataset`."""


def body_codes(body: F32 | None) -> U16:
    """The numbers of a file from a body (8, S, S) float32, NaN where there is none; None: nobody."""
    if body is None:
        return np.zeros(BODIES.shape, np.uint16)
    shown = np.isfinite(body).all(axis=0)
    codes = np.rint(np.clip(MIDDLE + SCALE * np.where(shown, body, 0.0), 1.0, 65535.0)).astype(np.uint16)
    return np.where(shown, codes, np.uint16(0))


def body_values(codes: U16) -> F32:
    """(8, S, S) float32 of the numbers of a file, NaN where there is no body."""
    values = ((codes.astype(np.float32) - MIDDLE) / SCALE).astype(np.float32)
    return np.where(codes.any(axis=0), values, np.float32(np.nan))


class ViewBodies(NumbersInMemory):
    """The fitted bodies of the views of several shards, in memory: 64 KiB a view.

    Args:
        shards: folder written by `mpc sample`.
        entries: the index's entries of these shards.

    Raises:
        InputError: bodies are missing, or damaged.
    """

    def __init__(self, shards: Path, entries: Sequence[ShardEntry]) -> None:
        super().__init__(BODIES, shards, entries)

    def layers(self, shard: int, row: int) -> dict[str, Tensor]:
        """The maps of a view as layers: depths (1, S, S), NaN outside, and normals (3, S, S), 0 outside."""
        values = torch.from_numpy(body_values(self.of(shard, row)))
        parts = values[0:1], values[1:2], values[2:5].nan_to_num(), values[5:8].nan_to_num()
        return dict(zip(FITTED, parts, strict=True))
