"""The commands as a user types them: the four lines, exit statuses, and one clear line for each mistake."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import mpc
from mpc.cli.main import main

SMALL = ["--views", "4", "--step", "90", "--size", "64", "--rays", "32", "--renderer", "embree", "--jobs", "1"]


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_the_four_lines(figures, tmp_path, monkeypatch):
    shutil.copytree(figures, tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    run("render", "models/", *SMALL)
    run("sample", "--near", 12000, "--uniform", 2000, "--colours", 2000, "--split", "0.6,0.2,0.2", "--jobs", 1)
    index = json.loads(Path("shards/index.json").read_text())
    assert sorted(name for names in index["split"].values() for name in names) == sorted(os.listdir("models"))
    assert run("verify").strip().splitlines()[-1].startswith("0 problems")
    assert run("verify", "renders").strip().splitlines()[-1].startswith("0 problems in renders/, 5 scenes")
    steps = ["--set", "surface.steps=8", "--set", "texture.steps=4", "--set", "image_size=64"]
    run("train", "--preset", "tiny", "--name", "first", *steps)
    output = run("eval", "--metrics", "chamfer", "p2s", "--views", 1, "--resolution", 33, "--points", 500, "--jobs", 1)
    assert "chamfer" in output
    assert "p2s" in output
    assert "cm" in output
    folder = Path("runs/first/eval/test")
    assert {"result.json", "scores.csv", "report.html"} <= {path.name for path in folder.iterdir()}
    # The training views that stayed hardest, each with its picture and score, worst first, as run.json has them.
    report = (folder / "report.html").read_text()
    for stage in json.loads(Path("runs/first/run.json").read_text())["stages"].values():
        places = [report.index(f'alt="{view["scene"]}/{view["view"]}" src="data:') for view in stage["hardest"]]
        assert len(places) == stage["views_drawn"]
        assert all(f"drawn {view['drawn']} times" in report for view in stage["hardest"])
    # Two benchmarks need data, and must run, too; here is some.
    folder = Path(mpc.__file__).resolve().parent / "benchmarks"
    for words in (
        ["loader.py", "shards", "renders", "--items", "2"],
        ["localise.py", "models", "--resolution", "65", "--scenes", "1", "--softness", "hard"],
    ):
        command = [sys.executable, str(folder / words[0]), *words[1:]]
        assert subprocess.run(command, capture_output=True, check=True, text=True).stdout
    # Once more: everything finished is kept.
    assert "0 scenes rendered, 5 kept" in run("render", "models/", *SMALL)


def test_a_bad_subject_is_named_and_the_others_go_on(figures, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(figures / "one", models / "good")
    shutil.copytree(figures / "two", models / "bad")
    (models / "bad" / "mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99\n")
    output = run("render", models, "--out", tmp_path / "renders", *SMALL, code=3)
    assert "failed: bad: " in output
    assert "mesh.obj" in output
    assert "1 scenes rendered, 0 kept, 1 failed, of 2 subjects" in output
    assert (tmp_path / "renders" / "good" / "scan_0000" / "270.png").is_file()


def test_a_scene_that_does_not_fit_is_told_the_extent_that_holds_it(figures, tmp_path):
    out = tmp_path / "renders"
    output = run("render", figures / "one", "--out", out, "--extent", "1.5", *SMALL, code=3)
    extent = output.split("--extent ")[1].split(" holds")[0]
    shutil.rmtree(out)
    run("render", figures / "one", "--out", out, "--extent", extent, *SMALL)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["render", "nowhere/"], 2, "does not exist"),
        (["render", "."], 1, "holds no scan or rigged person"),
        (["render", ".", "--views", "0"], 2, "--views"),
        (["render", ".", "--views", "72"], 2, "repeat a yaw"),
        (["render", ".", "--layers", "mask", "normals"], 2, "unknown layer 'normals'"),
        (["render", ".", "--jitter", "1,2"], 2, "expected 3 values, got 2"),
        (["render", ".", "--fov", "90"], 2, "fov_deg is 90.0"),
        (["render", ".", "--fov", "60:20"], 2, "the smaller one first"),
        (["render", ".", "--fov", "wide"], 2, "neither a number nor two such as 20:60"),
        (["sample"], 2, "does not exist"),
        (["sample", "."], 1, "run `mpc render MODELS` first"),
        (["train", "."], 1, "index"),
        (["train", ".", "--preset", "papier"], 2, "paper"),
        (["train", ".", "--set", "surface.stepz=3"], 2, "steps"),
        (["eval", "--run", ".", "--shards", "."], 1, "no run"),
        (["eval", "--run", ".", "--shards", ".", "--metrics", "chamfre"], 2, "chamfer"),
    ],
)
def test_mistakes_get_one_line_and_a_status(words, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = run(*words, code=code)
    assert said in output
    assert "Traceback" not in output


def test_other_settings_in_the_same_folder_are_refused(figures, tmp_path):
    out = tmp_path / "renders"
    run("render", figures / "one", "--out", out, *SMALL)
    assert "seed 0 -> 1" in run("render", figures / "one", "--out", out, *SMALL, "--seed", 1, code=2)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_killed_render_goes_on_and_gives_the_same_bytes(figures, tmp_path):
    run("render", figures, "--out", tmp_path / "calm", *SMALL)
    command = [sys.executable, "-m", "mpc", "render", str(figures), "--out", str(tmp_path / "killed")]
    command += [*SMALL[:-1], "2"]
    before = 0
    for kill in (1, 2):  # each as soon as there is one more scene than before
        process = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and len(list((tmp_path / "killed").glob("*/[!.]*/scene.json"))) < kill:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        before = len(list((tmp_path / "killed").glob("*/[!.]*/scene.json")))
    assert before >= 1, "nothing was rendered before the kill"
    for scene in (tmp_path / "killed").glob("*/[!.]*/scene.json"):
        content = json.loads(scene.read_text())
        assert all((scene.parent / name).is_file() for name in content["files"])
    output = run("render", figures, "--out", tmp_path / "killed", *SMALL)
    assert f"{5 - before} scenes rendered, {before} kept" in output
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "calm")


def test_doctor_and_version(monkeypatch):
    output = CliRunner().invoke(main, ["doctor"], catch_exceptions=False).output
    for part in ("embree", "opengl", "cuda", "warp", "hdf5", "versions"):
        assert part in output
    assert run("--version").startswith("mpc, version ")
