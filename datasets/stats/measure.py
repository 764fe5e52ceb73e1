"""One unit of work of `mpc stats`: what one shard holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from ...core.arrays import F32, F64, Array
from ...core.errors import InputError
from ...core.randomness import derive_rng
from ...geometry.closest import ClosestSurface
from ...render.light.lights import LUMINANCE
from ..shards.reader import ShardReader

SECTORS = 12  # of 30 degrees each; the first one is centred on 0
LIGHT_STEPS, LIGHT_MOST = 20, 1.25  # bins of mean light, in display values
DISTANCE_POINTS = 2000  # of each kind, in a scene whose distances are measured
PARTS = {"views": "pictures", "layers": "layers", "points": "points", "colours": "coloured points", "meshes": "meshes"}


@dataclass(frozen=True)
class ShardUnit:
    """A shard to measure.

    Attributes:
        path: the shard.
        distance_scenes: of so many of its scenes that hold their surface the points' distances are measured.
    """

    path: Path
    distance_scenes: int


@dataclass(frozen=True, kw_only=True)
class ShardMeasure:
    """What one shard holds.

    Attributes:
        split: "train", "val" or "test".
        version: of mpc that wrote it.
        bytes: size by part: pictures, layers, points, coloured points, meshes, tables.
        scenes: number of scenes by subject.
        kinds: number of scenes by kind: scan, rigged, scans.
        animations: number of scenes by animation; of scans and rest poses under "scan" and "rest".
        views: number of views.
        yaws: (SECTORS,) views by the camera's yaw.
        turns: (SECTORS,) views by the camera's yaw from where the person faces, of people whose facing is known.
        pitches: number of views by elevation, whole degrees.
        lights: number of views by the environment's name.
        brightness: (LIGHT_STEPS,) views by the mean light on a white sphere, display values from 0 to LIGHT_MOST.
        sizes: number of scenes by edge of the pictures, pixels.
        extents: number of scenes by edge of the view cube, metres to three decimals.
        area: sum over views of the share of the picture that the person's box takes.
        inside: for each kind of points (points, those inside, least and greatest share of a scene).
        distances: for each kind of points the distances to the surface, metres, negative inside.
        measured: number of scenes whose distances were measured.
    """

    split: str
    version: str
    bytes: dict[str, int]
    scenes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    animations: Counter[str] = field(default_factory=Counter)
    views: int
    yaws: Array
    turns: Array
    pitches: Counter[int]
    lights: Counter[str]
    brightness: Array
    sizes: Counter[int]
    extents: Counter[float]
    area: float
    inside: dict[str, tuple[int, int, float, float]]
    distances: dict[str, F32]
    measured: int


def measure_shard(unit: ShardUnit) -> ShardMeasure:
    """Read a shard's tables and labels, and measure distances in some of its scenes.

    Raises:
        InputError: the shard is damaged.
    """
    reader = ShardReader(unit.path)
    tables = reader.tables
    counts = np.diff(tables["offsets/view"])
    facing = np.repeat(tables["scenes/facing_world"].astype(np.float64), counts, axis=0)
    known = np.abs(facing).sum(axis=1) > 0
    yaw = reader.column("views/yaw_deg")
    turn = yaw[known] - np.degrees(np.arctan2(facing[known, 0], facing[known, 2]))
    with h5py.File(unit.path, "r", locking=False) as file:
        version = str(file.attrs.get("mpc_version", ""))
        sizes = _sizes(file, unit.path)
    box = reader.column("views/box").astype(np.float64)
    edge = np.repeat(tables["scenes/image_size"].astype(np.float64), counts)
    scenes = [reader.text("scenes/subject", scene) for scene in range(reader.scenes)]
    with_mesh = [scene for scene in range(reader.scenes) if _has_mesh(reader, scene)]
    chosen = with_mesh[:: max(1, len(with_mesh) // max(1, unit.distance_scenes))][: unit.distance_scenes]
    distances: dict[str, list[F32]] = {}
    for scene in chosen:
        for name, values in _distances(reader, scene):
            distances.setdefault(name, []).append(values)
    return ShardMeasure(
        split=reader.header.split,
        version=version,
        bytes=sizes,
        scenes=Counter(scenes),
        kinds=Counter(reader.text("scenes/kind", scene) for scene in range(reader.scenes)),
        animations=Counter(reader.text("scenes/animation", scene) for scene in range(reader.scenes)),
        views=len(yaw),
        yaws=_sectors(yaw),
        turns=_sectors(turn),
        pitches=Counter(np.rint(reader.column("views/pitch_deg")).astype(int).tolist()),
        lights=Counter(bytes(name).decode() for name in reader.column("views/light_name")),
        brightness=_brightness(reader.column("views/light")),
        sizes=Counter(tables["scenes/image_size"].tolist()),
        extents=Counter(np.round(tables["scenes/extent_m"], 3).tolist()),
        area=float((box[:, 2] * box[:, 3] / edge**2).sum()),
        inside=_labels(reader),
        distances={name: np.concatenate(values) for name, values in distances.items()},
        measured=len(chosen),
    )


def light_family(name: str) -> str:
    """The kind of an environment: the first word of a built-in one's name, the folder of a panorama."""
    head, slash, _ = name.rpartition("/")
    return head if slash else re.split(r"[_\d]", name)[0] or name


