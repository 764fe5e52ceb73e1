"""`mpc stats` against plain h5py and closed forms: balls of known size, place and light."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.stats.card import card
from mpc.datasets.stats.collect import collect_stats
from mpc.datasets.stats.measure import LIGHT_MOST, LIGHT_STEPS, light_family
from mpc.datasets.stats.table import align, bytes_text, side_rows, table
from support.balls import EXTENT, RADIUS, make_renders

BALLS, VIEWS, FACING = 6, 4, 2


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    root = tmp_path_factory.mktemp("stats")
    turned = float(np.sin(np.radians(20))), 0.0, float(np.cos(np.radians(20)))  # 20 degrees to their left
    renders = make_renders(root / "renders", balls=BALLS, views=VIEWS, facing=dict.fromkeys(range(FACING), turned))
    settings = SampleSettings(
        near_points=4096, uniform_points=8192, colour_points=64, meshes="all", shard_bytes=1 << 16
    )
    sample_renders(renders, root / "shards", settings, jobs=1)
    return root / "shards"


@pytest.fixture(scope="module")
def stats(shards):
    return collect_stats(shards, jobs=1)


def files(shards):
    return sorted(shards.glob("*.h5"))


def test_counts_are_those_of_the_files(shards, stats):
    assert len(files(shards)) > 1
    assert stats.total("subjects") == stats.people == stats.total("scenes") == BALLS
    assert stats.total("views") == BALLS * VIEWS
    assert stats.total("points") == BALLS * (4096 + 8192)
    assert stats.total("shards") == len(files(shards))
    assert stats.total("bytes") == sum(path.stat().st_size for path in files(shards)) == sum(stats.bytes.values())
    assert stats.splits["train"].subjects == 4
    assert stats.kinds == {"scan": BALLS}
    assert stats.extents == {EXTENT: BALLS}
    assert stats.sizes == {64: BALLS}


def test_label_balance_is_that_of_the_file(shards, stats):
    inside = {}
    for path in files(shards):
        with h5py.File(path) as file:
            for first, last in zip(file["offsets/octet"][:-1], file["offsets/octet"][1:], strict=True):
                labels = np.unpackbits(file["points/inside"][first:last])
                start = 0
                for name, _, count in json.loads(file.attrs["point_sets"]):
                    inside.setdefault(name, []).append(labels[start : start + count].mean())
                    start += count
    assert set(stats.points) == set(inside) == {"near_50mm", "near_10mm", "uniform"}
    for name, shares in inside.items():
        found = stats.points[name]
        assert found.inside == pytest.approx(np.mean(shares))
        assert (found.least, found.most) == pytest.approx((min(shares), max(shares)))
    assert stats.points["near_10mm"].sigma_m == 0.01


def test_distances_are_those_of_a_ball(shards, stats):
    assert stats.measured_scenes == BALLS
    for name, sigma in (("near_50mm", 0.05), ("near_10mm", 0.01)):
        found = stats.points[name].distance_m
        # The distance along the normal is normal with the sigma: its quantiles are those of |N(0, 1)|.
        for percent, quantile in (("25", 0.3186), ("50", 0.6745), ("75", 1.1503), ("95", 1.96)):
            assert found[percent] == pytest.approx(sigma * quantile, rel=0.06)
    uniform = stats.points["uniform"]
    edges, counts = np.array(uniform.distance_edges_m), np.array(uniform.distance_counts)
    # The histogram leaves out the deepest half percent of all points: those nearer to the middle than this radius.
    assert edges[0] == pytest.approx(-RADIUS * (1 - np.cbrt(0.005 / uniform.inside)), rel=0.25)
    assert counts[edges[1:] <= 0].sum() / counts.sum() == pytest.approx(uniform.inside, abs=0.03)


def test_yaws_lights_and_area(shards, stats):
    assert stats.yaws == [BALLS, 0, 0, BALLS, 0, 0, BALLS, 0, 0, BALLS, 0, 0]
    display = [((k + 1) / VIEWS) ** (1 / 2.2) for k in range(VIEWS)]
    expected = BALLS * np.histogram(display, LIGHT_STEPS, (0, LIGHT_MOST))[0]
    assert stats.brightness == expected.tolist()
    assert sum(stats.lights.values()) == BALLS * VIEWS
    with h5py.File(files(shards)[0]) as file:
        boxes = file["views/box"][...]
    assert stats.area == pytest.approx(np.mean(boxes[:, 2] * boxes[:, 3]) / 64**2, rel=0.05)


def test_sides_are_measured_from_where_the_person_faces(stats):
    # Cameras at 0, 90, 180 and 270 degrees, of which 20 are taken: sectors of 30 degrees, the first around 0.
    expected = np.zeros(12, int)
    expected[[11, 2, 5, 8]] = FACING
    assert stats.turns == expected.tolist()
    rows = dict(side_rows(stats)[1:])
    assert rows.pop("facing unknown") == f"{(BALLS - FACING) / BALLS:.1%} of all"
    assert sum(float(share.rstrip("%")) for share in rows.values()) == pytest.approx(100, abs=0.5)
    # The camera at 70 degrees stands on the person's left.
    only = replace(stats, turns=[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0])
    assert dict(side_rows(only)[1:])["left"] == "100.0%"


@pytest.mark.parametrize(
    ("name", "family"),
    [("sky_06h_clear_street", "sky"), ("room_lamp_02", "room"), ("indoor/kitchen_4k", "indoor"),
     ("kitchen4k", "kitchen"), ("4k", "4k")],
)  # fmt: skip
def test_kinds_of_lights(name, family):
    assert light_family(name) == family


def test_texts(stats):
    assert [bytes_text(size) for size in (999, 1.24e6, 34e6, 5.06e9, 1234e9)] == [
        "1 kB", "1.2 MB", "34 MB", "5.1 GB", "1,234 GB",
    ]  # fmt: skip
    assert align([("a", "number"), ("bc", "7"), ("d", "12")]) == ["a   number", "bc       7", "d       12"]
    text = table(stats)
    assert f"{BALLS} subjects, {BALLS} scenes, {BALLS * VIEWS} views of 64x64 pixels in cubes of {EXTENT:g} m" in text
    assert "near_10mm" in text
    assert "nothing is known" in text


class Cells(HTMLParser):
    """Counts the tags of a page, and the charts."""

    def __init__(self):
        super().__init__()
        self.tags = {}

    def handle_starttag(self, tag, _):
        self.tags[tag] = self.tags.get(tag, 0) + 1


def test_the_command_writes_page_json_and_card(shards, tmp_path):
    page, rows, sheet = tmp_path / "a" / "stats.html", tmp_path / "b" / "stats.json", tmp_path / "c" / "README.md"
    words = ["stats", str(shards), "--out", str(page), "--json", str(rows), "--card", str(sheet), "--jobs", "1"]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert f"{BALLS} subjects" in done.output
    cells = Cells()
    cells.feed(page.read_text())
    assert cells.tags["svg"] >= 6
    assert "http" not in page.read_text().replace("http://www.w3.org", "")
    content = json.loads(rows.read_text())
    assert content["splits"]["train"]["subjects"] == 4
    assert content["points"]["uniform"]["points"] == BALLS * 8192
    lines = sheet.read_text().splitlines()
    assert lines[0] == "---"
    assert lines.index("---", 1) < lines.index("# shards")
    assert "license: unknown" in lines
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_licences_reach_the_card(shards, stats):
    known = replace(stats, licences={"LICENSE.txt: CC0 | free": [f"ball_{n}" for n in range(BALLS)]})
    assert "license: other" in card(known)
    assert "| 6 | LICENSE.txt: CC0 \\| free |" in card(known)


def test_numbers_do_not_depend_on_the_workers(shards, stats):
    assert collect_stats(shards, jobs=2) == stats


def test_folders_that_hold_no_shards_are_refused(shards, tmp_path):
    with pytest.raises(InputError, match="holds no finished shards"):
        collect_stats(tmp_path)
    assert CliRunner().invoke(main, ["stats", str(tmp_path)]).exit_code == 1
