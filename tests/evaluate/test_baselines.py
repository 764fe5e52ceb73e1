"""Baselines that learn nothing, and the ceiling of true depth maps: closed forms, and a whole evaluation of each."""

import json

import numpy as np
import pytest
import torch
import trimesh

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.evaluate.methods.candidate import Candidate
from mpc.evaluate.methods.inflated import InflatedMask, inflate
from mpc.evaluate.methods.method import GivenView
from mpc.evaluate.methods.nearest import Silhouettes, pack
from mpc.evaluate.methods.true_depth import TrueDepth, spread_outwards
from mpc.evaluate.report.run_report import write_report
from mpc.evaluate.run import evaluate_baseline
from mpc.evaluate.settings import BASELINES, EvaluationSettings, Workers
from mpc.evaluate.summary import format_table
from mpc.geometry.camera import OrthographicCamera, project
from mpc.geometry.mesh import PosedMesh
from mpc.models.depth import DepthConfig, encode_depth
from mpc.models.head import BoundedHead, HeadConfig, rule_logit
from mpc.render.layers import render_layers


def disk(size, radius, middle=None):
    """A mask of a disk; without `middle`, in the middle of the picture."""
    row, column = np.mgrid[:size, :size] + 0.5
    y, x = middle or (size / 2, size / 2)
    return (row - y) ** 2 + (column - x) ** 2 <= radius**2


def given(mesh, size=96, points=20_000):
    """A view of a closed trimesh, lit white, from a camera of the default cube with labelled points."""
    posed = PosedMesh(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int32))
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.4)
    # Four samples a side of each pixel give its alpha.
    fine = render_layers(posed, camera, 4 * size, 4 * size, ("mask",)).mask
    alpha = np.rint(255 * fine.reshape(size, 4, size, 4).mean(axis=(1, 3))).astype(np.uint8)
    picture = np.full((size, size, 4), 255, np.uint8)
    picture[..., 3] = alpha
    where = np.random.default_rng(0).uniform(-1.2, 1.2, (points, 3))
    return GivenView(picture, camera.calibration, project(where, camera.calibration), mesh.contains(where), posed)


def test_an_inflated_disk_is_a_ball_and_an_inflated_strip_a_cylinder():
    radius = 40.0
    thickness = inflate(disk(101, radius))
    row, column = np.mgrid[:101, :101] - 50
    square = np.maximum(radius**2 - row**2 - column**2, 0.0)
    assert np.abs(thickness**2 - square).max() < 2 * radius * 0.7  # the radius is known to within the pixels' steps
    strip = np.zeros((120, 60), bool)
    strip[:, 20:41] = True
    across = np.abs(np.arange(20, 41) - 30)
    assert inflate(strip)[60, 20:41] == pytest.approx(np.sqrt(10.5**2 - across**2), abs=0.6)
    assert not inflate(strip)[:, :20].any()
    assert not inflate(np.zeros((5, 5), bool)).any()


def test_inflating_matches_brute_force():
    mask = disk(24, 7, (10, 8)) | disk(24, 4, (15, 17))
    edge = np.argwhere(~np.pad(mask, 1)) - 1
    pixels = np.argwhere(mask)
    radius = np.sqrt(((pixels[:, None] - edge) ** 2).sum(-1)).min(axis=1) - 0.5
    expected = np.zeros(mask.shape)
    for at in pixels:
        expected[tuple(at)] = np.sqrt(max((radius**2 - ((pixels - at) ** 2).sum(-1)).max(), 0.0))
    assert inflate(mask) == pytest.approx(expected)


def test_the_inflated_outline_of_a_ball_is_that_ball():
    rebuilt = InflatedMask(EvaluationSettings(resolution=65))(given(trimesh.creation.icosphere(4, 0.5), size=192))
    assert rebuilt.iou > 0.94  # of a radius of 40 pixels, half a pixel is known to be missing at the edge
    assert np.linalg.norm(rebuilt.mesh.vertices, axis=1) == pytest.approx(0.5, abs=0.02)


def test_true_depth_of_a_ball_is_that_ball_and_gaps_are_filled():
    ball = TrueDepth(EvaluationSettings(resolution=65))(given(trimesh.creation.icosphere(4, 0.5)))
    assert ball.iou > 0.97
    error = np.abs(np.linalg.norm(ball.mesh.vertices, axis=1) - 0.5)
    assert error.mean() < 0.01
    assert error.max() < 0.04  # at the outline, where a node lies 3.75 cm from the next
    # Two slabs, one behind the other: what lies between them is filled, which depth maps cannot know.
    slabs = [trimesh.creation.box((0.8, 0.8, 0.2)).apply_translation([0, 0, z]) for z in (-0.4, 0.4)]
    both = TrueDepth(EvaluationSettings(resolution=65))(given(trimesh.util.concatenate(slabs)))
    assert both.iou == pytest.approx(0.4 / 1.0, abs=0.05)


