"""The result of an evaluation: means, worst cases, the table, JSON and CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.files import write_json, write_text
from ..core.held_out import benchmark_list
from .metrics.protocols import Protocol, find_protocol
from .metrics.registry import Metric
from .records import ViewScores
from .settings import BASELINES


@dataclass(frozen=True)
class Summary:
    """Means over a group of views; a value is None where no view of the group has it.

    Attributes:
        name: of the group.
        views: number of views.
        failed: number of views that were not measured; they are in no mean.
        means: by metric, and for "iou" and "baseline_iou".
        errors: by metric, the standard error of the mean that comes from drawing random points; None also where it is
            not known.
        deviations: by metric, the standard deviation between views.
    """

    name: str
    views: int
    failed: int
    means: dict[str, float | None]
    errors: dict[str, float | None]
    deviations: dict[str, float | None]


@dataclass(frozen=True)
class EvaluationResult:
    """What `evaluate` and `evaluate_folders` return and write.

    Attributes:
        folder: that holds the files of the result.
        settings: everything that the numbers depend on: the run with its networks and shards, or the compared files;
            the settings; and what each metric measures.
        records: one for each view, in the order of the split.
    """

    folder: Path
    settings: dict[str, Any]
    records: tuple[ViewScores, ...]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that were measured."""
        return tuple(self.protocol.find(name) for name in self.settings["metrics"])

    @property
    def protocol(self) -> Protocol:
        """The protocol that they were measured by."""
        return find_protocol(self.settings["settings"].get("protocol", "mpc"))

    @property
    def has_iou(self) -> bool:
        """Whether a network's occupancy was compared with labels; meshes alone have none."""
        return any(record.iou is not None or record.baseline_iou is not None for record in self.records)

    @property
    def failed(self) -> tuple[ViewScores, ...]:
        """The views that could not be measured."""
        return tuple(record for record in self.records if record.failure)

    @property
    def lists(self) -> tuple[Summary, ...]:
        """Means over the views of each list of a benchmark, where its people are among the subjects."""
        by_list: dict[str, list[ViewScores]] = {}
        for record in self.records:
            by_list.setdefault(benchmark_list(record.subject), []).append(record)
        return tuple(
            summarise(f"benchmark {name}", records, self.metrics) for name, records in sorted(by_list.items()) if name
        )

    @property
    def overall(self) -> Summary:
        """Means over all views."""
        return summarise("mean", self.records, self.metrics)

    @property
    def subjects(self) -> tuple[Summary, ...]:
        """Means over the views of each subject."""
        names = dict.fromkeys(record.subject for record in self.records)
        return tuple(
            summarise(name, [record for record in self.records if record.subject == name], self.metrics)
            for name in names
        )

    def worst(self, metric: str) -> ViewScores | None:
        """Return the view with the worst value of a metric; None where no view was measured."""
        return next(iter(self.ranked(metric)), None)

    def worst_tenth(self, metric: str) -> float | None:
        """Return the mean of a metric over the worst tenth of the measured views, at least one; None without any."""
        ranked = self.ranked(metric)
        return _mean([record.scores[metric].value for record in ranked[: math.ceil(len(ranked) / 10)]])

    def ranked(self, metric: str) -> list[ViewScores]:
        """Return the measured views, the one with the worst value of a metric first."""
        measured = [record for record in self.records if metric in record.scores]
        sign = 1.0 if self.protocol.find(metric).greater_is_better else -1.0
        return sorted(measured, key=lambda record: sign * record.scores[metric].value)


