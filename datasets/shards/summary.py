"""What a run of `mpc sample`, or one part of it, has done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .journal import FinishedShard
from .plan import SamplePlan
from .split import SPLITS


@dataclass(frozen=True, kw_only=True)
class SampleSummary:
    """What a run did.

    Attributes:
        out: the shards folder.
        scenes: number of scenes in the shards now.
        sampled: number of scenes sampled by this run.
        kept_shards: number of shards that were there already.
        written_shards: number of shards written by this run.
        split: number of subjects by split.
        bytes: size of all shards.
        failures: (scene key, reason).
        notices: remarks on scenes that no earlier run has made, each with the scene's key in front; all of them are in
            notices.log of the folder.
    """

    out: Path
    scenes: int
    sampled: int
    kept_shards: int
    written_shards: int
    split: dict[str, int]
    bytes: int
    failures: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Sampled:
    """What this run did.

    Attributes:
        sampled: number of scenes sampled.
        shards: the shards that were written, by name.
    """

    sampled: int
    shards: dict[str, FinishedShard]


def sum_up_part(plan: SamplePlan, sampled: Sampled) -> SampleSummary:
    """What one part did; what concerns all shards is left to the run that finishes."""
    done = sampled.shards.values()
    files = [shard.file for shard in plan.shards if (plan.out / shard.file).is_file()]
    new = {key: failure for shard in done for key, failure in shard.failures.items()}
    failures = plan.failures | new
    scenes = sum(len(shard.scenes) for shard in plan.shards if shard.file in files) - len(new)
    return SampleSummary(
        out=plan.out,
        scenes=scenes,
        sampled=sampled.sampled,
        kept_shards=len(plan.kept),
        written_shards=len(files) - len(plan.kept),
        split={name: sum(own == name for own in plan.split.values()) for name in SPLITS},
        bytes=sum((plan.out / file).stat().st_size for file in files),
        failures=tuple(sorted((key, failure.reason) for key, failure in failures.items())),
        notices=tuple(sorted(notice for shard in done for notice in shard.notices)),
    )
