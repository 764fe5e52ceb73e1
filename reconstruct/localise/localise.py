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

from collections.abc import Sequence
from itertools import pairwise

from ...core.arrays import F32, Bools
from ...core.errors import SettingsError
from .bracket import Bracket, DepthRange
from .device import Device
from .field import BatchOccupancy, FieldError, Occupancy, alone, as_values
from .grid import LocalisedGrid
from .lattice import Lattice
from .run import CHUNK_AHEAD, run_ahead, run_in_step
from .search import Search, SearchSettings
from .silhouette import Silhouette

__all__ = [
    "MAX_BATCH", "MODES", "BatchOccupancy", "FieldError", "Occupancy", "as_values", "localise", "localise_many",
]  # fmt: skip

MODES = ("lossless", "fast", "visible")
# The features that a small network reads for so many points take a few hundred megabytes. `view_field.batch_points`
# computes the number that suits a network.
MAX_BATCH = 1 << 17
START = 17
"""Nodes along each side of the first grid."""


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
            bracket, only a part of it is evaluated (see `decide_start` in search_program.py). A body part is then
            missed when it lies more than a start spacing outside the box of the others and holds none of the nodes that
            are evaluated first. From 9 on, a body part is missed when it lies within a start spacing of the cube's
            faces and holds no node farther in.
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
    # A function of the host is searched there.
    device = Device(getattr(occupancy, "device", "cpu"))
    proved = [Bracket.of(lattice, bound, device) for bound in bounds]
    bracketed = all(one is not None for one in proved)
    masked = masks is not None and all(mask is not None for mask in masks)
    chosen, spare = choose_levels(finest, start, levels, fast=fast, masked=masked, bracketed=bracketed)
    searches = [
        Search(
            SearchSettings(
                lattice=lattice, threshold=threshold, levels=chosen, visible=mode == "visible", spare=spare,
                seeds=None if seeds is None else seeds[index],
                silhouette=None if masks is None or (mask := masks[index]) is None else Silhouette(lattice, mask),
                bracket=proved[index],
            ),
            device, min(max_batch, CHUNK_AHEAD) if device.ahead else max_batch,
        )
        for index in range(count)
    ]  # fmt: skip
    if device.ahead:
        answers = run_ahead(searches, occupancy, fast=fast)
    else:
        answers = run_in_step(searches, occupancy, max_batch, fast=fast)
    return [
        LocalisedGrid(
            resolution, threshold, one.found.nodes, one.found.values, one.found.levels, one.found.counts, one.calls,
            one.found.box, device.name, one.there,
        )
        for one in answers
    ]  # fmt: skip


def choose_levels(
    resolution: int, start: int | None, levels: Sequence[int] | None, *, fast: bool, masked: bool, bracketed: bool
) -> tuple[tuple[int, ...], bool]:
    """The levels of a search, and whether it skips the one before the last unless the others were cheap.

    Args:
        resolution: of the last level that is searched.
        start: see `localise`.
        levels: see `localise`.
        fast: another level is interpolated.
        masked: all fields have a mask.
        bracketed: all fields have a bracket.

    Raises:
        SettingsError: levels that do not divide one another.
    """
    if start is None:  # what a bracket rules out costs nothing, so a finer grid costs less than the coarse one without
        start = 2 * START - 1 if bracketed and resolution > 2 * START - 1 else START
    # A mask saves evaluations. They pay for one more level, on which smaller parts are found.
    closest = 4 if bracketed or masked else 8
    if fast:  # the interpolated level cannot find a part that the levels before it have missed
        closest = 2
    chosen = tuple(levels) if levels is not None else default_levels(start, resolution, closest)
    # Without a mask, that level is visited only where the start grid was cheap beside the surface.
    longer = default_levels(start, resolution, 4)
    spare = levels is None and 2 < len(chosen) < len(longer)
    chosen = longer if spare else chosen
    check_levels(chosen, resolution)
    return chosen, spare


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
