"""The maps of a picture and of its mirror image, averaged: what a network sees in one alone is not seen in both.

Networks are trained with mirrored pictures, and yet do not predict mirrored maps of them exactly. The mean of both is
nearer to the truth, above all where one of them takes the front for the back (docs/reconstruction.md).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .features import PixelFeatures
from .maps import MAPS
from .person.landmarks import MIRRORED
from .surface import SurfaceNetwork

# Of landmarks: the metres to the right. Of maps: x of the normals of the front and of the back.
_METRES_RIGHT, _NORMALS_RIGHT = 4, (2, 5)


def encode_both_ways(
    network: SurfaceNetwork, images: Tensor, landmarks: Tensor | None = None, body: Tensor | None = None
) -> PixelFeatures:
    """Encode pictures together with their mirror images; the arguments are those of `SurfaceNetwork.encode`.

    Returns:
        The features of the pictures with the maps, depths and normals of both sides, as the mean of both; other
        features, which have no mirror images, are those of the pictures. Of encoders that predict no maps: what
        `SurfaceNetwork.encode` returns.
    """
    if not network.config.predicts_maps:
        return network.encode(images, landmarks, body)
    both = network.encode(
        torch.cat([images, images.flip(-1)]),
        None if landmarks is None else torch.cat([landmarks, mirror_landmarks(landmarks)]),
        None if body is None else torch.cat([body, mirror_maps(body)]),
    )
    stack, mirrored = both.stacks[-1].chunk(2)
    maps = (stack[:, :MAPS] + mirror_maps(mirrored[:, :MAPS])) / 2
    fine = None if both.fine is None else both.fine[: len(images)]
    return replace(both.last(), stacks=(torch.cat([maps, stack[:, MAPS:]], dim=1),), fine=fine)


def mirror_landmarks(landmarks: Tensor) -> Tensor:
    """Landmarks (B, 33, 7) as they are in the mirror images."""
    mirrored = exchange_sides(landmarks)
    mirrored[..., 0] *= -1.0
    return mirrored


def exchange_sides(landmarks: Tensor) -> Tensor:
    """Landmarks (B, 33, 7) whose places are mirrored already: with the names of the other side and mirrored metres."""
    exchanged = landmarks[:, list(MIRRORED)]
    exchanged[..., _METRES_RIGHT] *= -1.0
    return exchanged


def mirror_maps(maps: Tensor) -> Tensor:
    """Maps (B, 8, H, W), depths and normals of both sides, in the mirror: normals to the right point to the left."""
    mirrored = maps.flip(-1)
    mirrored[:, _NORMALS_RIGHT] *= -1.0
    return mirrored
