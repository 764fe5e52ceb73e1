"""Write a shard from the parts of its scenes, note that it is finished, and describe it for the index."""

from __future__ import annotations

from pathlib import Path

from ...core.files import file_sha256
from ...core.parts import Part
from ...motion.joints import JOINTS
from ..renders.layer_kinds import layer_kind
from .format import ShardHeader
from .index import SceneFailure, ShardEntry, input_mark
from .journal import FinishedShard, note_finished
from .plan import ShardPlan
from .reader import ShardReader
from .sample_unit import SceneOutcome
from .write import write_shard


def pack_shard(out: Path, planned: ShardPlan, outcomes: list[SceneOutcome], part: Part | None) -> FinishedShard:
    """Write a shard from the parts of its scenes, and note that it is finished."""
    failures = {one.key: SceneFailure(one.digest, one.reason) for one in outcomes if one.reason is not None}
    shard = planned.without(failures)
    entry: ShardEntry | None = None
    ambiguous: dict[str, float] = {}
    if shard.scenes:
        settings = shard.settings
        header = ShardHeader(
            split=shard.split,
            settings=settings.as_json(),
            sets=settings.point_sets,
            contents=shard.contents,
            layers={name: layer_kind(name) for name in settings.layers},
            joints=JOINTS if settings.joints else (),
        )
        write_shard(out / shard.file, header, [scene.part for scene in shard.scenes])
        entry, ambiguous = describe_shard(out, shard)
    notices = sorted(f"{one.key}: {notice}" for one in outcomes for notice in one.notices)
    finished = FinishedShard(entry=entry, failures=failures, notices=tuple(notices), ambiguous=ambiguous)
    note_finished(out, finished, part)
    for scene in shard.scenes:
        scene.part.unlink(missing_ok=True)
    return finished


def describe_shard(out: Path, shard: ShardPlan) -> tuple[ShardEntry, dict[str, float]]:
    """The index's entry of a shard that is there, and the ambiguous share of its scenes where that is not 0."""
    path, records = out / shard.file, [scene.record for scene in shard.scenes]
    sizes = [record.image_size for record in records]
    shares = ShardReader(path).tables["scenes/ambiguous_share"]
    entry = ShardEntry(
        file=shard.file,
        split=shard.split,
        scenes=tuple(record.key for record in records),
        views=sum(record.views for record in records),
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
        contents=shard.contents,
        scene_views=tuple(record.views for record in records),
        scene_inputs=tuple(input_mark(scene.digest) for scene in shard.scenes),
        image_sizes=(min(sizes), max(sizes)),
    )
    ambiguous = {key: round(float(share), 4) for key, share in zip(entry.scenes, shares, strict=True) if share}
    return entry, ambiguous
