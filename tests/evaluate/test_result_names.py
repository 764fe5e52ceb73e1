"""Folders of results as ICON, ECON, PIFu and PIFuHD write them, and truths measured against themselves."""

import json

import pytest
import trimesh
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.files import legible
from mpc.evaluate.folders import evaluate_folders
from mpc.evaluate.match import find_meshes, match_files
from mpc.evaluate.result_names import read_name
from mpc.evaluate.settings import FolderSettings, Workers
from mpc.pages.axes import ticks
from mpc.pages.charts import histogram


def body(radius=0.2):
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    mesh.apply_scale([1, 4, 0.8])
    return mesh


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


NAMES = ["anna", "ben", "ben_2"]


@pytest.mark.parametrize(
    ("key", "owner", "view", "stage"),
    [
        ("anna", "anna", "", -1),
        ("anna_090", "anna", "090", -1),
        ("ben_2_090", "ben_2", "090", -1),
        ("icon-filter/obj/anna_recon", "anna", "", 1),
        ("obj/anna_0_full", "anna", "0", 4),
        ("pifuhd_final/recon/result_anna_512", "anna", "", -1),
        ("result_ben", "ben", "", -1),
    ],
)
def test_names_are_taken_apart(key, owner, view, stage):
    name = read_name(key, NAMES)
    assert (name.owner, name.view, name.stage) == (owner, view, stage)


@pytest.mark.parametrize("key", ["annabel", "obj/carl_recon", "result_carl_512", "result"])
def test_names_of_nobody_have_no_owner(key):
    assert read_name(key, NAMES) is None


def write(folder, **files):
    for name, size in files.items():
        path = folder / f"{name.replace('__', '/')}.obj"
        path.parent.mkdir(parents=True, exist_ok=True)
        body(size).export(path)


def test_only_the_last_stage_of_a_reconstruction_counts(tmp_path):
    write(tmp_path / "truth", anna=0.2, ben=0.21)
    files = {"obj__anna_recon": 0.3, "obj__anna_refine": 0.2, "obj__anna_smpl_00": 0.1, "obj__ben_recon": 0.21}
    write(tmp_path / "pred", **files)
    pairs, left = match_files(
        find_meshes(tmp_path / "pred"), find_meshes(tmp_path / "truth"), tmp_path / "pred", tmp_path / "truth"
    )
    assert {pair.key: pair.true_key for pair in pairs} == {"obj/anna_refine": "anna", "obj/ben_recon": "ben"}
    assert left == {
        "obj/anna_recon": "an earlier stage of obj/anna_refine",
        "obj/anna_smpl_00": "a fitted body, not a result",
    }


def test_a_result_alone_in_its_folder_and_pifuhds_names_are_matched(tmp_path):
    write(tmp_path / "truth", anna=0.2)
    for name in ("obj__anna_recon", "recon__result_anna_512"):
        write(tmp_path / name, **{name: 0.2})
        pairs, _ = match_files(
            find_meshes(tmp_path / name), find_meshes(tmp_path / "truth"), tmp_path / name, tmp_path / "truth"
        )
        assert [(pair.true_key, pair.view) for pair in pairs] == [("anna", "")]


def test_equal_meshes_have_a_report_and_the_error_zero(tmp_path):
    write(tmp_path / "truth", anna=0.2, ben=0.21)
    out = tmp_path / "out"
    outcome = run("eval", "--pred", tmp_path / "truth", "--truth", tmp_path / "truth", "--points", 500, "--jobs", 1,
                  "--metrics", "hausdorff", "chamfer", "--out", out)  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    for view in json.loads((out / "result.json").read_text())["views"]:
        assert view["scores"]["hausdorff"]["value"] < 1e-9
    assert "<svg" in (out / "report.html").read_text()


def test_another_scale_is_told(tmp_path):
    write(tmp_path / "truth", anna=0.2)
    write(tmp_path / "pred", anna=0.25)
    said = []

    class Heard:
        def message(self, text):
            said.append(text)

        def __getattr__(self, _):
            return lambda *_, **__: None

    settings = FolderSettings(points=500, metrics=("chamfer",))
    evaluate_folders(tmp_path / "pred", tmp_path / "truth", tmp_path / "o", settings,
                     workers=Workers(jobs=1, device="cpu"), progress=Heard())  # fmt: skip
    assert any("1.25 times as high" in text and "icp-scale" in text for text in said)


@pytest.mark.parametrize(
    ("low", "high"), [(2e-15, 2e-15), (2e-15, 2.1e-15), (0.0, 0.0), (1.0, 1.0 + 2e-16), (0.0, 5e-324), (-3e-13, 4e-13)]
)
def test_ticks_of_any_range_differ_and_cover_it(low, high):
    found = ticks(low, high)
    assert found == sorted(set(found))
    assert len(found) > 1
    assert found[0] <= low + 1e-9 * abs(low)
    assert found[-1] >= high * (1 - 1e-9)
    assert "<svg" in histogram("t", [low, high], x_label="", y_label="")


def test_bytes_that_are_no_utf8_are_legible():
    assert legible("\udcb8\u00e9") == "\\xb8\u00e9"
    assert legible("\ud800") == "\\ud800"
