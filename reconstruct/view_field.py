"""Trained networks and one picture as fields over view space: occupancy and colour at any point."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from ..core.arrays import F32, I64, U8
from ..core.errors import MpcError
from ..core.machine import usable_memory
from ..models.body import BODY_MAPS
from ..models.both_ways import encode_both_ways
from ..models.features import PixelFeatures, normalise_images
from ..models.person.landmarks import no_landmarks
from ..models.surface import SurfaceConfig, SurfaceNetwork
from ..models.texture import TextureConfig, TextureNetwork
from .localise.field import DeviceField
from .point_query import Features, PointQuery, Speed

_log = logging.getLogger(__name__)

# Points in one call of a network on a GPU; `batch_points` computes a number from the memory that is free.
BATCH = 1 << 15
# On a CPU, larger calls no longer fit into the caches, and from 4,096 points on, the C library takes fresh pages from
# the system for each intermediate result: a third of the time (benchmarks/point_query.py).
CPU_BATCH = 1 << 11


class ViewEncoder:
    """Turns pictures into fields. Code that it compiles or records for speed is shared by all pictures.

    Args:
        surface: the surface network, in evaluation mode.
        texture: the texture network, in evaluation mode and on the same device; None: fields without colour.
        batch: greatest number of points in one call of a network; None: 4,096 on a CPU, otherwise 32,768.
        speed: precision and compilation; None: the best known choice for the device.
        both_ways: average the maps of each picture with those of its mirror image (models/both_ways.py).
    """

    def __init__(
        self,
        surface: SurfaceNetwork,
        texture: TextureNetwork | None = None,
        *,
        batch: int | None = None,
        speed: Speed | None = None,
        both_ways: bool = False,
    ) -> None:
        self._surface, self._texture, self.device = surface, texture, network_device(surface)
        self._both_ways = both_ways
        self.speed = Speed.for_device(self.device) if speed is None else speed
        batch = batch or (CPU_BATCH if self.device.type == "cpu" else BATCH)
        self.occupancy = PointQuery(self._query_surface, self.device, batch, self.speed)
        self.colours = PointQuery(self._query_texture, self.device, batch, self.speed)

    def encode(
        self, images: Sequence[U8], landmarks: Sequence[F32 | None] = (), bodies: Sequence[F32 | None] = ()
    ) -> list[ViewField]:
        """Encode pictures of one size in one pass.

        Args:
            images: each (H, W, 4) uint8 RGBA, sRGB, straight alpha, of the size the networks were trained on.
            landmarks: of each picture (33, 7) in its frame, see models/person/landmarks.py; None or NaN where they are
                not known, empty where nobody's are. Networks that do not read landmarks ignore them.
            bodies: of each picture (8, H, W) float32, the body below the clothes (models/maps.py,
                `MapsEncoder.forward`); None where it is not known, empty where nobody's is. Networks that do not read
                bodies ignore them.

        Raises:
            MpcError: another shape or dtype.
        """
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4:
                raise MpcError(f"the picture is {image.dtype} {image.shape}, expected uint8 (H, W, 4)")
        pixels = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).to(self.device)
        told = None
        if any(one is not None for one in landmarks):
            stack = np.stack([no_landmarks() if one is None else one for one in landmarks])
            told = torch.from_numpy(stack).to(self.device)
        given = None
        if any(one is not None for one in bodies):
            blank = np.full((BODY_MAPS, *images[0].shape[:2]), np.nan, np.float32)
            given = torch.from_numpy(np.stack([blank if one is None else one for one in bodies])).to(self.device)
        surface, texture = self._maps(pixels, told, given)
        if self.speed.dtype == torch.float16 and not all(
            _finite(maps) for maps in (surface, texture) if maps is not None
        ):
            _log.warning("an encoder overflows in float16; it runs in float32 from now on")
            self.speed = replace(self.speed, dtype=torch.float32)
            surface, texture = self._maps(pixels, told, given)
        return [
            ViewField(self, _picture_maps(surface, index), None if texture is None else _picture_maps(texture, index))
            for index in range(len(images))
        ]

    def _maps(
        self, pixels: Tensor, landmarks: Tensor | None, bodies: Tensor | None
    ) -> tuple[PixelFeatures, PixelFeatures | None]:
        """Feature maps of both networks for pictures (B, 4, H, W) uint8, landmarks (B, 33, 7), bodies (B, 8, H, W)."""
        with torch.inference_mode(), self.speed.precision(self.device):
            pictures = _channels_last(normalise_images(pixels))
            told = (landmarks, bodies) if bodies is not None else () if landmarks is None else (landmarks,)
            if self._both_ways:
                surface = _prepare_maps(encode_both_ways(self._surface, pictures, *told))
            else:
                surface = _prepare_maps(self._surface.encode(pictures, *told))
            return surface, None if self._texture is None else _prepare_maps(self._texture.encode(pictures))

    def depth_range(self, features: PixelFeatures, xy: F32) -> F32 | None:
        """See `ViewField.depth_range`; feature maps of one picture."""
        ranges = self.depth_range_there(features, torch.from_numpy(xy).to(self.device))
        return None if ranges is None else ranges.cpu().numpy()

    def depth_range_there(self, features: PixelFeatures, xy: Tensor) -> Tensor | None:
        """The same of a tensor of the network's device."""
        with torch.inference_mode():
            ranges = self._surface.depth_range(features, xy[None])
        return None if ranges is None else ranges[0]

    # The networks take world points and a calibration. For points that are in view space already, the calibration is
    # the identity.

    def _query_surface(self, features: Features, points: Tensor) -> Tensor:
        return self._surface.query(features[0], points, _identity(points))

    def _query_texture(self, features: Features, points: Tensor) -> Tensor:
        assert self._texture is not None
        return self._texture.query(features[0], features[1], points, _identity(points))


