"""Walks along rays through a localised grid, compiled by warp from one source for the CPU and for GPUs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.kernels import launch, load_warp
from .blocks import EDGE, SurfaceBlocks

_PER_THREAD = 1 << 13  # rays or positions that one thread handles at a time


@dataclass(eq=False)
class Marcher:
    """The values around a surface, on a device that walks along rays through them.

    Attributes:
        blocks: the values.
        threshold: values above it are inside.
        grid: the blocks, as kernels take them.
    """

    blocks: SurfaceBlocks
    threshold: float
    grid: Any = field(init=False)

    def __post_init__(self) -> None:
        self.grid = _kernels().BlockGrid()
        self.grid.last, self.grid.edge = self.blocks.resolution - 1, EDGE
        self.grid.table, self.grid.pool = self.blocks.table_there, self.blocks.pool_there

    def sample(self, positions: F64) -> F64:
        """Trilinear values (N,) at positions (N, 3) in nodes; beyond the border, the values at the border."""
        wp = load_warp()
        values = wp.empty(len(positions), dtype=wp.float64, device=self.blocks.device.name)
        self._launch("sample", len(positions), [self._array(positions), self.grid], [values])
        found: F64 = values.numpy()
        return found

    def first_change(self, origins: F64, directions: F64, enters: F64, starts: F64, ends: F64) -> tuple[F64, F64]:
        """Find the step of half a spacing in which each ray comes inside.

        Args:
            origins: (N, 3), view space.
            directions: (N, 3), view space, unit length.
            enters: (N,) distances at which the rays enter the cube.
            starts: (N,) distances to begin at: before the first surface, or a few steps behind it at most.
            ends: (N,) distances to stop at.

        Returns:
            (N,) distances just before and (N,) just after; the latter is -1 where a ray meets nothing.
        """
        wp = load_warp()
        rays = [self._array(part) for part in (origins, directions, enters, starts, ends)]
        outputs = [wp.empty(len(origins), dtype=wp.float64, device=self.blocks.device.name) for _ in range(2)]
        spacing = 2.0 / max(self.blocks.resolution - 1, 1)
        self._launch("first_change", len(origins), [*rays, spacing, self.threshold, self.grid], outputs)
        before, after = (part.numpy() for part in outputs)
        return before, after

    def _array(self, values: F64) -> Any:
        wp = load_warp()
        kind = wp.vec3d if values.ndim == 2 else wp.float64
        return wp.array(
            np.ascontiguousarray(values, np.float64), dtype=kind, device=self.blocks.device.name, copy=False
        )

    def _launch(self, name: str, count: int, inputs: list[Any], outputs: list[Any]) -> None:
        launch(
            getattr(_kernels(), name), count, inputs, outputs, device=self.blocks.device.name, per_thread=_PER_THREAD
        )


@lru_cache(maxsize=1)
def _kernels() -> Any:
    load_warp()
    from . import march_kernels

    return march_kernels
