"""The report: its tables, tiles and charts, escaped text, and the training log."""

import json

import numpy as np
import pytest

from mpc.evaluate.metrics.score import Score
from mpc.evaluate.records import ViewScores
from mpc.evaluate.report.sections import pick_examples, score_table, score_tiles, spread_charts
from mpc.evaluate.report.training_log import mining_charts, read_log, training_charts
from mpc.evaluate.summary import EvaluationResult, format_table
from mpc.pages.page import page, section
from support.html import assert_nothing_is_fetched, parse

SETTINGS = {
    "metrics": {"p2s": "", "fscore": ""},
    "settings": {"split": "test", "resolution": 65, "points": 1000, "iou_points": 4096},
}


def record(key, value, failure="", iou=0.5):
    scores = {} if failure else {"p2s": Score(value, 0.01), "fscore": Score(100 - value, 0.1)}
    scene, view = key.rsplit("/", 1)
    return ViewScores(key, scene, scene.split("/")[0], view, float(view), failure, scores, iou, 0.2)


@pytest.fixture
def result(tmp_path):
    records = (
        record("a/scan_0000/000", 1.0),
        record("a/scan_0000/090", 3.0),
        record("b/scan_0000/000", 2.0, "<nobody>"),
    )
    return EvaluationResult(tmp_path, SETTINGS, records)


def test_means_worst_and_failures(result):
    assert result.overall.means["p2s"] == 2.0
    assert result.overall.failed == 1
    assert result.subjects[1].means["p2s"] is None
    assert result.worst("p2s").key == "a/scan_0000/090"
    assert result.worst("fscore").key == "a/scan_0000/090"
    assert result.overall.errors["p2s"] == pytest.approx(np.hypot(0.01, 0.01) / 2)
    lines = format_table(result).splitlines()
    assert next(line for line in lines if line.startswith("b/scan")).split()[1:3] == ["failed", "failed"]
    assert "1 of 3 views FAILED and are in no mean above: b/scan_0000/000 (<nobody>)" in lines[-1]


def test_html_escapes_and_fetches_nothing(result):
    text = page("<run> & co", "it's", [section("Scores", score_tiles(result) + score_table(result), "a < b")])
    assert_nothing_is_fetched(text)
    assert "<nobody>" not in text
    assert "&lt;nobody&gt;" in text
    assert "1 of 3" in text
    assert parse(text).sections == ["scores"]


def test_spread_and_examples(result):
    charts = spread_charts(result)
    assert charts.count("<svg") == 6  # two metrics: all views, by subject, by yaw
    assert_nothing_is_fetched(charts)
    assert [(word, record.key) for word, record in pick_examples(result)] == [
        ("best", "a/scan_0000/000"),
        ("worst", "a/scan_0000/090"),
    ]


def test_the_log_is_read_up_to_a_cut(tmp_path):
    path = tmp_path / "log.jsonl"
    line = {"stage": "surface", "step": 1, "loss": 0.5, "iou": 0.3, "weights_ess": 2.0, "scores_histogram": [1] * 10}
    path.write_text(json.dumps(line) + '\n{"step": 2, "lo')
    log = read_log(path)
    assert log == [line]
    assert "Surface: loss" in training_charts(log)
    assert "Mining weights" in mining_charts(log)
    assert "recorded no mining weights" in mining_charts([])
    assert read_log(tmp_path / "none.jsonl") == []
