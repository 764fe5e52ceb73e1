"""Landmarks of the person as a further input of an encoder: one vector for the whole picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import without_autocast
from .unet import zero_

POINTS, VALUES = 33, 7
"""Landmarks of a person, and numbers of each; person/landmarks.py says which."""
_HIDDEN = 96


class LandmarkVector(nn.Module):
    """Makes the vector that is added to every cell where a U-net begins.

    Landmarks that are not known are zeros, and a further input says that they are not, so that one network serves both
    cases. What is added is zero at first: a network that starts from one without landmarks goes on where that was.

    Args:
        numbers: length of the narrow vector in the middle, all that the rest of the network learns of the landmarks.
        width: channels of the cells.
    """

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Linear(POINTS * VALUES + 1, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, numbers))
        # Only this layer starts from zero. Were the one before it zero, too, neither would ever have a gradient.
        self.enter = zero_(nn.Linear(numbers, width))

    def forward(self, landmarks: Tensor | None, batch: int) -> Tensor:
        """(batch, width) from landmarks (batch, 33, 7); NaN in those of a person who has none, None for nobody."""
        weight = self.enter.weight
        if landmarks is None:
            landmarks = torch.full((batch, POINTS, VALUES), torch.nan, device=weight.device)
        # bfloat16 has 8 bits of mantissa, 1/256 of the picture, so positions stay float32 under autocast.
        with without_autocast(weight.device):
            flat = landmarks.to(weight.device, weight.dtype).flatten(1)
            known = torch.isfinite(flat).all(dim=1, keepdim=True)
            given = torch.cat([torch.where(known, flat, 0.0), known.to(flat.dtype)], dim=1)
            vector: Tensor = self.enter(self.narrow(given))
        return vector
