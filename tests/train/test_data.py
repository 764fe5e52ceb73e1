"""Which points are drawn, and how many processes load: shared memory, and pictures that each of them keeps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mpc.core.errors import SettingsError
from mpc.datasets.loading.views import CachedViews, ViewDataset
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.train import data
from mpc.train.presets import preset
from support import balls


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


def test_training_draws_the_kinds_of_points_that_it_asks_for() -> None:
    """16 near points to 1 uniform one; by a power of their sigma, or of one sigma alone, as PIFu's loader has them."""
    assert data.point_mixture((0.05, 0.01), preset("small")) == pytest.approx(
        {"near_50mm": 8 / 17, "near_10mm": 8 / 17, "uniform": 1 / 17}
    )
    assert data.point_mixture((0.05, 0.01), preset("tiny")) == pytest.approx(
        {"near_50mm": 0.8 * 5 / 6, "near_10mm": 0.8 / 6, "uniform": 0.2}
    )
    assert data.point_mixture((0.05, 0.01), preset("paper")) == pytest.approx({"near_50mm": 16 / 17, "uniform": 1 / 17})
    assert data.point_mixture((), preset("tiny")) == {"uniform": 1.0}
    with pytest.raises(SettingsError, match=r"noise of 0.05 m, and these shards hold 0.02, 0.01 m: .*--sigmas 0.05"):
        data.point_mixture((0.02, 0.01), preset("paper"))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Balls, with points of two sigmas."""
    folder = tmp_path_factory.mktemp("balls")
    sample = SampleSettings(near_points=8000, uniform_points=2400, colour_points=400, ratios=(0.5, 0.5, 0.0))
    sample_renders(balls.make_renders(folder / "renders"), folder / "shards", sample, jobs=1)
    return folder / "shards"


def test_the_shards_are_drawn_from_as_the_paper_says(shards: Path) -> None:
    """Every near point of `paper` has 5 cm noise, half of all are inside, and validation keeps all sigmas."""
    train = data.open_views(shards, "train", preset("paper", image_size=8), 680, 8, train=True)
    assert dict(zip((info.name for info in train._readers[0].header.sets), train.counts, strict=True)) == {
        "near_50mm": 640,
        "near_10mm": 0,
        "uniform": 40,
    }
    assert [float(train[(view, 3)]["labels"].mean()) for view in range(4)] == pytest.approx([0.5] * 4)
    held_out = data.open_views(shards, "val", preset("paper", image_size=8), 680, 8)
    assert held_out.counts == (320, 320, 40)
    assert not held_out.balanced


def test_pictures_are_kept_where_all_loading_processes_have_room(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loader process keeps pictures of its own, so that eight of them need eight times the memory."""

    def opened(workers: int) -> ViewDataset:
        return data.open_views(shards, "train", preset("tiny", image_size=8, workers=workers), 8, 8)

    room = 3 * opened(0).decoded_bytes
    monkeypatch.setattr(data, "cache_bytes", lambda: room)
    kinds = [CachedViews, CachedViews, CachedViews, ViewDataset]
    assert [type(opened(workers)) for workers in (0, 1, 3, 4)] == kinds
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert [type(opened(workers)) for workers in (1, 2)] == [CachedViews, ViewDataset]
