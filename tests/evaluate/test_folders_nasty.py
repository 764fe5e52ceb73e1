"""Folders as they come: odd names, files that are no meshes, an evaluation killed, results cut short."""

import json
import os
import signal
import subprocess
import sys
import time
import unicodedata

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.evaluate import collect as collect_module
from mpc.evaluate.compare import compare_results
from mpc.evaluate.folders import find_meshes
from support.evaluation import measure_folders


def body(size=1.0):
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=0.2)
    return mesh.apply_scale(np.array([1, 4, 0.8]) * size)


@pytest.fixture
def folders(tmp_path):
    for name in ("pred", "truth"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_names_of_other_systems_are_found_again(folders):
    name = "Zo\u00eb"
    body().export(folders / "truth" / f"{unicodedata.normalize('NFD', name)}.obj")
    body(1.1).export(folders / "pred" / f"{unicodedata.normalize('NFC', name)}_090.obj")
    (folders / "pred" / f"._{name}_090.obj").write_bytes(b"\0\5\x16\7")  # what one system leaves beside each file
    for folder in ("pred", "truth"):
        body().export(folders / folder / "x.obj")
        os.rename(folders / folder / "x.obj", os.path.join(os.fsencode(folders / folder), b"bad\xff.obj"))
    options = ["--pred", str(folders / "pred"), "--truth", str(folders / "truth"), "--points", "300", "--jobs", "1"]
    outcome = CliRunner().invoke(main, ["eval", *options, "--out", str(folders / "out")])
    assert outcome.exit_code == 0, outcome.output
    content = json.loads((folders / "out" / "result.json").read_text())
    assert [view["key"] for view in content["views"]] == [f"{name}_090", "bad\\xff"]
    assert f"{name}_090" in (folders / "out" / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_read_fails_alone(folders):
    for name in ("good", "nan", "cloud", "garbage", "nothing", "locked"):
        body().export(folders / "truth" / f"{name}.ply")
    body(1.1).export(folders / "pred" / "good.obj")
    (folders / "pred" / "nan.obj").write_text("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    trimesh.PointCloud(body().vertices).export(folders / "pred" / "cloud.ply")
    (folders / "pred" / "garbage.glb").write_bytes(np.random.default_rng(0).bytes(400))
    (folders / "pred" / "nothing.stl").write_bytes(b"")
    (folders / "pred" / "locked.obj").symlink_to("/proc/self/mem")  # is there, and cannot be read
    options = ["--pred", str(folders / "pred"), "--truth", str(folders / "truth"), "--points", "300", "--jobs", "1"]
    outcome = CliRunner().invoke(main, ["eval", *options, "--out", str(folders / "out"), "--no-report"])
    assert outcome.exit_code == 3, outcome.output
    content = json.loads((folders / "out" / "result.json").read_text())
    reasons = {view["key"]: view["failure"] for view in content["views"]}
    assert reasons.pop("good") == ""
    assert all(f"/pred/{name}." in reason for name, reason in reasons.items())
    assert content["overall"]["failed"] == 5
    assert content["mpc"]


def test_hidden_files_are_no_meshes(folders):
    (folders / "pred" / ".hidden.obj").write_text("v 0 0 0\n")
    with pytest.raises(InputError, match="holds no meshes"):
        find_meshes(folders / "pred")


def test_killed_and_called_again_it_goes_on(folders):
    for number in range(10):
        body().export(folders / "truth" / f"p{number:02}.ply")
        body(1.0 + 0.01 * number).export(folders / "pred" / f"p{number:02}.ply")
    out, records = folders / "out", folders / "out" / "records.jsonl"
    command = [sys.executable, "-m", "mpc", "eval", "--pred", "pred", "--truth", "truth", "--points", "20000"]
    options = ["--jobs", "1", "--no-report", "--out", "out"]
    process = subprocess.Popen([*command, *options], cwd=folders, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not (records.is_file() and records.read_text().count("\n") >= 2):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {json.loads(line)["key"]: json.loads(line)["seconds"] for line in records.read_text().splitlines()[:2]}
    again = measure_folders(folders / "pred", folders / "truth", out, points=20_000)
    assert {record.key: record.seconds for record in again.records if record.key in kept} == kept
    whole = measure_folders(folders / "pred", folders / "truth", folders / "whole", points=20_000)
    assert [(r.key, r.scores) for r in again.records] == [(r.key, r.scores) for r in whole.records]


def test_several_devices_take_turns(folders, monkeypatch):
    for number in range(4):
        body().export(folders / "truth" / f"p{number}.ply")
        body(1.1).export(folders / "pred" / f"p{number}.ply")
    monkeypatch.setattr(collect_module.torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(collect_module.torch.cuda, "is_available", lambda: True)
    assert collect_module.find_devices("auto") == ("cuda:0", "cuda:1", "cuda:2")
    assert collect_module.find_devices("cuda") == ("cuda:0", "cuda:1", "cuda:2")
    assert collect_module.find_devices("cuda:1") == ("cuda:1",)
    assert collect_module.find_devices("cpu") == ("cpu",)
    options = {"points": 300}
    one = measure_folders(folders / "pred", folders / "truth", folders / "one", **options)
    monkeypatch.setattr("mpc.evaluate.folders.find_devices", lambda name: ("cpu", "cpu"))
    two = measure_folders(folders / "pred", folders / "truth", folders / "two", **options)
    assert [record.scores for record in one.records] == [record.scores for record in two.records]


def test_a_damaged_result_is_named(folders):
    body().export(folders / "truth" / "p.ply")
    body(1.1).export(folders / "pred" / "p.ply")
    for name in ("a", "b"):
        measure_folders(folders / "pred", folders / "truth", folders / name, points=300)
    path = folders / "b" / "result.json"
    whole = json.loads(path.read_text())
    for damage in ({"views": [{}]}, {"views": 3}, {"settings": None}, {"files": ...}, {"metrics": {"p95": ""}}):
        content = {**whole, **damage}
        path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))
        with pytest.raises(InputError, match="is damaged"):
            compare_results([folders / "a", folders / "b"])
