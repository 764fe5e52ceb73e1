"""A trained pair of networks and one picture as fields over view space: occupancy and colour at any point."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import psutil
import torch
from torch import Tensor

from ..core.arrays import F32, I64, U8
from ..core.errors import MpcError
from ..models.features import PixelFeatures, normalise_images
from ..models.runs import LoadedRun
from ..models.surface import SurfaceConfig
from ..models.texture import TextureConfig
from .point_query import Features, PointQuery, Speed

_log = logging.getLogger(__name__)

# Points a call of a network, where nobody says how much memory there is (`batch_points`).
BATCH = 1 << 15
# On a CPU, larger calls leave the caches: 32,768 points at once cost 1.4 times the processor seconds of 8 times 4,096.
CPU_BATCH = 1 << 12


class ViewEncoder:
    """Turns pictures into fields; what it compiles or records for speed serves all of them.

    Args:
        run: from `load_run`.
        batch: greatest number of points in one call of a network; None: 4,096 on a CPU, else 32,768.
        speed: None: what suits the device.
    """

    def __init__(self, run: LoadedRun, *, batch: int | None = None, speed: Speed | None = None) -> None:
        self.run, self.speed = run, Speed.for_device(run.device) if speed is None else speed
        batch = batch or (CPU_BATCH if run.device.type == "cpu" else BATCH)
        self.surface = PointQuery(self._occupancy, run.device, batch, self.speed)
        self.texture = PointQuery(self._colours, run.device, batch, self.speed)

    def encode(self, images: Sequence[U8]) -> list[ViewField]:
        """Encode pictures of one size in one pass; arguments and errors as for `encode_view`."""
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4:
                raise MpcError(f"the picture is {image.dtype} {image.shape}, expected uint8 (H, W, 4)")
        pixels = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).to(self.run.device)
        surface, texture = self._maps(pixels)
        if self.speed.dtype == torch.float16 and not all(_finite(one) for one in (surface, texture) if one is not None):
            _log.warning("an encoder overflows in float16: it runs in float32 from now on")
            self.speed = replace(self.speed, dtype=torch.float32)
            surface, texture = self._maps(pixels)
        return [
            ViewField(self, _one(surface, index), None if texture is None else _one(texture, index))
            for index in range(len(images))
        ]

    def _maps(self, pixels: Tensor) -> tuple[PixelFeatures, PixelFeatures | None]:
        """Of pictures (B, 4, H, W) uint8."""
        with torch.inference_mode(), self.speed.precision(self.run.device):
            pictures = _channels_last(normalise_images(pixels))
            surface = _as_read(self.run.surface.encode(pictures))
            return surface, None if self.run.texture is None else _as_read(self.run.texture.encode(pictures))

    # The networks take world points and a calibration; for points already in view space it is the identity.

    def _occupancy(self, features: Features, points: Tensor) -> Tensor:
        return self.run.surface.query(features[0], points, _identity(points))

    def _colours(self, features: Features, points: Tensor) -> Tensor:
        assert self.run.texture is not None
        return self.run.texture.query(features[0], features[1], points, _identity(points))


@dataclass(frozen=True, eq=False)
class ViewField:
    """What the networks believe about the person in one picture; encoded once, asked anywhere.

    Attributes:
        encoder: that made it.
        surface_features, texture_features: of the picture; the latter None without a texture network.
    """

    encoder: ViewEncoder
    surface_features: PixelFeatures
    texture_features: PixelFeatures | None

    def occupancy(self, points_view: F32) -> F32:
        """Occupancy (N,) float32 in [0, 1] at view-space points (N, 3)."""
        answer: F32 = self.encoder.surface((self.surface_features,), points_view[None])[0]
        return answer

    def colours(self, points_view: F32) -> F32:
        """Display colours (N, 3) float32 in [0, 1] at view-space points (N, 3), under the picture's light.

        Raises:
            MpcError: the run has no texture network.
        """
        if self.texture_features is None:
            raise MpcError(f"{self.encoder.run.folder}: has no texture network, only a surface network")
        answer: F32 = self.encoder.texture((self.texture_features, self.surface_features), points_view[None])[0]
        return answer


def encode_view(run: LoadedRun, image: U8) -> ViewField:
    """Encode one picture, in float32; `ViewEncoder` is faster where there are more.

    Args:
        run: from `load_run`.
        image: (H, W, 4) uint8 RGBA, sRGB, straight alpha, of the size the run was trained on.

    Raises:
        MpcError: another shape or dtype.
    """
    return ViewEncoder(run, speed=Speed()).encode([image])[0]


def batch_occupancy(views: Sequence[ViewField]) -> Callable[[F32, I64], F32]:
    """The occupancies of pictures encoded together as `localise_many` wants them: one call of the network for all."""
    stacks = tuple(torch.cat(stack) for stack in zip(*(view.surface_features.stacks for view in views), strict=True))
    fines = [view.surface_features.fine for view in views]
    fine = None if fines[0] is None else torch.cat([part for part in fines if part is not None])

    def occupancy(points_view: F32, owner: I64) -> F32:
        if len(views) == 1:
            return views[0].occupancy(points_view)
        present, counts = np.unique(owner, return_counts=True)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        row = np.repeat(np.arange(len(present)), counts)
        padded = np.zeros((len(present), int(counts.max()), 3), np.float32)
        padded[row, place] = points_view
        part = PixelFeatures(stacks, fine)
        if len(present) < len(views):
            part = PixelFeatures(tuple(stack[present] for stack in stacks), None if fine is None else fine[present])
        answer: F32 = views[0].encoder.surface((part,), padded)[row, place]
        return answer

    return occupancy


def batch_points(run: LoadedRun, memory_bytes: float) -> int:
    """Points a call of either network whose activations fit into so many bytes; at least 1024."""
    configs: list[SurfaceConfig | TextureConfig] = [run.surface.config]
    if run.texture is not None:
        configs.append(run.texture.config)
    numbers = 0
    for config in configs:
        given = config.pixel_channels + config.depth.channels
        widest = max(a + b + 2 * given for a, b in pairwise((0, *config.head.channels)))
        # Maps are sampled to (C, N), turned, joined with the depth code; a layer has its input and output at once.
        numbers = max(numbers, 3 * given + widest)
    most = CPU_BATCH if run.device.type == "cpu" else 1 << 18
    return int(min(max(memory_bytes / (4 * numbers), 1024), most))


def memory_bound(device: torch.device, limit_gib: float | None = None) -> float:
    """Bytes for a network's activations: the limit, else a quarter of what is free, on a CPU at most 1 GiB."""
    if limit_gib is not None:
        return limit_gib * 2**30
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 4
    return float(min(psutil.virtual_memory().available / 4, 2**30))


def _one(features: PixelFeatures, index: int) -> PixelFeatures:
    fine = None if features.fine is None else features.fine[index : index + 1]
    return PixelFeatures(tuple(stack[index : index + 1] for stack in features.stacks), fine)


def _as_read(features: PixelFeatures) -> PixelFeatures:
    """The result alone, float32, with the channels of a pixel side by side: a point then reads four short rows."""
    fine = None if features.fine is None else _channels_last(features.fine.float())
    return PixelFeatures(tuple(_channels_last(stack.float()) for stack in features.last().stacks), fine)


def _finite(features: PixelFeatures) -> bool:
    return all(bool(torch.isfinite(stack).all()) for stack in features.stacks)


def _channels_last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)


def _identity(points: Tensor) -> Tensor:
    return torch.eye(4, device=points.device).expand(len(points), 4, 4)