def summarise(name: str, records: Sequence[ViewScores], metrics: Iterable[Metric]) -> Summary:
    """Compute the means over a group of views.

    Args:
        name: of the group.
        records: the views; those that failed are counted but are in no mean.
        metrics: to average.
    """
    means: dict[str, float | None] = {}
    errors: dict[str, float | None] = {}
    deviations: dict[str, float | None] = {}
    for metric in metrics:
        scores = [record.scores[metric.name] for record in records if metric.name in record.scores]
        means[metric.name] = _mean([score.value for score in scores])
        total = math.sqrt(sum(score.standard_error**2 for score in scores))
        errors[metric.name] = total / len(scores) if total else None
        deviations[metric.name] = _deviation([score.value for score in scores])
    for name_of, values in (
        ("iou", [record.iou for record in records if record.iou is not None]),
        ("baseline_iou", [record.baseline_iou for record in records if record.baseline_iou is not None]),
    ):
        means[name_of], deviations[name_of], errors[name_of] = _mean(values), _deviation(values), None
    return Summary(name, len(records), sum(bool(record.failure) for record in records), means, errors, deviations)


def format_table(result: EvaluationResult, *, views: bool = True) -> str:
    """Return the result as a table for a terminal, with the unit and the meaning of each metric.

    Args:
        result: of an evaluation.
        views: include a row for every view; the rows for subjects, mean and worst view are always there.
    """
    metrics = result.metrics
    ious_head = ["IoU", "IoU of mean occupancy"] if result.has_iou else []
    head = ["", *(f"{metric.name} [{metric.unit}]" for metric in metrics), *ious_head]
    body: list[list[str] | None] = []
    if views:
        body += [_view_row(record, metrics) for record in result.records] + [None]
    body += [_summary_row(summary, metrics) for summary in result.subjects] + [None]
    body += [_summary_row(summary, metrics) for summary in result.lists]
    overall = result.overall
    body.append(_summary_row(overall, metrics))
    body.append(["  sampling error", *(_number(overall.errors[metric.name], 4, "± ") for metric in metrics), "", ""])
    tenth = [_number(result.worst_tenth(metric.name), 3) for metric in metrics]
    body.append(["worst tenth", *tenth, "", ""])
    worst = [result.worst(metric.name) for metric in metrics]
    values = [
        _number(record.scores[metric.name].value if record else None, 3)
        for metric, record in zip(metrics, worst, strict=True)
    ]
    ious = [record.iou for record in result.records if record.iou is not None]
    body.append(["worst", *values, _number(min(ious, default=None), 3), ""])
    if worst and worst[0] is not None:
        body.append([f"  ({metrics[0].name}: {worst[0].key})", *[""] * (len(metrics) + 2)])
    body = [None if row is None else row[: len(head)] for row in body]
    widths = [max(len(row[column]) for row in [head, *filter(None, body)]) for column in range(len(head))]
    rule = "  ".join("-" * width for width in widths)
    lines = [_line(head, widths), rule, *(rule if row is None else _line(row, widths) for row in body), ""]
    lines += [f"{metric.name}: {metric.summary}" for metric in metrics]
    if result.has_iou:
        whose = "the baseline" if result.settings.get("baseline") else "the network"
        lines.append(
            f"IoU: of {whose}'s answers at {result.settings['settings']['iou_points']} points of each view's pool, "
            "beside predicting the training set's mean occupancy."
        )
        lines.append(rebuilding_text(result))
    if result.protocol.recipe is not None:
        lines += [f"protocol {result.protocol.name}: {result.protocol.summary}.", *result.protocol.quirks]
    if result.failed:
        lines.append(
            f"{len(result.failed)} of {len(result.records)} views FAILED and are in no mean above: "
            + "; ".join(f"{record.key} ({record.failure})" for record in result.failed[:5])
            + ("; …" if len(result.failed) > 5 else "")
        )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def rebuilding_text(result: EvaluationResult) -> str:
    """Say how the measured meshes were made; "" for meshes that were not made here."""
    settings, baseline = result.settings["settings"], result.settings.get("baseline", "")
    if "use_mask" not in settings:
        return ""
    size = result.settings["image_size"]
    how = "skipping what their masks show to be background" if settings["use_mask"] else "ignoring their masks"
    part = ", the largest connected part" if settings["largest_component"] else ""
    search = f"{size}x{size} pixels, {how}: {settings['resolution']} nodes a side, lossless{part}."
    if baseline == "nearest":
        return f"Baseline nearest: {BASELINES[baseline]}. That mesh is measured as it is."
    if baseline:
        return f"Baseline {baseline}: {BASELINES[baseline]}. From pictures of {search}"
    told = "".join(line(result) for line in (_maps_line, _landmark_line, _body_line))
    return f"Rebuilt as mpc reconstruct does from pictures of {search}{told}"


