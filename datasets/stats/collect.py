"""`mpc stats`: what a folder of shards holds, added up over its shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32
from ...core.files import write_json
from ...core.progress import NoProgress, Progress
from ...core.units import run_units
from ...sampling.occupancy import set_name
from ..shards.groups import group_by_name
from ..shards.index import ShardIndex, read_index
from ..shards.split import SPLITS
from .measure import LIGHT_MOST, LIGHT_STEPS, SECTORS, ShardMeasure, ShardUnit, light_family, measure_shard

DISTANCE_SCENES = 24  # of the folder, spread over its shards
DISTANCE_STEPS = 40
UNKNOWN = "nothing is known"


@dataclass(frozen=True)
class SplitCounts:
    """How much a split holds.

    Attributes:
        subjects: number of subjects.
        scenes: number of scenes.
        views: number of views.
        points: number of labelled points.
        shards: number of files.
        bytes: their size.
    """

    subjects: int
    scenes: int
    views: int
    points: int
    shards: int
    bytes: int


@dataclass(frozen=True)
class PointStats:
    """One kind of points.

    Attributes:
        sigma_m: standard deviation of the distance that they were drawn with, metres; 0 for uniform points.
        points: number of points.
        inside: share of the points that are inside.
        least: the least such share of a scene.
        most: the greatest such share of a scene.
        distance_m: quantiles of the distance to the surface, metres, by percent; empty where no surface is held.
        distance_edges_m: (DISTANCE_STEPS + 1) edges of the histogram below, metres, negative inside.
        distance_counts: (DISTANCE_STEPS) points by distance, of those that were measured.
    """

    sigma_m: float
    points: int
    inside: float
    least: float
    most: float
    distance_m: dict[str, float] = field(default_factory=dict)
    distance_edges_m: list[float] = field(default_factory=list)
    distance_counts: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ShardStats:
    """What a folder of shards holds.

    Attributes:
        folder: the folder's name.
        format_version: of the folder.
        mpc_versions: of mpc that wrote its shards.
        settings: of `mpc sample`.
        splits: counts by split.
        people: number of persons, where several subjects are one by their names.
        kinds: scenes by kind.
        animations: scenes by animation, the most frequent first.
        points: statistics by kind of points.
        measured_scenes: scenes whose distances were measured.
        yaws: views in SECTORS sectors of the camera's yaw, the first one around 0 degrees.
        turns: the same from where the person faces; it counts people whose facing is known.
        pitches: views by elevation, degrees.
        lights: views by kind of light, the most frequent first.
        light_names: number of different environments.
        brightness: views by mean light, LIGHT_STEPS equal steps from 0 to LIGHT_MOST in display values.
        sizes: scenes by edge of the pictures, pixels.
        extents: scenes by edge of the view cube, metres.
        area: mean share of a picture that the box around the person takes.
        bytes: size by part.
        layers: names of the views' layers.
        ambiguous: scenes of whose volume some is ambiguous.
        failures: reasons by scene that could not be sampled.
        licences: subjects by what is known of their licence.
    """

    folder: str
    format_version: int
    mpc_versions: list[str]
    settings: dict[str, Any]
    splits: dict[str, SplitCounts]
    people: int
    kinds: dict[str, int]
    animations: dict[str, int]
    points: dict[str, PointStats]
    measured_scenes: int
    yaws: list[int]
    turns: list[int]
    pitches: dict[int, int]
    lights: dict[str, int]
    light_names: int
    brightness: list[int]
    sizes: dict[int, int]
    extents: dict[float, int]
    area: float
    bytes: dict[str, int]
    layers: list[str]
    ambiguous: int
    failures: dict[str, str]
    licences: dict[str, list[str]]

    def total(self, what: str) -> int:
        """The sum of a count over all splits, such as "scenes"."""
        return sum(getattr(counts, what) for counts in self.splits.values())


def collect_stats(
    folder: Path, *, jobs: int = 0, backend: str = "loky", progress: Progress | None = None
) -> ShardStats:
    """Read a folder of shards and add up what it holds; no picture is opened.

    Args:
        folder: what `mpc sample` wrote.
        jobs: worker processes, see core/units.py.
        backend: joblib backend, see core/units.py.
        progress: receives each shard.

    Raises:
        InputError: not a finished folder of shards, or a shard is damaged.
    """
    progress = progress or NoProgress()
    index = read_index(folder)
    each = -(-DISTANCE_SCENES // max(1, len(index.shards)))
    units = [ShardUnit(folder / entry.file, each) for entry in index.shards]
    measures = []
    progress.start("read shards", len(units))
    for measure in run_units(measure_shard, units, jobs=jobs, backend=backend):
        measures.append(measure)
        progress.advance(1)
    progress.finish()
    return _add_up(folder, index, measures)


def _add_up(folder: Path, index: ShardIndex, measures: Sequence[ShardMeasure]) -> ShardStats:
    subjects = set().union(*(measure.scenes for measure in measures))
    pattern = index.settings.get("group_by")
    named = group_by_name(subjects, pattern) if subjects else {}
    families: Counter[str] = Counter()
    names = _sum(measure.lights for measure in measures)
    for name, count in names.items():
        families[light_family(name)] += count
    views = sum(measure.views for measure in measures)
    licences: dict[str, list[str]] = {}
    for subject in sorted(subjects):
        licences.setdefault(index.licences.get(subject, UNKNOWN), []).append(subject)
    return ShardStats(
        folder=folder.resolve().name,
        format_version=index.version,
        mpc_versions=sorted({measure.version for measure in measures}),
        settings=index.settings,
        splits={split: _count_split(split, measures) for split in SPLITS},
        people=len({named.get(subject, subject) for subject in subjects}),
        kinds=dict(_sum(measure.kinds for measure in measures).most_common()),
        animations=dict(_sum(measure.animations for measure in measures).most_common()),
        points=_points(measures, index),
        measured_scenes=sum(measure.measured for measure in measures),
        yaws=_add([measure.yaws for measure in measures], SECTORS),
        turns=_add([measure.turns for measure in measures], SECTORS),
        pitches=dict(sorted(_sum(measure.pitches for measure in measures).items())),
        lights=dict(families.most_common()),
        light_names=len(names),
        brightness=_add([measure.brightness for measure in measures], LIGHT_STEPS),
        sizes=dict(sorted(_sum(measure.sizes for measure in measures).items())),
        extents=dict(sorted(_sum(measure.extents for measure in measures).items())),
        area=sum(measure.area for measure in measures) / max(views, 1),
        bytes=dict(_sum(Counter(measure.bytes) for measure in measures).most_common()),
        layers=list(index.settings.get("layers", [])),
        ambiguous=len(index.ambiguous),
        failures={key: failure.reason for key, failure in sorted(index.failures.items())},
        licences=licences,
    )


def _count_split(split: str, measures: Sequence[ShardMeasure]) -> SplitCounts:
    own = [measure for measure in measures if measure.split == split]
    return SplitCounts(
        subjects=len(set().union(*(measure.scenes for measure in own))),
        scenes=sum(measure.scenes.total() for measure in own),
        views=sum(measure.views for measure in own),
        points=sum(count for measure in own for count, *_ in measure.inside.values()),
        shards=len(own),
        bytes=sum(sum(measure.bytes.values()) for measure in own),
    )


def _points(measures: Sequence[ShardMeasure], index: ShardIndex) -> dict[str, PointStats]:
    names = dict.fromkeys(name for measure in measures for name in measure.inside)
    sigmas = {set_name(sigma): sigma for sigma in index.settings.get("sigmas_m", [])}
    found = {}
    for name in names:
        rows = [measure.inside[name] for measure in measures if name in measure.inside]
        total, inside = sum(row[0] for row in rows), sum(row[1] for row in rows)
        distances = [measure.distances[name] for measure in measures if name in measure.distances]
        found[name] = PointStats(
            sigmas.get(name, 0.0),
            total,
            inside / max(total, 1),
            min(row[2] for row in rows),
            max(row[3] for row in rows),
            *(_spread(np.concatenate(distances)) if distances else ()),
        )
    return found


def _spread(distances: F32) -> tuple[dict[str, float], list[float], list[int]]:
    """Quantiles of the distance, and the histogram of the signed distance over the middle 99 % of it."""
    size = np.abs(distances)
    quantiles = {str(percent): round(float(np.percentile(size, percent)), 5) for percent in (5, 25, 50, 75, 95)}
    low, high = np.percentile(distances, (0.5, 99.5))
    counts, edges = np.histogram(distances, DISTANCE_STEPS, (float(low), float(max(high, low + 1e-6))))
    return quantiles, [round(float(edge), 5) for edge in edges], counts.tolist()


def _sum(counters: Any) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _add(rows: Sequence[Any], size: int) -> list[int]:
    total: list[int] = np.sum([np.zeros(size, np.int64), *rows], axis=0).tolist()
    return total


def write_stats_json(path: Path, stats: ShardStats) -> None:
    """Write the statistics as JSON, for other programs; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**asdict(stats), "sector_deg": 360 // SECTORS, "brightness_most": LIGHT_MOST}
    write_json(path, content, sort_keys=False)
