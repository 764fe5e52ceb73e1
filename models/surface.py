"""The surface network: it predicts whether a world point is inside the person in a picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..core.errors import SettingsError
from ..core.settings import BY_KIND
from .depth import DepthConfig, encode_depth
from .features import PixelFeatures, inside_cube, project_points, sample_map
from .head import BoundedHead, HeadConfig, build_head, depth_range
from .hourglass import HourglassConfig
from .hrnet import HRNetConfig
from .maps import MAPS, MapsConfig
from .registry import build_encoder, default_encoder, find_encoder
from .residual import ResidualConfig
from .summary import SummaryConfig, SummaryEncoder


@dataclass(frozen=True, kw_only=True)
class SurfaceConfig:
    """The parts of a surface network. The defaults are the paper's encoder and Soft-Z, with PIFu's head.

    Attributes:
        encoder: of the picture.
        depth: encoding of depth.
        head: the network for single points.
        summary: the vector of the whole picture.
        align_corners: how points read the maps, see `features.sample_map`; only PIFu's published weights want True.
    """

    encoder: HourglassConfig | HRNetConfig | MapsConfig | ResidualConfig = field(
        default_factory=HRNetConfig, metadata={BY_KIND: default_encoder}
    )
    depth: DepthConfig = field(default_factory=DepthConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    summary: SummaryConfig = field(default_factory=SummaryConfig)
    align_corners: bool = False

    def __post_init__(self) -> None:
        if self.head.kind == "bounded" and not (isinstance(self.encoder, MapsConfig) and self.depth.kind == "plain"):
            raise SettingsError('head.kind "bounded" needs encoder.kind "maps" and depth.kind "plain"')

    @property
    def reads_landmarks(self) -> bool:
        """Whether the network can be told the person's landmarks."""
        return isinstance(self.encoder, MapsConfig) and self.encoder.landmarks > 0

    @property
    def predicts_maps(self) -> bool:
        """Whether the encoder predicts depth and normals of both sides at every pixel."""
        return isinstance(self.encoder, MapsConfig)

    @property
    def body_source(self) -> str:
        """Where the body comes from that the network is trained with (`MapsConfig.body`); "none": it reads none."""
        return self.encoder.body if isinstance(self.encoder, MapsConfig) else "none"

    @property
    def pixel_channels(self) -> int:
        """Number of features that a point reads from the maps."""
        return self.encoder.features + self.encoder.fine_channels + self.summary.numbers


class SurfaceNetwork(nn.Module):
    """Pixel-aligned implicit function of a surface (PIFu, Saito et al., ICCV 2019); keeps no state between calls."""

    def __init__(self, config: SurfaceConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder)
        self.summary = SummaryEncoder(config.summary) if config.summary.numbers else None
        self.head = build_head(config.pixel_channels, config.depth.channels, 1, config.head)

    def encode(self, images: Tensor, landmarks: Tensor | None = None, body: Tensor | None = None) -> PixelFeatures:
        """Encode pictures to their feature maps.

        Args:
            images: (B, 4, H, W) from `normalise_images`.
            landmarks: (B, 33, 7), see person/landmarks.py; NaN for a person whose landmarks are not known, None where
                nobody's are. Networks that do not read landmarks ignore them.
            body: (B, 8, H, W), see `MapsEncoder.forward`; networks that do not read bodies ignore it.
        """
        given = images[:, : find_encoder(self.config.encoder.kind).channels]
        told = isinstance(self.config.encoder, MapsConfig)
        features = self.encoder(given, landmarks, body) if told else self.encoder(given)
        assert isinstance(features, PixelFeatures)
        return features if self.summary is None else features.with_summary(self.summary(images[:, :3]))

    def logits_all(self, features: PixelFeatures, points: Tensor, calibrations: Tensor) -> tuple[list[Tensor], Tensor]:
        """Evaluate points on every stack; arguments as for `query`.

        Returns:
            (B, N) values before the sigmoid for each stack, and (B, N) bool, which points lie in the cube.
        """
        position = project_points(points, calibrations)
        depth = encode_depth(position[..., 2], self.config.depth)
        pixels = features.sample(position[..., :2], align_corners=self.config.align_corners)
        return [self.head(pixel, depth)[..., 0] for pixel in pixels], inside_cube(position)

    def query_all(self, features: PixelFeatures, points: Tensor, calibrations: Tensor) -> list[Tensor]:
        """Occupancy predicted from each stack; arguments and values as for `query`."""
        logits, inside = self.logits_all(features, points, calibrations)
        return [torch.sigmoid(value.float()) * inside for value in logits]

    def query(self, features: PixelFeatures, points: Tensor, calibrations: Tensor) -> Tensor:
        """Predict the occupancy of world points.

        Args:
            features: from `encode`, of B pictures.
            points: (B, N, 3) world, metres.
            calibrations: (B, 4, 4) world to view space.

        Returns:
            (B, N) float32 in [0, 1]; 0 outside the cube [-1, 1]^3 of view space.
        """
        return self.query_all(features.last(), points, calibrations)[0]

    def depth_range(self, features: PixelFeatures, xy: Tensor) -> Tensor | None:
        """Where along the picture's rays points can be inside at all (`head.depth_range`).

        Args:
            features: from `encode`, of B pictures.
            xy: (B, N, 2) in view space.

        Returns:
            (B, N, 2) nearest and farthest z, the first beyond the second where no depth can be inside; None from a
            network whose head is not bounded.
        """
        if not isinstance(self.head, BoundedHead):
            return None
        maps = features.stacks[-1][:, : MAPS + 1]
        return depth_range(sample_map(maps, xy, align_corners=self.config.align_corners))

    def forward(
        self,
        images: Tensor,
        points: Tensor,
        calibrations: Tensor,
        landmarks: Tensor | None = None,
        body: Tensor | None = None,
    ) -> tuple[list[Tensor], Tensor, PixelFeatures]:
        """`encode` and `logits_all` in one call, as distributed training needs it, and the features themselves."""
        features = self.encode(images, landmarks, body)
        return *self.logits_all(features, points, calibrations), features
