"""The statistics of a folder of shards as text: aligned columns for the terminal, and cells for page and card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .collect import ShardStats
from .measure import SECTORS

MOST_ROWS = 8  # animations, lights and licences beyond are summed up
# By the camera's yaw from where the person faces. At 90 degrees it stands on +x, and sees the left of who faces +z.
SIDES = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")

Rows = list[tuple[str, ...]]


def table(stats: ShardStats) -> str:
    """All statistics as text for the terminal."""
    blocks = [
        ("", split_rows(stats)),
        ("points", point_rows(stats)),
        ("seen from", side_rows(stats)),
        ("lights", count_rows(stats.lights, "views", "kind")),
        ("scenes", count_rows({**stats.kinds}, "scenes", "kind")),
        ("animations", count_rows(stats.animations, "scenes", "animation")),
        ("size", size_rows(stats)),
        ("licences", licence_rows(stats)),
    ]
    lines = [summary(stats)]
    for title, rows in blocks:
        if len(rows) > 1:
            lines += ["", *([f"{title}:"] if title else []), *align(rows)]
    return "\n".join(lines)


def summary(stats: ShardStats) -> str:
    """The folder in one sentence."""
    people = f", {stats.people} people" if stats.people != stats.total("subjects") else ""
    sizes = ", ".join(f"{size}x{size}" for size in stats.sizes)
    extents = ", ".join(f"{extent:g}" for extent in stats.extents)
    text = (
        f"{stats.folder}: {stats.total('subjects')} subjects{people}, {stats.total('scenes')} scenes, "
        f"{stats.total('views'):,} views of {sizes} pixels in cubes of {extents} m, {stats.total('points'):,} labelled "
        f"points, {bytes_text(stats.total('bytes'))}"
    )
    if stats.failures:
        text += f"; {len(stats.failures)} scenes could not be sampled"
    if stats.ambiguous:
        text += f"; in {stats.ambiguous} scenes some volume is ambiguous"
    return text


def split_rows(stats: ShardStats) -> Rows:
    """One row a split."""
    rows: Rows = [("split", "subjects", "scenes", "views", "points", "shards", "size")]
    for name, counts in stats.splits.items():
        numbers = (counts.subjects, counts.scenes, counts.views, counts.points, counts.shards)
        rows.append((name, *(f"{number:,}" for number in numbers), bytes_text(counts.bytes)))
    return rows


def point_rows(stats: ShardStats) -> Rows:
    """One row for each kind of points: label balance and distances."""
    rows: Rows = [("points", "number", "inside", "least, most of a scene", "median distance", "95 % are nearer than")]
    for name, points in stats.points.items():
        middle, far = (points.distance_m.get(percent) for percent in ("50", "95"))
        rows.append(
            (
                name,
                f"{points.points:,}",
                f"{points.inside:.1%}",
                f"{points.least:.1%}, {points.most:.1%}",
                "-" if middle is None else f"{1000 * middle:.1f} mm",
                "-" if far is None else f"{1000 * far:.1f} mm",
            )
        )
    return rows


def side_rows(stats: ShardStats) -> Rows:
    """Views by the side of the person that they show, for people whose facing is known."""
    known = sum(stats.turns)
    counts = [0.0] * len(SIDES)
    for sector, count in enumerate(stats.turns):
        # Sectors of 30 degrees, sides of 45: a sector that two sides share is divided.
        middle = sector * 360 / SECTORS
        low, high = (middle - 15 + 22.5) / 45, (middle + 15 + 22.5) / 45
        first = int(low)
        share = min(1.0, (first + 1 - low) / (high - low))
        counts[first % len(SIDES)] += count * share
        counts[(first + 1) % len(SIDES)] += count * (1.0 - share)
    rows: Rows = [("side", "views")]
    rows += [(name, f"{count / known:.1%}") for name, count in zip(SIDES, counts, strict=True)] if known else []
    unknown = stats.total("views") - known
    return [*rows, ("facing unknown", f"{unknown / max(1, stats.total('views')):.1%} of all")] if unknown else rows


def count_rows(counts: Mapping[str, int], what: str, title: str) -> Rows:
    """Counts with their shares, the greatest first; many small ones in one row."""
    total = max(1, sum(counts.values()))
    shown = list(counts.items())[:MOST_ROWS]
    rest = total - sum(count for _, count in shown)
    rows: Rows = [(title, what, "share")]
    rows += [(name, f"{count:,}", f"{count / total:.1%}") for name, count in shown]
    if len(counts) > MOST_ROWS:
        rows.append((f"others ({len(counts) - MOST_ROWS})", f"{rest:,}", f"{rest / total:.1%}"))
    return rows


def size_rows(stats: ShardStats) -> Rows:
    """Bytes by part, and of a view or a scene."""
    total = max(1, sum(stats.bytes.values()))
    rows: Rows = [("part", "size", "share")]
    rows += [(name, bytes_text(size), f"{size / total:.1%}") for name, size in stats.bytes.items() if size]
    return rows


def licence_rows(stats: ShardStats) -> Rows:
    """Subjects by what is known of their licence."""
    rows: Rows = [("subjects", "licence")]
    ordered = sorted(stats.licences.items(), key=lambda item: (-len(item[1]), item[0]))
    rows += [(f"{len(subjects):,}", note) for note, subjects in ordered[:MOST_ROWS]]
    if len(ordered) > MOST_ROWS:
        others = sum(len(subjects) for _, subjects in ordered[MOST_ROWS:])
        rows.append((f"{others:,}", f"{len(ordered) - MOST_ROWS} other notes, see --json"))
    return rows


def bytes_text(size: int) -> str:
    """A size for people: 1.2 GB, 34 MB, 5 kB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}" if size < 10 * scale else f"{size / scale:,.0f} {unit}"
    return f"{size / 1e3:,.0f} kB"


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns: names to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = [all(row[column][:1].isdigit() or row[column] == "-" for row in rows[1:]) for column in range(len(widths))]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]
