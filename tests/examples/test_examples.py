"""Every example runs in toy size and prints what it promises."""

import runpy
import sys

import numpy as np
import pytest
import trimesh

import mpc
from support.wheel import ROOT

EXAMPLES = ROOT / "examples"
TESTED = {
    "add_a_metric.py", "measure_two_meshes.py", "picture_to_mesh.py", "quickstart.sh", "shards_in_your_own_loop.py",
    "train_on_your_scans.py",
}  # fmt: skip


@pytest.fixture
def run_example(monkeypatch, capsys):
    """Run an example as a program within this process; returns what it printed."""

    def run(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture
def two_boxes(tmp_path):
    """A unit cube on the ground and one that is 0.1 higher at its top, in files."""
    paths = []
    for name, height in (("true.obj", 1.0), ("predicted.ply", 1.1)):
        box = trimesh.creation.box(extents=[1.0, height, 1.0])
        box.apply_translation([0, height / 2, 0])
        box.export(tmp_path / name)
        paths.append(tmp_path / name)
    return paths[1], paths[0]


def test_every_example_is_tested():
    recipe = {"base.toml"}  # tests/train/test_settings.py
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == TESTED | recipe


def test_measure_two_meshes(run_example, two_boxes):
    output = run_example("measure_two_meshes.py", *two_boxes, "--metrics", "p95", "hausdorff", "--points", 2000)
    values = {line.split()[0]: float(line.split()[1]) for line in output.splitlines()}
    # Nothing of the higher box is farther than 0.1 m from the other; its top, 1 / 6.4 of its area, is just so far.
    assert values["hausdorff"] == pytest.approx(10.0, abs=1e-3)
    assert values["p95"] == pytest.approx(10.0, abs=1e-3)
    in_centimetres = run_example(
        "measure_two_meshes.py", *two_boxes, "--unit", "cm", "--metrics", "p95", "--points", 2000
    )
    assert float(in_centimetres.split()[1]) == pytest.approx(0.1, abs=1e-4)


def test_add_a_metric(run_example, two_boxes, monkeypatch):
    from mpc.evaluate.metrics import registry

    monkeypatch.setattr(registry, "METRICS", dict(registry.METRICS))  # what the example adds goes away again
    output = run_example("add_a_metric.py", *two_boxes)
    (line,) = (line for line in output.splitlines() if line.startswith("height_error"))
    assert float(line.split()[1]) == pytest.approx(10.0, abs=1e-3)
    assert "Symmetric, centimetres, not squared" in line


@pytest.mark.slow
def test_picture_to_mesh(run_example, toy_work, tmp_path):
    (picture, *_) = sorted((toy_work / "renders").glob("*/scan_0000/000.png"))
    words = [picture, "--run", toy_work / "runs", "--resolution", 33, "--height", 1.6]
    output = run_example("picture_to_mesh.py", *words, "--out", tmp_path / "person.ply")
    mesh = mpc.read_mesh(tmp_path / "person.ply")
    assert f"{len(mesh.faces)} faces" in output
    # The example is `mpc reconstruct` in Python: the same surface, to the last bit of the file.
    from click.testing import CliRunner

    from mpc.cli.main import main

    command = ["reconstruct", picture, "--run", toy_work / "runs", "--resolution", 33, "--height", 1.6]
    command += ["--out", tmp_path / "there", "--format", "ply", "--turntable", "none", "--device", "cpu"]
    result = CliRunner().invoke(main, [str(word) for word in command], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (written,) = (tmp_path / "there").glob("*.ply")
    same = mpc.read_mesh(written)
    assert np.array_equal(same.vertices, mesh.vertices)
    assert np.array_equal(same.faces, mesh.faces)
    assert np.array_equal(same.vertex_colours, mesh.vertex_colours)


@pytest.mark.slow
def test_shards_in_your_own_loop(run_example, toy_work):
    words = [toy_work / "shards", "--steps", 200, "--batch", 2, "--points", 512, "--image-size", 32]
    lines = run_example("shards_in_your_own_loop.py", *words).splitlines()
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in lines]
    assert len(losses) == 200
    assert losses[0] == pytest.approx(np.log(2), abs=0.05)  # nothing learned yet: both answers are as likely
    assert np.mean(losses[-20:]) < 0.9 * np.log(2)  # seen at 0.84 of it


@pytest.mark.slow
def test_train_on_your_scans(run_example, figures, tmp_path):
    toy = ["--views", 2, "--size", 64, "--near", 12000, "--preset", "tiny"]
    steps = ["--set", "surface.steps=2", "texture.steps=1", "image_size=32", "texture.points=64"]
    output = run_example("train_on_your_scans.py", figures, "--out", tmp_path / "work", *toy, *steps)
    assert "5 scenes rendered" in output
    assert "5 scenes sampled" in output
    run = mpc.load_run(tmp_path / "work" / "runs")
    assert run.texture is not None
    assert f"trained -> {run.folder}" in output
