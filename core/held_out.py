"""What is kept for measuring and must not be trained on: reserved seeds, and how a data set is known again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .errors import SettingsError

# Seeds of benchmarks, of all versions that there will be.
RESERVED_SEEDS = range(2_026_000_000, 2_027_000_000)
# The licence file of a benchmark begins with these words; shards quote it for each subject (as "canary strings" of
# language benchmarks do), so that renamed subjects are known, too.
MARK = "mpc benchmark"
_NAME = re.compile(r"(?:^|.*[/_.-])(v\d+)_(easy|hard)_\d\d")


def refuse_reserved(seed: int) -> None:
    """Raise SettingsError for a seed that is reserved for benchmarks."""
    if seed in RESERVED_SEEDS:
        raise SettingsError(
            f"seed {seed} is reserved for benchmarks ({RESERVED_SEEDS.start} to {RESERVED_SEEDS.stop - 1}), whose "
            "people nobody trains on; take another"
        )


def benchmark_list(subject: str) -> str:
    """The list that a subject of a benchmark belongs to, by its id: "v1 easy"; "" for other subjects."""
    found = _NAME.fullmatch(subject)
    return f"{found[1]} {found[2]}" if found else ""


def held_out_subjects(split: Mapping[str, str], licences: Mapping[str, str]) -> list[str]:
    """The subjects of a data set that belong to a benchmark and are to be trained or validated on.

    Args:
        split: subject id to "train", "val" or "test".
        licences: what is known of the terms of each subject, where anything is.
    """
    return sorted(
        subject for subject, name in split.items()
        if name != "test" and (benchmark_list(subject) or MARK in licences.get(subject, ""))
    )  # fmt: skip
