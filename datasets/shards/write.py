"""Write shards: scenes wait in files of their own, then their rows are streamed into one HDF5 file."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ... import __version__
from ...core.arrays import Array
from ...core.files import release, replacing, reserve, sync
from .format import FORMAT, VERSION, Column, Part, SampledScene, ShardHeader, layer_level, level_rows, levels

COMPRESSED_CHUNK_ROWS = 16384
# At most so many bytes of a file are HDF5's own: headers, attributes, indices of chunks.
OVERHEAD_BYTES = 1 << 20
# Arrays of a part that are no dataset of a shard: rows of each level, names of the layers, and the notices.
_COUNTS, _LAYERS, _NOTICES = "rows", "layers", "notices"


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
        with h5py.File(temporary, "w", libver=("v110", "v110"), locking=False) as file:
            reserve(temporary, size)
            _write(file, header, parts)
        release(temporary)
    sync(path.parent)


def save_part(path: Path, scene: SampledScene) -> None:
    """Keep one sampled scene in a file of its own until its shard is written; the file is whole or absent."""
    extra = {
        _COUNTS: np.array(list(level_rows(scene.rows, scene.layers).values())),
        _LAYERS: np.array(scene.layers, "U"),
        _NOTICES: np.array(scene.notices, "U"),
    }
    # Damage by a power cut is found when the file is read: no need to wait for the disk.
    with replacing(path, shared=True, flush=False) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **scene.rows, **extra)


def load_part(path: Path) -> SampledScene:
    """Read what `save_part` wrote; a damaged file raises what NumPy and zipfile raise."""
    with np.load(path, allow_pickle=False) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    content.pop(_COUNTS)
    layers, notices = (tuple(content.pop(name).tolist()) for name in (_LAYERS, _NOTICES))
    return SampledScene(content, layers, notices)


def _write(file: h5py.File, header: ShardHeader, parts: list[Path]) -> None:
    columns, all_levels = header.columns, levels(header.layers)
    small: dict[str, list[Array]] = {name: [] for name, column in columns.items() if column.level in ("scene", "view")}
    counts: list[Array] = []
    for path in parts:
        with np.load(path, allow_pickle=False) as arrays:
            counts.append(arrays[_COUNTS])
            for name, blocks in small.items():
                blocks.append(arrays[name])
    offsets = dict(zip(all_levels, np.cumsum([np.zeros_like(counts[0]), *counts], axis=0, dtype="<i8").T, strict=True))
    file.attrs.update(
        {
            "format": FORMAT,
            "version": VERSION,
            "mpc_version": __version__,
            "split": header.split,
            "settings": json.dumps(header.settings, sort_keys=True),
            "contents": header.contents,
            "point_sets": json.dumps([[s.name, s.sigma_m, s.count] for s in header.sets]),
            "layers": json.dumps(header.layers),
            **({"joints": json.dumps(header.joints)} if header.joints else {}),
        }
    )
    tables = {name: np.concatenate(blocks) for name, blocks in small.items()}
    for name, table in tables.items():
        _write_small(file, name, table)
    for level in all_levels[1:]:
        if level not in map(layer_level, header.layers):
            _write_small(file, f"offsets/{level}", np.ascontiguousarray(offsets[level]))
    _write_small(file, "offsets/png", np.cumsum([0, *tables["views/png_size"]], dtype="<i8"))
    for group in map(layer_level, header.layers):
        _write_small(file, f"offsets/{group}", np.cumsum([0, *tables[f"{group}/png_size"]], dtype="<i8"))
    big = {
        name: _Appender(file, name, column, int(offsets[column.level][-1]))
        for name, column in columns.items()
        if name not in small
    }
    for path in parts:
        _append(big, load_part(path).rows)
    for name, appender in big.items():
        appender.finish()
        _write_small(file, f"checksums/{name}", np.array(appender.crc, "<u4"))


def _append(big: dict[str, _Appender], part: Part) -> None:
    for name, appender in big.items():
        appender.append(part[name])


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
