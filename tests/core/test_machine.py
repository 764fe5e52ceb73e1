"""Cores and memory are what the control groups of a container grant, whatever the machine has."""

import os
from pathlib import Path

import psutil
import pytest

from mpc.core import guard, machine, units
from mpc.core.guard import LEAST_MEMORY, MEMORY_SHARE, default_memory

GIB = 1 << 30


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A function that lays out control groups: the lines of /proc/self/cgroup, and files by their path."""

    def lay(lines: str, files: dict[str, str]) -> Path:
        (tmp_path / "cgroup").write_text(lines)
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.setattr(machine, "GROUPS_OF_PROCESS", tmp_path / "cgroup")
        monkeypatch.setattr(machine, "GROUPS", tmp_path / "fs")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
        monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"total": 256 * GIB})())
        return tmp_path

    return lay


VERSION_2 = "0::/\n"
NESTED = "0::/system.slice/job_7.scope\n"
VERSION_1 = "11:memory:/docker/1a2b\n4:cpu,cpuacct:/docker/1a2b\n1:name=systemd:/docker/1a2b\n"
CASES = {
    "no bound": (VERSION_2, {"cpu.max": "max 100000\n", "memory.max": "max\n"}, 64, 256),
    "a container": (VERSION_2, {"cpu.max": "400000 100000\n", "memory.max": f"{16 * GIB}\n"}, 4, 16),
    "half a core": (VERSION_2, {"cpu.max": "50000 100000\n"}, 1, 256),
    "two and a half cores": (VERSION_2, {"cpu.max": "250000 100000\n"}, 3, 256),
    "a group below a tighter one": (
        NESTED,
        {"system.slice/job_7.scope/memory.max": f"{32 * GIB}", "system.slice/memory.max": f"{8 * GIB}",
         "system.slice/job_7.scope/cpu.max": "200000 100000", "system.slice/cpu.max": "max 100000"},
        2, 8,
    ),
    "version 1, its own path": (
        VERSION_1,
        {"memory/docker/1a2b/memory.limit_in_bytes": f"{4 * GIB}\n",
         "cpu,cpuacct/docker/1a2b/cpu.cfs_quota_us": "300000",
         "cpu,cpuacct/docker/1a2b/cpu.cfs_period_us": "100000"},
        3, 4,
    ),
    "version 1, seen from within": (
        VERSION_1,
        {"memory/memory.limit_in_bytes": f"{4 * GIB}",
         "cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"},
        2, 4,
    ),
    "version 1, no bound": (
        VERSION_1,
        {"memory/memory.limit_in_bytes": "9223372036854771712",
         "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        64, 256,
    ),
    "both versions": (
        "4:memory:/\n0::/\n",
        {"memory/memory.limit_in_bytes": f"{2 * GIB}", "unified/cpu.max": "100000 100000"},
        1, 2,
    ),
    "nonsense": (VERSION_2, {"cpu.max": "a b", "memory.max": ""}, 64, 256),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "files", "cores", "gib"), CASES.values(), ids=CASES)
def test_what_control_groups_grant(group, lines, files, cores, gib):
    group(lines, files)
    assert machine.usable_cores() == cores
    assert machine.usable_memory() == gib * GIB


def test_without_control_groups_the_machine_counts(group, tmp_path, monkeypatch):
    group(VERSION_2, {})
    monkeypatch.setattr(machine, "GROUPS_OF_PROCESS", tmp_path / "absent")
    assert (machine.usable_cores(), machine.usable_memory()) == (64, 256 * GIB)


def test_this_machine_has_some():
    assert 1 <= machine.usable_cores() <= os.cpu_count()
    assert GIB / 4 < machine.usable_memory() <= psutil.virtual_memory().total


def test_subjects_that_are_worked_on_at_a_time_share_the_memory(group):
    group(VERSION_2, {"memory.max": f"{16 * GIB}", "cpu.max": "max 100000"})
    assert default_memory(1) == int(16 * GIB * MEMORY_SHARE)
    assert 8 * default_memory(8) <= 16 * GIB * MEMORY_SHARE
    assert default_memory(1000) == LEAST_MEMORY


def test_workers_are_no_more_than_memory_and_quota_allow(group):
    group(VERSION_2, {"memory.max": f"{16 * GIB}", "cpu.max": "max 100000"})
    assert units.worker_count(0) == 16  # of 64 cores
    assert units.worker_count(40) == 40  # the user's word holds
    group(VERSION_2, {"memory.max": f"{16 * GIB}", "cpu.max": "300000 100000"})
    assert (units.worker_count(0), units.worker_count(-2)) == (3, 2)


def test_the_guard_bounds_each_process_by_its_part(group, monkeypatch):
    group(VERSION_2, {"memory.max": f"{16 * GIB}"})
    seen = []
    monkeypatch.setattr(guard, "run_units", lambda function, units, **_: seen.append(function.limits) or iter(()))
    assert list(guard.run_guarded(str, [], limits=guard.Limits(), jobs=4)) == []
    assert list(guard.run_guarded(str, [], limits=guard.Limits(memory_bytes=GIB), jobs=4)) == []
    assert [limit.memory_bytes for limit in seen] == [int(16 * GIB * MEMORY_SHARE / 4), GIB]
