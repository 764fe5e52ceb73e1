"""Marching cubes of a whole localised grid in one call of warp, for GPUs, where one call per block would be slow."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...core.arrays import F64, I32
from ...core.kernels import load_warp
from ..localise.blocks import EDGE, SIDE, SurfaceBlocks


def marching_cubes_of_warp() -> Any:
    """Warp's marching cubes class, or None where warp is older than 1.18."""
    load_warp()
    try:
        from warp.geometry import IsoSurfaceMarchingCubes
    except ImportError:
        return None
    return IsoSurfaceMarchingCubes


def march_blocks(blocks: SurfaceBlocks, threshold: float, device: str) -> tuple[F64, I32]:
    """Triangles of all blocks (Lorensen and Cline, 1987); they equal those of the dense grid.

    The blocks are copied into one dense box around them on the device, which takes 4 bytes for each node.

    Args:
        blocks: the values around the surface; at least one block holds both sides.
        threshold: value of the surface.
        device: "cuda:0", …; "cpu" gives the same result.

    Returns:
        Vertices (V, 3) in nodes of the grid, and faces (F, 3), which look outward where values are greater inside.
    """
    wp = load_warp()
    mixed = np.argwhere(blocks.table >= 0)
    low, high = mixed.min(axis=0), mixed.max(axis=0) + 1
    whole = blocks.table[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    field = torch.from_numpy((whole == -2).astype(np.float32)).to(device)
    for axis, count in enumerate(whole.shape):
        ticks = torch.arange(count * EDGE + 1, device=device) // EDGE
        field = field.index_select(axis, ticks.clamp(max=count - 1))
    pool = torch.from_numpy(blocks.pool).to(device)
    for place, (i, j, k) in zip(mixed, ((mixed - low) * EDGE).tolist(), strict=True):
        field[i : i + SIDE, j : j + SIDE, k : k + SIDE] = pool[blocks.table[tuple(place)]]
    i, j, k = (int(end) for end in blocks.resolution - low * EDGE)
    vertices, corners = marching_cubes_of_warp().extract(wp.from_torch(field[:i, :j, :k].contiguous()), threshold)
    faces: I32 = corners.numpy().reshape(-1, 3)[:, ::-1].astype(np.int32)  # warp's faces look towards greater values
    return vertices.numpy().astype(np.float64) + low * EDGE, faces
