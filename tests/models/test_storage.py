"""Networks on disk come back the same; damaged or foreign files are refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mpc.core.errors import InputError, SettingsError
from mpc.core.files import write_json
from mpc.core.settings import dotted, override, to_table
from mpc.models.depth import DepthConfig
from mpc.models.head import HeadConfig
from mpc.models.hourglass import HourglassConfig
from mpc.models.hrnet import HRNetConfig
from mpc.models.registry import default_encoder
from mpc.models.residual import ResidualConfig
from mpc.models.runs import find_run, load_run
from mpc.models.storage import load_network, read_tensors, save_network
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.models.texture import TextureConfig, TextureNetwork

SURFACE = SurfaceConfig(
    encoder=HourglassConfig(stacks=1, depth=1, channels=16, features=8, stem=8, groups=4),
    depth=DepthConfig(kind="plain"), head=HeadConfig(channels=(12,)),
)  # fmt: skip
HRNET = SurfaceConfig(
    encoder=HRNetConfig(widths=(4, 8), modules=(1,), blocks=1, stem=8, stem_blocks=1, features=8),
    head=HeadConfig(kind="cbn", channels=(12, 8)),
)
TEXTURE = TextureConfig(encoder=ResidualConfig(stem=4, blocks=1), head=HeadConfig(channels=(8,)), surface_channels=8)


@pytest.mark.parametrize("config", [SURFACE, HRNET, TEXTURE], ids=["hourglass", "hrnet cbn", "texture"])
def test_round_trip(tmp_path: Path, config: SurfaceConfig | TextureConfig) -> None:
    torch.manual_seed(1)
    network = SurfaceNetwork(config) if isinstance(config, SurfaceConfig) else TextureNetwork(config)
    save_network(tmp_path / "net.safetensors", network, config, step=7)
    loaded, header = load_network(tmp_path / "net.safetensors")
    assert loaded.config == config
    assert header["step"] == 7
    assert header == json.loads((tmp_path / "net.json").read_text())
    assert not loaded.training
    before, after = network.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not list(tmp_path.glob("*.part"))


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    with pytest.raises(InputError, match="no such file"):
        load_network(path)
    save_network(path, SurfaceNetwork(SURFACE), SURFACE)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_network(path)
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="no mpc header"):
        read_tensors(path)


def test_newest_run_is_found_and_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        find_run(tmp_path)
    for name, created in (("b-older", "2026-01-01T00:00:00"), ("a-newer", "2026-01-02T00:00:00")):
        write_json(tmp_path / name / "run.json", {"created": created, "settings": {"seed": 3}})
    with pytest.raises(InputError, match="no trained surface"):
        load_run(tmp_path)
    save_network(tmp_path / "a-newer" / "surface" / "last.safetensors", SurfaceNetwork(SURFACE), SURFACE)
    run = load_run(tmp_path)
    assert run.folder.name == "a-newer"
    assert run.texture is None
    assert run.settings == {"seed": 3}
    save_network(tmp_path / "a-newer" / "texture" / "best.safetensors", TextureNetwork(TEXTURE), TEXTURE)
    assert isinstance(load_run(tmp_path / "a-newer").texture, TextureNetwork)


def test_tables_come_back_as_the_same_configuration() -> None:
    for config in (SURFACE, HRNET, SurfaceConfig(encoder=default_encoder("hrnet-balance"))):
        table = json.loads(json.dumps(to_table(config)))
        assert override(SurfaceConfig(), table) == config


def test_another_encoder_starts_from_its_own_defaults() -> None:
    config = override(SurfaceConfig(), dotted(["encoder.kind=hourglass", "encoder.stacks=2"]))
    assert config.encoder == HourglassConfig(stacks=2)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("encoder.kind=hourglas", "did you mean hourglass"),
        ("encoder.width=3", r"unknown setting 'encoder.width' \(did you mean encoder.widths\?\)"),
        ("depht.bins=3", r"did you mean depth\?"),
        ("depth.bins=many", "depth.bins: expected int, got 'many'"),
        ("depth.bins=1.5", "depth.bins: expected int"),
        ("depth=soft", "expected a table"),
        ("depth.bins", "expected key=value"),
        ("encoder.widths=3,x", "encoder.widths: expected int"),
    ],
)
def test_wrong_settings_are_named(assignment: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        override(SurfaceConfig(), dotted([assignment]))
