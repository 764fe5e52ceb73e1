"""An evaluation end to end on small figures, resumed, spread, and when it fails; the baseline it shows."""

import csv
import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError, SettingsError
from mpc.datasets.loading.views import ViewDataset
from mpc.evaluate import run as run_module
from mpc.evaluate.collect import process_count
from mpc.evaluate.methods import run as method_module
from mpc.evaluate.methods.mean import train_baseline
from mpc.evaluate.records import read_records
from mpc.evaluate.report.run_report import write_report
from mpc.evaluate.run import choose_views, evaluate
from mpc.evaluate.settings import Workers
from mpc.evaluate.summary import format_table
from mpc.formats.png import write_png
from mpc.geometry.camera import project
from mpc.models import shipped
from mpc.models.runs import load_run
from mpc.models.shipped import write_weights
from mpc.reconstruct.capture.framing import keep_frame
from mpc.reconstruct.capture.one_picture import reconstruct_picture
from mpc.reconstruct.capture.settings import CaptureSettings
from mpc.train.validate import mean_occupancy_baseline
from support.pillar_run import make_world, measure_run, pillar_run


@pytest.fixture(scope="module")
def world(figure_shards, tmp_path_factory):
    return make_world(figure_shards, tmp_path_factory.mktemp("evaluate"))


def test_evaluation_end_to_end(world, monkeypatch):
    pillar_run(monkeypatch, world)
    result = measure_run(
        world, metrics=("chamfer", "p2s", "s2p"), resolution=65, views_per_scene=4, points=2000, fresh=True
    )
    assert len(result.records) == 8
    assert not result.failed
    assert {record.yaw_deg for record in result.records} == {0.0, 90.0, 180.0, 270.0}
    for record in result.records:
        # A pillar through the middle of a person: points on it are within a trunk's depth, an arm is far from it.
        assert 0.5 < record.scores["p2s"].value < 20
        assert record.scores["chamfer"].value == pytest.approx(
            (record.scores["p2s"].value + record.scores["s2p"].value) / 2
        )
        assert 0.05 < record.iou < 0.9
        assert record.baseline_iou > 0.3
    # The ellipsoid is round about the vertical axis: nearly the same mesh from each side.
    four = [record.scores["s2p"].value for record in result.records if record.subject == "four"]
    assert max(four) - min(four) < 0.1 * np.mean(four)
    table = format_table(result)
    assert "four/scan_0000/090" in table
    assert "Predicted points to true surface, centimetres, not squared" in table
    content = json.loads((result.folder / "result.json").read_text())
    assert content["overall"]["means"]["chamfer"] == pytest.approx(
        np.mean([record.scores["chamfer"].value for record in result.records])
    )
    rows = list(csv.DictReader((result.folder / "scores.csv").open()))
    assert float(rows[0]["chamfer_cm"]) == result.records[0].scores["chamfer"].value
    assert result.worst("p2s").scores["p2s"].value == max(r.scores["p2s"].value for r in result.records)


