"""How many cores and how much memory this process may use: the machine's, or less where a container bounds them.

Containers and batch systems bound processes by Linux control groups. Both versions are read: version 2 has one tree
of groups with `cpu.max` and `memory.max`, version 1 has a tree for each kind of resource. A group is also bound by
every group above it, so the tightest bound on the way up counts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

GROUPS_OF_PROCESS = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that this process may use: those it is bound to, or what its CPU quota amounts to, rounded up."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = cpu_quota()
    return bound if quota is None else max(1, min(bound, math.ceil(quota)))


def usable_memory() -> int:
    """Memory that this process may use, bytes: the machine's, or the bound of a control group where that is less."""
    total = int(psutil.virtual_memory().total)
    bound = memory_bound()
    return total if bound is None else min(total, bound)


def cpu_quota() -> float | None:
    """Cores' worth of time that the control groups of this process grant; None where they set no bound."""
    found = []
    for folder in _folders("cpu"):
        quota = _numbers(folder / "cpu.max")  # "50000 100000": microseconds of each period; "max 100000": no bound
        if not quota:
            quota = _numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us")
        if len(quota) == 2 and quota[0] > 0 and quota[1] > 0:
            found.append(quota[0] / quota[1])
    return min(found, default=None)


def memory_bound() -> int | None:
    """Bytes that the control groups of this process grant; None where they set no bound."""
    found = []
    for folder in _folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            # Version 1 writes "no bound" as the greatest multiple of a page below 2**63, more than any machine has.
            found += [value for value in _numbers(folder / name) if value > 0]
    return min(found, default=None)


def _folders(resource: str) -> Iterator[Path]:
    """The folders of the process' control groups that may bound a resource, from its own group up to the root."""
    try:
        lines = GROUPS_OF_PROCESS.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)  # "0::/user.slice" (version 2), "4:cpu,cpuacct:/docker/1a2b" (version 1)
        if kinds and resource not in kinds.split(","):
            continue
        # Within a container the path may be the host's, which is not there; then the root is the container's own.
        group = PurePosixPath(path).relative_to("/") if path.startswith("/") else PurePosixPath(path)
        for tree in [GROUPS / kinds, GROUPS / resource] if kinds else [GROUPS, GROUPS / "unified"]:
            yield from (tree / above for above in (group, *group.parents))


def _numbers(path: Path) -> list[int]:
    """The whole numbers in a file of a control group; none where it is missing or sets no bound ("max")."""
    try:
        words = path.read_text().split()
    except OSError:
        return []
    return [int(word) for word in words] if all(word.lstrip("-").isdigit() for word in words) else []
