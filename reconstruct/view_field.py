"""A trained pair of networks and one picture as fields over view space: occupancy and colour at any point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

from ..geometry.errors import MpcError
from ..models.features import PixelFeatures
from ..models.images import normalise_images
from ..models.storage import LoadedRun
from ..models.surface import SurfaceConfig
from ..models.texture import TextureConfig

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

# Points a call of a network, where nobody says how much memory there is (`batch_points`).
BATCH = 1 << 15
# On a CPU, larger calls leave the caches: 65,536 points at once cost 1.5 times the processor seconds of 8 times 8,192.
CPU_BATCH = 1 << 13


@dataclass(frozen=True, eq=False)
class ViewField:
    """What the networks believe about the person in one picture; encoded once, asked anywhere.

    Attributes:
        run: the networks.
        surface_features, texture_features: of the picture; the latter None without a texture network.
        batch: greatest number of points in one call of a network.
    """

    run: LoadedRun
    surface_features: PixelFeatures
    texture_features: PixelFeatures | None
    batch: int = BATCH

    def occupancy(self, points_view: F32) -> F32:
        """Occupancy (N,) float32 in [0, 1] at view-space points (N, 3)."""
        parts = [np.zeros(0, np.float32)]
        with torch.inference_mode():
            for first in range(0, len(points_view), self.batch):
                points, identity = self._inputs(points_view[first : first + self.batch])
                parts.append(self.run.surface.query(self.surface_features, points, identity)[0].float().cpu().numpy())
        return np.concatenate(parts)

    def colours(self, points_view: F32) -> F32:
        """Display colours (N, 3) float32 in [0, 1] at view-space points (N, 3), under the picture's light.

        Raises:
            MpcError: the run has no texture network.
        """
        if self.run.texture is None or self.texture_features is None:
            raise MpcError(f"{self.run.folder}: has no texture network, only a surface network")
        parts = [np.zeros((0, 3), np.float32)]
        with torch.inference_mode():
            for first in range(0, len(points_view), self.batch):
                points, identity = self._inputs(points_view[first : first + self.batch])
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
    return encode_views(run, [image])[0]


def encode_views(run: LoadedRun, images: Sequence[U8], *, batch: int = BATCH) -> list[ViewField]:
    """Encode several pictures of one size in one pass; arguments and errors as for `encode_view`."""
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4:
            raise MpcError(f"the picture is {image.dtype} {image.shape}, expected uint8 (H, W, 4)")
    with torch.inference_mode():
        pixels = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).to(run.device)
        pictures = normalise_images(pixels)
        surface = run.surface.encode(pictures).last()
        texture = None if run.texture is None else run.texture.encode(pictures)
        return [
            ViewField(run, _one(surface, index), None if texture is None else _one(texture, index), batch)
            for index in range(len(images))
        ]


def batch_occupancy(views: Sequence[ViewField]) -> Callable[[F32, I64], F32]:
    """The occupancies of several pictures of one run as `localise_many` wants them: one call of the network for all."""
    run = views[0].run
    stacks = tuple(torch.cat(stack) for stack in zip(*(view.surface_features.stacks for view in views), strict=True))
    fines = [view.surface_features.fine for view in views]
    fine = None if fines[0] is None else torch.cat([part for part in fines if part is not None])
    features = PixelFeatures(stacks, fine)

    def occupancy(points_view: F32, owner: I64) -> F32:
        if len(views) == 1:
            return views[0].occupancy(points_view)
        present, counts = np.unique(owner, return_counts=True)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        row = np.repeat(np.arange(len(present)), counts)
        padded = np.zeros((len(present), int(counts.max()), 3), np.float32)
        padded[row, place] = points_view
        with torch.inference_mode():
            chosen = torch.from_numpy(present).to(run.device)
            part = PixelFeatures(
                tuple(stack[chosen] for stack in features.stacks), None if fine is None else fine[chosen]
            )
            identity = torch.eye(4, device=run.device).expand(len(present), 4, 4)
            values = run.surface.query(part, torch.from_numpy(padded).to(run.device), identity)
            answer: F32 = values.float().cpu().numpy()[row, place]
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
