"""A scene that failed is tried again when its files or the disk have changed, and costs no other scene anything."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from mpc.datasets.shards import sample_unit
from mpc.datasets.shards.build import SampleSummary, sample_renders
from mpc.datasets.shards.sample_scene import sample_scene
from mpc.datasets.shards.settings import SampleSettings
from support.balls import make_renders

FEW = SampleSettings(near_points=800, uniform_points=400, colour_points=80)


def sample(folder: Path, **more: Any) -> SampleSummary:
    return sample_renders(folder / "renders", folder / "shards", FEW, jobs=1, **more)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".h5", ".json")}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """Renders of four balls in tmp_path, and the files of their shards."""
    sample_renders(make_renders(tmp_path / "renders", balls=4), tmp_path / "whole", FEW, jobs=1)
    return contents(tmp_path / "whole")


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the scenes that are sampled, in order."""
    keys: list[str] = []

    def count(scene: Any, *rest: Any, **more: Any) -> Any:
        keys.append(scene.key)
        return sample_scene(scene, *rest, **more)

    monkeypatch.setattr(sample_unit, "sample_scene", count)
    return keys


def test_a_picture_that_is_restored_is_sampled(tmp_path: Path, whole: dict[str, bytes], sampled: list[str]) -> None:
    picture = tmp_path / "renders" / "ball_1" / "scan_0000" / "000.png"
    data = picture.read_bytes()
    picture.write_bytes(data[:-20])
    assert [key for key, _ in sample(tmp_path).failures] == ["ball_1/scan_0000"]
    sampled.clear()
    again = sample(tmp_path)
    assert (len(again.failures), sampled) == (1, []), "nothing has changed, so it would fail again"
    picture.write_bytes(data[:-30])  # another damage: only this scene is looked at, and the shards are kept
    again = sample(tmp_path)
    assert (len(again.failures), again.written_shards, sampled) == (1, 0, ["ball_1/scan_0000"])
    picture.write_bytes(data)
    assert sample(tmp_path).failures == ()
    assert contents(tmp_path / "shards") == whole


def test_a_hiccup_of_the_disk_costs_no_scene(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.name == "mesh.npz" and "ball_2" in path.parts:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        ((key, reason),) = sample(tmp_path).failures
    assert key == "ball_2/scan_0000"
    assert "Input/output error" in reason
    assert sample(tmp_path).failures == ()
    assert contents(tmp_path / "shards") == whole


def test_repair_tries_every_failure_again(tmp_path: Path, whole: dict[str, bytes], sampled: list[str]) -> None:
    (tmp_path / "renders" / "ball_3" / "scan_0000" / "mesh.npz").write_bytes(b"not an archive")
    sample(tmp_path)
    sampled.clear()
    repaired = sample(tmp_path, repair=True)
    assert (len(repaired.failures), repaired.written_shards, sampled) == (1, 0, ["ball_3/scan_0000"])
