"""`mpc fetch`: what it takes, refuses and leaves behind. Nothing here needs a network of either kind."""

import hashlib
import subprocess
import sys
import zipfile

import pytest
from click.testing import CliRunner

from mpc.cli import doctor
from mpc.cli.main import main
from mpc.core.errors import MpcError
from mpc.models.person import fetch, store
from mpc.models.person.network import load_step_network
from support.tflite_file import small_network

FILES = {f"net_{seed}": small_network(seed)[0] for seed in range(3)}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and three small networks in place of the real ones."""
    origins = {
        name: store.Origin(f"m/{name}.tflite", hashlib.sha256(data).hexdigest(), len(data))
        for name, data in FILES.items()
    }
    monkeypatch.setattr(store, "ORIGINS", origins)
    monkeypatch.setattr(fetch, "ORIGINS", origins)
    monkeypatch.setenv("MPC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "person"


def write_wheel(path, **changed):
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in {**FILES, **changed}.items():
            if data:
                wheel.writestr(f"m/{name}.tflite", data)
        wheel.writestr(store.LICENCE_MEMBER, "the licence")
    return path


def run(*words, code=0):
    result = CliRunner().invoke(main, ["fetch", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output


def stand_in_for_pip(monkeypatch, wheel=None, complaint=""):
    """Let the child process write a wheel where pip would, or fail with a complaint; returns the commands."""
    commands = []

    def child(command, **options):
        commands.append(command)
        if wheel is not None:
            place = command[command.index("--dest") + 1]
            write_wheel(f"{place}/{wheel}")
        return subprocess.CompletedProcess(command, 1 if complaint else 0, "", complaint)

    monkeypatch.setattr(fetch.subprocess, "run", child)
    return commands


def test_a_download_leaves_networks_and_licence_and_no_wheel(cache, monkeypatch):
    commands = stand_in_for_pip(monkeypatch, "mediapipe-0.10.21.whl")
    assert "3 networks fetched" in run()
    (command,) = commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert command[-1] == "mediapipe==0.10.21"
    words = " ".join(command)
    for part in ("--no-deps", "--only-binary=:all:", "--python-version 3.11", "--implementation cp",
                 "--platform manylinux_2_28_x86_64"):  # fmt: skip
        assert part in words
    names = sorted(path.name for path in cache.iterdir())
    assert names == sorted(["LICENSE", "NOTICE", *(f"{n}.{end}" for n in FILES for end in ("safetensors", "tflite"))])
    assert (cache / "LICENSE").read_text() == "the licence"
    assert load_step_network(cache / "net_1.safetensors").source == store.ORIGINS["net_1"].sha256
    # Nothing is downloaded a second time.
    assert "there already" in run()
    assert len(commands) == 1


def test_what_is_damaged_or_missing_is_fetched_again(cache, tmp_path, monkeypatch):
    wheel = write_wheel(tmp_path / "w.whl")
    run("--from", wheel)
    whole = (cache / "net_1.safetensors").read_bytes()
    (cache / "net_0.tflite").unlink()
    (cache / "net_1.safetensors").write_bytes(whole[:-20])
    kept = (cache / "net_2.safetensors").stat().st_mtime_ns
    assert store.missing_networks(cache) == ["net_0", "net_1"]
    assert "2 networks fetched" in run("--from", wheel)
    assert (cache / "net_1.safetensors").read_bytes() == whole
    assert (cache / "net_2.safetensors").stat().st_mtime_ns == kept


def test_a_stopped_fetch_continues_where_it_was(cache, monkeypatch):
    """The wheel is kept until all is converted, and a network is whole or not there."""
    stand_in_for_pip(monkeypatch, "mediapipe-0.10.21.whl")
    real, kept = fetch.save_step_network, []

    def stopped(path, network):
        if len(kept) == 1:
            raise KeyboardInterrupt
        real(path, network)
        kept.append(path)

    monkeypatch.setattr(fetch, "save_step_network", stopped)
    run(code=130)
    assert [path.name for path in cache.glob("*.safetensors")] == ["net_0.safetensors"]
    assert list((cache / ".wheel").iterdir())
    monkeypatch.setattr(fetch, "save_step_network", real)
    assert "2 networks fetched" in run()
    assert not (cache / ".wheel").exists()


def test_tflite_files_are_taken_one_by_one(cache, tmp_path):
    for name, data in FILES.items():
        (tmp_path / f"{name}.bin").write_bytes(data)
    output = run("--from", tmp_path / "net_0.bin", tmp_path / "net_2.bin", code=1)
    assert "still missing: net_1" in output
    assert "1 networks fetched" in run("--from", tmp_path / "net_1.bin")
    assert not store.missing_networks(cache)


def test_other_files_are_refused_by_name(cache, tmp_path):
    (tmp_path / "a.tflite").write_bytes(FILES["net_0"][:-1] + b"x")
    assert "a.tflite: is none of the networks" in run("--from", tmp_path / "a.tflite", code=1)
    other = write_wheel(tmp_path / "other.whl", net_1=None)
    assert "other.whl: holds no m/net_1.tflite; expected the wheel of mediapipe 0.10.21" in run("--from", other, code=1)
    changed = write_wheel(tmp_path / "changed.whl", net_2=FILES["net_2"][:-1] + b"x")
    assert "m/net_2.tflite is another file" in run("--from", changed, code=1)
    assert [path.name for path in cache.glob("net_2*")] == []
    (tmp_path / "cut.whl").write_bytes(other.read_bytes()[:900])
    assert "cut.whl" in run("--from", tmp_path / "cut.whl", code=1)


def test_without_a_network_one_line_says_what_to_do(cache, monkeypatch):
    complaint = "WARNING: Retrying\nERROR: No matching distribution found for mediapipe==0.10.21\n"
    stand_in_for_pip(monkeypatch, complaint=complaint)
    output = run(code=1)
    (line,) = [line for line in output.splitlines() if line.startswith("Error")]
    assert "cannot download mediapipe 0.10.21 (ERROR: No matching distribution" in line
    assert "mpc fetch --from" in line
    assert [path.name for path in cache.iterdir()] == ["NOTICE"]


def test_a_command_that_needs_them_says_what_to_type(cache):
    with pytest.raises(MpcError, match="`mpc fetch`"):
        store.require_networks()


def test_the_folder_is_that_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("MPC_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert store.person_folder() == tmp_path / "own" / "person"
    monkeypatch.delenv("MPC_CACHE")
    assert store.person_folder() == tmp_path / "xdg" / "mpc" / "person"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.person_folder() == tmp_path / ".cache" / "mpc" / "person"


def test_doctor_has_a_row_for_them(cache, tmp_path):
    (row,) = doctor._try("person", False, doctor._try_person, "mpc fetch")
    assert not row.works
    assert not row.needed
    assert "net_0, net_1, net_2 not in" in row.detail
    run("--from", write_wheel(tmp_path / "w.whl"))
    (row,) = doctor._try("person", False, doctor._try_person, "mpc fetch")
    assert row.works
    assert "Apache-2.0" in row.detail
