"""Fast evaluation of a network at many points: chunks of a few sizes, half precision, compilation, CUDA graphs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..core.arrays import F32
from ..models.features import PixelFeatures
from .localise.field import DeviceField

Features = tuple[PixelFeatures, ...]
Query = Callable[[Features, Tensor], Tensor]
"""Maps of B pictures and view-space points (B, N, 3) -> values (B, N, …)."""

# Chunks are padded to at least so many points, so that few sizes occur.
LEAST_CHUNK = 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What is done for speed; it changes the values by rounding alone.

    Attributes:
        dtype: of encoder and head (autocast): float32, float16 or bfloat16. Positions, feature maps and values stay
            float32. float32 replaces float16 where that overflows.
        compiled: run the query through `torch.compile`, which takes one to three minutes at the first picture.
        graphs: on CUDA, record the kernels of a chunk once and replay them; no effect on other devices.
    """

    dtype: torch.dtype = torch.float32
    compiled: bool = False
    graphs: bool = False

    @classmethod
    def for_device(cls, device: torch.device) -> Speed:
        """float16 and graphs on CUDA; neither is faster on a CPU. bfloat16, with 8 bits of mantissa, spoils normals."""
        return cls(dtype=torch.float16, graphs=True) if device.type == "cuda" else cls()

    def precision(self, device: torch.device) -> torch.autocast:
        """The context in which networks run."""
        # A graph must not read converted weights that autocast has cached, since autocast may free them.
        half = self.dtype != torch.float32
        return torch.autocast(device.type, self.dtype if half else None, enabled=half, cache_enabled=not self.graphs)


class PointQuery:
    """Evaluates one network at points of view space. Compiled and recorded code serves all pictures of one size.

    A call uploads once and downloads once, however many chunks it has.

    Args:
        query: see `Query`.
        device: the device of the network.
        batch: greatest number of points in a chunk, over all pictures.
        speed: None: what `Speed.for_device` returns.
    """

    def __init__(self, query: Query, device: torch.device, batch: int, speed: Speed | None = None) -> None:
        self.device, self.batch = device, batch
        self.speed = Speed.for_device(device) if speed is None else speed
        self._graphs = self.speed.graphs and device.type == "cuda"
        self._plain, self._fast = query, None if not (self.speed.compiled or self._graphs) else query
        if self.speed.compiled:
            self._fast = torch.compile(query, dynamic=True)
        if self._graphs and self._fast is not None:
            self._fast = _Replayed(self._fast)

    def __call__(self, features: Features, points: F32) -> F32:
        """Evaluate the network.

        Args:
            features: maps of B pictures.
            points: (B, N, 3) view space.

        Returns:
            Values (B, N, …) float32 on the host.
        """
        found = self._evaluate(features, points)
        if self.speed.dtype != torch.float32 and not np.isfinite(found).all():
            self.retry()
            found = self._evaluate(features, points)
        return found

    def retry(self) -> bool:
        """Run in float32 from now on, since values were not finite; False where that is so already."""
        if self.speed.dtype == torch.float32:
            return False
        _log.warning("the network overflows in %s; it runs in float32 from now on", self.speed.dtype)
        self.speed, self._fast = Speed(), None
        return True

    def field(self, features: Features) -> DeviceField:
        """The values of one picture as a function of points (N, 3)."""
        return DeviceField(
            lambda points: self(features, points[None])[0],
            lambda points: self.on_device(features, points[None])[0],
            str(self.device),
            self.retry,
        )

    def on_device(self, features: Features, points: Tensor) -> Tensor:
        """Values (B, N, …) float32 at points (B, N, 3) of the network's device, without a wait."""
        count = points.shape[1]
        sizes = chunk_sizes(count, max(self.batch // len(points), 1), padded=self._fast is not None)
        with torch.inference_mode(), self.speed.precision(self.device):
            padded = functional.pad(points, (0, 0, 0, sum(sizes) - count))
            values = [self._evaluate_chunk(features, part) for part in torch.split(padded, sizes, dim=1)]
            return torch.cat(values, dim=1)[:, :count].float()

    def _evaluate(self, features: Features, points: F32) -> F32:
        here = torch.from_numpy(np.ascontiguousarray(points, np.float32))
        if self.device.type == "cuda":
            here = here.pin_memory().to(self.device, non_blocking=True)
        found: F32 = self.on_device(features, here).cpu().numpy()
        return found

    def _evaluate_chunk(self, features: Features, points: Tensor) -> Tensor:
        if self._fast is not None:
            try:
                return self._fast(features, points)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:  # no compiler, or an operation that a graph cannot hold
                _log.warning("the network runs neither compiled nor as a graph: %s", str(error).split("\n", 1)[0])
                self._fast = None
        return self._plain(features, points)


def chunk_sizes(count: int, batch: int, *, padded: bool) -> list[int]:
    """Sizes of the chunks for `count` points: whole batches and a rest, which `padded` rounds up to a common size."""
    sizes, rest = [batch] * (count // batch), count % batch
    if rest and padded:
        rest = min(max(1 << (rest - 1).bit_length(), LEAST_CHUNK), batch)
    return [*sizes, rest] if rest or not sizes else sizes


class _Replayed:
    """A query recorded as one CUDA graph for each shape of its points. The graphs share feature maps and memory."""

    def __init__(self, query: Query) -> None:
        self._query, self._pool = query, torch.cuda.graph_pool_handle()
        self._held: dict[tuple[torch.Size, ...], tuple[Features, Features]] = {}
        self._recorded: dict[tuple[torch.Size, ...], tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}

    def __call__(self, features: Features, points: Tensor) -> Tensor:
        with torch.cuda.device(points.device):
            held = self._hold(features)
            key = (points.shape, *(one.shape for one in _maps(features)))
            if key not in self._recorded:
                self._recorded[key] = self._record(held, points.clone())
            graph, held_points, values = self._recorded[key]
            held_points.copy_(points)
            graph.replay()
            return values.clone()  # the next replay overwrites it

    def _hold(self, features: Features) -> Features:
        """Copy the maps to where the graphs read them, unless they are there already."""
        key = tuple(one.shape for one in _maps(features))
        held, given = self._held.get(key, (None, ()))
        if held is None:
            held = tuple(
                PixelFeatures(tuple(map(torch.clone, one.stacks)), None if one.fine is None else one.fine.clone())
                for one in features
            )
        elif not all(one is other for one, other in zip(given, features, strict=True)):
            for kept, new in zip(_maps(held), _maps(features), strict=True):
                kept.copy_(new)
        self._held[key] = held, features
        return held

    def _record(self, held: Features, points: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        """Record a graph; returns it with the tensor that it reads points from and the one it writes values to."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # lazy initialisation and compilation must be over when recording begins
            for _ in range(3):
                self._query(held, points)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            values = self._query(held, points)
        return graph, points, values


def _maps(features: Features) -> list[Tensor]:
    return [one for part in features for one in (*part.stacks, part.fine) if one is not None]