def _sectors(yaw_deg: F64) -> Array:
    width = 360.0 / SECTORS
    sector = np.floor((yaw_deg + width / 2) / width).astype(np.int64) % SECTORS
    return np.bincount(sector, minlength=SECTORS)


def _brightness(light: Array) -> Array:
    """Views by the display value of the mean of radiance, which is what a white sphere shows in the mean."""
    # The first harmonic is 1 / (2 sqrt(pi)); the others have the mean 0.
    mean = np.maximum(light[:, 0].astype(np.float64) @ LUMINANCE, 0.0) / (2.0 * np.sqrt(np.pi))
    display = np.clip(mean ** (1 / 2.2), 0.0, LIGHT_MOST - 1e-9)
    return np.histogram(display, LIGHT_STEPS, (0.0, LIGHT_MOST))[0]


def _sizes(file: h5py.File, path: Path) -> dict[str, int]:
    """Bytes of the file by part."""
    found: Counter[str] = Counter()

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            part = PARTS.get(name.partition("/")[0])
            if part is not None and (part != "pictures" or name == "views/png"):
                found[part] += item.id.get_storage_size()

    file.visititems(visit)
    found["tables"] = path.stat().st_size - sum(found.values())
    return dict(found)


def _labels(reader: ShardReader) -> dict[str, tuple[int, int, float, float]]:
    """Counts of the labels of each kind of points."""
    sets = reader.header.sets
    found = np.zeros((reader.scenes, len(sets)), np.int64)
    for scene in range(reader.scenes):
        rows = reader.rows(scene, "octet")
        octets = reader.read("points/inside", rows.start, rows.stop - rows.start)
        start = 0
        for column, kind in enumerate(sets):
            end = start + kind.count // 8
            found[scene, column] = np.unpackbits(octets[start:end]).sum()
            start = end
        if start != len(octets):
            raise InputError(reader.path, f"scene {scene}: {8 * len(octets)} labels, expected {8 * start}")
    return {
        kind.name: (
            kind.count * reader.scenes,
            int(found[:, column].sum()),
            float(found[:, column].min(initial=kind.count) / kind.count),
            float(found[:, column].max(initial=0) / kind.count),
        )
        for column, kind in enumerate(sets)
    }


def _has_mesh(reader: ShardReader, scene: int) -> bool:
    rows = reader.rows(scene, "face")
    return bool(rows.stop > rows.start)


def _distances(reader: ShardReader, scene: int) -> Iterator[tuple[str, F32]]:
    """Distances of some points of each kind to the scene's surface, metres, negative inside."""
    place = {level: reader.rows(scene, level) for level in ("vertex", "face", "point", "octet")}
    data = {
        name: reader.read(name, place[level].start, place[level].stop - place[level].start)
        for name, level in (
            ("meshes/vertices", "vertex"),
            ("meshes/faces", "face"),
            ("points/q", "point"),
            ("points/inside", "octet"),
        )
    }
    surface = ClosestSurface(data["meshes/vertices"].astype(np.float64), data["meshes/faces"], device="cpu")
    origin, step = reader.tables["scenes/origin_world"][scene], reader.tables["scenes/step_m"][scene]
    inside = np.unpackbits(data["points/inside"]).astype(bool)
    rng = derive_rng(0, reader.text("scenes/key", scene), "stats")
    start = 0
    for kind in reader.header.sets:
        count = min(DISTANCE_POINTS, kind.count)
        rows = start + np.sort(rng.choice(kind.count, count, replace=False))
        start += kind.count
        found = surface.query(data["points/q"][rows] * step + origin).distances
        yield kind.name, np.where(inside[rows], -found, found).astype(np.float32)
