"""How a network is asked many points fast: in chunks of a few sizes, in half precision, compiled, as CUDA graphs."""

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

Features = tuple[PixelFeatures, ...]
Query = Callable[[Features, Tensor], Tensor]  # maps of B pictures and view-space points (B, N, 3) -> (B, N, …)

LEAST_CHUNK = 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What is done for speed; the answers change by rounding alone.

    Attributes:
        dtype: of encoder and head (autocast): float32, float16 or bfloat16; positions, feature maps and answers stay
            float32. Where float16 overflows, float32 takes its place.
        compiled: the query through `torch.compile`, which costs one to three minutes at the first picture.
        graphs: on CUDA, a chunk's kernels are recorded once and replayed; elsewhere without effect.
    """

    dtype: torch.dtype = torch.float32
    compiled: bool = False
    graphs: bool = False

    @classmethod
    def for_device(cls, device: torch.device) -> Speed:
        """float16 and graphs on CUDA; on a CPU neither pays. bfloat16 is too coarse for normals: 8 bits of mantissa."""
        return cls(dtype=torch.float16, graphs=True) if device.type == "cuda" else cls()

    def precision(self, device: torch.device) -> torch.autocast:
        """The context in which networks run."""
        # A graph must not read a cast of the weights that autocast has cached and may free.
        half = self.dtype != torch.float32
        return torch.autocast(device.type, self.dtype if half else None, enabled=half, cache_enabled=not self.graphs)


class PointQuery:
    """One network, asked at points of view space. What is compiled or recorded serves all pictures of one size.

    A call has one upload and one download, whatever the number of its chunks.

    Args:
        query: see `Query`.
        device: of the network.
        batch: greatest number of points in a chunk, over all pictures.
        speed: None: as `Speed.for_device` says.
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
        """Answers (B, N, …) float32 on the host.

        Args:
            features: maps of B pictures.
            points: (B, N, 3) view space.
        """
        found = self._answers(features, points)
        if self.speed.dtype != torch.float32 and not np.isfinite(found).all():
            _log.warning("the network overflows in %s: asked in float32 from now on", self.speed.dtype)
            self.speed, self._fast = Speed(), None
            found = self._answers(features, points)
        return found

    def _answers(self, features: Features, points: F32) -> F32:
        count = points.shape[1]
        sizes = chunk_sizes(count, max(self.batch // len(points), 1), padded=self._fast is not None)
        with torch.inference_mode(), self.speed.precision(self.device):
            here = torch.from_numpy(np.ascontiguousarray(points, np.float32))
            if self.device.type == "cuda":
                here = here.pin_memory().to(self.device, non_blocking=True)
            here = functional.pad(here, (0, 0, 0, sum(sizes) - count))
            answers = [self._ask(features, part) for part in torch.split(here, sizes, dim=1)]
            found: F32 = torch.cat(answers, dim=1)[:, :count].float().cpu().numpy()
        return found

    def _ask(self, features: Features, points: Tensor) -> Tensor:
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
    """How `count` points are cut: whole batches and a rest, which `padded` rounds up to one of a few sizes."""
    sizes, rest = [batch] * (count // batch), count % batch
    if rest and padded:
        rest = min(max(1 << (rest - 1).bit_length(), LEAST_CHUNK), batch)
    return [*sizes, rest] if rest or not sizes else sizes


class _Replayed:
    """A query recorded as one CUDA graph for each shape of its points; the graphs share maps and memory."""

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
            graph, held_points, answer = self._recorded[key]
            held_points.copy_(points)
            graph.replay()
            return answer.clone()  # the next replay writes over it

    def _hold(self, features: Features) -> Features:
        """The maps where the graphs read them."""
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
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # lazy initialisation, compilation among it, must be over when recording starts
            for _ in range(3):
                self._query(held, points)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            answer = self._query(held, points)
        return graph, points, answer


def _maps(features: Features) -> list[Tensor]:
    return [one for part in features for one in (*part.stacks, part.fine) if one is not None]
