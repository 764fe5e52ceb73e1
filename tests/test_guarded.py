"""A process that is killed costs its own scene, person or mesh alone; the next run makes up for it, byte for byte."""

import re

import pytest

from mpc.core.guard import Limits
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.exchange.import_folder import import_folder
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.evaluate.folders import _measure, evaluate_folders
from mpc.evaluate.settings import FolderSettings, Workers
from support.balls import make_renders
from support.deadly import plant

SETTINGS = SampleSettings(near_points=2000, uniform_points=1000, colour_points=1000)
KILLED = r"its process was killed \(SIGKILL\)"


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    return make_renders(tmp_path_factory.mktemp("guarded") / "renders", balls=3)


@pytest.fixture(scope="module")
def exported(renders):
    out = renders.parent / "exported"
    assert export_renders(renders, out, "pifu", jobs=1).written == 3
    return out


def test_sample(renders, tmp_path, monkeypatch):
    sample_renders(renders, tmp_path / "whole", SETTINGS, jobs=1)
    with monkeypatch.context() as patch:
        plant(patch, "mpc.datasets.shards.build", "sample_one", lambda task: "ball_2" in task.scene.key)
        summary = sample_renders(renders, tmp_path / "out", SETTINGS, jobs=1, limits=Limits())
    assert summary.scenes == 2
    ((key, reason),) = summary.failures
    assert key == "ball_2/scan_0000"
    assert re.search(KILLED, reason)
    again = sample_renders(renders, tmp_path / "out", SETTINGS, jobs=1)
    assert (again.scenes, again.failures) == (3, ())
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_a_fault_while_a_scene_is_sampled_is_one_line(renders, tmp_path, monkeypatch, caplog):
    def fail(*_, **__):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("mpc.datasets.shards.sample_unit.sample_scene", fail)
    summary = sample_renders(renders, tmp_path / "out", SETTINGS, jobs=1)
    assert len(summary.failures) == 3
    assert "unexpected ZeroDivisionError: two lines (the log has the traceback" in summary.failures[0][1]
    assert caplog.records[0].exc_info is not None


def test_export(renders, exported, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        plant(patch, "mpc.datasets.exchange.export", "_export_unit", lambda unit: "ball_2" in unit.name)
        summary = export_renders(renders, tmp_path / "out", "pifu", jobs=1, limits=Limits())
    assert (summary.written, [key for key, _ in summary.failures]) == (2, ["ball_2/scan_0000"])
    assert re.search(KILLED, summary.failures[0][1])
    again = export_renders(renders, tmp_path / "out", "pifu", jobs=1)
    assert (again.written, again.kept) == (1, 2)
    assert files_of(tmp_path / "out") == files_of(exported)


def test_import(exported, tmp_path, monkeypatch):
    import_folder(exported, tmp_path / "whole", "pifu", rays=16, jobs=1)
    with monkeypatch.context() as patch:
        plant(patch, "mpc.datasets.exchange.import_folder", "_import_unit", lambda unit: "ball_2" in unit.scene.name)
        summary = import_folder(exported, tmp_path / "out", "pifu", rays=16, jobs=1, limits=Limits())
    assert (summary.written, [key for key, _ in summary.failures]) == (2, ["ball_2_scan_0000"])
    assert re.search(KILLED, summary.failures[0][1])
    import_folder(exported, tmp_path / "out", "pifu", rays=16, jobs=1)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_people(tmp_path, monkeypatch):
    pytest.importorskip("anny", reason="the extra `people` is not installed")
    from mpc.people.make import make_people

    plant(monkeypatch, "mpc.people.make", "_make_one", lambda unit: unit.name == "scan_001")
    summary = make_people(tmp_path / "out", scans=2, rigged=0, seed=0, texture_size=64, jobs=1, limits=Limits())
    assert summary.made == ("scan_000",)
    ((name, reason),) = summary.failed
    assert name == "scan_001"
    assert re.search(KILLED, reason)


def evaluate_one_failing(exported, out, limits):
    """Compare the exported meshes with themselves while something fails; the one failure."""
    meshes = exported / "GEO" / "OBJ"
    workers = Workers(jobs=1, device="cpu", limits=limits)
    result = evaluate_folders(meshes, meshes, out, FolderSettings(points=500, unit="m"), workers=workers)
    ((key, failure),) = [(record.key, record.failure) for record in result.records if record.failure]
    assert key == "ball_2_scan_0000"
    assert key not in (out / "records.jsonl").read_text(), "it is measured when the next call comes"
    return failure


def test_eval(exported, tmp_path, monkeypatch):
    plant(monkeypatch, "mpc.evaluate.folders", "_measure_unit", lambda unit: "ball_2" in unit[0].key)
    assert re.search(KILLED, evaluate_one_failing(exported, tmp_path / "out", Limits()))


def test_a_fault_while_a_mesh_is_measured_is_one_line(exported, tmp_path, monkeypatch):
    def measure(pair, settings, device):
        if "ball_2" in pair.key:
            raise ZeroDivisionError("of a kind that nobody expects")
        return _measure(pair, settings, device)

    monkeypatch.setattr("mpc.evaluate.folders._measure", measure)
    failure = evaluate_one_failing(exported, tmp_path / "out", None)
    assert failure.startswith("unexpected ZeroDivisionError: of a kind that nobody expects (the log")