def test_the_networks_of_the_package_are_measured_by_name(world, monkeypatch, tmp_path):
    """From the command to the report, which has no curves; nothing is written into the package."""
    package = tmp_path / "package" / "base"
    monkeypatch.setattr(shipped, "FOLDER", package)
    write_weights(world / "runs" / "untrained", package)
    before = {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    pillar_run(monkeypatch, world)
    monkeypatch.chdir(tmp_path)
    options = ["--metrics", "p2s", "--resolution", "33", "--points", "200", "--views", "1", "--jobs", "1"]
    words = ["eval", "--run", "base", "--shards", str(world / "shards"), "--device", "cpu", *options]
    outcome = CliRunner().invoke(main, words)
    assert outcome.exit_code == 0, outcome.output
    results = tmp_path / "runs" / "base" / "eval" / "test"
    assert json.loads((results / "result.json").read_text())["run"] == "base"
    report = (results / "report.html").read_text()
    assert "Worst cases" in report
    assert "Hardest views" not in report
    assert {path: path.read_bytes() for path in package.rglob("*") if path.is_file()} == before


def test_training_and_evaluation_report_the_same_baseline(world, monkeypatch):
    """One number of one name: same training views, same threshold, same held-out points."""
    pillar_run(monkeypatch, world)
    result = measure_run(world, resolution=33, views_per_scene=0, points=100, fresh=True)
    train, test = (ViewDataset(world / "shards", split, points=4096, colour_points=0) for split in ("train", "test"))
    score = mean_occupancy_baseline(train, test, views=len(test))
    assert score.views == len(result.records) == len(test)
    assert score.iou == pytest.approx(np.mean([record.baseline_iou for record in result.records]), abs=1e-6)
    assert score.threshold == train_baseline(world / "shards", points=4096).threshold


def test_colours_of_a_run_against_its_pictures(world, monkeypatch):
    options = {"resolution": 33, "views_per_scene": 1, "points": 500, "fresh": True}
    names = ("colour_l1", "colour_psnr", "view_l1", "view_psnr", "view_ssim")
    result = measure_run(world, metrics=names, **options)
    assert not result.failed
    for record in result.records:
        assert 5 < record.scores["colour_l1"].value < 200  # an untrained texture network paints grey
        assert 2 < record.scores["colour_psnr"].value < 40
        assert 0 <= record.scores["view_ssim"].value < 1
    with pytest.raises(SettingsError, match="no alignment"):
        measure_run(world, metrics=names, align="z", **options)
    white = np.full((20_000, 3), 255, np.uint8)
    real = method_module.reconstruct_field

    def paint(view, *arguments, **named):
        mesh = real(view, *arguments, **named)
        return dataclasses.replace(mesh, vertex_colours=white[: len(mesh.vertices)])

    monkeypatch.setattr(method_module, "reconstruct_field", paint)
    result = measure_run(world, metrics=("colour_l1",), **options)
    dataset = ViewDataset(world / "shards", "test", points=0, colour_points=1000)
    keys = [f"{view.scene_key}/{view.view_name}" for view in dataset.views]
    for record in result.records:
        colours = dataset[keys.index(record.key)]["colours"].double().numpy()
        assert record.scores["colour_l1"].value == pytest.approx(255 * (1 - colours).mean(), rel=1e-6)


@pytest.mark.parametrize("use_mask", [True, False])
def test_what_is_measured_is_what_reconstruct_writes(world, monkeypatch, tmp_path, use_mask):
    """With the untrained network, which believes in much beside the person; compared in view space."""
    measured = []
    real = run_module.MeshPair.of

    def note(predicted, true, **options):
        measured.append(predicted)
        return real(predicted, true, **options)

    monkeypatch.setattr(run_module.MeshPair, "of", note)
    result = measure_run(
        world, metrics=("p2s",), resolution=33, views_per_scene=1, points=10, fresh=True, use_mask=use_mask
    )
    dataset = ViewDataset(world / "shards", "test", points=0)
    item = dataset[0]
    write_png(tmp_path / "person.png", item["image"].permute(1, 2, 0).numpy())
    settings = CaptureSettings(framing="keep", resolution=33, use_mask=use_mask)
    run = load_run(world / "runs", torch.device("cpu"))
    written = reconstruct_picture(run, tmp_path / "person.png", settings=settings)
    in_view = project(written.vertices, keep_frame(np.zeros((64, 64, 4), np.uint8)).calibration)
    vertices, faces = measured[0]
    assert (faces == written.faces).all()
    assert project(vertices, item["calibration"].double().numpy()) == pytest.approx(in_view, abs=1e-5)
    how = "skipping what their masks show" if use_mask else "ignoring their masks"
    assert f"pictures of 64x64 pixels, {how}" in format_table(result)


def test_protocols_choose_their_views_and_points(world, monkeypatch):
    pillar_run(monkeypatch, world)
    options = {"protocol": "pifuhd", "resolution": 33, "fresh": True}
    result = measure_run(world, **options)
    assert len(result.records) == 8
    moved = measure_run(world, align="z", views_per_scene=1, **options)
    keys = [record.key for record in moved.records]
    before = [record.scores["chamfer"].value for record in result.records if record.key in keys]
    assert np.mean([record.scores["chamfer"].value for record in moved.records]) < np.mean(before) + 0.1
    assert [metric.name for metric in result.metrics] == ["chamfer", "p2s"]
    assert "PIFuHD's evaluator" in format_table(result)


def test_it_resumes_what_the_same_settings_measured(world, monkeypatch):
    pillar_run(monkeypatch, world)
    options = {"metrics": ("p2s",), "resolution": 33, "views_per_scene": 2, "points": 500}
    first = measure_run(world, fresh=True, **options)
    path = first.folder / "records.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:40])  # stopped while writing the third
    measured = []
    monkeypatch.setattr(run_module, "measure_view", _noting(run_module.measure_view, measured))
    second = measure_run(world, **options)
    assert len(measured) == 2
    without_times = [dataclasses.replace(record, seconds={}) for record in second.records]
    assert without_times == [dataclasses.replace(record, seconds={}) for record in first.records]
    assert len(read_records(path)) == 4
    measure_run(world, **{**options, "points": 600})
    assert len(measured) == 6


def _noting(function, calls):
    def noting(source, opened, index):
        calls.append(index)
        return function(source, opened, index)

    return noting


@pytest.mark.parametrize(("options", "words"), [({"empty": True}, "the field is empty"), ({"nan": True}, "not finite")])
def test_a_view_without_a_mesh_is_counted_as_failed(world, monkeypatch, options, words):
    pillar_run(monkeypatch, world, **options)
    result = measure_run(world, resolution=33, views_per_scene=1, points=500, fresh=True)
    assert len(result.failed) == 2
    assert all(words in record.failure and not record.scores for record in result.failed)
    assert result.overall.means["chamfer"] is None
    assert result.worst("chamfer") is None
    table = format_table(result)
    assert "2 of 2 views FAILED" in table
    assert "0.000  " not in table.split("IoU of mean")[0]
    write_report(world / "runs", world / "shards", result, result.folder / "failed.html")
    assert words in (result.folder / "failed.html").read_text()


def test_the_report_has_every_section_and_fetches_nothing(world, monkeypatch):
    """With the untrained networks, so that the texture network colours the mesh too."""
    result = measure_run(world, resolution=33, views_per_scene=2, points=500, fresh=True)
    text = write_report(
        world / "runs", world / "shards", result, world / "out" / "report.html", examples=2, worst=2
    ).read_text()
    sections = re.findall(r'<section id="([^"]+)"', text)
    assert sections == [
        "scores", "spread", "best-median-and-worst", "errors-in-three-dimensions", "worst-cases", "training",
        "hard-example-mining", "inputs", "settings",
    ]  # fmt: skip
    assert not re.search(r'(src|href)="(?!data:image/|#)|<script[^>]+src|<link|https?://|url\(|@import', text)
    assert text.count("data:image/jpeg;base64,") == 2 * 5 + 2 + 2
    assert "rebuilt: front, side, back" in text
    assert "from pictures of 64x64 pixels, skipping what their masks show to be background: 33 nodes" in text
    assert "&lt;b&gt;&amp;" in text
    assert "<b>&" not in text


@pytest.mark.slow
def test_two_processes_measure_the_same(world):
    """With the untrained network itself, whose surface is as rough as can be."""
    options = {"resolution": 33, "views_per_scene": 2, "points": 500, "fresh": True}
    one = measure_run(world, jobs=1, **options)
    two = measure_run(world, jobs=2, **options)
    assert [(r.key, r.scores, r.iou, r.failure) for r in one.records] == [
        (r.key, r.scores, r.iou, r.failure) for r in two.records
    ]


def test_wrong_inputs_are_named(world):
    with pytest.raises(SettingsError, match="unknown metric"):
        measure_run(world, metrics=("volume",))
    with pytest.raises(InputError, match="holds no scene of the split 'val'"):
        measure_run(world, split="val")
    with pytest.raises(InputError):
        evaluate(world / "shards", world / "shards", workers=Workers(device="cpu"))
    assert train_baseline(world / "shards", points=1000) is not None


def test_views_are_evenly_spaced():
    views = [SimpleNamespace(scene_key=f"s{i // 36}", yaw_deg=10.0 * (i % 36)) for i in range(72)]
    assert [views[i].yaw_deg for i in choose_views(views, 4)] == [0.0, 90.0, 180.0, 270.0] * 2
    assert choose_views(views, 0) == list(range(72))
    assert len(choose_views(views, 100)) == 72


def test_several_processes_may_share_a_gpu():
    """The search runs on the host, so that one process leaves a GPU idle for most of the time."""
    gpus = ("cuda:0", "cuda:1")
    assert [process_count(jobs, gpus) for jobs in (0, 1, 2, 5, -1)] == [2, 2, 2, 5, 2]
    assert process_count(3, ("cpu",)) == 3
