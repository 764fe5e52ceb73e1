"""Dask and Ray clusters give the bytes of one machine; a unit that kills its process there is that unit's failure."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.cluster import connect
from mpc.core.errors import InputError, SettingsError
from mpc.core.guard import Limits, Lost, run_guarded
from mpc.core.units import run_units
from support.arrays import files_of
from support.balls import make_renders
from support.box_person import rig_file
from support.guard_units import behave

RENDER = ["--views", "1", "--size", "32", "--rays", "16", "--frames-per-animation", "1", "--renderer", "embree"]
SAMPLE = ["--near", "2000", "--uniform", "1000", "--colours", "500"]
PEOPLE = ["--scans", "1", "--rigged", "0", "--texture-size", "64"]


@pytest.fixture(scope="module")
def dask():
    """The options for a cluster of two workers, each a process of its own."""
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed (distributed)")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield ["--backend", "dask", "--scheduler", cluster.scheduler_address]


@pytest.fixture(scope="module")
def ray():
    """The options for a Ray that is started on this machine."""
    module = pytest.importorskip("ray", reason="the extra `cluster` is not installed (ray)")
    paths = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}  # where the workers find the tests' own modules
    module.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False, runtime_env=paths
    )  # fmt: skip
    yield ["--backend", "ray"]
    module.shutdown()


@pytest.fixture(scope="module")
def work(figures, tmp_path_factory):
    """A folder with models (a scan and a rig of three clips) and renders of balls."""
    folder = tmp_path_factory.mktemp("cluster")
    shutil.copytree(figures / "one", folder / "models" / "one")
    rig_file(folder / "models" / "bob.gltf")
    make_renders(folder / "balls", balls=3)
    return folder


def run(*words):
    result = CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def measure(local):
    """The words by which `mpc eval` compares the exported meshes with themselves."""
    meshes = local / "meshes" / "GEO" / "OBJ"
    return ["--pred", meshes, "--truth", meshes, "--points", "500", "--unit", "m", "--no-report"]


@pytest.fixture(scope="module")
def local(work):
    """What one process writes."""
    out = work / "local"
    run("render", work / "models", "--out", out / "renders", *RENDER, "--jobs", "1")
    run("sample", work / "balls", "--out", out / "shards", *SAMPLE, "--jobs", "1")
    run("export", work / "balls", out / "meshes", "--format", "pifu", "--jobs", "1")
    run("eval", *measure(out), "--out", out / "eval", "--jobs", "1")
    return out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_cluster_writes_the_bytes_of_one_process(kind, request, work, local, tmp_path, monkeypatch):
    """With relative paths, which the workers, started elsewhere, resolve as the command does."""
    cluster = request.getfixturevalue(kind)
    monkeypatch.chdir(tmp_path)
    run("render", os.path.relpath(work / "models"), "--out", "renders", *RENDER, *cluster)
    assert files_of(Path("renders")) == files_of(local / "renders")
    run("sample", os.path.relpath(work / "balls"), "--out", "shards", *SAMPLE, *cluster)
    assert files_of(Path("shards")) == files_of(local / "shards")
    run("eval", *measure(local), "--out", "eval", *cluster)
    assert Path("eval", "scores.csv").read_bytes() == (local / "eval" / "scores.csv").read_bytes()


@pytest.mark.slow
def test_people_are_made_on_a_cluster(dask, tmp_path):
    pytest.importorskip("anny", reason="the extra `people` is not installed")
    run("people", tmp_path / "cluster", *PEOPLE, *dask)
    run("people", tmp_path / "local", *PEOPLE, "--jobs", "1")
    assert files_of(tmp_path / "cluster") == files_of(tmp_path / "local")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_unit_that_dies_on_a_cluster_is_lost_alone(kind, request):
    options = request.getfixturevalue(kind)
    with connect(kind, options[3] if len(options) > 3 else None):
        results = list(run_guarded(behave, ["a", "killed", "b"], limits=Limits(timeout_s=60), backend=kind))
        lost = [result for result in results if isinstance(result, Lost)]
        assert [one.unit for one in lost] == ["killed"]
        assert "SIGKILL" in lost[0].reason
        assert {result[0] for result in results if not isinstance(result, Lost)} == {"A", "B"}
        with pytest.raises(InputError, match="is of no use"):
            list(run_guarded(behave, ["raise"], limits=Limits(timeout_s=60), backend=kind))


def error_of(*words):
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("name", ["render", "sample", "people", "check", "export"])
def test_a_wrong_backend_is_one_line(name, tmp_path):
    words = {"people": [str(tmp_path / "out")], "export": [".", str(tmp_path / "out"), "--format", "pifu"]}
    told = error_of(name, *words.get(name, ["."]), "--backend", "daks")
    assert "Error: unknown backend 'daks' (did you mean dask?); there are dask, loky, ray, threading" in told
    assert not (tmp_path / "out").exists()


def test_what_a_cluster_needs_is_said(monkeypatch):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed (distributed)")
    monkeypatch.setattr("mpc.core.cluster.CONNECT_S", 1)
    assert "--backend dask needs --scheduler: HOST:PORT" in error_of("render", ".", "--backend", "dask")
    told = error_of("render", ".", "--backend", "dask", "--scheduler", "127.0.0.1:9")
    assert re.search(r"Error: --scheduler 127.0.0.1:9: no Dask scheduler answers \(", told)
    assert "--scheduler: no effect with --backend loky" in error_of("sample", ".", "--scheduler", "a:1")
    assert "--jobs: no effect with --backend dask" in error_of("sample", ".", "--backend", "dask", "--jobs", "2")
    with pytest.raises(SettingsError, match=r"needs a distributed\.Client"):
        list(run_units(str, [1], backend="dask"))
    with pytest.raises(SettingsError, match="unknown backend 'multiprocessing'"):
        list(run_units(str, [1], backend="multiprocessing"))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    needs = r"needs the package distributed: pip install 'mpc\[cluster\]'"
    with pytest.raises(SettingsError, match=needs), connect("dask", "a:1"):
        pass


def test_another_folder_or_version_on_a_worker_is_said(tmp_path):
    from mpc.core.guard import _Guarded

    with pytest.raises(InputError, match="need one shared disk"):
        _Guarded(behave, Limits(), tmp_path / "gone")("a")
    with pytest.raises(SettingsError, match=r"mpc is .* on .*, and 0\.0\.1 where the command was started"):
        _Guarded(behave, Limits(), tmp_path, None, "0.0.1")("a")
