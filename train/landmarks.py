"""Landmarks in training: moved as the pictures are, left out, noisy, and now and then with left and right confused."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.checks import check_ranges
from ..datasets.loading.pixels import upload
from ..models.both_ways import exchange_sides
from ..models.person.landmarks import MIRRORED

# The columns of a landmark: x, y, z, visibility, then metres to the right, down and away (models/person/landmarks.py).
_VISIBILITY = 3


@dataclass(frozen=True, kw_only=True)
class LandmarkSettings:
    """How landmarks are given to a network that reads them, in training; validation gives them as they are.

    Attributes:
        left_out: share of the views whose landmarks are left out, so that the network works without them, too.
        noise: greatest standard deviation of the noise of a view's landmarks, in halves of the picture, and in metres;
            each view's is drawn between 0 and this.
        confused: share of the views whose left and right landmarks are exchanged, so that the network does not trust
            them blindly.
    """

    left_out: float = 1 / 3
    noise: float = 0.02
    confused: float = 0.03

    def __post_init__(self) -> None:
        check_ranges(self, left_out=(0.0, 1.0), noise=(0.0, 1.0), confused=(0.0, 1.0))


def move_landmarks(landmarks: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Move landmarks as `augment` moved their pictures, by the change of the calibrations.

    Args:
        landmarks: (B, 33, 7) float32; NaN where they are not known.
        before: (B, 4, 4) calibrations before the change.
        after: (B, 4, 4), A @ before, where A scales, shifts or mirrors the picture.

    Returns:
        (B, 33, 7) float32: places by A, depths scaled as the picture is. In a mirror, metres to the right change their
        sign, and each landmark is called by the name of the other side. Metres stay in their size: the network that
        finds them assumes one.
    """
    change = after.double() @ torch.linalg.inv_ex(before.double()).inverse
    scale = change[:, 2, 2]
    mirror = (change[:, 0, 0] < 0)[:, None, None]
    places = torch.einsum("bij,bnj->bni", change[:, :2, :2], landmarks[..., :2].double()) + change[:, None, :2, 3]
    depths = landmarks[..., 2:3].double() * scale[:, None, None]
    rest = landmarks[..., _VISIBILITY:].double()
    moved = torch.cat([places, depths, rest], dim=2).to(landmarks.dtype)
    return torch.where(mirror, exchange_sides(moved), moved)


def disturb_landmarks(
    landmarks: Tensor, settings: LandmarkSettings, *, rng: np.random.Generator, rows: slice, count: int
) -> Tensor:
    """Leave out, confuse and blur the landmarks of a batch.

    Args:
        landmarks: (B, 33, 7) float32; NaN where they are not known.
        settings: how often, and how much.
        rng: draws for the whole batch of all processes, so that their number does not matter.
        rows: which of the whole batch's `count` items these are.
        count: items of the whole batch.

    Returns:
        (B, 33, 7) float32; NaN where they were not known, or are left out. Visibility has no noise.
    """
    draws = rng.random((count, 3))[rows]
    normal = rng.standard_normal((count, *landmarks.shape[1:]))[rows]
    normal[..., _VISIBILITY] = 0.0
    noise = upload(settings.noise * draws[:, 2, None, None] * normal, landmarks.device)
    left_out, confused = (
        upload(draws[:, place] < share, landmarks.device)[:, None, None]
        for place, share in enumerate((settings.left_out, settings.confused))
    )
    given = torch.where(confused, landmarks[:, list(MIRRORED)], landmarks) + noise
    return torch.where(left_out, math.nan, given)
