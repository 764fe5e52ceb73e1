"""Scenes whose shard is written again are copied, not sampled, and the bytes are those of a folder made at once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpc.datasets.shards import pack
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.index import ShardEntry, read_index, write_index
from mpc.datasets.shards.settings import SampleSettings
from support.arrays import files_of
from support.balls import make_renders
from support.stops import stop_at_call

# Shards of two or three scenes; open balls have confidences, ambiguous shares and notices.
SETTINGS = SampleSettings(
    near_points=400,
    uniform_points=200,
    colour_points=80,
    shard_bytes=100_000,
    layers=("depth_front",),
    meshes="all",
    ratios=(1.0, 0.0, 0.0),
)


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reuse") / "renders"
    return make_renders(root, balls=9, views=1, size=32, cut=(1, 4, 5), layers=("depth_front",))


@pytest.fixture(scope="module")
def whole(renders: Path) -> dict[str, bytes]:
    out = renders.parent / "whole"
    sample_renders(renders, out, SETTINGS, jobs=1)
    index = read_index(out)
    assert index.ambiguous
    assert 3 <= len(index.shards) <= 8
    return files_of(out)


def sample(renders: Path, out: Path, settings: SampleSettings = SETTINGS, **more: Any) -> tuple[int, int]:
    """Scenes that were sampled, and shards that were written."""
    summary = sample_renders(renders, out, settings, jobs=1, **more)
    assert summary.failures == ()
    return summary.sampled, summary.written_shards


def without(renders: Path, folder: Path, *numbers: int) -> Path:
    shutil.copytree(renders, folder)
    for number in numbers:
        shutil.rmtree(folder / f"ball_{number}")
    return folder


def test_who_is_added_alone_is_sampled_also_where_shards_are_parted_or_joined(
    renders: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    few = without(renders, tmp_path / "few", 3, 5, 6)
    sample(few, tmp_path / "few_shards")
    out = tmp_path / "out"
    shutil.copytree(tmp_path / "few_shards", out)
    assert sample(renders, out)[0] == 3
    assert files_of(out) == whole
    before = set(read_index(tmp_path / "few_shards").shards) - set(read_index(out).shards)
    assert {entry.file for entry in before} - set(whole), "a shard was parted"
    assert sample(few, out)[0] == 0
    left, fewer = files_of(out), files_of(tmp_path / "few_shards")
    assert {**left, "notices.log": b""} == {**fewer, "notices.log": b""}, "only the log remembers"


def test_of_a_shard_in_which_one_scene_has_changed_the_others_are_copied(
    renders: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    changed, out = without(renders, tmp_path / "changed", 7), tmp_path / "out"
    other = make_renders(tmp_path / "other", balls=8, views=1, size=32, cut=(7,), layers=("depth_front",))
    shutil.copytree(other / "ball_7", changed / "ball_7")
    sample(renders, out)
    assert sample(changed, out) == (1, 1)
    sample(changed, tmp_path / "anew")
    assert files_of(out) == files_of(tmp_path / "anew") != whole


@pytest.fixture
def grown(renders: Path, whole: dict[str, bytes], tmp_path: Path) -> tuple[Path, ShardEntry]:
    """A shards folder without ball_3, and the shard that ball_3 goes into."""
    few, out = without(renders, tmp_path / "few", 3), tmp_path / "out"
    sample(few, out)
    (old,) = (entry for entry in read_index(out).shards if (out / entry.file).read_bytes() != whole.get(entry.file))
    assert len(old.scenes) > 1
    return out, old


def test_what_is_damaged_in_the_old_shard_is_sampled(
    renders: Path, whole: dict[str, bytes], grown: tuple[Path, ShardEntry]
) -> None:
    """Bytes all over the shard are flipped in turn: nothing damaged is ever copied."""
    made, old = grown
    data = (made / old.file).read_bytes()
    counts = set()
    for place in range(len(data) // 10, len(data), len(data) // 5):
        out = made.with_name(f"out_{place}")
        shutil.copytree(made, out)
        (out / old.file).write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        counts.add(sample(renders, out)[0])
        assert files_of(out) == whole, f"byte {place} of {old.file}"
    assert 1 < max(counts) <= len(old.scenes) + 1, "the damage was met"


def test_a_shard_that_the_index_does_not_describe_is_no_source(
    renders: Path, whole: dict[str, bytes], grown: tuple[Path, ShardEntry], tmp_path: Path
) -> None:
    out, old = grown
    sample(tmp_path / "few", tmp_path / "seed_1", replace(SETTINGS, seed=1))
    shutil.copy(tmp_path / "seed_1" / old.file, out / old.file)  # the same scenes of another seed
    assert sample(renders, out)[0] == len(old.scenes) + 1
    assert files_of(out) == whole


def test_an_index_of_an_earlier_version_does_not_know_the_inputs(
    renders: Path, whole: dict[str, bytes], grown: tuple[Path, ShardEntry]
) -> None:
    out, old = grown
    index = read_index(out)
    write_index(out, replace(index, shards=tuple(replace(entry, scene_inputs=()) for entry in index.shards)))
    assert sample(renders, out)[0] == len(old.scenes) + 1


def test_a_stopped_change_copies_what_it_still_can(
    renders: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, out = without(renders, tmp_path / "few", 3, 5, 6), tmp_path / "out"
    sample(few, out)
    with monkeypatch.context() as patch:
        stop_at_call(patch, pack, "write_shard", 2)
        with pytest.raises(KeyboardInterrupt):
            sample(renders, out)
    assert sample(renders, out)[0] <= 3
    assert files_of(out) == whole


def test_scenes_that_a_stopped_run_left_do_not_count_as_sampled_now(
    renders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pack, "write_shard", stop)
        with pytest.raises(KeyboardInterrupt):
            sample(renders, tmp_path / "out")
    parts = len(list((tmp_path / "out" / ".parts").glob("*.npz")))
    assert parts > 0
    assert sample(renders, tmp_path / "out")[0] == 9 - parts
