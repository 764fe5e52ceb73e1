"""Shards are read while another program holds a lock on them, and where the file system has no locks."""

from __future__ import annotations

import fcntl
from pathlib import Path

from mpc.datasets.shards.groups import group_by_name
from mpc.datasets.shards.reader import ShardReader


def test_loose_4d_scans_of_one_person_are_one_group() -> None:
    names = [f"{person}.hips.{frame:06d}" for person in ("00032", "00096") for frame in range(3)]
    names += ["00032_shoulders_mill_000004", "00096_hips_000001"]
    groups = group_by_name(names)
    assert {groups[name] for name in names if name.startswith("00032")} == {"00032"}
    assert {groups[name] for name in names if name.startswith("00096")} == {"00096"}


def test_single_scans_with_numbers_are_not_grouped() -> None:
    assert group_by_name(["0001", "0002", "scan_0001", "scan_0002", "person_00012", "12345_678901"]) == {}


def test_a_shard_that_another_program_has_locked_is_no_damaged_one(toy_work: Path) -> None:
    path = sorted((toy_work / "shards").glob("*.h5"))[0]
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert ShardReader(path).scenes > 0
