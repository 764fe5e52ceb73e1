"""Loader processes need shared memory; where a container has too little, views are loaded without them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch

from mpc.train import data


def loader(workers: int):
    group = SimpleNamespace(device=torch.device("cpu"))
    return data.open_loader([torch.zeros(1)] * 4, [[0, 1], [2, 3]], workers=workers, group=group)


def test_too_little_shared_memory_is_told_and_done_without(monkeypatch, caplog) -> None:
    monkeypatch.setattr(data, "free_shared_memory", lambda: 64 << 10)
    assert loader(2).num_workers == 0
    assert "/dev/shm has 0.1 MiB free" in caplog.text
    assert "--shm-size" in caplog.text


def test_enough_shared_memory_keeps_the_workers(monkeypatch) -> None:
    monkeypatch.setattr(data, "free_shared_memory", lambda: 1 << 30)
    assert loader(2).num_workers == 2
    monkeypatch.setattr(data, "free_shared_memory", lambda: None)  # a system without /dev/shm
    assert loader(2).num_workers == 2


def test_a_folder_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert data.free_shared_memory(tmp_path / "none") is None
    assert data.free_shared_memory(tmp_path) > 0
