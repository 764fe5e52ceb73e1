"""The report: every section, nothing fetched, text escaped; and the charts it is made of."""

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from mpc.core.pictures import BACKGROUND, contact_sheet, on_background, resize, used_box
from mpc.evaluate.metrics.pair import Score
from mpc.evaluate.records import ViewScores
from mpc.evaluate.report.sections import pick_examples, spread_charts, table, tiles
from mpc.evaluate.report.training_log import mining_charts, read_log, training_charts
from mpc.evaluate.summary import EvaluationResult, format_table
from mpc.geometry.camera import OrthographicCamera
from mpc.geometry.mesh import PosedMesh
from mpc.pages import pictures as gallery
from mpc.pages.charts import Series, bar_chart, histogram, line_chart, strips, ticks
from mpc.pages.page import page, section
from mpc.pages.viewer import ViewerModel, simplify, viewer

SETTINGS = {
    "metrics": {"p2s": "", "fscore": ""},
    "settings": {"split": "test", "resolution": 65, "points": 1000, "iou_points": 4096},
}


class References(HTMLParser):
    """Collects what a browser would fetch, and checks that tags close."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self):
        super().__init__()
        self.references, self.open, self.sections = [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.references += [values[name] for name in ("src", "href", "data", "srcset", "action") if values.get(name)]
        if tag == "section":
            self.sections.append(values["id"])
        if tag in ("link", "iframe"):
            self.references.append(f"<{tag}>")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parse(text):
    parser = References()
    parser.feed(text)
    assert not parser.open
    return parser


def assert_nothing_is_fetched(text):
    for reference in parse(text).references:
        assert reference.startswith(("data:image/", "#")), reference
    assert not re.search(r"url\(|@import|https?://", text)


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
    text = page("<run> & co", "it's", [section("Scores", tiles(result) + table(result), "a < b")])
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


def test_a_histogram_counts_and_strips_mark_quartiles():
    bars = svg_of(histogram("t", [0.1, 0.2, 0.3, 2.9], x_label="x", y_label="y", bins=3)).findall("rect")
    assert [int(bar.find("title").text) for bar in bars] == [3, 0, 1]
    assert float(bars[0].get("height")) == pytest.approx(3 * float(bars[2].get("height")), abs=0.2)
    chart = svg_of(strips("t", {"a": [1.0, 2.0, 3.0], "b": []}, y_label="cm"))
    assert len(chart.findall("circle")) == 3
    box = chart.find("rect")
    high, low = (float(spot.get("cy")) for spot in (chart.findall("circle")[2], chart.findall("circle")[0]))
    assert float(box.get("y")) == pytest.approx(high + (low - high) / 4, abs=0.2)
    assert float(box.get("height")) == pytest.approx((low - high) / 2, abs=0.2)
    assert "nothing was recorded" in strips("t", {}, y_label="cm")


def test_the_viewer_holds_the_meshes_and_simplifies_large_ones():
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=5)
    mesh = PosedMesh(np.asarray(ball.vertices), np.asarray(ball.faces, np.int32))
    colours = np.full((len(mesh.vertices), 3), [10, 200, 30], np.uint8)
    vertices, faces, shown = simplify(mesh, colours, most=2000)
    assert 500 < len(faces) <= 2000
    assert np.abs(np.linalg.norm(vertices[faces], axis=2) - 1).max() < 0.02
    assert (shown == [10, 200, 30]).all()
    text = viewer([ViewerModel("<x>", ("a", "b"), (mesh, mesh), (colours, colours))], "")
    assert_nothing_is_fetched(text)
    content = json.loads(re.search(r'viewer-data">(.*?)</script>', text, re.DOTALL).group(1))
    stored = np.frombuffer(base64.b64decode(content[0]["meshes"][1]["vertices"]), "<i2").reshape(-1, 3) / 32767
    assert np.abs(stored - mesh.vertices).max() < 4e-5
    stored_faces = np.frombuffer(base64.b64decode(content[0]["meshes"][1]["faces"]), "<u4").reshape(-1, 3)
    assert np.array_equal(stored_faces, mesh.faces)
    assert viewer([], "") == ""


def svg_of(chart):
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", chart, re.DOTALL).group())


def test_a_line_chart_places_its_points():
    chart = svg_of(line_chart("t", [Series("a", [(0, 0.0), (10, 1.0)])], x_label="x", y_label="y"))
    spots = [tuple(map(float, spot.split(","))) for spot in chart.find("polyline").get("points").split()]
    assert spots[0][0] < spots[1][0]
    assert spots[0][1] > spots[1][1]
    labels = {element.text for element in chart.findall("text")}
    assert {"0", "1", "10", "0.2"} <= labels


def test_charts_without_data_or_with_nan_say_so():
    assert "nothing was recorded" in line_chart("t", [Series("a", [])], x_label="x", y_label="y")
    chart = svg_of(line_chart("t", [Series("a", [(0, float("nan")), (1, 2.0)])], x_label="x", y_label="y"))
    assert len(chart.find("polyline").get("points").split()) == 1
    many = svg_of(line_chart("t", [Series("a", [(i, i % 7) for i in range(5000)])], x_label="x", y_label="y"))
    assert len(many.find("polyline").get("points").split()) <= 300


def test_bars_are_as_tall_as_their_values():
    chart = svg_of(bar_chart("t", ["p\n1", "q\n2"], {"one": [1, 2], "two": [0, 4]}, x_label="x", y_label="y"))
    tall = [float(bar.get("height")) for bar in chart.findall("rect")]
    assert tall[1] == 0
    assert tall[2] == pytest.approx(2 * tall[0], abs=0.11)
    assert tall[3] == pytest.approx(4 * tall[0], abs=0.21)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.013, 0.017), (-3, 1200), (5, 5), (0, 1e-9)])
def test_ticks_are_round_and_cover(low, high):
    found = ticks(low, high)
    assert found[0] <= low + 1e-12
    assert found[-1] >= high - 1e-12
    assert 2 <= len(found) <= 12


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


def test_the_camera_comes_back_from_its_calibration():
    camera = OrthographicCamera((0.2, 0.9, -0.1), 2.2, 130.0, 12.0)
    found = gallery.camera_of(camera.calibration)
    assert np.allclose(found.calibration, camera.calibration)
    turned = gallery.camera_of(camera.calibration, 90.0)
    assert turned.yaw_deg == pytest.approx(220.0)
    assert np.allclose(turned.centre_world, camera.centre_world)


def test_a_coloured_triangle_is_drawn_where_it_stands():
    corners = np.array([[-0.5, -0.5, 0.0], [0.5, -0.5, 0.0], [0.0, 0.5, 0.0]])
    mesh = PosedMesh(corners, np.array([[0, 1, 2]], np.int32))
    camera = OrthographicCamera((0, 0, 0), 2.0)
    picture = gallery.draw_coloured(mesh, camera, np.full((3, 3), [200, 50, 20], np.uint8), 64)
    assert picture[40, 32].tolist() == [200, 50, 20, 255]
    assert picture[4, 32, 3] == 0
    box = used_box([picture], margin=0.0)
    assert 14 <= box[0] <= 17
    assert 47 <= box[2] <= 49
    assert on_background(picture)[0, 0].tolist() == list(BACKGROUND)
    sheet = contact_sheet([picture] * 3, 2, gap=4)
    assert sheet.shape == (132, 132, 3)


def test_resizing_keeps_colours_clean_at_the_rim():
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[:, :31] = [250, 10, 10, 255]
    small = resize(picture, 32)
    rim = small[small[..., 3] > 0]
    assert (np.abs(rim[:, :3].astype(int) - [250, 10, 10]) <= 2).all()


def test_heat_goes_from_blue_to_red():
    colours = gallery.heat_colours(np.array([0.0, 2.5, 5.0, 50.0]), 5.0).astype(int)
    assert colours[0, 2] > colours[0, 0]
    assert colours[2, 0] > colours[2, 2]
    assert (colours[2] == colours[3]).all()
