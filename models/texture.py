"""The texture network: it predicts the colour of a point on the surface, including the back, which is not seen."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..core.settings import BY_KIND
from .depth import DepthConfig, encode_depth
from .features import PixelFeatures, project_points
from .head import HeadConfig, build_head
from .hourglass import HourglassConfig
from .hrnet import HRNetConfig
from .registry import build_encoder, default_encoder
from .residual import ResidualConfig


@dataclass(frozen=True, kw_only=True)
class TextureConfig:
    """The parts of a texture network.

    Attributes:
        encoder: of the picture.
        depth: encoding of depth.
        head: the network for single points.
        surface_channels: number of features that a point reads from the surface network, its `pixel_channels`.
        align_corners: how points read the maps of both networks, see `SurfaceConfig`.
    """

    encoder: HourglassConfig | HRNetConfig | ResidualConfig = field(
        default_factory=ResidualConfig, metadata={BY_KIND: default_encoder}
    )
    depth: DepthConfig = field(default_factory=DepthConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    surface_channels: int = 256
    align_corners: bool = False

    @property
    def pixel_channels(self) -> int:
        """Number of features that a point reads, from the surface network and from the texture encoder."""
        return self.surface_channels + self.encoder.features + self.encoder.fine_channels


class TextureNetwork(nn.Module):
    """PIFu's texture inference: features of its own together with those of the frozen surface network."""

    def __init__(self, config: TextureConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder)
        self.head = build_head(config.pixel_channels, config.depth.channels, 3, config.head)

    def encode(self, images: Tensor) -> PixelFeatures:
        """Encode pictures (B, 4, H, W) from `normalise_images` to their feature maps."""
        features = self.encoder(images[:, :3])
        assert isinstance(features, PixelFeatures)
        return features

    def query(
        self,
        texture_features: PixelFeatures,
        surface_features: PixelFeatures,
        points: Tensor,
        calibrations: Tensor,
    ) -> Tensor:
        """Predict the colours of world points.

        Args:
            texture_features: from this network's `encode`.
            surface_features: from the surface network's `encode`, for the same pictures.
            points: (B, N, 3) world, metres.
            calibrations: (B, 4, 4) world to view space.

        Returns:
            (B, N, 3) float32 in [0, 1]: display (sRGB) values under the light of the picture.
        """
        position = project_points(points, calibrations)
        depth = encode_depth(position[..., 2], self.config.depth)
        surface, texture = (
            features.last().sample(position[..., :2], align_corners=self.config.align_corners)[0]
            for features in (surface_features, texture_features)
        )
        # Samples lie in memory channel by channel; joined so, they are copied in long rows.
        pixel = torch.cat([surface.to(texture.dtype).mT, texture.mT], dim=1).mT
        # PIFu ends in tanh, with colours in [-1, 1]; (tanh + 1) / 2 takes them to [0, 1].
        return torch.tanh(self.head(pixel, depth).float()) * 0.5 + 0.5

    def forward(self, images: Tensor, surface_features: PixelFeatures, points: Tensor, calibrations: Tensor) -> Tensor:
        """`encode` and `query` in one call, as distributed training needs it."""
        return self.query(self.encode(images), surface_features, points, calibrations)
