"""Charts of a run's log.jsonl: loss, IoU and mining weights."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from ...pages.charts import Series, bar_chart, line_chart

logger = logging.getLogger(__name__)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a run's log; incomplete lines are skipped, and a missing file gives an empty log."""
    if not path.is_file():
        logger.warning("%s: no training log, so the report has no curves", path)
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            logger.warning("%s: a line that is no JSON is skipped", path)
            continue
        if isinstance(line, dict) and "step" in line:
            lines.append(line)
    return lines


def training_charts(log: list[dict[str, Any]]) -> str:
    """Draw the curves of each stage over steps: maps (where there is that stage), surface and texture."""
    maps, surface, texture = (_stage(log, name) for name in ("maps", "surface", "texture"))
    loss = [_series("training", surface, "loss"), _series("validation", surface, "val_loss", True)]
    iou = [_series("training", surface, "iou"), _series("validation", surface, "val_iou", True)]
    charts = [
        *(_maps_charts(maps) if maps else ()),
        line_chart("Surface: loss", loss, x_label="step", y_label="loss", logarithmic=True),
        line_chart("Surface: IoU", iou, x_label="step", y_label="IoU of a view's points", zero=True),
    ]
    if texture:
        error = [_series("training", texture, "colour_error"), _series("validation", texture, "val_colour_error", True)]
        charts.append(
            line_chart("Texture: colour error", error, x_label="step", y_label="mean |difference|", zero=True)
        )
    return "".join(charts)


def _maps_charts(maps: list[dict[str, Any]]) -> list[str]:
    depth, normal = (
        [_series(side, maps, f"val_{side}_{unit}", True) for side in ("front", "back")] for unit in ("cm", "deg")
    )
    loss = [_series("training", maps, "loss"), _series("validation", maps, "val_loss", True)]
    return [
        line_chart("Maps: loss", loss, x_label="step", y_label="loss", logarithmic=True),
        line_chart("Maps: depth on held-out views", depth, x_label="step", y_label="mean error, cm", zero=True),
        line_chart("Maps: normals on held-out views", normal, x_label="step", y_label="mean angle, deg", zero=True),
    ]


def mining_charts(log: list[dict[str, Any]]) -> str:
    """Draw the views by score, early and late, and the mining weights and effective number of views over steps."""
    surface = _stage(log, "surface")
    spread = [line for line in surface if line.get("scores_histogram")]
    if not spread:
        return '<p class="note">This run recorded no mining weights.</p>'
    chosen = {f"step {line['step']}": line["scores_histogram"] for line in (spread[len(spread) // 10], spread[-1])}
    names = [f"{index / 10:.1f}\n{math.exp(10 - (index + 0.5) / 1.5):.0f}" for index in range(10)]
    weights = [
        _series(name, surface, f"weights_{key}")
        for name, key in (("greatest", "max"), ("mean", "mean"), ("least", "min"))
    ]
    spread_label = "IoU, from; below it the weight at the bin's middle"
    effective = [_series("(sum w)^2 / sum w^2", surface, "weights_ess")]
    return (
        bar_chart("Views by IoU when last trained on", names, chosen, x_label=spread_label, y_label="views")
        + line_chart(
            "Mining weights exp(-IoU / 0.15 + 10)", weights, x_label="step", y_label="weight", logarithmic=True
        )
        + line_chart("Effective number of views", effective, x_label="step", y_label="views", zero=True)
    )


def _stage(log: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [line for line in log if line.get("stage") == name]


def _series(name: str, lines: list[dict[str, Any]], key: str, marked: bool = False) -> Series:
    points = [(float(line["step"]), float(line[key])) for line in lines if isinstance(line.get(key), (int, float))]
    return Series(name, points, marked)
