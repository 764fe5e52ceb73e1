"""A run that cannot go on says why; one that goes on elsewhere takes the device asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpc.core.errors import SettingsError
from mpc.core.files import read_json
from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
from mpc.train.presets import preset
from mpc.train.run import read_settings, train_views
from mpc.train.settings import TrainSettings

PEOPLE = EllipsoidViews(ellipsoid_people(2, seed=0), size=32, points=64, colour_points=8)
ENCODER = {"stacks": 1, "depth": 1, "channels": 16, "features": 16, "stem": 8}
NETWORK = {"encoder": ENCODER, "head": {"channels": [16]}, "summary": {"numbers": 0}}


def tiny(**surface: Any) -> TrainSettings:
    stage = {"steps": 6, "batch": 4, "points": 64, "validate_every": 2, **surface}
    return preset("tiny", threads=1, stages="surface", surface_network=NETWORK, surface=stage)


def test_a_loss_beyond_all_numbers_ends_the_run(tmp_path: Path) -> None:
    settings = tiny(optimiser="rmsprop", learning_rate=1e30, warmup=0.0, clip=0.0)
    with pytest.raises(SettingsError, match=r"surface: the loss is not finite at step \d; lower surface.learning_rate"):
        train_views(PEOPLE, None, tmp_path, settings, name="run")
    assert read_json(tmp_path / "run" / "run.json")["status"] == "failed"


def test_a_run_goes_on_with_its_own_settings_on_the_device_asked_for(tmp_path: Path) -> None:
    run = train_views(PEOPLE, None, tmp_path, tiny(), name="run")
    with pytest.raises(SettingsError, match="device cuda:7"):
        train_views(PEOPLE, None, tmp_path, replace(tiny(), device="cuda:7"), resume=run)
    with pytest.raises(SettingsError, match="cannot go on with another preset"):
        train_views(PEOPLE, None, tmp_path, preset("paper", stages="surface"), resume=run)
    train_views(PEOPLE, None, tmp_path, tiny(), resume=run)
    assert read_settings(run) == tiny()
