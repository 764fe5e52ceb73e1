"""Presets, configuration files and `--set`: everything known is read, everything unknown is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import mpc
from mpc.core.errors import InputError, SettingsError
from mpc.core.settings import override, to_table
from mpc.models.hrnet import HRNetConfig
from mpc.train import presets
from mpc.train.presets import PRESETS, choose_settings, preset
from mpc.train.settings import TrainSettings, read_config, resolve_settings


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_survive_json(name: str) -> None:
    settings = preset(name)
    assert settings.preset == name
    assert override(TrainSettings(), json.loads(json.dumps(to_table(settings)))) == settings
    assert settings.texture_network.surface_channels == settings.surface_network.pixel_channels


def test_the_paper_preset_is_the_papers() -> None:
    paper = preset("paper")
    assert paper.surface_network.encoder == HRNetConfig(widths=(18, 36, 72, 144), modules=(1, 3, 2), blocks=2)
    assert (paper.surface_network.depth.kind, paper.surface_network.depth.bins) == ("soft", 64)
    assert (paper.surface.optimiser, paper.texture.optimiser) == ("rmsprop", "adam")
    for stage in (paper.surface, paper.texture):
        assert (stage.learning_rate, stage.batch, stage.points, stage.epochs) == (1e-3, 24, 4096, 5)
    # PIFu's and MonoPort's loaders: 16 points at 5 cm to 1 in the cube, as many inside as outside, colours 1 mm around.
    assert (paper.uniform_share, paper.sigmas_m, paper.balanced, paper.colour_sigma_m) == (1 / 17, (0.05,), True, 0.001)
    assert paper.colour_reach_m == 0
    assert paper.image_size == 512
    assert paper.surface.total_steps(16_498 * 36) == round(5 * 16_498 * 36 / 24)


def test_file_then_assignments(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text('seed = 3\n[surface]\nlearning_rate = 0.002\nbatch = 4\n[mining]\nmode = "both"\n')
    settings = resolve_settings(
        preset("tiny"), config=read_config(path), assignments=["surface.batch=6", "image_size=none", "amp=false"]
    )
    assert (settings.seed, settings.surface.learning_rate, settings.surface.batch) == (3, 0.002, 6)
    assert (settings.mining.mode, settings.image_size, settings.amp) == ("both", None, False)
    assert settings.texture == preset("tiny").texture


def test_the_recipe_in_the_examples_is_the_base_preset_for_longer() -> None:
    recipe = Path(mpc.__file__).resolve().parent / "examples" / "base.toml"
    settings, base = resolve_settings(preset("base"), config=read_config(recipe)), preset("base")
    for stage in ("maps", "surface", "texture"):
        assert getattr(settings, stage).steps > getattr(base, stage).steps
    assert (settings.surface_network, settings.augment) == (base.surface_network, base.augment)
    assert settings.checkpoint_minutes == 5.0


def test_overrides_of_a_preset_are_merged() -> None:
    settings = preset("tiny", surface={"steps": 5}, seed=9)
    assert (settings.surface.steps, settings.seed) == (5, 9)
    assert settings.surface.batch == preset("tiny").surface.batch


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("surface.learnin_rate=1", r"unknown setting 'surface.learnin_rate' \(did you mean surface.learning_rate\?\)"),
        ("minning.mode=item", r"did you mean mining\?"),
        ("surface.optimiser=sgd", "rmsprop, adam, adamw"),
        ("surface.batch=0", "batch is 0, expected at least 1"),
        ("texture.loss=mse", "texture.loss is l1"),
        ("stages=colour", "expected one of both, maps, surface, texture"),
        ("amp=perhaps", "amp: expected bool"),
        ("mining.mode=hard", "none, item, point, both"),
        ("mining.surface_alpha=0.001", "surface_alpha 0.001: expected at least 0.01"),
        ("mining.texture_beta=1e3", "texture_beta 1000.0: expected -100 to 100"),
        ("surface.learning_rate=-1e-3", "learning_rate -0.001: expected a number above 0"),
        ("surface.learning_rate=nan", "surface.learning_rate: expected float"),
        ("surface.steps=inf", "surface.steps: expected int"),
        ("texture.warmup=5", r"warmup 5.0, decay_at .* expected shares from 0 to 1"),
        ("surface.clip=-1", "clip is -1.0, expected at least 0"),
        ("log_every=0", "log_every is 0, expected at least 1"),
        ("workers=-1", "workers is -1, expected at least 0"),
        ("image_size=0", "image_size is 0, expected at least 1"),
        ("colour_sigma_m=0.001", "colour_reach_m and colour_sigma_m both move points"),
    ],
)
def test_wrong_settings_are_named(assignment: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        resolve_settings(preset("tiny"), assignments=[assignment])


def test_a_setting_below_another_that_has_a_value_is_refused() -> None:
    with pytest.raises(SettingsError, match="surface was given a value of its own"):
        resolve_settings(preset("tiny"), assignments=["surface=2", "surface.steps=3"])


def test_wrong_files_and_presets_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_config(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("a = ")
    with pytest.raises(InputError, match="not readable as TOML"):
        read_config(tmp_path / "bad.toml")
    with pytest.raises(SettingsError, match=r"did you mean paper\?.*tiny, small, base, paper, pifuhd, auto"):
        preset("papr")


@pytest.mark.parametrize(
    ("pixels", "name", "reason"),
    [
        (512, "paper", "is there"),
        (511, "small", "511 of 512 pixels for paper"),
        (255, "tiny", "255 of 256"),
        (None, "paper", ""),
    ],
)
def test_on_a_gpu_the_preset_is_one_that_the_pictures_are_large_enough_for(
    pixels: int | None, name: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a torch that reports a GPU. Before, "paper" was taken and ended in an error about its pictures."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.setattr(presets, "smallest_picture", lambda shards: pixels)
    settings, remark = choose_settings("auto", shards=Path("shards"))
    assert settings.preset == name
    assert remark.startswith(f"preset {name}: a GPU")
    assert reason in remark
