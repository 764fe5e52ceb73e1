"""Small charts as inline SVG: lines, bars, histograms and strips of dots; fonts and text colours are in report.css."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from .axes import BOTTOM, COLOURS, HEIGHT, LEFT, NOTHING, RIGHT, TOP, WIDTH, Plot, axis_labels, frame, tick_text, ticks


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: shown in the legend.
        points: (x, y) pairs in rising x.
        marked: draw a dot at every point.
    """

    name: str
    points: Sequence[tuple[float, float]]
    marked: bool = False


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    logarithmic: bool = False,
    zero: bool = False,
    x_marks: Sequence[float] = (),
) -> str:
    """Draw lines with axes, ticks and a legend.

    Args:
        title: shown above the chart.
        series: the lines; points that are not finite, or not above 0 on a logarithmic axis, are left out.
        x_label: text below the x axis, with the unit.
        y_label: text beside the y axis, with the unit.
        logarithmic: show the y axis in powers of ten; ignored where all values lie within one decade.
        zero: let the y axis begin at 0.
        x_marks: values written below the x axis; empty for round numbers.

    Returns:
        HTML with one SVG.
    """
    kept = [
        Series(
            line.name, [(x, y) for x, y in line.points if math.isfinite(y) and (y > 0 or not logarithmic)], line.marked
        )
        for line in series
    ]
    kept = [line for line in kept if line.points]
    everything = [point for line in kept for point in line.points]
    if logarithmic and everything and max(y for _, y in everything) < 10 * min(y for _, y in everything):
        logarithmic, zero = False, True  # within one decade, powers of ten show nothing
    if not everything:
        return frame(title, NOTHING)
    transform = math.log10 if logarithmic else float
    ys = [transform(y) for _, y in everything] + ([0.0] if zero and not logarithmic else [])
    x_low, x_high = _range([x for x, _ in everything])
    y_ticks = _power_ticks(min(ys), max(ys)) if logarithmic else ticks(min(ys), max(ys))
    y_low, y_high = _range([*ys, *y_ticks])

    plot = Plot(x_low, x_high, y_low, y_high)
    x_shown = [tick for tick in x_marks or ticks(x_low, x_high) if x_low <= tick <= x_high]
    parts = [
        plot.y_grid(y_ticks, lambda tick: tick_text(10**tick if logarithmic else tick)),
        plot.x_ticks(x_shown),
    ]
    for index, line in enumerate(kept):
        colour, spots = COLOURS[index % len(COLOURS)], [plot.place(x, transform(y)) for x, y in _thin(line.points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{path}"/>')
        if line.marked or len(spots) == 1:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in spots]
    parts.append(axis_labels(x_label, y_label))
    return frame(title, "".join(parts), [line.name for line in kept])


def bar_chart(
    title: str, names: Sequence[str], groups: dict[str, Sequence[float]], *, x_label: str, y_label: str
) -> str:
    """Draw groups of bars.

    Args:
        title: shown above the chart.
        names: one group of bars each; a newline splits a name into two lines.
        groups: by the name in the legend, the height of that bar in each group.
        x_label: text below the x axis.
        y_label: text beside the y axis.

    Returns:
        HTML with one SVG; the legend is left out where a group has one bar.
    """
    values = [value for bars in groups.values() for value in bars]
    if not values:
        return frame(title, NOTHING)
    y_ticks = ticks(0.0, max(*values, 1e-9) if len(values) > 1 else max(values[0], 1e-9))
    top = max(y_ticks[-1], max(values))
    parts = [Plot(0.0, 1.0, 0.0, top).y_grid(y_ticks, tick_text)]
    slot = (WIDTH - LEFT - RIGHT) / len(names)
    bar = slot * 0.8 / len(groups)
    for position, name in enumerate(names):
        start = LEFT + slot * (position + 0.1)
        for index, bars in enumerate(groups.values()):
            tall = bars[position] / top * (HEIGHT - TOP - BOTTOM)
            parts.append(
                f'<rect x="{start + index * bar:.1f}" y="{HEIGHT - BOTTOM - tall:.1f}" width="{bar:.1f}" '
                f'height="{tall:.1f}" fill="{COLOURS[index % len(COLOURS)]}">'
                f"<title>{tick_text(bars[position])}</title></rect>"
            )
        for row, text in enumerate(name.split("\n")):
            place = f'x="{start + slot * 0.4:.1f}" y="{HEIGHT - BOTTOM + 12 + 10 * row}"'
            parts.append(f'<text class="tick small" {place} text-anchor="middle">{escape(text)}</text>')
    parts.append(axis_labels(x_label, y_label))
    return frame(title, "".join(parts), list(groups) if len(groups) > 1 else [])


def histogram(title: str, values: Sequence[float], *, x_label: str, y_label: str, bins: int = 16) -> str:
    """Draw how many values fall into each of `bins` equal parts of a rounded range, and mark the median.

    Args:
        title: shown above the chart.
        values: the values; an empty list gives a chart that says so.
        x_label: text below the x axis, with the unit.
        y_label: text beside the y axis.
        bins: number of bars.

    Returns:
        HTML with one SVG.
    """
    if not values:
        return frame(title, NOTHING)
    edges = ticks(float(min(values)), float(max(values)))
    low, high = edges[0], edges[-1]
    counts, borders = np.histogram(values, bins=bins, range=(low, high))
    y_ticks = [tick for tick in ticks(0.0, float(max(counts.max(), 1))) if tick == round(tick)]
    top = max(y_ticks[-1], 1.16 * float(counts.max()))  # leaves room above the bars for the median's text
    plot = Plot(low, high, 0.0, top)
    parts = [plot.y_grid(y_ticks, tick_text), plot.x_ticks(edges)]
    for count, start, end in zip(counts, borders[:-1], borders[1:], strict=True):
        x, y = plot.place(float(start), float(count))
        width = plot.place(float(end), 0.0)[0] - x
        parts.append(
            f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(width - 1, 0.5):.1f}" '
            f'height="{plot.place(0.0, 0.0)[1] - y:.1f}" fill="{COLOURS[0]}"><title>{int(count)}</title></rect>'
        )
    middle = float(np.median(values))
    x = plot.place(middle, 0.0)[0]
    right = x < WIDTH - RIGHT - 80
    parts.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{COLOURS[1]}" '
        f'stroke-width="1.6" stroke-dasharray="4 3"/>'
        f'<text class="tick" x="{x + (4 if right else -4):.1f}" y="{TOP + 9}" '
        f'text-anchor="{"start" if right else "end"}">median {tick_text(middle)}</text>'
    )
    parts.append(axis_labels(x_label, y_label))
    return frame(title, "".join(parts))


