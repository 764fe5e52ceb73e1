"""stats.html: the statistics of a folder of shards with charts, in one self-contained file."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from pathlib import Path

from ...pages.charts import Series, bar_chart, line_chart
from ...pages.page import section, write_page
from .collect import ShardStats
from .measure import LIGHT_MOST, LIGHT_STEPS, SECTORS
from .table import Rows, count_rows, licence_rows, point_rows, side_rows, size_rows, split_rows, summary


def write_stats_page(path: Path, stats: ShardStats) -> None:
    """Write the page; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sections = [
        section("Splits", _table(split_rows(stats)), "By person: no subject is in two splits."),
        section("Points", _table(point_rows(stats)) + _distance_charts(stats), _measured(stats)),
        section("Views", _view_charts(stats) + _tables(side_rows(stats)), _area(stats)),
        section("Lights", _light_charts(stats) + _tables(count_rows(stats.lights, "views", "kind"))),
        section(
            "Scenes",
            _tables(
                count_rows(stats.kinds, "scenes", "kind"),
                count_rows(stats.animations, "scenes", "animation"),
                size_rows(stats),
            ),
        ),
        section(
            "Licences",
            _table(licence_rows(stats), text=True),
            "The texts of the licences hold; a note here gives no right.",
        ),
    ]
    if stats.failures:
        rows: Rows = [("scene", "reason"), *stats.failures.items()]
        sections.append(section("Left out", _table(rows, text=True), "Scenes that could not be sampled."))
    write_page(path, f"mpc stats {stats.folder}", summary(stats), sections)


def _measured(stats: ShardStats) -> str:
    if not stats.measured_scenes:
        return "No scene holds its surface (mpc sample --meshes all), so distances are not measured."
    return f"Distances are measured in {stats.measured_scenes} scenes that hold their surface; negative is inside."


def _area(stats: ShardStats) -> str:
    return f"On average the box around the person takes {stats.area:.0%} of a picture."


def _distance_charts(stats: ShardStats) -> str:
    charts = []
    for name, points in stats.points.items():
        if points.distance_counts:
            edges = points.distance_edges_m
            total = sum(points.distance_counts)
            middles = [500 * (low + high) for low, high in pairwise(edges)]
            shares = [100 * count / total for count in points.distance_counts]
            line = Series(name, list(zip(middles, shares, strict=True)))
            charts.append(
                line_chart(name, [line], x_label="distance to the surface, mm", y_label="% of the points", zero=True)
            )
    return _grid(charts)


def _view_charts(stats: ShardStats) -> str:
    degrees = [f"{sector * 360 // SECTORS}°" for sector in range(SECTORS)]
    charts = [bar_chart("Yaw of the camera", degrees, {"views": stats.yaws}, x_label="degrees", y_label="views")]
    if sum(stats.turns):
        title = "Yaw from where the person faces"
        charts.append(
            bar_chart(title, degrees, {"views": stats.turns}, x_label="degrees; 0 sees the face", y_label="views")
        )
    return _grid(charts)


def _light_charts(stats: ShardStats) -> str:
    step = LIGHT_MOST / LIGHT_STEPS
    points = [((place + 0.5) * step, float(count)) for place, count in enumerate(stats.brightness)]
    chart = line_chart(
        "Mean light on a white sphere", [Series("views", points)], x_label="display value, 1 is white",
        y_label="views", zero=True,
    )  # fmt: skip
    names = list(stats.lights)[:8]
    bars = bar_chart("Kind of light", names, {"views": [stats.lights[name] for name in names]}, x_label="",
                     y_label="views")  # fmt: skip
    return _grid([chart, bars])


def _grid(charts: list[str]) -> str:
    return f'<div class="charts">{"".join(charts)}</div>' if charts else ""


def _tables(*tables: Rows) -> str:
    return "".join(_table(rows) for rows in tables)


def _table(rows: Rows, *, text: bool = False) -> str:
    """A table: names to the left, numbers to the right; `text` says that the other columns are no numbers."""
    style = ' style="text-align:left"' if text else ""
    head = "".join(f"<th{style}>{escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        f"<tr><th>{escape(first)}</th>{''.join(f'<td{style}>{escape(cell)}</td>' for cell in others)}</tr>"
        for first, *others in rows[1:]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