@dataclass(frozen=True, eq=False)
class ViewField:
    """The networks' prediction for one picture: encoded once, evaluated at any point of view space.

    Attributes:
        encoder: the encoder that made the field.
        surface_features: feature maps of the surface network.
        texture_features: feature maps of the texture network; None without one.
    """

    encoder: ViewEncoder
    surface_features: PixelFeatures
    texture_features: PixelFeatures | None

    @cached_property
    def occupancy(self) -> DeviceField:
        """Occupancy (N,) float32 in [0, 1] at view-space points (N, 3); on the network's device, too."""
        return self.encoder.occupancy.field((self.surface_features,))

    @cached_property
    def depth_range(self) -> DeviceField:
        """Nearest and farthest z (N, 2) at which view-space points above (N, 2) can be inside; see localise/bracket.py.

        None from networks that bound no depth.
        """
        encoder, features = self.encoder, self.surface_features
        return DeviceField(
            lambda xy: encoder.depth_range(features, xy), lambda xy: encoder.depth_range_there(features, xy),
            str(encoder.device), encoder.occupancy.retry,
        )  # fmt: skip

    @cached_property
    def colours(self) -> DeviceField:
        """Display colours (N, 3) float32 in [0, 1] at view-space points (N, 3), under the picture's light.

        Raises:
            MpcError: there is no texture network.
        """
        if self.texture_features is None:
            raise MpcError("the run has no texture network, only a surface network; train one (--stage texture)")
        return self.encoder.colours.field((self.texture_features, self.surface_features))


def encode_view(
    surface: SurfaceNetwork,
    texture: TextureNetwork | None,
    image: U8,
    landmarks: F32 | None = None,
    body: F32 | None = None,
    *,
    both_ways: bool = False,
) -> ViewField:
    """Encode one picture in float32. `ViewEncoder` is faster for many pictures.

    Args:
        surface: the surface network, in evaluation mode.
        texture: the texture network, in evaluation mode and on the same device; None: a field without colour.
        image: (H, W, 4) uint8 RGBA, sRGB, straight alpha, of the size the networks were trained on.
        landmarks: (33, 7), see `ViewEncoder.encode`.
        body: (8, H, W), see `ViewEncoder.encode`.
        both_ways: see `ViewEncoder`.

    Raises:
        MpcError: another shape or dtype.
    """
    encoder = ViewEncoder(surface, texture, speed=Speed(), both_ways=both_ways)
    return encoder.encode([image], [landmarks], [body])[0]


