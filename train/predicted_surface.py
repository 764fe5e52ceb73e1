"""Where the texture stage asks for colours: on the surface that a surface network predicts, or around the true one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..datasets.loading.pixels import upload
from ..models.features import PixelFeatures

# Places along each normal at which the occupancy is asked for; a crossing between two of them is interpolated.
PLACES = 7


class Occupancy(Protocol):
    """What is asked of a surface network."""

    def query(self, features: PixelFeatures, points: Tensor, calibrations: Tensor) -> Tensor:
        """Occupancy (B, N) at world points (B, N, 3)."""


def move_to_surface(
    surface: Occupancy, features: PixelFeatures, points: Tensor, normals: Tensor, calibrations: Tensor, reach_m: float
) -> Tensor:
    """Move points of the true surface along their normals to where a surface network has its surface.

    When a mesh is coloured, the texture network is asked on the predicted surface, 1 to 3 cm off the true one, and one
    that was trained on the true one alone has not learned what to answer there. PIFu (Saito et al., ICCV 2019) moves
    points by a random distance for this; here they move by the surface network's own error.

    Args:
        surface: the surface network.
        features: from its `encode`.
        points: (B, N, 3) on the true surface, world metres.
        normals: (B, N, 3) outward, unit.
        calibrations: (B, 4, 4) world to view space.
        reach_m: greatest distance that a point moves.

    Returns:
        (B, N, 3): the nearest place where the occupancy falls below one half along the normal; the point itself where
        there is none within reach.
    """
    batch, count, _ = points.shape
    steps = torch.linspace(-reach_m, reach_m, PLACES, device=points.device)
    places = points[:, :, None] + steps[:, None] * normals[:, :, None]
    values = surface.query(features, places.reshape(batch, -1, 3), calibrations).reshape(batch, count, PLACES).float()
    low, high = values[..., :-1], values[..., 1:]
    leaves = (low > 0.5) & (high <= 0.5)
    share = ((low - 0.5) / (low - high).clamp(min=1e-6)).clamp(0.0, 1.0)
    distance = steps[:-1] + share * (steps[1:] - steps[:-1])
    nearest = torch.where(leaves, distance.abs(), torch.inf).argmin(dim=-1, keepdim=True)
    moved = torch.where(leaves, distance, 0.0).gather(-1, nearest)
    return points + moved * normals


def scatter_along_normals(
    points: Tensor, normals: Tensor, sigma_m: float, *, rng: np.random.Generator, rows: slice, count: int
) -> Tensor:
    """Move points of the true surface along their normals by a random distance, so that colour is learned around it.

    Saito et al., ICCV 2019, section 3.3; the distance is normal, as in the loaders of PIFu and MonoPort.

    Args:
        points: (B, N, 3) on the true surface, world metres.
        normals: (B, N, 3) outward, unit.
        sigma_m: standard deviation of the distance.
        rng: draws for the whole batch of all processes, so that their number does not matter.
        rows: which of the whole batch's `count` items these are.
        count: items of the whole batch.
    """
    drawn = rng.standard_normal((count, points.shape[1], 1), dtype=np.float32)[rows]
    return points + upload(sigma_m * drawn, points.device) * normals