def test_the_rule_is_that_of_an_untrained_bounded_head():
    torch.manual_seed(0)
    head = BoundedHead(9, 1, 1, HeadConfig(kind="bounded", channels=(4,)))
    maps = torch.rand(1, 50, 9)
    z = torch.rand(1, 50)
    expected = head(maps, encode_depth(z, DepthConfig(kind="plain")))[..., 0]
    rule = rule_logit(z - maps[..., 0], maps[..., 1] - z, maps[..., 8])
    assert torch.allclose(rule, expected, atol=1e-4)
    assert ((rule > 0) == ((z > maps[..., 0]) & (z < maps[..., 1]) & (maps[..., 8] > 0.5))).all()


def test_maps_continue_beyond_the_outline():
    depth = np.full((3, 4), np.nan, np.float32)
    depth[1, 1], depth[1, 2] = 0.25, 0.75
    assert (spread_outwards(depth)[:, :2] == 0.25).all()
    assert (spread_outwards(depth)[:, 2:] == 0.75).all()
    assert not spread_outwards(np.full((2, 2), np.nan, np.float32)).any()


def test_the_nearest_outline_has_the_greatest_iou():
    masks = [disk(64, radius) for radius in (5, 12, 20)] + [disk(64, 12, (20, 20))]
    silhouettes = Silhouettes(np.stack([pack(mask) for mask in masks]))
    assert silhouettes.nearest(disk(64, 11)) == 1
    assert silhouettes.nearest(disk(64, 18)) == 2
    assert silhouettes.nearest(disk(64, 10, (21, 20))) == 3
    assert silhouettes.nearest(np.zeros((64, 64), bool)) == 0


@pytest.fixture
def shards(figure_shards):
    """Three figures to know, two to measure."""
    return figure_shards


def measure(shards, baseline, **settings):
    """Measure a baseline on the CPU."""
    chosen = EvaluationSettings(**({"resolution": 33, "views_per_scene": 2, "points": 2000} | settings))
    out = shards.parent / "eval" / baseline
    return evaluate_baseline(baseline, shards, out, chosen, workers=Workers(jobs=1, device="cpu"), fresh=True)


def test_each_baseline_is_measured_and_reported_as_a_run_is(shards):
    means = {}
    for baseline in BASELINES:
        result = measure(shards, baseline)
        assert not result.failed
        assert len(result.records) == 4
        means[baseline] = result.overall.means
        assert f"Baseline {baseline}: {BASELINES[baseline]}" in format_table(result)
        assert json.loads((result.folder / "result.json").read_text())["run"] == baseline
        if baseline == "mean":
            assert [r.iou for r in result.records] == pytest.approx([r.baseline_iou for r in result.records], abs=1e-3)
    # The figures resemble one another, so that the nearest one is near; its mesh has no steps of the grid, either.
    assert means["nearest"]["chamfer"] < means["true-depth"]["chamfer"]
    assert means["true-depth"]["chamfer"] < min(means["mean"]["chamfer"], means["inflated"]["chamfer"])
    assert means["true-depth"]["iou"] > 0.75
    text = write_report(None, shards, result, result.folder / "report.html", examples=1, worst=1).read_text()
    assert "true-depth: test" in text
    assert 'id="training"' not in text


def test_the_nearest_person_of_a_training_view_is_themselves(shards):
    result = measure(shards, "nearest", split="train")
    assert result.overall.means["iou"] > 0.995
    assert result.overall.means["chamfer"] < 0.1


def test_pictures_of_a_baseline_can_be_smaller(shards):
    coarse, fine = (measure(shards, "true-depth", image_size=size) for size in (24, None))
    assert coarse.overall.means["chamfer"] > 1.1 * fine.overall.means["chamfer"]
    assert "pictures of 24x24 pixels" in format_table(coarse)
    assert "pictures of 64x64 pixels" in format_table(fine)


def test_what_a_baseline_lacks_is_named(shards, tmp_path):
    with pytest.raises(SettingsError, match="inflated"):
        Candidate(shards, baseline="inflatd")
    with pytest.raises(SettingsError, match="texture network"):
        measure(shards, "inflated", metrics=("colour_l1",))
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"test": ["one", "two", "three", "four", "five"]}))
    sampling = SampleSettings(near_points=5600, uniform_points=800, colour_points=80, split_file=split)
    sample_renders(shards.parent / "renders", tmp_path / "shards", sampling, jobs=1)
    with pytest.raises(InputError, match="--training"):
        measure(tmp_path / "shards", "mean")
    other = evaluate_baseline(
        "nearest", tmp_path / "shards", tmp_path / "out", EvaluationSettings(resolution=33, points=500),
        training=shards, workers=Workers(jobs=1, device="cpu"),
    )  # fmt: skip
    assert other.settings["training"]["folder"] == "shards"
    assert len(other.failed) == 0
    assert ViewDataset(shards, "train", points=0).calibration(0).shape == (4, 4)
