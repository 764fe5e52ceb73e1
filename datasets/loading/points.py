"""Draw a scene's points from a shard: runs of neighbouring rows, since pools are stored in random order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...core.arrays import F32, I64, Array, Bools
from ...core.errors import InputError, SettingsError
from ...render.light.shading import display_irradiance
from ..shards.format import ALBEDO_SCALE, CONFIDENCE_SCALE, NORMAL_SCALE, PointSetInfo
from ..shards.reader import ShardReader

# Share of uniform points where the caller does not choose. PIFu's mixture (Saito et al., ICCV 2019, "Spatial
# Sampling"): 16 near points to 1 uniform point.
UNIFORM_SHARE = 1.0 / 17.0


def mixture_counts(sets: tuple[PointSetInfo, ...], points: int, mixture: Mapping[str, float] | None) -> tuple[int, ...]:
    """Share points out among the kinds.

    Args:
        sets: the kinds of points in the shards.
        points: number of points to share out.
        mixture: share by the kind's name, any numbers of at least 0; None for `UNIFORM_SHARE` uniform points and the
            rest near, evenly by sigma.

    Returns:
        Number of points of each kind, in the order of `sets`; their sum is `points`.

    Raises:
        SettingsError: these shards lack a kind, a share is negative, or all are zero.
    """
    near = [info for info in sets if info.sigma_m > 0]
    if mixture is None:
        share = {info.name: (1.0 - UNIFORM_SHARE) / len(near) if info.sigma_m > 0 else UNIFORM_SHARE for info in sets}
    else:
        share = dict(mixture)
    unknown = sorted(set(share) - {info.name for info in sets})
    if unknown:
        raise SettingsError(f"no points named {', '.join(unknown)}; these shards hold {[info.name for info in sets]}")
    total = sum(share.values())
    if min(share.values()) < 0 or total <= 0:
        raise SettingsError(f"mixture is {share}, expected shares, none negative, not all 0")
    ends = np.rint(np.cumsum([0.0, *(share.get(info.name, 0.0) / total for info in sets)]) * points)
    return tuple(int(count) for count in np.diff(ends))


def draw_points(
    reader: ShardReader,
    scene: int,
    counts: tuple[int, ...],
    calibration: Array,
    rng: np.random.Generator,
    *,
    confidence: bool = False,
    balanced: bool = False,
) -> dict[str, F32]:
    """Draw labelled points of one scene inside one view's cube.

    Args:
        reader: the scene's shard.
        scene: the scene's row in it.
        counts: number of points of each kind, in the order of the header's sets.
        calibration: (4, 4), world metres to the view's space.
        rng: decides where each run begins.
        confidence: whether to read how sure the labels are.
        balanced: whether as many points are inside as outside: 2, 4 or 8 times as many points are drawn, and half of
            those to return are taken from each side, evenly from all kinds; where one side still has too few, the
            other fills up (PIFu's loader draws 4 times as many).

    Returns:
        "points" (N, 3) world metres, "labels" (N,), and with `confidence` "confidence" (N,); float32.

    Raises:
        InputError: the pool has too few points in this cube.
    """
    if balanced:
        return _draw_balanced(reader, scene, counts, calibration, rng, confidence=confidence)
    total = sum(counts)
    out = {"points": np.empty((total, 3), np.float32), "labels": np.empty(total, np.float32)}
    if confidence:
        out["confidence"] = np.ones(total, np.float32)
    start, place = reader.rows(scene, "point").start, 0
    for info, count in zip(reader.header.sets, counts, strict=True):
        if count:
            part = {name: array[place : place + count] for name, array in out.items()}
            _draw_kind(reader, scene, start, info, calibration, rng, part)
        place += count
        start += info.count
    return out


def _draw_balanced(
    reader: ShardReader,
    scene: int,
    counts: tuple[int, ...],
    calibration: Array,
    rng: np.random.Generator,
    *,
    confidence: bool,
) -> dict[str, F32]:
    """`draw_points` with as many inside as outside."""
    drawn = draw_points(reader, scene, tuple(2 * n for n in counts), calibration, rng, confidence=confidence)
    for factor in (4, 8):
        inside = int((drawn["labels"] > 0.5).sum())
        if min(inside, len(drawn["labels"]) - inside) >= sum(counts) // 2:
            break
        more = tuple(factor * n for n in counts)
        if any(n > info.count for n, info in zip(more, reader.header.sets, strict=True)):
            break
        try:
            drawn = draw_points(reader, scene, more, calibration, rng, confidence=confidence)
        except InputError:  # part of the pool lies outside this view's cube: the earlier draw has to suffice
            break
    kept = _half_of_each_side(drawn["labels"] > 0.5, sum(counts), rng)
    return {name: array[kept] for name, array in drawn.items()}


def _half_of_each_side(inside: Bools, count: int, rng: np.random.Generator) -> I64:
    """(count,) int64 indices, ascending, of points of which half are inside, or as many as there are."""
    sides = [rng.permutation(np.flatnonzero(side)) for side in (inside, ~inside)]
    first = min(len(sides[0]), max(count // 2, count - len(sides[1])))
    return np.sort(np.concatenate([sides[0][:first], sides[1][: count - first]]))


def _draw_kind(
    reader: ShardReader,
    scene: int,
    start: int,
    info: PointSetInfo,
    calibration: Array,
    rng: np.random.Generator,
    out: dict[str, F32],
) -> None:
    """Fill `out` with points of one kind: a run of rows, and the rows after it where too few lie in the cube.

    Args:
        reader: the scene's shard.
        scene: the scene's row in it.
        start: first row of the kind.
        info: the kind.
        calibration: (4, 4), world metres to the view's space.
        rng: decides where the run begins.
        out: arrays to fill, as `draw_points` returns them.
    """
    doubts, first_point = reader.rows(scene, "doubt"), reader.rows(scene, "point").start
    doubtful = "confidence" in out and doubts.stop > doubts.start
    at, done, left = start + 8 * int(rng.integers(0, info.count // 8)), 0, info.count
    count = len(out["points"])
    while done < count and left:
        # Of uniform points 64 % lie in a given cube; labels are bits, so runs start and end at whole bytes.
        wanted = (count - done) * (7 if info.sigma_m == 0 else 4) // 4 + 64
        run = min(-(-wanted // 8) * 8, start + info.count - at, left)
        points = positions(reader, scene, reader.read("points/q", at, run))
        keep = np.flatnonzero(in_cube(points, calibration))[: count - done]
        part = slice(done, done + len(keep))
        out["points"][part] = points[keep]
        out["labels"][part] = np.unpackbits(reader.read("points/inside", at // 8, run // 8))[keep]
        if doubtful:
            stored = reader.read("points/confidence", doubts.start + at - first_point, run)
            out["confidence"][part] = stored[keep] * np.float32(1.0 / CONFIDENCE_SCALE)
        done += len(keep)
        left -= run
        at = start if at + run == start + info.count else at + run
    if done < count:
        raise InputError(
            reader.path,
            f"scene {reader.text('scenes/key', scene)} has only {done} {info.name} points inside a view's cube, "
            f"{count} wanted: draw fewer, or sample more",
        )


def draw_colours(
    reader: ShardReader, scene: int, count: int, light: F32, rng: np.random.Generator, *, relight: bool = False
) -> dict[str, F32]:
    """Draw coloured surface points of one scene under one light.

    Args:
        reader: the scene's shard.
        scene: the scene's row in it.
        count: number M of points.
        light: (9, 3) float32, the view's light.
        rng: decides where the run begins.
        relight: whether to return what the colour under another light is computed from.

    Returns:
        "colour_points", "colour_normals", "colours" (M, 3); with `relight` also "colour_albedo" (M, 3) and
        "colour_transfer" (M, 9). All float32.
    """
    rows = reader.rows(scene, "colour")
    start = rows.start + int(rng.integers(0, rows.stop - rows.start - count + 1))
    albedo = reader.read("colours/albedo", start, count).astype(np.float32) / np.float32(ALBEDO_SCALE)
    transfer = reader.read("colours/transfer", start, count).astype(np.float32)
    content: dict[str, F32] = {
        "colour_points": positions(reader, scene, reader.read("colours/q", start, count)),
        "colour_normals": reader.read("colours/normal", start, count).astype(np.float32) / np.float32(NORMAL_SCALE),
        "colours": np.minimum(albedo * display_irradiance(transfer, light), np.float32(1.0)),
    }
    return content | ({"colour_albedo": albedo, "colour_transfer": transfer} if relight else {})


def draw_transfer(reader: ShardReader, scene: int, count: int, rng: np.random.Generator) -> dict[str, F32]:
    """Draw surface points of one scene to relight its picture with.

    Args:
        reader: the scene's shard.
        scene: the scene's row in it.
        count: number R of points.
        rng: decides where the run begins.

    Returns:
        "relight_points" (R, 3) world metres and "relight_transfer" (R, 9); float32.
    """
    rows = reader.rows(scene, "colour")
    start = rows.start + int(rng.integers(0, rows.stop - rows.start - count + 1))
    return {
        "relight_points": positions(reader, scene, reader.read("colours/q", start, count)),
        "relight_transfer": reader.read("colours/transfer", start, count).astype(np.float32),
    }


def positions(reader: ShardReader, scene: int, q: Array) -> F32:
    """(N, 3) float32 world metres of lattice points `q` (N, 3) of a scene; exact, see sampling/lattice.py."""
    origin = reader.tables["scenes/origin_world"][scene].astype(np.float32)
    return np.asarray(q * np.float32(reader.tables["scenes/step_m"][scene]) + origin, np.float32)


def in_cube(points: F32, calibration: Array) -> Bools:
    """(N,) bool: which world points (N, 3) a calibration maps into [-1, 1]^3."""
    matrix = calibration.astype(np.float32)
    view = points @ matrix[:3, :3].T + matrix[:3, 3]
    reach: F32 | float = 1.0
    if (calibration[3] != (0.0, 0.0, 0.0, 1.0)).any():  # perspective: x, y, z over w within 1, in front of the camera
        reach = points @ matrix[3, :3] + matrix[3, 3]
    size = np.abs(view)
    # Column by column: a reduction over an axis of three costs ten times as much.
    return np.asarray((size[:, 0] <= reach) & (size[:, 1] <= reach) & (size[:, 2] <= reach))
