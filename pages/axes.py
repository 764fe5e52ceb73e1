"""The axes and the frame that all charts share: sizes, colours, round ticks, labels and the legend."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

# Size of a drawing and its margins, in units of the SVG.
WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 40
COLOURS = ("#2a6fb0", "#c8553d", "#3c8d5a", "#8b5fbf", "#b08a2a")

NOTHING = '<text class="note" x="230" y="130" text-anchor="middle">nothing was recorded</text>'


@dataclass(frozen=True)
class Plot:
    """The ranges of both axes, in the units of the values.

    Attributes:
        x_low: value at the left edge.
        x_high: value at the right edge.
        y_low: value at the bottom.
        y_high: value at the top.
    """

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies in the drawing: distance from its left edge and from its top."""
        across = LEFT + (x - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - (y - self.y_low) / (self.y_high - self.y_low) * (HEIGHT - TOP - BOTTOM)

    def y_grid(self, ticks: Sequence[float], text: Callable[[float], str]) -> str:
        """Draw a horizontal line at each tick, with its text at the left."""
        return "".join(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text(tick)}</text>'
            for tick, y in ((tick, self.place(self.x_low, tick)[1]) for tick in ticks)
        )

    def x_ticks(self, ticks: Sequence[float]) -> str:
        """Write the value of each tick below the drawing."""
        return "".join(
            f'<text class="tick" x="{self.place(tick, self.y_low)[0]:.1f}" y="{HEIGHT - BOTTOM + 16}" '
            f'text-anchor="middle">{tick_text(tick)}</text>'
            for tick in ticks
        )


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return about `wanted` round numbers (1, 2 or 5 times a power of ten apart) that cover [low, high]."""
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-290):  # the ticks would differ in no digit shown
        high = low + (abs(low) if abs(low) > 1e-290 else 1.0)
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = min(1 - math.floor(math.log10(step)), 300)
    return [round(index * step, digits) for index in range(first, last + 1)]


def tick_text(value: float) -> str:
    """Return a short text for a number: 1200, 0.25, 1e-05."""
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.3g}"


def axis_labels(x_label: str, y_label: str) -> str:
    """Write both labels beside their axes."""
    middle = (HEIGHT - BOTTOM + TOP) / 2
    return (
        f'<text class="label" x="{(WIDTH + LEFT - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text class="label" x="14" y="{middle:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle:.0f})">{escape(y_label)}</text>'
    )


def frame(title: str, body: str, legend: Sequence[str] = ()) -> str:
    """Put title, drawing and legend together."""
    entries = "".join(
        f'<span><i style="background:{COLOURS[index % len(COLOURS)]}"></i>{escape(name)}</span>'
        for index, name in enumerate(legend)
    )
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>{body}</svg>'
        f'<figcaption class="legend">{entries}</figcaption></figure>'
    )
