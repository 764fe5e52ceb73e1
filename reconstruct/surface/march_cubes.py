"""Marching cubes of a whole localised grid in one call of warp, for GPUs, where one call per block would be slow."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...core.arrays import F64, I32
from ...core.kernels import load_warp
from ..localise.blocks import EDGE, SurfaceBlocks


def marching_cubes_of_warp() -> Any:
    """Warp's marching cubes class, or None where warp is older than 1.18."""
    load_warp()
    try:
        from warp.geometry import IsoSurfaceMarchingCubes
    except ImportError:
        return None
    return IsoSurfaceMarchingCubes


def march_blocks(blocks: SurfaceBlocks, threshold: float) -> tuple[F64, I32]:
    """Triangles of all blocks (Lorensen and Cline, 1987); they equal those of the dense grid.

    The blocks are copied into one dense box around them on their device, which takes 4 bytes for each node.

    Args:
        blocks: the values around the surface; at least one block holds both sides.
        threshold: value of the surface.

    Returns:
        Vertices (V, 3) in nodes of the grid, and faces (F, 3), which look outward where values are greater inside.
    """
    wp, device = load_warp(), blocks.device
    mixed = np.argwhere(blocks.table >= 0)
    low, high = mixed.min(axis=0) * EDGE, np.minimum((mixed.max(axis=0) + 1) * EDGE, blocks.resolution - 1)
    shape = tuple((high - low + 1).tolist())
    field = device.empty(shape, wp.float32)
    table = blocks.table_there.flatten()
    inputs = [field, wp.vec3i(*low.tolist()), blocks.resolution, len(blocks.table), table, blocks.pool_there]
    device.launch(_kernels().fill_box, inputs, int(np.prod(shape)))
    vertices, corners = marching_cubes_of_warp().extract(field, threshold)
    faces: I32 = corners.numpy().reshape(-1, 3)[:, ::-1].astype(np.int32)  # warp's faces look towards greater values
    return vertices.numpy().astype(np.float64) + low, faces


@lru_cache(maxsize=1)
def _kernels() -> Any:
    load_warp()
    from ..localise import block_kernels

    return block_kernels
