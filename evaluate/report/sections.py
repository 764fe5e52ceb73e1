"""Sections that all reports share: tiles, tables, the spread of the scores, and errors in three dimensions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ...core.arrays import U8
from ...core.pictures import contact_sheet, crop
from ...geometry.camera import Camera
from ...geometry.closest import ClosestSurface
from ...geometry.mesh import PosedMesh
from ...pages.charts import Series, histogram, line_chart, strips
from ...pages.pictures import CLAY, clay_colours, data_uri, heat_colours
from ...pages.viewer import ViewerModel, viewer
from ..metrics.pair import MeshPair
from ..records import ViewScores
from ..summary import EvaluationResult, Summary, short

HEAT_CM = 5.0
SPREAD_NOTE = "Dots are views, a box holds their middle half, the line is the median. Failed views are in none."
VIEWER_NOTE = (
    "Left: the prediction, coloured by how far each point lies from the true surface. Right: the truth, coloured by "
    "how far it lies from the prediction, which shows what is missing."
)


def score_tiles(evaluation: EvaluationResult) -> str:
    """Show the mean of each metric in large type, with its sampling error, and the number of failed views."""
    overall, found = evaluation.overall, []
    for metric in evaluation.metrics:
        value, error = overall.means[metric.name], overall.errors[metric.name]
        shown = "no view measured" if value is None else f"{number_text(value)} {metric.unit_text}"
        found.append((metric.name, shown, metric.direction + (f", ± {error:.3f} from sampling" if error else "")))
    if evaluation.has_iou:
        iou, baseline = overall.means["iou"], overall.means["baseline_iou"]
        found.append(("IoU", number_text(iou), f"the training set's mean occupancy reaches {number_text(baseline)}"))
    found.append(("failed", f"{overall.failed} of {overall.views}", "views without a mesh; they are in no mean"))
    return '<div class="tiles">' + "".join(
        f"<div><b>{escape(name)}</b><strong>{escape(value)}</strong><span>{escape(note)}</span></div>"
        for name, value, note in found
    ) + "</div>"  # fmt: skip


def score_table(evaluation: EvaluationResult) -> str:
    """Show means by subject and over all views, the worst view of each metric, and every view in a closed fold."""
    metrics = evaluation.metrics
    head = "".join(f"<th>{m.name}<br><small>{m.unit_text}</small></th>" for m in metrics)
    rows = [f"<tr><th></th>{head}{_iou_cells(evaluation, 'IoU', 'IoU of mean<br>occupancy', 'th')}</tr>"]

    def summary_row(summary: Summary, style: str) -> str:
        cells = "".join(f"<td>{number_text(summary.means[m.name])}</td>" for m in metrics)
        failed = f", {summary.failed} failed" if summary.failed else ""
        return (
            f'<tr class="{style}"><th>{escape(summary.name)} <small>{summary.views} views{failed}</small></th>{cells}'
            + _iou_cells(evaluation, *(number_text(summary.means[name]) for name in ("iou", "baseline_iou")))
            + "</tr>"
        )

    rows += [summary_row(summary, "") for summary in evaluation.subjects]
    rows += [summary_row(summary, "mean") for summary in evaluation.lists]
    rows.append(summary_row(evaluation.overall, "mean"))
    tenth = "".join(f"<td>{number_text(evaluation.worst_tenth(m.name))}</td>" for m in metrics)
    rows.append(f'<tr class="worst"><th>worst tenth</th>{tenth}{_iou_cells(evaluation, "", "")}</tr>')
    worst = [evaluation.worst(m.name) for m in metrics]
    cells = "".join(
        f"<td>{number_text(record.scores[m.name].value)}<br><small>{escape(record.key)}</small></td>"
        if record
        else "<td>-</td>"
        for m, record in zip(metrics, worst, strict=True)
    )
    ious = [record.iou for record in evaluation.records if record.iou is not None]
    least = _iou_cells(evaluation, number_text(min(ious, default=None)), "")
    rows.append(f'<tr class="worst"><th>worst view</th>{cells}{least}</tr>')
    views = "".join(
        f"<tr><th>{escape(record.key)}</th>"
        + (f'<td class="failed" colspan="{len(metrics)}">failed: {escape(record.failure)}</td>' if record.failure else
           "".join(f"<td>{number_text(record.scores[m.name].value)}</td>" for m in metrics))
        + _iou_cells(evaluation, number_text(record.iou), number_text(record.baseline_iou)) + "</tr>"
        for record in evaluation.records
    )  # fmt: skip
    meaning = "".join(f"<li><b>{m.name}</b>: {escape(m.summary)}</li>" for m in metrics)
    return (
        f'<table>{"".join(rows)}</table><ul class="note">{meaning}</ul>'
        f"<details><summary>Every view</summary><table>{rows[0]}{views}</table></details>"
    )


def _iou_cells(evaluation: EvaluationResult, iou: str, baseline: str, tag: str = "td") -> str:
    return f"<{tag}>{iou}</{tag}><{tag}>{baseline}</{tag}>" if evaluation.has_iou else ""


def spread_charts(evaluation: EvaluationResult) -> str:
    """Show for each metric a histogram, the spread by subject, and the mean by yaw."""
    charts = []
    for metric in evaluation.metrics:
        measured = [record for record in evaluation.records if metric.name in record.scores]
        values = [record.scores[metric.name].value for record in measured]
        label = f"{metric.name}, {metric.unit}"
        charts.append(histogram(f"{metric.name}: all views", values, x_label=label, y_label="views"))
        by_subject: dict[str, list[float]] = {}
        for record in measured:
            by_subject.setdefault(record.subject, []).append(record.scores[metric.name].value)
        ordered = dict(sorted(by_subject.items(), key=lambda item: sum(item[1]) / len(item[1])))
        charts.append(strips(f"{metric.name}: by subject, in order", ordered, y_label=metric.unit))
        if len({record.yaw_deg for record in measured}) > 1:
            charts.append(_yaw_chart(measured, metric.name, metric.unit))
    return f'<div class="charts">{"".join(charts)}</div>'


def _yaw_chart(records: Sequence[ViewScores], metric: str, unit: str) -> str:
    by_yaw: dict[float, list[float]] = {}
    for record in records:
        by_yaw.setdefault(record.yaw_deg, []).append(record.scores[metric].value)
    lines = {
        name: [(yaw, float(measure(values))) for yaw, values in sorted(by_yaw.items())]
        for name, measure in _YAW_LINES.items()
    }
    series = [Series(name, points, marked=name == "mean") for name, points in lines.items()]
    label = "yaw, degrees (0: the face)"
    return line_chart(f"{metric}: by yaw", series, x_label=label, y_label=unit, zero=True, x_marks=range(0, 361, 45))


_YAW_LINES: Mapping[str, Callable[[Sequence[float]], Any]] = {
    "mean": np.mean,
    "upper quartile": lambda values: np.quantile(values, 0.75),
    "lower quartile": lambda values: np.quantile(values, 0.25),
}


def pick_examples(evaluation: EvaluationResult) -> list[tuple[str, ViewScores]]:
    """Return the best, the median and the worst view by the first metric, each with that word.

    A view that is several of the three is returned once; best goes before worst, and worst before median.
    """
    ranked = evaluation.ranked(evaluation.metrics[0].name)[::-1]
    if not ranked:
        return []
    # A later entry of the same place replaces an earlier one: a single view is "best".
    places = {(len(ranked) - 1) // 2: "median", len(ranked) - 1: "worst", 0: "best"}
    return [(word, ranked[place]) for place, word in sorted(places.items())]


def error_model(name: str, pair: MeshPair) -> ViewerModel:
    """Return the prediction and the truth for the viewer, each coloured by its distance to the other."""
    predicted, true = pair.shapes
    colours = distance_colours(predicted, pair.true.closest), distance_colours(true, pair.predicted.closest)
    return ViewerModel(
        name, ("prediction: distance to the truth", "truth: distance to the prediction"), pair.shapes, colours
    )


def distance_colours(mesh: PosedMesh, other: ClosestSurface) -> U8:
    """Return colours of a mesh's vertices by their distance to another surface.

    Args:
        mesh: metres.
        other: search tree of the other surface, metres.

    Returns:
        (V, 3) uint8; HEAT_CM and greater distances have the last colour.
    """
    return heat_colours(100 * other.query(mesh.vertices).distances, HEAT_CM)


def three_sides(rows: Mapping[str, Sequence[U8]], box: tuple[int, int, int, int], sides: str) -> str:
    """Show rows of three pictures.

    Args:
        rows: three pictures by name.
        box: what all pictures are cropped to, see `core.pictures.used_box`.
        sides: caption that says which sides the pictures show.
    """
    return "".join(
        f'<figure><img alt="{name} from three sides" src="'
        f'{data_uri(contact_sheet([crop(picture, box) for picture in pictures], 3))}">'
        f"<figcaption>{name}: {sides}</figcaption></figure>"
        for name, pictures in rows.items()
    )


def failure_lines(evaluation: EvaluationResult) -> str:
    """Show a line with the reason for each view that has no scores."""
    return "".join(
        f'<p class="failed">{escape(record.key)} failed: {escape(record.failure)}</p>' for record in evaluation.failed
    )


def error_viewer(models: Sequence[ViewerModel]) -> str:
    """Show models in three dimensions with the legend of their colours."""
    stops = ", ".join("rgb({}, {}, {})".format(*colour) for colour in heat_colours(np.linspace(0, 1, 9), 1.0))
    ramp = (
        f'<div class="ramp">0 <i style="background:linear-gradient(90deg, {stops})"></i> {HEAT_CM:g} cm and more</div>'
    )
    return viewer(models, ramp) or '<p class="note">No view could be measured.</p>'


def shade_colours(colours: U8, mesh: PosedMesh, camera: Camera) -> U8:
    """Return the colours (V, 3) uint8 at the vertices, lit by the lamp of the plaster pictures."""
    shade = clay_colours(mesh, camera) / CLAY
    lit: U8 = np.rint(colours * (0.35 + 0.65 * np.clip(shade, 0.0, 1.0))).astype(np.uint8)
    return lit


def settings_blocks(blocks: Mapping[str, Any]) -> str:
    """Show JSON in a closed fold under each name."""
    return "".join(
        f"<details><summary>{escape(name)}</summary><pre>{escape(json.dumps(content, indent=1))}</pre></details>"
        for name, content in blocks.items()
    )


def score_text(evaluation: EvaluationResult, record: ViewScores) -> str:
    """Return the scores of a view with their units, escaped for HTML."""
    texts = [
        f"{name} {number_text(score.value)} {evaluation.protocol.find(name).unit_text}"
        for name, score in record.scores.items()
    ]
    return escape(", ".join(texts if record.iou is None else [*texts, f"IoU {number_text(record.iou)}"]))


def count_text(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: "1 person", "3 people"; without `many`, an "s" is appended to `one`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def number_text(value: float | None) -> str:
    """Return a number with three decimals, or with three significant digits if it is small; "-" for None."""
    return short(value)
