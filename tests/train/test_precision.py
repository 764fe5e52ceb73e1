"""float16 with a scaled gradient, for GPUs without bfloat16: the choice, and the steps, which a CPU can emulate."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from mpc.core.devices import training_dtype
from mpc.models.storage import read_tensors
from mpc.train import step as steps
from mpc.train.log import read_lines
from mpc.train.run import train_views
from support.toy_runs import people, toy

# At a higher rate so small a network soon goes another way for every rounding.
SURFACE = {"steps": 5, "optimiser": "muon", "learning_rate": 1e-4, "schedule": "constant"}


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((6, 1), torch.float32),  # GTX 1080: no units for any half precision
        ((7, 0), torch.float16),  # V100
        ((7, 5), torch.float16),  # T4, 2080 Ti: those of the paper
        ((8, 0), torch.bfloat16),  # A100
        ((9, 0), torch.bfloat16),  # H200
    ],
)
def test_the_precision_is_one_that_the_gpu_has_units_for(
    capability: tuple[int, int], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda", 1)
    assert training_dtype(gpu) == expected
    assert steps.step_dtype(toy(amp=True), gpu) == expected
    assert steps.step_dtype(toy(amp=False), gpu) == torch.float32


def test_a_cpu_trains_in_bfloat16_or_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("mpc.core.devices._cpu_has_bfloat16", lambda has=has: has)
        assert training_dtype(torch.device("cpu")) == expected


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in read_lines(run / "log.jsonl")]


def half_run(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Path:
    """A run in emulated float16."""
    monkeypatch.setattr(steps, "training_dtype", lambda device: torch.float16)
    settings = toy(amp=True, stages="surface", surface=SURFACE)
    return train_views(people(), None, folder, settings, name=name, **options)


def test_steps_in_float16_are_those_of_float32_but_for_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients are scaled by 65,536 and back before they are clipped; norms and losses stay those of float32."""
    whole = train_views(people(), None, tmp_path, toy(stages="surface", surface=SURFACE), name="whole")
    half = half_run(tmp_path, "half", monkeypatch)
    one, two = (read_lines(run / "log.jsonl") for run in (whole, half))
    assert losses(half) != losses(whole)
    assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in one], rel=0.02)
    assert two[0]["gradient_norm"] == pytest.approx(one[0]["gradient_norm"], rel=0.02)
    _, header = read_tensors(half / "surface" / "state.safetensors")
    left_out = sum(line["gradient_norm"] is None for line in two)
    assert left_out <= 1
    assert header["scaler"]["scale"] == 65536.0 / 2**left_out
    assert read_tensors(whole / "surface" / "state.safetensors")[1]["scaler"] == {}


def test_a_gradient_that_overflows_costs_a_step_and_halves_the_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two steps is left out: the weights are those of the start, and no NaN reaches them."""
    real, scales = torch.amp.GradScaler, []

    class Huge(real):
        def __init__(self, device: str, *, enabled: bool) -> None:
            super().__init__(device, enabled=enabled, init_scale=2.0**60)

        def step(self, optimiser: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> float | None:
            before = [p.clone() for group in optimiser.param_groups for p in group["params"]]
            result = super().step(optimiser, *args, **kwargs)
            after = [p for group in optimiser.param_groups for p in group["params"]]
            changed = any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
            assert all(bool(p.isfinite().all()) for p in after)
            scales.append((math.log2(self.get_scale()), changed))
            return result

    monkeypatch.setattr(torch.amp, "GradScaler", Huge)
    run = half_run(tmp_path, "half", monkeypatch)
    overflowed = [scale for scale, changed in scales if not changed]
    assert overflowed  # float16 ends at 65,504
    assert [scale for scale, _ in scales] == [60.0 - number for number in range(len(overflowed))][: len(scales)] + [
        60.0 - len(overflowed)
    ] * (len(scales) - len(overflowed))
    lines = read_lines(run / "log.jsonl")
    assert [line["gradient_norm"] is None for line in lines] == [not changed for _, changed in scales]
    assert "Infinity" not in (run / "log.jsonl").read_text()
    json.loads((run / "run.json").read_text())


def test_a_run_in_float16_resumes_with_its_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch.amp.GradScaler
    monkeypatch.setattr(
        torch.amp,
        "GradScaler",
        lambda device, enabled: real(device, enabled=enabled, init_scale=256.0, growth_interval=2),
    )
    whole = half_run(tmp_path, "whole", monkeypatch)
    monkeypatch.setattr(steps, "training_dtype", lambda device: torch.float16)
    short = toy(amp=True, stages="surface", surface={**SURFACE, "steps": 3})
    cut = train_views(people(), None, tmp_path, short, name="cut")
    assert read_tensors(cut / "surface" / "state.safetensors")[1]["scaler"]["scale"] == 2.0**9
    longer = toy(amp=True, stages="surface", surface=SURFACE)
    train_views(people(), None, tmp_path, longer, resume=cut)
    scales = [read_tensors(run / "surface" / "state.safetensors")[1]["scaler"] for run in (whole, cut)]
    assert scales[0]["scale"] == 2.0**10
    assert scales[0] == scales[1]
