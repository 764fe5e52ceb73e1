"""Charts of how values are spread: a histogram, and dots with quartiles side by side. Style as of svg.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from ..pages import charts as svg


def histogram(title: str, values: Sequence[float], *, x_label: str, y_label: str, bins: int = 16) -> str:
    """An SVG with the number of values in each of `bins` equal parts of a rounded range."""
    if not values:
        return svg.frame(title, svg.NOTHING)
    edges = svg.ticks(float(min(values)), float(max(values)))
    low, high = edges[0], edges[-1]
    counts, borders = np.histogram(values, bins=bins, range=(low, high))
    y_ticks = [tick for tick in svg.ticks(0.0, float(max(counts.max(), 1))) if tick == round(tick)]
    top = max(y_ticks[-1], 1.16 * float(counts.max()))  # room above the bars for the median's text
    plot = svg.Plot(low, high, 0.0, top)
    parts = [plot.grid(y_ticks), plot.x_ticks(edges)]
    for count, start, end in zip(counts, borders[:-1], borders[1:], strict=True):
        x, y = plot.place(float(start), float(count))
        width = plot.place(float(end), 0.0)[0] - x
        parts.append(
            f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(width - 1, 0.5):.1f}" '
            f'height="{plot.place(0.0, 0.0)[1] - y:.1f}" fill="{svg.COLOURS[0]}"><title>{int(count)}</title></rect>'
        )
    middle = float(np.median(values))
    x = plot.place(middle, 0.0)[0]
    right = x < svg.WIDTH - svg.RIGHT - 80
    parts.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{svg.TOP}" y2="{svg.HEIGHT - svg.BOTTOM}" stroke="{svg.COLOURS[1]}" '
        f'stroke-width="1.6" stroke-dasharray="4 3"/>'
        f'<text class="tick" x="{x + (4 if right else -4):.1f}" y="{svg.TOP + 9}" '
        f'text-anchor="{"start" if right else "end"}">median {svg.number(middle)}</text>'
    )
    parts.append(svg.labels(x_label, y_label))
    return svg.frame(title, "".join(parts))


def strips(title: str, groups: Mapping[str, Sequence[float]], *, y_label: str, x_label: str = "") -> str:
    """An SVG with a column a group: a dot a value, a box from the first to the third quartile, a line at the median."""
    kept = {name: list(values) for name, values in groups.items() if values}
    if not kept:
        return svg.frame(title, svg.NOTHING)
    everything = [value for values in kept.values() for value in values]
    y_ticks = svg.ticks(min(0.0, *everything), max(everything))
    plot = svg.Plot(-0.5, len(kept) - 0.5, min(y_ticks[0], *everything), max(y_ticks[-1], *everything))
    parts = [plot.grid(y_ticks)]
    slot = plot.place(1.0, 0.0)[0] - plot.place(0.0, 0.0)[0]
    wide = min(slot * 0.6, 46.0)
    for column, (name, values) in enumerate(kept.items()):
        low, middle, high = (float(np.quantile(values, share)) for share in (0.25, 0.5, 0.75))
        x, top = plot.place(float(column), high)
        bottom, line = plot.place(0.0, low)[1], plot.place(0.0, middle)[1]
        parts.append(
            f'<rect x="{x - wide / 2:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{max(bottom - top, 0.5):.1f}" '
            f'fill="{svg.COLOURS[0]}" fill-opacity="0.22"/><line x1="{x - wide / 2:.1f}" x2="{x + wide / 2:.1f}" '
            f'y1="{line:.1f}" y2="{line:.1f}" stroke="{svg.COLOURS[0]}" stroke-width="2"/>'
        )
        for number, value in enumerate(values):
            # Neighbouring dots step aside, the same way in every page.
            aside = (((number * 7) % 11) / 10 - 0.5) * wide * 0.7
            y = plot.place(0.0, value)[1]
            parts.append(
                f'<circle cx="{x + aside:.1f}" cy="{y:.1f}" r="2.2" fill="{svg.COLOURS[1]}" fill-opacity="0.75">'
                f"<title>{escape(name)}: {svg.number(value)}</title></circle>"
            )
        if len(kept) <= 12 or column % -(-len(kept) // 12) == 0:
            shown = name if len(name) * 5.5 < slot * 1.9 else name[: max(3, int(slot * 1.9 / 5.5))] + "…"
            row = 12 if column % 2 == 0 or len(name) * 5.5 < slot else 22
            parts.append(
                f'<text class="tick small" x="{x:.1f}" y="{svg.HEIGHT - svg.BOTTOM + row}" text-anchor="middle">'
                f"{escape(shown)}</text>"
            )
    parts.append(svg.labels(x_label, y_label))
    return svg.frame(title, "".join(parts))
