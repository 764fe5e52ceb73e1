"""Plan a run of `mpc sample`: which scene goes into which shard, which shards are kept, which scenes are sampled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ..renders.format import MESH
from ..renders.listing import PICTURES, ListedScene
from .index import SceneFailure, ShardEntry, ShardIndex
from .place import Placed, place_scenes
from .reader import ShardReader
from .settings import SampleSettings
from .split import SPLITS
from .verify import check_shard


@dataclass(frozen=True, eq=False)
class PlannedScene:
    """A scene to sample.

    Attributes:
        record: the rendered scene.
        digest: SHA-256 of its input.
        keep_mesh: whether its true surface goes into the shard.
        part: the file that holds the sampled scene until its shard is written; its name depends on all that decides
            its content, so that a part left by a killed run can be used.
    """

    record: ListedScene
    digest: str
    keep_mesh: bool
    part: Path

    @property
    def key(self) -> str:
        """The scene's key."""
        return self.record.key


@dataclass(frozen=True, eq=False)
class ShardPlan:
    """A shard to be written or kept.

    Attributes:
        file: its name in the folder.
        split: "train", "val" or "test".
        settings: what decides the points.
        scenes: its scenes in order; empty where all of them failed.
        contents: digest of settings and inputs, see ShardHeader.contents.
        bytes: estimated size of the file.
    """

    file: str
    split: str
    settings: SampleSettings
    scenes: tuple[PlannedScene, ...]
    contents: str
    bytes: int

    def without(self, failed: Collection[str]) -> ShardPlan:
        """The shard less the scenes whose keys are in `failed`."""
        scenes = tuple(scene for scene in self.scenes if scene.key not in failed)
        if len(scenes) == len(self.scenes):
            return self
        return replace(self, scenes=scenes, contents=_contents_digest(self.split, self.settings, scenes))


@dataclass(frozen=True, eq=False, kw_only=True)
class SamplePlan:
    """A run of `mpc sample`.

    Attributes:
        out: the shards folder.
        settings: what decides the points.
        split: subject id to split.
        shards: all shards in order, without the scenes that failed before.
        kept: files that are there already; by name, with the old index's entry (None where no index vouches for it).
        failures: scenes that failed before and have not changed since, by key: they would fail again.
        notices: remarks of earlier runs on scenes in kept shards.
        ambiguous: ambiguous share of the volume of scenes in kept shards, by key, where that is not 0.
    """

    out: Path
    settings: SampleSettings
    split: dict[str, str]
    shards: tuple[ShardPlan, ...]
    kept: dict[str, ShardEntry | None]
    failures: dict[str, SceneFailure]
    notices: frozenset[str]
    ambiguous: dict[str, float]

    @property
    def waiting(self) -> list[ShardPlan]:
        """The shards that are to be written."""
        return [shard for shard in self.shards if shard.scenes and shard.file not in self.kept]

    def changes(self, before: ShardIndex | None) -> bool:
        """Whether the run writes or removes a shard."""
        wanted = {shard.file for shard in self.shards if shard.scenes}
        there = set() if before is None else {entry.file for entry in before.shards}
        return not wanted == set(self.kept) == there


def plan_sampling(
    planned: Sequence[ShardPlan],
    out: Path,
    settings: SampleSettings,
    split: dict[str, str],
    before: ShardIndex | None,
    failures: dict[str, SceneFailure],
) -> SamplePlan:
    """Plan a run, or one part of it; nothing is written.

    Args:
        planned: all shards, or those of one part, with all of their scenes.
        out: the shards folder.
        settings: what decides the points.
        split: subject id to split; scenes of other subjects are left out.
        before: the index of an earlier run in `out`; None where there is none.
        failures: scenes that are not sampled, since they would fail again, by key.
    """
    shards = [shard.without(failures) for shard in planned]
    entries = {} if before is None else {entry.file: entry for entry in before.shards}
    kept = {shard.file: entries.get(shard.file) for shard in shards if _is_there(out, shard, entries.get(shard.file))}
    still = {scene.key for shard in shards if shard.file in kept for scene in shard.scenes}
    notices = () if before is None else before.notices
    return SamplePlan(
        out=out,
        settings=settings,
        split=split,
        shards=tuple(shards),
        kept=kept,
        failures=failures,
        notices=frozenset(notice for notice in notices if notice.split(": ", 1)[0] in still),
        ambiguous={} if before is None else {key: share for key, share in before.ambiguous.items() if key in still},
    )


def plan_shards(
    scenes: Sequence[ListedScene],
    split: dict[str, str],
    settings: SampleSettings,
    parts: Path,
) -> list[ShardPlan]:
    """Distribute scenes over shards, each shard of one split and at most `shard_bytes` large (shards/place.py).

    Sizes are estimated from the inputs alone, so that the distribution does not depend on what was sampled.

    Args:
        scenes: of subjects that are in the split.
        split: subject id to split.
        settings: what decides the points.
        parts: folder of the sampled scenes that wait for their shard.
    """
    shards: list[ShardPlan] = []
    for name in SPLITS:
        planned = {
            scene.key: plan_scene(scene, settings, name, parts) for scene in scenes if split[scene.subject] == name
        }
        sizes = {key: _estimate_bytes(scene, settings) for key, scene in planned.items()}
        placed = (Placed(key, scene.record.subject, sizes[key]) for key, scene in planned.items())
        for place, keys in place_scenes(placed, settings.shard_bytes).items():
            group = tuple(planned[key] for key in keys)
            contents, size = _contents_digest(name, settings, group), sum(sizes[key] for key in keys)
            shards.append(ShardPlan(f"{name}-{place}.h5", name, settings, group, contents, size))
    return shards


def plan_scene(record: ListedScene, settings: SampleSettings, split: str, parts: Path) -> PlannedScene:
    """Plan a scene; arguments as for `plan_shards`."""
    keep_mesh = settings.keeps_meshes(split)
    # scene.json holds the SHA-256 of every file beside it, so its own stands for the whole folder.
    name = _json_digest([settings.as_json(), keep_mesh, record.key, record.sha256])[:32]
    return PlannedScene(record, record.sha256, keep_mesh, parts / f"{name}.npz")


def _estimate_bytes(scene: PlannedScene, settings: SampleSettings) -> int:
    sizes = scene.record.sizes
    pictures = sum(sizes.get(name, 0) for name in (PICTURES, *settings.layers))
    points = (settings.near_points + settings.uniform_points) * 6 + settings.colour_points * 36
    return pictures + points + (sizes[MESH] // 2 if scene.keep_mesh else 0)


def _contents_digest(split: str, settings: SampleSettings, scenes: Sequence[PlannedScene]) -> str:
    own = {
        name: value for name, value in settings.as_json().items() if name not in ("ratios", "split_file", "group_by")
    }
    return _json_digest([split, own, [[scene.key, scene.digest] for scene in scenes]])


def _json_digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_there(out: Path, shard: ShardPlan, entry: ShardEntry | None) -> bool:
    """Whether the folder holds the shard; one that no index vouches for yet is checked to the last bit."""
    path = out / shard.file
    if not shard.scenes or not path.is_file():
        return False
    if entry is not None and entry.contents == shard.contents:
        return True
    try:
        return ShardReader(path).header.contents == shard.contents and not check_shard(path)
    except InputError:
        return False
