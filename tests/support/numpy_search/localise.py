"""The search in NumPy: coarse to fine over any occupancy, the reference of mpc.reconstruct.localise.

It takes the settings of the package (levels, calls of the field, the pixel rules of a mask, brackets), and finds
every node by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mpc.core.arrays import F32, I64, Bools
from mpc.reconstruct.localise.bracket import DepthRange
from mpc.reconstruct.localise.field import BatchOccupancy, FieldQuery, Occupancy, alone
from mpc.reconstruct.localise.grid import Box, LocalisedGrid
from mpc.reconstruct.localise.localise import MAX_BATCH, choose_levels

from .bracket import Bracket
from .evaluator import NodeEvaluator
from .interpolate import interpolate_level
from .lattice import Lattice
from .search import Search
from .silhouette import Silhouette


def localise(
    occupancy: Occupancy,
    resolution: int = 257,
    *,
    mode: str = "lossless",
    start: int | None = None,
    levels: Sequence[int] | None = None,
    threshold: float = 0.5,
    seeds: F32 | None = None,
    mask: Bools | None = None,
    bracket: DepthRange | None = None,
    max_batch: int = MAX_BATCH,
) -> LocalisedGrid:
    """What `mpc.reconstruct.localise.localise` finds; the arguments are the same."""
    return localise_many(
        alone(occupancy), 1, resolution, mode=mode, start=start, levels=levels, threshold=threshold, seeds=[seeds],
        masks=[mask], brackets=[bracket], max_batch=max_batch,
    )[0]  # fmt: skip


def localise_many(
    occupancy: BatchOccupancy,
    count: int,
    resolution: int = 257,
    *,
    mode: str = "lossless",
    start: int | None = None,
    levels: Sequence[int] | None = None,
    threshold: float = 0.5,
    seeds: Sequence[F32 | None] | None = None,
    masks: Sequence[Bools | None] | None = None,
    brackets: Sequence[DepthRange | None] | None = None,
    max_batch: int = MAX_BATCH,
) -> list[LocalisedGrid]:
    """What `mpc.reconstruct.localise.localise_many` finds; the arguments are the same."""
    fast = mode == "fast"
    bounds = [None if fast or brackets is None else brackets[index] for index in range(count)]
    finest = (resolution + 1) // 2 if fast else resolution
    lattice = Lattice(finest)
    proved = [Bracket.of(lattice, bound) for bound in bounds]
    bracketed = all(one is not None for one in proved)
    masked = masks is not None and all(mask is not None for mask in masks)
    chosen, spare = choose_levels(finest, start, levels, fast=fast, masked=masked, bracketed=bracketed)
    searches = [
        Search(
            NodeEvaluator(
                lattice, threshold,
                None if masks is None or (mask := masks[index]) is None else Silhouette(lattice, mask),
                proved[index], visible=mode == "visible",
            ),
            chosen, None if seeds is None else seeds[index], visible=mode == "visible", spare=spare,
        )
        for index in range(count)
    ]  # fmt: skip
    query = FieldQuery(occupancy, max_batch)
    running = {index: search.run() for index, search in enumerate(searches)}
    while running:
        pending = {index: nodes for index, steps in running.items() if (nodes := next(steps, None)) is not None}
        running = {index: running[index] for index in pending}
        if not pending:
            break
        answers = query([lattice.points(nodes) for nodes in pending.values()], list(pending))
        for (index, nodes), values in zip(pending.items(), answers, strict=True):
            searches[index].evaluator.record(nodes, values)
    grids = []
    for index, search in enumerate(searches):
        nodes, values = search.evaluator.store.answers()
        grid = LocalisedGrid(
            finest, threshold, lattice.flat(nodes), values, tuple(search.levels), tuple(search.counts),
            query.calls.get(index, 0), _box_of(np.unique(search.edges // 3), lattice),
        )  # fmt: skip
        if fast:
            coarse = search.evaluator.silhouette
            both = None if coarse is None else (coarse, Silhouette(Lattice(resolution), coarse.mask))
            grid = interpolate_level(grid, query, index, both)
        grids.append(grid)
    return grids


def _box_of(nodes: I64, lattice: Lattice) -> Box | None:
    """The box around cells with these lowest corners, enlarged by a node (see `LocalisedGrid.surface_box`)."""
    if not len(nodes):
        return None
    ijk = np.stack(lattice.split(nodes))
    low, high = np.maximum(ijk.min(axis=1) - 1, 0), np.minimum(ijk.max(axis=1) + 3, lattice.resolution)
    return (int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2]))
