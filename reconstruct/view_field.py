"""A trained pair of networks and one picture as fields over view space: occupancy and colour at any point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..geometry.errors import MpcError
from ..models.features import PixelFeatures
from ..models.images import normalise_images
from ..models.storage import LoadedRun

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

# Points a call on the texture network; its features are wider than the surface network's.
COLOUR_BATCH = 1 << 15


@dataclass(frozen=True, eq=False)
class ViewField:
    """What the networks believe about the person in one picture; encoded once, asked anywhere.

    Attributes:
        run: the networks.
        surface_features, texture_features: of the picture; the latter None without a texture network.
    """

    run: LoadedRun
    surface_features: PixelFeatures
    texture_features: PixelFeatures | None

    def occupancy(self, points_view: F32) -> F32:
        """Occupancy (N,) float32 in [0, 1] at view-space points (N, 3)."""
        with torch.inference_mode():
            points, identity = self._inputs(points_view)
            values = self.run.surface.query(self.surface_features, points, identity)
            answer: F32 = values[0].float().cpu().numpy()
            return answer

    def colours(self, points_view: F32) -> F32:
        """Display colours (N, 3) float32 in [0, 1] at view-space points (N, 3), under the picture's light.

        Raises:
            MpcError: the run has no texture network.
        """
        if self.run.texture is None or self.texture_features is None:
            raise MpcError(f"{self.run.folder}: has no texture network, only a surface network")
        parts = [np.zeros((0, 3), np.float32)]
        with torch.inference_mode():
            for first in range(0, len(points_view), COLOUR_BATCH):
                points, identity = self._inputs(points_view[first : first + COLOUR_BATCH])
                values = self.run.texture.query(self.texture_features, self.surface_features, points, identity)
                parts.append(values[0].float().cpu().numpy())
        return np.concatenate(parts)

    def _inputs(self, points_view: F32) -> tuple[Tensor, Tensor]:
        # The networks take world points and a calibration; for points already in view space it is the identity.
        points = torch.from_numpy(np.ascontiguousarray(points_view, np.float32))[None].to(self.run.device)
        return points, torch.eye(4, device=self.run.device)[None]


def encode_view(run: LoadedRun, image: U8) -> ViewField:
    """Encode one picture.

    Args:
        run: from `load_run`.
        image: (H, W, 4) uint8 RGBA, sRGB, straight alpha, of the size the run was trained on.

    Raises:
        MpcError: another shape or dtype.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4:
        raise MpcError(f"the picture is {image.dtype} {image.shape}, expected uint8 (H, W, 4)")
    with torch.inference_mode():
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(run.device)
        pictures = normalise_images(pixels)
        texture = None if run.texture is None else run.texture.encode(pictures)
        return ViewField(run, run.surface.encode(pictures).last(), texture)