def strips(title: str, groups: Mapping[str, Sequence[float]], *, y_label: str, x_label: str = "") -> str:
    """Draw a column for each group: a dot for each value, a box from the first to the third quartile, the median.

    Args:
        title: shown above the chart.
        groups: values by the group's name; empty groups are left out.
        y_label: text beside the y axis, with the unit.
        x_label: text below the x axis.

    Returns:
        HTML with one SVG.
    """
    kept = {name: list(values) for name, values in groups.items() if values}
    if not kept:
        return frame(title, NOTHING)
    everything = [value for values in kept.values() for value in values]
    y_ticks = ticks(min(0.0, *everything), max(everything))
    plot = Plot(-0.5, len(kept) - 0.5, min(y_ticks[0], *everything), max(y_ticks[-1], *everything))
    parts = [plot.y_grid(y_ticks, tick_text)]
    slot = plot.place(1.0, 0.0)[0] - plot.place(0.0, 0.0)[0]
    wide = min(slot * 0.6, 46.0)
    for column, (name, values) in enumerate(kept.items()):
        low, middle, high = (float(np.quantile(values, share)) for share in (0.25, 0.5, 0.75))
        x, top = plot.place(float(column), high)
        bottom, line = plot.place(0.0, low)[1], plot.place(0.0, middle)[1]
        parts.append(
            f'<rect x="{x - wide / 2:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{max(bottom - top, 0.5):.1f}" '
            f'fill="{COLOURS[0]}" fill-opacity="0.22"/><line x1="{x - wide / 2:.1f}" x2="{x + wide / 2:.1f}" '
            f'y1="{line:.1f}" y2="{line:.1f}" stroke="{COLOURS[0]}" stroke-width="2"/>'
        )
        for index, value in enumerate(values):
            # Dots are shifted sideways so that they do not cover each other, in the same way on every page.
            aside = (((index * 7) % 11) / 10 - 0.5) * wide * 0.7
            y = plot.place(0.0, value)[1]
            parts.append(
                f'<circle cx="{x + aside:.1f}" cy="{y:.1f}" r="2.2" fill="{COLOURS[1]}" fill-opacity="0.75">'
                f"<title>{escape(name)}: {tick_text(value)}</title></circle>"
            )
        if len(kept) <= 12 or column % -(-len(kept) // 12) == 0:
            shown = name if len(name) * 5.5 < slot * 1.9 else name[: max(3, int(slot * 1.9 / 5.5))] + "…"
            row = 12 if column % 2 == 0 or len(name) * 5.5 < slot else 22
            parts.append(
                f'<text class="tick small" x="{x:.1f}" y="{HEIGHT - BOTTOM + row}" text-anchor="middle">'
                f"{escape(shown)}</text>"
            )
    parts.append(axis_labels(x_label, y_label))
    return frame(title, "".join(parts))


def _power_ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(low), math.ceil(high)
    step = max(1, (last - first) // 6)
    return [float(tick) for tick in range(first, max(last, first + 1) + 1, step)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _thin(points: Sequence[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    """Replace neighbouring points by their mean until at most `most` are left, so that a page stays small."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    groups = [points[first : first + size] for first in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
