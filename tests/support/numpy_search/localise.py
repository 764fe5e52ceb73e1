"""Find where a surface passes through the view cube: coarse to fine, over any occupancy, without loss.

MonoPort (Li et al., ECCV 2020, "surface localization") evaluates a coarse grid, interpolates it, evaluates the network
at the nodes whose interpolated binary value is neither 0 nor 1, and re-examines the neighbours of nodes that contradict
the interpolation until none does. Many of its evaluations lie in coarse cells that the surface barely touches.

Here the sign changes themselves drive the search. A sign change along a coarse edge proves that a surface crosses it,
so the edge is bisected down to an edge of the next level. From there the surface is followed: all corners of a cell
with both signs are evaluated, then those of its neighbours across mixed edges, until no new cell is mixed. The nodes
evaluated on a level are then exactly the corners of the cells that the surface passes, which marching cubes needs
anyway, plus those of the bisections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mpc.core.arrays import F32, I64, Bools
from mpc.core.errors import MpcError, SettingsError
from mpc.reconstruct.localise.grid import Box, LocalisedGrid

from .bracket import Bracket, DepthRange
from .evaluator import NodeEvaluator
from .interpolate import interpolate_level
from .lattice import Lattice
from .search import Search
from .silhouette import Silhouette

Occupancy = Callable[[F32], Any]
"""(N, 3) float32 view-space points -> (N,) values, an array or a tensor."""
BatchOccupancy = Callable[[F32, I64], Any]
"""The same for several fields: the second argument, (N,) int64, is the field in which each point is evaluated."""

MODES = ("lossless", "fast", "visible")
# The features that a small network reads for so many points take a few hundred megabytes. `view_field.batch_points`
# computes the number that suits a network.
MAX_BATCH = 1 << 17
START = 17
"""Nodes along each side of the first grid."""


class FieldError(MpcError):
    """An occupancy function that returned NaN, or another number of values than it was given points."""


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
    """Evaluate an occupancy near its surface alone, on the nodes linspace(-1, 1, resolution)^3 of view space.

    Every connected surface that changes the sign along at least one evaluated edge of the `start` grid is found
    completely: the marching cubes mesh of the result is that of the dense grid. A surface that slips between the nodes
    of the start grid is missed; a finer `start`, `seeds` inside it or a `mask` that shows it find it. No node is
    evaluated twice.

    Args:
        occupancy: (n, 3) float32 points, view space -> (n,) values, array or tensor, inside above `threshold`.
        resolution: nodes along each side; minus one, it is `start` - 1 times a power of two.
        mode: "lossless"; "fast": lossless up to half the resolution, then interpolated, and evaluated only where the
            interpolation is in doubt; "visible": the first surface along +z of every column of nodes, and everything
            behind it counts as inside (`field_seen_by` turns a field towards any other camera).
        start: nodes along each side of the first grid; None: 17, or 33 with a bracket. From 17 on, and without a
            bracket, only a part of it is evaluated (see `evaluate_start_grid`). A body part is then missed when it lies
            more than a start spacing outside the box of the others and holds none of the nodes that are evaluated
            first. From 9 on, a body part is missed when it lies within a start spacing of the cube's faces and holds no
            node farther in.
        levels: resolutions to visit, first `start`, last `resolution`. None: resolutions are doubled while the spacing
            is at least eight final ones; with a mask, or where the start grid was cheap beside the surface, while it
            is at least four (the levels just below the last one cost more than what they find). Not for "fast".
        threshold: values above it are inside.
        seeds: (S, 3) float32, view-space points that may lie inside. Each is evaluated at its nearest node, and the
            surface around those that are inside is followed.
        mask: (H, W) bool, the person in the picture that view space belongs to. Columns of nodes outside the mask (by
            more than a pixel) are outside without an evaluation; behind pixels inside the mask that show no surface,
            one is searched for.
        bracket: says where along each column points can be inside (`ViewField.depth_range`). What it rules out is
            outside without an evaluation, so that the first grid is finer and is evaluated wherever a person can be.
            Not used in "fast" mode, which reads more of a value than its side.
        max_batch: greatest n of one call.

    Raises:
        SettingsError: levels that do not divide one another, an unknown mode, or a bracket for a threshold under 0.5.
        FieldError: the occupancy returned NaN or a wrong number of values.
    """

    def one(points: F32, owner: I64) -> Any:
        return occupancy(points)

    return localise_many(
        one, 1, resolution, mode=mode, start=start, levels=levels, threshold=threshold, seeds=[seeds], masks=[mask],
        brackets=[bracket], max_batch=max_batch,
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
    """`localise` for `count` fields in step: each call of the occupancy serves all fields that are not finished.

    The result for a field does not depend on the other fields.

    Args:
        occupancy: (n, 3) float32 points and (n,) int64, rising, the field of each point (0 to `count` - 1) -> values.
        count: number of fields.
        resolution: as for `localise`, like the arguments that are not listed here.
        seeds: one entry for each field.
        masks: one entry for each field.
        brackets: one entry for each field.

    Raises:
        SettingsError: as for `localise`.
        FieldError: as for `localise`.
    """
    if mode not in MODES:
        raise SettingsError(f"mode {mode!r}: expected one of {', '.join(MODES)}")
    fast = mode == "fast"
    bounds = [None if fast or brackets is None else brackets[index] for index in range(count)]
    if threshold < 0.5 and any(bound is not None for bound in bounds):
        raise SettingsError(f"threshold {threshold:g}: a bracket says what is not above 0.5")
    least = 2 * (start or START) - 1
    if fast and (levels is not None or resolution % 2 == 0 or resolution < least):
        raise SettingsError(f"fast mode needs an odd resolution of at least {least} and its own levels")
    finest = (resolution + 1) // 2 if fast else resolution
    lattice = Lattice(finest)
    proved = [Bracket.of(lattice, bound) for bound in bounds]
    bracketed = all(one is not None for one in proved)
    if start is None:  # what a bracket rules out costs nothing, so a finer grid costs less than the coarse one without
        start = 2 * START - 1 if bracketed and finest > 2 * START - 1 else START
    # A mask saves evaluations. They pay for one more level, on which smaller parts are found.
    closest = 4 if bracketed or (masks is not None and all(mask is not None for mask in masks)) else 8
    if fast:  # the interpolated level cannot find a part that the levels before it have missed
        closest = 2
    chosen = tuple(levels) if levels is not None else default_levels(start, finest, closest)
    # Without a mask, that level is visited only where the start grid was cheap beside the surface.
    longer = default_levels(start, finest, 4)
    spare = levels is None and 2 < len(chosen) < len(longer)
    chosen = longer if spare else chosen
    check_levels(chosen, finest)
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


def default_levels(start: int, resolution: int, closest: int = 8) -> tuple[int, ...]:
    """Resolutions doubled from `start` while the spacing is at least `closest` final ones, and then `resolution`."""
    levels, side = [start], start
    while (resolution - 1) // (2 * (side - 1)) >= closest:
        side = 2 * side - 1
        levels.append(side)
    return (*levels, resolution) if levels[-1] != resolution else tuple(levels)


def check_levels(levels: Sequence[int], resolution: int) -> None:
    """Raise SettingsError unless each level refines the one before by a power of two and the last is `resolution`."""
    if not levels or levels[-1] != resolution or levels[0] < 2 or len(levels) > 7:
        raise SettingsError(f"levels {tuple(levels)}: 1 to 7 of them, the last {resolution}, all at least 2")
    for coarse, fine in pairwise(levels):
        ratio, rest = divmod(fine - 1, coarse - 1)
        if rest or ratio < 2 or ratio & (ratio - 1):
            raise SettingsError(
                f"resolution {fine} does not refine {coarse}: {fine} - 1 must be 2, 4, 8, … times {coarse} - 1"
            )


class FieldQuery:
    """Evaluates points of several fields in calls of at most `max_batch` points.

    Args:
        occupancy: see `localise_many`.
        max_batch: greatest number of points in one call.

    Attributes:
        calls: number of calls that evaluated points of each field.
    """

    def __init__(self, occupancy: BatchOccupancy, max_batch: int) -> None:
        self.occupancy, self.max_batch = occupancy, max_batch
        self.calls: dict[int, int] = {}

    def __call__(self, points: Sequence[F32], owners: Sequence[int]) -> list[F32]:
        whole = np.concatenate(points)
        owner = np.repeat(np.array(owners, np.int64), [len(part) for part in points])
        values = np.empty(len(whole), np.float32)
        for first in range(0, len(whole), self.max_batch):
            part = slice(first, min(first + self.max_batch, len(whole)))
            values[part] = as_values(self.occupancy(whole[part], owner[part]), part.stop - part.start)
            for index in np.unique(owner[part]).tolist():
                self.calls[index] = self.calls.get(index, 0) + 1
        return np.split(values, np.cumsum([len(part) for part in points])[:-1])


def _box_of(nodes: I64, lattice: Lattice) -> Box | None:
    """The box around cells with these lowest corners, enlarged by a node (see `LocalisedGrid.surface_box`)."""
    if not len(nodes):
        return None
    ijk = np.stack(lattice.split(nodes))
    low, high = np.maximum(ijk.min(axis=1) - 1, 0), np.minimum(ijk.max(axis=1) + 3, lattice.resolution)
    return (int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2]))


def as_values(returned: Any, count: int) -> F32:
    """The values that an occupancy function returned, as (count,) float32 on the host.

    Raises:
        FieldError: another number of values, or values that are not finite.
    """
    if hasattr(returned, "detach"):
        returned = returned.detach().float().cpu().numpy()
    values: F32 = np.ascontiguousarray(returned, dtype=np.float32).reshape(-1)
    if len(values) != count:
        raise FieldError(f"the occupancy returned {len(values)} values for {count} points")
    if not np.isfinite(values).all():
        raise FieldError(f"the occupancy returned {int((~np.isfinite(values)).sum())} values that are not finite (NaN)")
    return values
