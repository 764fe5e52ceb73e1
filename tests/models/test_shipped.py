"""The networks of the package: written in half precision, chosen by name or where there is no run, damage refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.models import shipped
from mpc.models.runs import load_run
from mpc.models.shipped import choose_run, write_weights
from mpc.models.storage import load_network, save_network
from mpc.train.run import train_views
from support.toy_run import write_toy_run
from support.toy_runs import people, toy


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights in place of the package's, made from a toy run."""
    folder = tmp_path / "package" / "base"
    monkeypatch.setattr(shipped, "FOLDER", folder)
    write_weights(write_toy_run(tmp_path / "trained"), folder)
    return folder


def test_weights_are_rounded_to_half_precision_and_nothing_else(tmp_path: Path, package: Path) -> None:
    before, after = load_run(tmp_path / "trained"), load_run(package)
    assert after.surface.config == before.surface.config
    weights = dict(before.surface.named_parameters())
    for name, kept in after.surface.state_dict().items():
        trained = before.surface.state_dict()[name]
        assert kept.dtype == trained.dtype
        assert torch.equal(kept, trained.half().to(kept.dtype) if name in weights else trained), name
    assert (after.extent_m, after.fov_deg) == (before.extent_m, before.fov_deg)
    small, large = (folder / "surface/best.safetensors" for folder in (package, tmp_path / "trained"))
    assert small.stat().st_size < 0.6 * large.stat().st_size
    assert "CC0" in (package / "LICENSE.txt").read_text()
    assert str(tmp_path) not in (package / "run.json").read_text()


def test_batch_statistics_may_be_larger_than_half_precision_holds(tmp_path: Path) -> None:
    run = train_views(people(), None, tmp_path, toy(stages="surface"), name="run")
    network, _ = load_network(run / "surface/best.safetensors")
    name, variances = next((n, b) for n, b in network.named_buffers() if n.endswith("running_var"))
    variances[0] = 1e5
    save_network(run / "surface/best.safetensors", network, network.config)
    write_weights(run, tmp_path / "base")
    assert load_run(tmp_path / "base").surface.state_dict()[name][0] == 1e5


def test_base_is_taken_by_name_or_where_there_is_no_run(
    tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = Path("runs")
    assert choose_run(Path("base")) == (package, "")
    folder, remark = choose_run(runs, runs)
    assert (folder, "--run base" in remark) == (package, True)
    with pytest.raises(InputError, match="holds no run"):
        choose_run(runs)  # named by the user
    write_toy_run(runs / "own")
    assert choose_run(runs, runs) == (runs / "own", "")
    (tmp_path / "base").mkdir()  # a folder of that name is what the user sees
    with pytest.raises(InputError, match="holds no run"):
        choose_run(Path("base"))


def test_damaged_weights_are_refused(package: Path) -> None:
    path = package / "surface" / "best.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="SHA-256 of its weights"):
        load_run(package)


def test_a_package_without_weights_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "nothing")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    result = CliRunner().invoke(main, ["reconstruct", "a.png", "--out", "out"])
    assert result.exit_code == 1
    assert "mpc train" in result.output


def test_weights_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    run = write_toy_run(tmp_path / "trained")
    from mpc.models.storage import load_network, save_network

    network, header = load_network(run / "surface" / "best.safetensors")
    next(network.parameters()).data.fill_(1e6)
    save_network(run / "surface" / "best.safetensors", network, network.config, step=header.get("step"))
    with pytest.raises(InputError, match="half precision"):
        write_weights(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_record_names_the_weights_that_were_trained(tmp_path: Path, package: Path) -> None:
    trained = json.loads((tmp_path / "trained/surface/best.json").read_text())
    assert json.loads((package / "surface/best.json").read_text())["trained_sha256"] == trained["sha256"]


def test_the_networks_of_the_package_are_whole_and_small() -> None:
    run = load_run(shipped.shipped_run())
    assert run.texture is not None
    assert run.extent_m == 2.5
    files = list(shipped.FOLDER.rglob("*.safetensors"))
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) <= 18e6
    assert "CC0" in (shipped.FOLDER / "LICENSE.txt").read_text()
