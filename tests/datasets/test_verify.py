"""`mpc verify`: what is missing, shortened, changed or replaced in a folder of renders; JSON; the exit status."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mpc.cli.main import main
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.verify import verify_folder

SMALL = RenderSettings(views=2, step_deg=90, size=32, rays=16)


@pytest.fixture(scope="module")
def original(figures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two figures, and a third one that is set aside, since it is gone."""
    models = tmp_path_factory.mktemp("models")
    for name in ("one", "two", "three"):
        (models / name).symlink_to(figures / name)
    out = tmp_path_factory.mktemp("out") / "renders"
    render_models(models, out, SMALL, renderer="embree", jobs=1)
    (models / "three").unlink()
    render_models(models, out, SMALL, renderer="embree", jobs=1)
    return out


@pytest.fixture
def renders(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "renders")
    return tmp_path / "renders"


def texture(renders: Path) -> Path:
    return next((renders / "one" / "textures").iterdir())


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


FILES: list[Callable[[Path], Path]] = [
    lambda renders: renders / "one" / "scan_0000" / "090.png",
    lambda renders: renders / "one" / "scan_0000" / "mesh.npz",
    lambda renders: renders / "one" / "scan_0000" / "scene.json",
    texture,
]


@pytest.mark.parametrize("file", FILES)
def test_every_kind_of_damage_is_named(renders: Path, file: Callable[[Path], Path]) -> None:
    path = file(renders)
    data = path.read_bytes()
    sealed = path.name == "scene.json"  # its checksum is compared in any case
    for damage, by_size in ((Path.unlink, True), (cut, True), (flip, sealed)):
        damage(path)
        for deep in (True, False):
            report = verify_folder(renders, deep=deep, jobs=1)
            named = [(problem["file"], problem["scene"]) for problem in report.problems]
            expected = [(path.relative_to(renders).as_posix(), "one/scan_0000")] if deep or by_size else []
            assert named == expected, (damage, deep)
        path.write_bytes(data)
    assert verify_folder(renders, deep=True, jobs=1).problems == ()


def test_a_description_of_another_scene_is_no_description_of_this_one(renders: Path) -> None:
    """Both are whole, so no checksum of their own tells."""
    shutil.rmtree(renders / "one" / "scan_0000")
    shutil.copytree(renders / "two" / "scan_0000", renders / "one" / "scan_0000")
    ((problem),) = verify_folder(renders, jobs=1).problems
    assert problem["reason"] == "describes two/scan_0000"


def run(*words: Path | str) -> Result:
    return CliRunner().invoke(main, ["verify", *(str(word) for word in words), "--jobs", "1"])


def test_the_command_says_what_it_compared(renders: Path, tmp_path: Path) -> None:
    done = run(renders)
    assert done.exit_code == 0, done.output
    assert "set aside, not checked: 1 scenes, e.g. three/scan_0000" in done.output
    assert f"0 problems in {renders}/, 2 scenes (sizes compared; --deep compares checksums)" in done.output
    assert "verify scenes: 2 done" in done.output
    flip(renders / "two" / "scan_0000" / "000.png")
    assert run(renders).exit_code == 0
    found = run(renders, "--deep", "--json", tmp_path / "report.json")
    assert found.exit_code == 3
    assert "two/scan_0000/000.png: its checksum differs" in found.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["kind"] == "renders"
    assert (report["deep"], report["scenes"], list(report["aside"])) == (True, 2, ["three/scan_0000"])
    assert report["problems"] == [
        {"file": "two/scan_0000/000.png", "dataset": None, "scene": "two/scan_0000", "reason": "its checksum differs"}
    ]


def test_what_verify_reports_is_what_repair_puts_right(renders: Path, figures: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in ("one", "two"):
        (tmp_path / "models" / name).symlink_to(figures / name)
    before = {path: path.read_bytes() for path in renders.rglob("*") if path.is_file()}
    for damage, file in ((cut, FILES[0]), (flip, FILES[1]), (Path.unlink, FILES[2]), (flip, FILES[3])):
        damage(file(renders))
    assert verify_folder(renders, deep=True, jobs=1).problems
    render_models(tmp_path / "models", renders, SMALL, renderer="embree", jobs=1, repair=True)
    assert verify_folder(renders, deep=True, jobs=1).problems == ()
    assert {path: path.read_bytes() for path in before} == before


def test_a_folder_that_is_neither_is_refused(tmp_path: Path) -> None:
    refused = run(tmp_path)
    assert refused.exit_code == 1
    assert "is not a shards folder" in refused.output
    (tmp_path / "settings.json").write_text('{"format": "mpc-shards", "version": 1, "settings": {}}')
    ignored = run(tmp_path, "--deep")
    assert ignored.exit_code == 2
    assert "--deep: no effect on" in ignored.output
