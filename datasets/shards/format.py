"""The shard format: HDF5, flat arrays with offsets, many scenes a file (docs/shard-format.md)."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ... import __version__
from ...core.arrays import Array
from ...core.errors import InputError
from ...core.files import release, replacing, reserve, sync

FORMAT = "mpc-shard"
VERSION = 1

Part = dict[str, Array]

COMPRESSED_CHUNK_ROWS = 16384
# At most so many bytes of a file are HDF5's own: headers, attributes, indices of chunks.
OVERHEAD_BYTES = 1 << 20


@dataclass(frozen=True)
class Column:
    """One dataset of a shard: rows of one level, all scenes one after the other.

    Attributes:
        level: what a row is; rows of a scene are found by the level's offsets.
        dtype: NumPy type; "S" is fixed-length UTF-8, as long as the longest entry.
        tail: shape of a row.
        compressed: whether it is chunked and gzip-compressed; all others lie in one piece, to be read by offset.
        optional: whether shards of older versions lack it; then it reads as zeros, or as no rows.
    """

    level: str
    dtype: str
    tail: tuple[int, ...] = ()
    compressed: bool = False
    optional: bool = False


# The order is the order in the file: small tables first.
LAYOUT: dict[str, Column] = {
    "scenes/key": Column("scene", "S"),
    "scenes/subject": Column("scene", "S"),
    "scenes/animation": Column("scene", "S"),
    "scenes/frame": Column("scene", "<i4"),
    "scenes/kind": Column("scene", "S"),
    "scenes/centre_world": Column("scene", "<f8", (3,)),
    "scenes/extent_m": Column("scene", "<f8"),
    "scenes/image_size": Column("scene", "<i4"),
    "scenes/origin_world": Column("scene", "<f8", (3,)),
    "scenes/step_m": Column("scene", "<f8"),
    "scenes/label_method": Column("scene", "S"),
    "scenes/ambiguous_share": Column("scene", "<f4", optional=True),
    "scenes/facing_world": Column("scene", "<f4", (3,), optional=True),
    "views/name": Column("view", "S"),
    "views/yaw_deg": Column("view", "<f8"),
    "views/pitch_deg": Column("view", "<f8"),
    "views/calibration": Column("view", "<f8", (4, 4)),
    "views/light": Column("view", "<f4", (9, 3)),
    "views/light_name": Column("view", "S"),
    "views/box": Column("view", "<i4", (4,)),
    "views/png_size": Column("view", "<i8"),
    "views/png": Column("byte", "|u1"),
    "points/q": Column("point", "<i2", (3,)),
    "points/inside": Column("octet", "|u1"),
    "points/confidence": Column("doubt", "|u1", optional=True),
    "colours/q": Column("colour", "<i2", (3,)),
    "colours/normal": Column("colour", "<i2", (3,)),
    "colours/albedo": Column("colour", "<u2", (3,)),
    "colours/transfer": Column("colour", "<f2", (9,)),
    "meshes/vertices": Column("vertex", "<f4", (3,), compressed=True),
    "meshes/faces": Column("face", "<i4", (3,), compressed=True),
}
LEVELS = ("scene", "view", "byte", "point", "octet", "doubt", "colour", "vertex", "face")
NORMAL_SCALE = 32767.0
ALBEDO_SCALE = 65535.0
CONFIDENCE_SCALE = 255.0

# Arrays of a part that are no dataset of a shard: rows of each level, and the notices.
_COUNTS, _NOTICES = "rows", "notices"


@dataclass(frozen=True)
class PointSetInfo:
    """One kind of points; every scene of a shard has the same kinds in the same order.

    Attributes:
        name: "near_50mm", "uniform", ...
        sigma_m: standard deviation of the distance from the surface, metres; 0 for uniform points.
        count: number of points of a scene, a multiple of 8.
    """

    name: str
    sigma_m: float
    count: int


@dataclass(frozen=True)
class ShardHeader:
    """The root attributes of a shard.

    Attributes:
        split: "train", "val" or "test".
        settings: the settings of `mpc sample`, as JSON.
        sets: kinds of points, in the order they have within a scene's rows of "points/".
        contents: digest of settings and inputs; equal contents, equal shard.
    """

    split: str
    settings: dict[str, Any]
    sets: tuple[PointSetInfo, ...]
    contents: str


@dataclass(frozen=True, eq=False)
class SampledScene:
    """A scene that waits for its shard.

    Attributes:
        rows: its rows of every dataset in `LAYOUT`.
        notices: remarks for the user.
    """

    rows: Part
    notices: tuple[str, ...] = ()


def level_rows(part: Part) -> dict[str, int]:
    """Count the rows that a scene has at each level."""
    return {level: len(part[next(n for n, c in LAYOUT.items() if c.level == level)]) for level in LEVELS}


def check_part(key: str, part: Part) -> None:
    """Check that a scene's arrays fit the layout and are finite.

    Raises:
        InputError: one does not or is not; names the scene and the dataset.
    """
    for name, column in LAYOUT.items():
        array = part.get(name)
        if array is None or array.shape[1:] != column.tail:
            shape = None if array is None else array.shape
            raise InputError(key, f"{name} has shape {shape}, expected (rows, {column.tail})")
        fits = array.dtype.kind == "S" if column.dtype == "S" else array.dtype == np.dtype(column.dtype)
        if not fits:
            raise InputError(key, f"{name} is {array.dtype}, expected {column.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(key, f"{name} holds NaN or infinite values")
    rows = level_rows(part)
    for name, column in LAYOUT.items():
        if len(part[name]) != rows[column.level]:
            raise InputError(key, f"{name} has {len(part[name])} rows, expected {rows[column.level]}")


def write_shard(path: Path, header: ShardHeader, parts: list[Path]) -> None:
    """Write one shard from scenes that `save_part` kept, under a temporary name until it is whole.

    Rows are streamed scene by scene, so memory does not grow with the shard.

    Args:
        path: final name.
        header: the root attributes.
        parts: one file for each scene, in the order that the scenes are to have.
    """
    size = sum(part.stat().st_size for part in parts) + OVERHEAD_BYTES
    with replacing(path, shared=True) as temporary:
        temporary.touch()
        reserve(temporary, size)  # before HDF5 opens the file, which releases the space and takes it again
        with h5py.File(temporary, "w", libver=("v110", "v110")) as file:
            reserve(temporary, size)
            _write(file, header, parts)
        release(temporary)
    sync(path.parent)


def save_part(path: Path, scene: SampledScene) -> None:
    """Keep one sampled scene in a file of its own until its shard is written; the file is whole or absent."""
    counts = level_rows(scene.rows)
    extra = {_COUNTS: np.array([counts[level] for level in LEVELS]), _NOTICES: np.array(scene.notices, "U")}
    # Damage by a power cut is found when the file is read: no need to wait for the disk.
    with replacing(path, shared=True, flush=False) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **scene.rows, **extra)


def load_part(path: Path) -> SampledScene:
    """Read what `save_part` wrote; a damaged file raises what NumPy and zipfile raise."""
    with np.load(path, allow_pickle=False) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    content.pop(_COUNTS)
    notices = tuple(content.pop(_NOTICES).tolist())
    return SampledScene(content, notices)


def _write(file: h5py.File, header: ShardHeader, parts: list[Path]) -> None:
    small: dict[str, list[Array]] = {}
    total = dict.fromkeys(LEVELS, 0)
    rows: list[dict[str, int]] = []
    for path in parts:
        with np.load(path, allow_pickle=False) as arrays:
            counts = dict(zip(LEVELS, (int(n) for n in arrays[_COUNTS]), strict=True))
            rows.append(counts)
            for name, column in LAYOUT.items():
                if column.level in ("scene", "view"):
                    small.setdefault(name, []).append(arrays[name])
        for level in LEVELS:
            total[level] += counts[level]
    file.attrs.update(
        {
            "format": FORMAT,
            "version": VERSION,
            "mpc_version": __version__,
            "split": header.split,
            "settings": json.dumps(header.settings, sort_keys=True),
            "contents": header.contents,
            "point_sets": json.dumps([[s.name, s.sigma_m, s.count] for s in header.sets]),
        }
    )
    for name, blocks in small.items():
        _write_small(file, name, np.concatenate(blocks))
    for level in LEVELS[1:]:
        _write_small(file, f"offsets/{level}", np.cumsum([0, *(counts[level] for counts in rows)], dtype="<i8"))
    sizes = np.concatenate(small["views/png_size"])
    _write_small(file, "offsets/png", np.cumsum([0, *sizes], dtype="<i8"))
    big = {n: _Appender(file, n, c, total[c.level]) for n, c in LAYOUT.items() if c.level not in ("scene", "view")}
    for path in parts:
        part = load_part(path).rows
        for name, appender in big.items():
            appender.append(part[name])
    for name, appender in big.items():
        appender.finish()
        _write_small(file, f"checksums/{name}", np.array(appender.crc, "<u4"))


def _write_small(file: h5py.File, name: str, array: Array) -> None:
    dataset = file.create_dataset(name, data=array)
    dataset.attrs["sha256"] = digest(array)


def digest(array: Array) -> str:
    """SHA-256 of an array's bytes in C order, little-endian."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


