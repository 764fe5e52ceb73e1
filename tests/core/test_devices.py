"""A device is named wrongly in one clear sentence, before anything is built on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mpc.core.devices import choose_device, computes_bfloat16
from mpc.core.errors import SettingsError
from mpc.evaluate.run import evaluate
from mpc.evaluate.settings import Workers
from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
from mpc.train.presets import preset
from mpc.train.run import train_views


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:", "cuda:x", "cuda:-1", "cpu:1", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu")[0] == torch.device("cpu")
    assert not computes_bfloat16(torch.device("cpu"))
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto")[0].type == kind


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_said_before_any_work(tmp_path: Path) -> None:
    people = EllipsoidViews(ellipsoid_people(1, seed=0), size=32, points=8, colour_points=8)
    with pytest.raises(SettingsError, match="finds 0 CUDA devices"):
        train_views(people, None, tmp_path, preset("tiny", device="cuda"))
    with pytest.raises(SettingsError, match="finds 0 CUDA devices"):
        evaluate(tmp_path, tmp_path, workers=Workers(device="cuda:1"))
    assert not any(tmp_path.iterdir())


def test_each_process_of_torchrun_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a torch that reports four GPUs; nothing is computed on them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert choose_device("cuda")[0] == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "2")
    for name in ("auto", "cuda"):
        assert choose_device(name)[0] == torch.device("cuda", 2)
    assert choose_device("cuda:1")[0] == torch.device("cuda", 1)
    with pytest.raises(SettingsError, match=r"device cuda:4: .* finds 4 CUDA devices"):
        choose_device("cuda:4")
    for capability, half in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        assert computes_bfloat16(torch.device("cuda", 1)) is half