def _maps_line(result: EvaluationResult) -> str:
    """A sentence, after a space, on how maps were predicted; "" for networks that predict none."""
    lines = {
        "both ways": " Maps are the mean of the picture's and its mirror image's.",
        "one way": " Maps are the picture's alone, without its mirror image's.",
    }
    return lines.get(result.settings.get("maps", ""), "")


def _landmark_line(result: EvaluationResult) -> str:
    """A sentence, after a space, on whether the network was told landmarks; "" for networks that do not read them."""
    told = result.settings.get("landmarks")
    return f" The network reads the person's landmarks, and was {told} them." if told else ""


def _body_line(result: EvaluationResult) -> str:
    """A sentence, after a space, on the body that the network was given; "" for networks that read none."""
    body = result.settings.get("body")
    if not body:
        return ""
    given = "none" if body["given"] == "none" else f"the {body['given']} one"
    return f" The network reads a body below the clothes, {body['trained']} in training, and was given {given}."


def write_result(result: EvaluationResult) -> None:
    """Write result.json, scores.csv and table.txt into the folder of the result."""
    write_json(
        result.folder / "result.json",
        {
            **result.settings,
            "overall": asdict(result.overall),
            "lists": [asdict(summary) for summary in result.lists],
            "subjects": [asdict(summary) for summary in result.subjects],
            "worst_tenth": {m.name: result.worst_tenth(m.name) for m in result.metrics},
            "worst": {m.name: None if (w := result.worst(m.name)) is None else w.key for m in result.metrics},
            "views": [asdict(record) for record in result.records],
        },
        sort_keys=False,
    )
    write_text(result.folder / "table.txt", format_table(result))
    with (result.folder / "scores.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        columns = [f"{m.name}_{m.unit}{suffix}" for m in result.metrics for suffix in ("", "_standard_error")]
        writer.writerow(
            ["scene", "subject", "view", "yaw_deg", *columns, "iou", "baseline_iou", "evaluations", "failure"]
        )
        for record in result.records:
            row: list[object] = [record.scene, record.subject, record.view, record.yaw_deg]
            for metric in result.metrics:
                score = record.scores.get(metric.name)
                row += ["", ""] if score is None else [score.value, score.standard_error]
            iou, baseline = ("" if value is None else value for value in (record.iou, record.baseline_iou))
            writer.writerow([*row, iou, baseline, record.evaluations, record.failure])


def short(value: float | None, digits: int = 3) -> str:
    """Return a number as text; "-" for None.

    Args:
        value: the number.
        digits: decimals; a number that would show none of its digits, such as one in square metres, gets three
            significant digits instead.
    """
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if value == 0 or abs(value) >= 10 ** (1 - digits) else f"{value:.3g}"


def _view_row(record: ViewScores, metrics: Sequence[Metric]) -> list[str]:
    if record.failure:
        cells = ["failed"] * len(metrics)
    else:
        cells = [_number(record.scores[metric.name].value, 3) for metric in metrics]
    return [record.key, *cells, _number(record.iou, 3), _number(record.baseline_iou, 3)]


def _summary_row(summary: Summary, metrics: Sequence[Metric]) -> list[str]:
    count = f"{summary.views} views" + (f", {summary.failed} failed" if summary.failed else "")
    names = [*(metric.name for metric in metrics), "iou", "baseline_iou"]
    return [f"{summary.name} ({count})", *(_number(summary.means[name], 3) for name in names)]


def _number(value: float | None, digits: int, before: str = "") -> str:
    return "-" if value is None else before + short(value, digits)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