class _Appender:
    """Fills one large dataset scene by scene; computes its SHA-256 and a CRC-32 of each scene."""

    def __init__(self, file: h5py.File, name: str, column: Column, total: int) -> None:
        options: dict[str, Any] = {}
        if column.compressed and total:
            options = {"chunks": (min(COMPRESSED_CHUNK_ROWS, total), *column.tail), "compression": "gzip",
                       "compression_opts": 4, "shuffle": True}  # fmt: skip
        self._dataset = file.create_dataset(name, shape=(total, *column.tail), dtype=column.dtype, **options)
        self._chunk = options["chunks"][0] if options else 1
        self._waiting: list[Array] = []
        self._written = 0
        self._sha = hashlib.sha256()
        self.crc: list[int] = []

    def append(self, array: Array) -> None:
        data = np.ascontiguousarray(array)
        self._sha.update(data.tobytes())
        self.crc.append(zlib.crc32(data.tobytes()))
        self._waiting.append(data)
        # Whole chunks only: a compressed chunk written twice would leave a hole in the file.
        ready = sum(len(block) for block in self._waiting) // self._chunk * self._chunk
        self._flush(ready)

    def _flush(self, count: int) -> None:
        if not count:
            return
        block = np.concatenate(self._waiting)
        self._dataset[self._written : self._written + count] = block[:count]
        self._written += count
        self._waiting = [block[count:]] if len(block) > count else []

    def finish(self) -> None:
        self._flush(sum(len(block) for block in self._waiting))
        self._dataset.attrs["sha256"] = self._sha.hexdigest()
