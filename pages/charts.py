"""Small charts as inline SVG: lines over steps, bars. Text and colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 40
COLOURS = ("#2a6fb0", "#c8553d", "#3c8d5a", "#8b5fbf", "#b08a2a")

NOTHING = '<text class="note" x="230" y="130" text-anchor="middle">nothing was recorded</text>'


@dataclass(frozen=True)
class Plot:
    """The ranges of the axes, and where a point (x, y) lies in the drawing."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Across and down."""
        across = LEFT + (x - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - (y - self.y_low) / (self.y_high - self.y_low) * (HEIGHT - TOP - BOTTOM)

    def grid(self, ticks: Sequence[float]) -> str:
        """Lines across, with their values."""
        return "".join(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>'
            for tick, y in ((tick, self.place(self.x_low, tick)[1]) for tick in ticks)
        )

    def x_ticks(self, ticks: Sequence[float]) -> str:
        """Values below the drawing."""
        return "".join(
            f'<text class="tick" x="{self.place(tick, self.y_low)[0]:.1f}" y="{HEIGHT - BOTTOM + 16}" '
            f'text-anchor="middle">{number(tick)}</text>'
            for tick in ticks
        )


@dataclass(frozen=True)
class Series:
    """One line: a name, its points (x, y) in rising x, and whether each point is marked."""

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
    """An SVG with lines, axes, ticks and a legend.

    Args:
        title: above the chart.
        series: lines; points that are not finite (or not above 0 on a logarithmic axis) are left out.
        x_label, y_label: with units.
        logarithmic: the y axis in powers of ten.
        zero: the y axis begins at 0.
        x_marks: values shown below the x axis; none for round ones.
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
        logarithmic, zero = False, True  # within a decade, powers of ten tell nothing
    if not everything:
        return frame(title, NOTHING)
    transform = math.log10 if logarithmic else float
    ys = [transform(y) for _, y in everything] + ([0.0] if zero and not logarithmic else [])
    x_low, x_high = _range([x for x, _ in everything])
    y_ticks = _power_ticks(min(ys), max(ys)) if logarithmic else ticks(min(ys), max(ys))
    y_low, y_high = _range([*ys, *y_ticks])

    plot = Plot(x_low, x_high, y_low, y_high)
    parts = []
    for tick in y_ticks:
        y = plot.place(x_low, tick)[1]
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        label = number(10**tick if logarithmic else tick)
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    parts.append(plot.x_ticks([tick for tick in x_marks or ticks(x_low, x_high) if x_low <= tick <= x_high]))
    for index, line in enumerate(kept):
        colour, spots = COLOURS[index % len(COLOURS)], [plot.place(x, transform(y)) for x, y in _thin(line.points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{path}"/>')
        if line.marked or len(spots) == 1:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in spots]
    parts.append(labels(x_label, y_label))
    return frame(title, "".join(parts), [line.name for line in kept])


def bar_chart(
    title: str, names: Sequence[str], groups: dict[str, Sequence[float]], *, x_label: str, y_label: str
) -> str:
    """An SVG with a group of bars for each name (one or two lines); a bar of a group for each entry of `groups`."""
    values = [value for bars in groups.values() for value in bars]
    if not values:
        return frame(title, NOTHING)
    y_ticks = ticks(0.0, max(*values, 1e-9) if len(values) > 1 else max(values[0], 1e-9))
    top = max(y_ticks[-1], max(values))
    parts = []
    for tick in y_ticks:
        y = HEIGHT - BOTTOM - tick / top * (HEIGHT - TOP - BOTTOM)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    slot = (WIDTH - LEFT - RIGHT) / len(names)
    bar = slot * 0.8 / len(groups)
    for position, name in enumerate(names):
        start = LEFT + slot * (position + 0.1)
        for index, bars in enumerate(groups.values()):
            tall = bars[position] / top * (HEIGHT - TOP - BOTTOM)
            parts.append(
                f'<rect x="{start + index * bar:.1f}" y="{HEIGHT - BOTTOM - tall:.1f}" width="{bar:.1f}" '
                f'height="{tall:.1f}" fill="{COLOURS[index % len(COLOURS)]}">'
                f"<title>{number(bars[position])}</title></rect>"
            )
        for row, text in enumerate(name.split("\n")):
            place = f'x="{start + slot * 0.4:.1f}" y="{HEIGHT - BOTTOM + 12 + 10 * row}"'
            parts.append(f'<text class="tick small" {place} text-anchor="middle">{escape(text)}</text>')
    parts.append(labels(x_label, y_label))
    return frame(title, "".join(parts), list(groups) if len(groups) > 1 else [])


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers (1, 2, 5 times a power of ten) that cover [low, high]."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def number(value: float) -> str:
    """A short text: 1200, 0.25, 1e-05."""
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.3g}"


def _power_ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(low), math.ceil(high)
    step = max(1, (last - first) // 6)
    return [float(tick) for tick in range(first, max(last, first + 1) + 1, step)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _thin(points: Sequence[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    """At most `most` points, each the mean of its neighbours: a page of thousands of steps stays small."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    groups = [points[first : first + size] for first in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def labels(x_label: str, y_label: str) -> str:
    middle = (HEIGHT - BOTTOM + TOP) / 2
    return (
        f'<text class="label" x="{(WIDTH + LEFT - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text class="label" x="14" y="{middle:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle:.0f})">{escape(y_label)}</text>'
    )


def frame(title: str, body: str, legend: Sequence[str] = ()) -> str:
    entries = "".join(
        f'<span><i style="background:{COLOURS[index % len(COLOURS)]}"></i>{escape(name)}</span>'
        for index, name in enumerate(legend)
    )
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>{body}</svg>'
        f'<figcaption class="legend">{entries}</figcaption></figure>'
    )


