"""Charts against the places and sizes that their values must have."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from mpc.pages.axes import ticks
from mpc.pages.charts import Series, bar_chart, histogram, line_chart, strips


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


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.013, 0.017), (-3, 1200), (5, 5), (0, 1e-9)])
def test_ticks_are_round_and_cover(low, high):
    found = ticks(low, high)
    assert found[0] <= low + 1e-12
    assert found[-1] >= high - 1e-12
    assert 2 <= len(found) <= 12
