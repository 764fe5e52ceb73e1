"""Measure what a network costs for each point, by the number of points in a call, and by how maps are read.

    python benchmarks/point_query.py
    python benchmarks/point_query.py --tiny      # seconds; proves that it runs

For each size of a call: microseconds of processor time a point, for occupancies and for colours of the networks of the
package, and pages of memory that a turn over all points takes fresh from the system. Then the samples of one map where
the positions, columns of (N, 3), are given to `grid_sample` as one row, as mpc does, and as a column. One thread; least
of many turns.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mpc.core.arrays import F32
from mpc.models.runs import load_run
from mpc.models.shipped import shipped_run
from mpc.reconstruct.view_field import CPU_BATCH, ViewEncoder


def measure(call: Callable[[], object], points: int, turns: int) -> tuple[float, float]:
    """Microseconds a point, the least of all turns; and fresh pages of a turn, the mean."""
    for _ in range(2):
        call()
    least, before = float("inf"), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(turns):
        begin = time.process_time()
        call()
        least = min(least, time.process_time() - begin)
    pages = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / turns
    return least / points * 1e6, pages


def read(maps: Tensor, grid: Tensor) -> Tensor:
    """As `models.features.sample_map` reads a map."""
    return functional.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)


def main() -> None:
    """Print a row for each size of a call, and the ratio of both ways to read a map."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[512, 1024, 2048, 4096, 16384])
    parser.add_argument("--points", type=int, default=16384)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if options.tiny:
        options.calls, options.points, options.turns = [512], 1024, 2
    torch.set_num_threads(1)
    run = load_run(shipped_run())
    side: int = run.settings["image_size"]
    picture = np.zeros((side, side, 4), np.uint8)
    picture[side // 8 : -side // 8, side // 3 : -side // 3] = 200
    points: F32 = np.random.default_rng(0).uniform(-1, 1, (options.points, 3)).astype(np.float32)
    print(f"points a call (mpc takes {CPU_BATCH}), µs a point: occupancies, colours; fresh pages: of both")
    for size in options.calls:
        field = ViewEncoder(run.surface, run.texture, batch=size).encode([picture])[0]
        both = [measure(partial(ask, points), len(points), options.turns) for ask in (field.occupancy, field.colours)]
        print(f"{size:6d}  {both[0][0]:6.2f} {both[1][0]:6.2f}   {both[0][1]:6.0f} {both[1][1]:6.0f}", flush=True)
    maps, places = field.surface_features.stacks[-1], torch.from_numpy(points[None, :CPU_BATCH])[..., :2]
    with torch.inference_mode():
        row, column = (
            measure(partial(read, maps, grid), places.shape[1], options.turns)[0]
            for grid in (places[:, None], places[:, :, None])
        )
    print(f"one map: {row:.2f} µs a point as one row, {column:.2f} as a column: {column / row:.1f} times")


if __name__ == "__main__":
    main()
