"""Where runs start from and where they stop: longer schedules, other weights, annealed copies, minutes, checkpoints."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mpc.core.errors import InputError, SettingsError
from mpc.core.files import read_json
from mpc.core.progress import NoProgress
from mpc.models.runs import load_run
from mpc.models.storage import read_tensors
from mpc.train.batch_norm import measure_norms
from mpc.train.checkpoint import Position
from mpc.train.clock import Clock
from mpc.train.data import collate
from mpc.train.distributed import Group
from mpc.train.log import read_lines
from mpc.train.presets import preset
from mpc.train.run import train_views
from mpc.train.settings import TrainSettings
from mpc.train.stages import MapsStage
from mpc.train.start import settings_to_anneal
from support.toy_runs import people, toy


def maps_only(**overrides: Any) -> TrainSettings:
    return toy(stages="maps", **overrides)


def steps_of(run: Path) -> list[int]:
    return [line["step"] for line in read_lines(run / "log.jsonl")]


class Messages(NoProgress):
    """Keeps what the user is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.titles: list[tuple[str, int]] = []
        self.done = 0

    def message(self, text: str) -> None:
        self.lines.append(text)

    def start(self, title: str, total: int) -> None:
        self.titles.append((title, total))
        self.done = 0

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done += count


class Dies(NoProgress):
    """Ends the process, as it were, after so many steps, without a chance to save anything."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, count: int = 1, note: str = "") -> None:
        self.left -= 1
        if self.left == 0:
            raise MemoryError


def test_a_finished_run_goes_on_with_more_steps(tmp_path: Path) -> None:
    run = train_views(people(), None, tmp_path, maps_only(), name="a")
    assert steps_of(run) == [1, 2, 3, 4]
    train_views(people(), None, tmp_path, maps_only(), resume=run)
    assert steps_of(run) == [1, 2, 3, 4]
    longer = maps_only(maps={"steps": 6, "learning_rate": 1e-4})
    train_views(people(), None, tmp_path, longer, resume=run)
    assert steps_of(run) == [1, 2, 3, 4, 5, 6]
    rates = [line["rate"] for line in read_lines(run / "log.jsonl")]
    assert rates[3:] == [2e-3, 1e-4, 1e-4]  # obeyed
    assert read_json(run / "run.json")["stages"]["maps"]["steps"] == 6
    assert read_json(run / "run.json")["settings"]["maps"]["learning_rate"] == 1e-4


def test_what_a_run_cannot_change_is_refused(tmp_path: Path) -> None:
    run = train_views(people(), None, tmp_path, maps_only(), name="a")
    for change in ({"seed": 3}, {"surface_network": {"head": {"channels": [4]}}}, {"maps": {"batch": 2}}):
        name = next(iter(change))
        with pytest.raises(SettingsError, match=rf"cannot go on with another {name}.*--init"):
            train_views(people(), None, tmp_path, maps_only(**change), resume=run)
    train_views(people(), None, tmp_path, toy(stages="surface"), resume=run)
    with pytest.raises(SettingsError, match=r"another maps\.steps"):  # the surface has been trained on these maps
        train_views(people(), None, tmp_path, toy(stages="surface", maps={"steps": 9}), resume=run)


def test_minutes_of_one_call_end_it_and_not_the_run(tmp_path: Path) -> None:
    whole = train_views(people(), None, tmp_path, maps_only(), name="whole")
    told = Messages()
    run = train_views(people(), None, tmp_path, maps_only(), name="a", minutes_now=1e-9, progress=told)
    assert read_json(run / "run.json")["status"] == "paused"
    assert steps_of(run) == [1]
    assert any("--resume continues" in line for line in told.lines)
    train_views(people(), None, tmp_path, maps_only(), resume=run)
    assert [line["loss"] for line in read_lines(run / "log.jsonl")] == [
        line["loss"] for line in read_lines(whole / "log.jsonl")
    ]
    assert read_json(run / "run.json")["status"] == "finished"


def test_checkpoints_by_the_clock_survive_a_kill(tmp_path: Path) -> None:
    """With a checkpoint after every step (0.006 ms), a run that died in step 3 of 4 goes on as if nothing had been."""
    settings = maps_only(checkpoint_minutes=1e-7, maps={"validate_every": 100})
    whole = train_views(people(), None, tmp_path, settings, name="whole")
    with pytest.raises(MemoryError):
        train_views(people(), None, tmp_path, settings, name="a", progress=Dies(2))
    _, header = read_tensors(tmp_path / "a" / "maps" / "state.safetensors")
    assert header["position"]["step"] == 2
    train_views(people(), None, tmp_path, settings, resume=tmp_path / "a")
    one, two = (read_json(run / "maps" / "last.json")["sha256"] for run in (whole, tmp_path / "a"))
    assert one == two


def test_progress_counts_seconds_under_a_time_limit_and_steps_otherwise(tmp_path: Path) -> None:
    told = Messages()
    train_views(people(), None, tmp_path, maps_only(), name="a", progress=told)
    assert (told.titles, told.done) == ([("train maps, steps", 4)], 4)
    limited = Clock(Position(step=3, seconds=30.0), 100, 60.0)
    assert (limited.title, limited.total) == ("seconds", 60)
    assert limited.shown(Position(step=3, seconds=30.5)) == 30
    assert limited.shown(Position(step=99, seconds=90.0)) == 60


def test_weights_of_another_run_start_a_larger_network(tmp_path: Path) -> None:
    """A run on pictures twice as large has other weights only where pictures become cells and cells become pictures."""
    small = train_views(people(), None, tmp_path, maps_only(), name="small")
    larger = maps_only(
        image_size=32, surface_network={"encoder": {"size": 32}}, maps={"learning_rate": 1e-12, "weight_decay": 0.0}
    )
    told = Messages()
    run = train_views(people(size=32), None, tmp_path, larger, name="large", init=small, progress=told)
    before, after = (load_run(one).surface.state_dict() for one in (small, run))
    kept = [name for name in before if before[name].shape == after[name].shape and "running" not in name]
    assert {name for name in before if before[name].shape != after[name].shape} == {
        f"encoder.level1.{name}" for name in ("unet.enter.0.weight", "top.weight", "top.bias")
    }
    assert len(kept) > 30
    for name in kept:
        if before[name].is_floating_point():
            torch.testing.assert_close(before[name], after[name], atol=1e-6, rtol=0, msg=name)
    assert any(line.startswith("maps:") and "weights start from" in line for line in told.lines)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no surface network to start from"):
        train_views(people(), None, tmp_path, maps_only(), name="b", init=tmp_path / "empty")


def test_an_annealed_copy_leaves_the_run_alone(tmp_path: Path) -> None:
    run = train_views(people(), None, tmp_path, maps_only(maps={"steps": 12, "schedule": "constant"}), name="a")
    files = {path: hashlib.sha256(path.read_bytes()).digest() for path in run.rglob("*") if path.is_file()}
    settings = settings_to_anneal(run)
    assert (settings.stages, settings.maps.steps, settings.maps.schedule) == ("maps", 3, "cosine")
    copy = train_views(people(), None, tmp_path, settings, name="b", anneal=run)
    assert files == {path: hashlib.sha256(path.read_bytes()).digest() for path in run.rglob("*") if path.is_file()}
    rates = [line["rate"] for line in read_lines(copy / "log.jsonl")]
    assert rates == pytest.approx(
        [2e-3 * (0.01 + 0.99 * (1 + np.cos(np.pi * share)) / 2) for share in (0, 1 / 3, 2 / 3)]
    )
    first = read_lines(copy / "log.jsonl")[0]["loss"]
    assert first < 0.8 * read_lines(run / "log.jsonl")[0]["loss"]  # it goes on from there
    assert read_json(copy / "run.json")["annealed"] == str(run)


def test_norms_are_measured_on_training_views() -> None:
    """One batch of the whole data set without augmentation: the statistics are those of that batch, layer by layer."""
    settings = maps_only(
        maps={"norm_batches": 1, "batch": 256}, augment=dict.fromkeys(("flip", "scale", "shift", "colour"), 0)
    )
    stage, views = MapsStage(settings.surface_network, settings.maps, settings.mining), people(1)
    norm = stage.network.encoder.level1.unet.enter[1]
    assert (norm.running_mean == 0).all()
    inputs: list[torch.Tensor] = []
    handle = norm.register_forward_hook(lambda module, given, result: inputs.append(given[0]))
    measure_norms(stage, stage.network, views, settings, Group(0, 1, torch.device("cpu"), ""))
    handle.remove()
    assert len(inputs) == 1
    torch.testing.assert_close(norm.running_mean, inputs[0].mean(dim=(0, 2, 3)))
    torch.testing.assert_close(norm.running_var, inputs[0].var(dim=(0, 2, 3)))
    assert norm.momentum == 0.1
    assert not stage.network.training
    assert collate([views[0]])["view"].shape == (1,)


def test_level_2_is_trained_on_a_level_1_that_stays(tmp_path: Path) -> None:
    first = train_views(people(), None, tmp_path, maps_only(), name="first")
    encoder = {"fine_widths": [8, 8], "fine_size": 32, "fine_patch": 2, "fine_values": 2}
    settings = toy(image_size=32, surface_network={"encoder": encoder}, maps={"steps": 16}, freeze_level1=True)
    with pytest.raises(SettingsError, match="--init"):
        train_views(people(size=32), None, tmp_path, settings, name="none")
    run = train_views(people(size=32), None, tmp_path, settings, name="second", init=first)
    before, after = (load_run(one).surface.encoder.level1.state_dict() for one in (first, run))
    assert (before["unet.enter.1.running_mean"] != 0).all()  # measured where the first run ended
    for name, value in before.items():
        assert torch.equal(value, after[name]), name
    losses = [line["loss"] for line in read_lines(run / "log.jsonl") if line["stage"] == "maps"]
    assert losses[-1] < losses[0]


def test_pifuhd_trains_at_toy_size(tmp_path: Path) -> None:
    """The same path with two levels from the start, a bottom of its own, and instance norm."""
    encoder = {
        "size": 16, "cells": 16, "widths": [4, 4, 8], "bottom": 2, "values": 2, "coarse": 2,
        "fine_widths": [4, 4], "fine_size": 32, "fine_values": 2,
    }  # fmt: skip
    stage = {"batch": 4, "points": 64, "validation_views": 2}
    settings = preset(
        "pifuhd", image_size=32, workers=0, threads=1, device="cpu", amp=False, picture_every=-1, log_every=1,
        surface_network={"encoder": encoder, "head": {"channels": [8]}},
        texture_network={"encoder": {"stem": 4, "blocks": 1}, "depth": {"bins": 8}, "head": {"channels": [8]}},
        maps={**stage, "steps": 8, "learning_rate": 1e-2}, surface={**stage, "steps": 2},
        texture={**stage, "steps": 2},
    )  # fmt: skip
    run = train_views(people(size=32), people(1, first=9, size=32), tmp_path, settings, name="a")
    lines = read_lines(run / "log.jsonl")
    assert [line["stage"] for line in lines] == ["maps"] * 8 + ["surface"] * 2 + ["texture"] * 2
    assert lines[7]["loss"] < 0.8 * lines[0]["loss"]