def histogram(title: str, values: Sequence[float], *, x_label: str, y_label: str, bins: int = 16) -> str:
    """An SVG with the number of values in each of `bins` equal parts of a rounded range."""
    if not values:
        return frame(title, NOTHING)
    edges = ticks(float(min(values)), float(max(values)))
    low, high = edges[0], edges[-1]
    counts, borders = np.histogram(values, bins=bins, range=(low, high))
    y_ticks = [tick for tick in ticks(0.0, float(max(counts.max(), 1))) if tick == round(tick)]
    top = max(y_ticks[-1], 1.16 * float(counts.max()))  # room above the bars for the median's text
    plot = Plot(low, high, 0.0, top)
    parts = [plot.grid(y_ticks), plot.x_ticks(edges)]
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
        f'text-anchor="{"start" if right else "end"}">median {number(middle)}</text>'
    )
    parts.append(labels(x_label, y_label))
    return frame(title, "".join(parts))


def strips(title: str, groups: Mapping[str, Sequence[float]], *, y_label: str, x_label: str = "") -> str:
    """An SVG with a column a group: a dot a value, a box from the first to the third quartile, a line at the median."""
    kept = {name: list(values) for name, values in groups.items() if values}
    if not kept:
        return frame(title, NOTHING)
    everything = [value for values in kept.values() for value in values]
    y_ticks = ticks(min(0.0, *everything), max(everything))
    plot = Plot(-0.5, len(kept) - 0.5, min(y_ticks[0], *everything), max(y_ticks[-1], *everything))
    parts = [plot.grid(y_ticks)]
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
            # Neighbouring dots step aside, the same way in every page.
            aside = (((index * 7) % 11) / 10 - 0.5) * wide * 0.7
            y = plot.place(0.0, value)[1]
            parts.append(
                f'<circle cx="{x + aside:.1f}" cy="{y:.1f}" r="2.2" fill="{COLOURS[1]}" fill-opacity="0.75">'
                f"<title>{escape(name)}: {number(value)}</title></circle>"
            )
        if len(kept) <= 12 or column % -(-len(kept) // 12) == 0:
            shown = name if len(name) * 5.5 < slot * 1.9 else name[: max(3, int(slot * 1.9 / 5.5))] + "…"
            row = 12 if column % 2 == 0 or len(name) * 5.5 < slot else 22
            parts.append(
                f'<text class="tick small" x="{x:.1f}" y="{HEIGHT - BOTTOM + row}" text-anchor="middle">'
                f"{escape(shown)}</text>"
            )
    parts.append(labels(x_label, y_label))
    return frame(title, "".join(parts))