def batch_occupancy(views: Sequence[ViewField]) -> DeviceField:
    """The occupancy function that `localise_many` takes, for pictures encoded together.

    Each call evaluates the network once, for the points of all pictures.
    """
    stacks = tuple(torch.cat(stack) for stack in zip(*(view.surface_features.stacks for view in views), strict=True))
    fines = [view.surface_features.fine for view in views]
    fine = None if fines[0] is None else torch.cat([part for part in fines if part is not None])
    whole, query = PixelFeatures(stacks, fine), views[0].encoder.occupancy

    def occupancy(points_view: F32, owner: I64) -> F32:
        if len(views) == 1:
            alone: F32 = views[0].occupancy(points_view)
            return alone
        present, counts = np.unique(owner, return_counts=True)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        row = np.repeat(np.arange(len(present)), counts)
        padded = np.zeros((len(present), int(counts.max()), 3), np.float32)
        padded[row, place] = points_view
        part = whole
        if len(present) < len(views):
            part = PixelFeatures(tuple(stack[present] for stack in stacks), None if fine is None else fine[present])
        values: F32 = query((part,), padded)[row, place]
        return values

    return DeviceField(occupancy, lambda points: query.on_device((whole,), points), str(query.device), query.retry)


def batch_points(surface: SurfaceNetwork, texture: TextureNetwork | None, memory_bytes: float) -> int:
    """Number of points, at least 1024, for which the activations of either network fit into `memory_bytes`."""
    configs: list[SurfaceConfig | TextureConfig] = [surface.config]
    if texture is not None:
        configs.append(texture.config)
    numbers = 0
    for config in configs:
        given = config.pixel_channels + config.depth.channels
        widest = max(a + b + 2 * given for a, b in pairwise((0, *config.head.channels)))
        # The maps are sampled to (C, N), transposed and joined with the depth code; a layer keeps its input and its
        # output at the same time.
        numbers = max(numbers, 3 * given + widest)
    most = CPU_BATCH if network_device(surface).type == "cpu" else 1 << 18
    return int(min(max(memory_bytes / (4 * numbers), 1024), most))


def memory_bound(device: torch.device, limit_gib: float | None = None) -> float:
    """Bytes that a network's activations may take.

    Args:
        device: where the network runs.
        limit_gib: the limit, GiB; None: a quarter of the free memory, on a CPU at most 1 GiB.
    """
    if limit_gib is not None:
        return limit_gib * 2**30
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 4
    return float(min(psutil.virtual_memory().available / 4, usable_memory() / 4, 2**30))


def network_device(network: nn.Module) -> torch.device:
    """The device that a network's weights are on."""
    return next(network.parameters()).device


def _picture_maps(features: PixelFeatures, index: int) -> PixelFeatures:
    fine = None if features.fine is None else features.fine[index : index + 1]
    return PixelFeatures(tuple(stack[index : index + 1] for stack in features.stacks), fine)


def _prepare_maps(features: PixelFeatures) -> PixelFeatures:
    """The last stack in float32, channels last: a point then reads the channels of four pixels from four short rows."""
    fine = None if features.fine is None else _channels_last(features.fine.float())
    return PixelFeatures(tuple(_channels_last(stack.float()) for stack in features.last().stacks), fine)


def _finite(features: PixelFeatures) -> bool:
    return all(bool(torch.isfinite(stack).all()) for stack in features.stacks)


def _channels_last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)


def _identity(points: Tensor) -> Tensor:
    return torch.eye(4, device=points.device).expand(len(points), 4, 4)
