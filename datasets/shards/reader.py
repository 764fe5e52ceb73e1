"""Read shards: the small tables of scenes once, and of everything else only the rows that are wanted."""

from __future__ import annotations

import json
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ...core.arrays import Array
from ...core.errors import InputError
from ...formats.png import decode_png_exact
from ...formats.png_box import Box, paste_box
from ..renders.layer_kinds import KINDS, layer_values, outside_value
from .format import FORMAT, LAYOUT, READABLE, VERSION, PointSetInfo, ShardHeader, layer_level, levels

# Open shards in each process: far below the usual limit of 1024 files, and opening one again takes microseconds.
MAX_OPEN = 128


@dataclass(frozen=True)
class _Piece:
    """Where a dataset lies in its file.

    Attributes:
        offset: first byte; None where it is stored in chunks, which h5py reads.
        shape: rows first.
        dtype: of its elements.
    """

    offset: int | None
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


class ShardReader:
    """One shard's tables of scenes in memory, all else read by file offset.

    Datasets lie in one piece and uncompressed, so a row range is one `pread`: about 5 microseconds where h5py's slicing
    takes 100. Nothing is kept of views, so that a reader stays small however many views a shard has. The reader can be
    pickled and forked: the file is opened by each process when first read.

    Args:
        path: the shard.

    Attributes:
        path: the shard.
        header: its root attributes.
        tables: "scenes/...", and "offsets/..." of scenes, by name.

    Raises:
        InputError: the shard is damaged, or of another format or version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pieces: dict[str, _Piece] = {}
        self.tables: dict[str, Array] = {}
        try:
            with h5py.File(path, "r", locking=False) as file:
                self.header = read_header(file, path)
                columns = self.header.columns
                layers = [layer_level(name) for name in self.header.layers]
                per_view = ["offsets/png", *(f"offsets/{group}" for group in layers)]
                per_scene = [name for name, column in columns.items() if column.level == "scene"]
                per_scene += [f"offsets/{level}" for level in levels(())[1:]]
                scenes = len(file["scenes/key"])
                for name in per_scene:
                    lacking = _lacking(name, scenes) if name not in file else None
                    self.tables[name] = file[name][...] if lacking is None else lacking
                for name in [*columns, *per_view]:
                    optional = name in columns and columns[name].optional
                    if name not in self.tables and (name in file or not optional):
                        dataset = file[name]
                        self._pieces[name] = _Piece(_offset(dataset), dataset.shape, dataset.dtype)
        except (OSError, KeyError, ValueError) as error:
            raise InputError(path, f"damaged shard ({error}); `mpc verify` tells more") from error

    @property
    def scenes(self) -> int:
        """Number of scenes."""
        return len(self.tables["scenes/key"])

    @property
    def views(self) -> int:
        """Number of views of all scenes."""
        return int(self.tables["offsets/view"][-1])

    def text(self, name: str, row: int) -> str:
        """A string of a table."""
        value = self.tables[name][row] if name in self.tables else self.row(name, row)
        return bytes(value).decode()

    def rows(self, scene: int, level: str) -> slice:
        """The rows of a scene in the datasets of a level of `format.LEVELS`."""
        start, end = self.tables[f"offsets/{level}"][scene : scene + 2]
        return slice(int(start), int(end))

    def row(self, name: str, row: int) -> Array:
        """One row of a dataset of views, "views/calibration" for example."""
        return np.asarray(self.read(name, row, 1)[0])

    def column(self, name: str) -> Array:
        """All rows of a dataset."""
        return self.tables[name] if name in self.tables else self.read(name, 0, self._pieces[name].shape[0])

    def read(self, name: str, start: int, count: int) -> Array:
        """Read rows `start` to `start + count` of a dataset.

        Args:
            name: of the dataset.
            start: first row.
            count: number of rows.

        Raises:
            InputError: the file ends before them.
        """
        piece = self._pieces[name]
        length, tail = piece.shape[0], piece.shape[1:]
        if not 0 <= start <= start + count <= length:
            raise InputError(self.path, f"{name} has {length} rows, wanted are {start} to {start + count}")
        if piece.offset is None:
            with h5py.File(self.path, "r", locking=False) as file:
                return np.asarray(file[name][start : start + count])
        row = piece.dtype.itemsize * math.prod(tail)
        data = os.pread(open_file(self.path), count * row, piece.offset + start * row)
        if len(data) != count * row:
            raise InputError(self.path, f"{name} ends early; `mpc verify` tells more")
        return np.frombuffer(data, piece.dtype).reshape(count, *tail)

    def picture(self, view: int) -> bytes:
        """PNG bytes of a view (row of the "views/" tables)."""
        return self._png("views", "offsets/png", view)

    def box(self, view: int) -> Box:
        """Row, column, height and width of a view's picture within the whole."""
        return self._box("views", view)

    def _png(self, group: str, offsets: str, view: int) -> bytes:
        start, end = self.read(offsets, view, 2)
        return self.read(f"{group}/png", int(start), int(end - start)).tobytes()

    def _box(self, group: str, view: int) -> Box:
        top, left, height, width = self.row(f"{group}/box", view).tolist()
        return top, left, height, width

    def layer(self, name: str, view: int) -> Array:
        """Read and decode one layer of a view.

        Args:
            name: of `header.layers`.
            view: the view's row in the "views/" tables.

        Returns:
            (H, W) or (H, W, C), of the picture's size, as RenderLayers (render/layers.py) holds it: what the view shows
            at the middle of each pixel.

        Raises:
            InputError: the shard holds no such layer, or the layer is damaged.
        """
        group = layer_level(name)
        if name not in self.header.layers:
            raise InputError(self.path, f"holds no layer {name} (it holds: {', '.join(self.header.layers) or 'none'})")
        box, kind = self._box(group, view), self.header.layers[name]
        scene = int(np.searchsorted(self.tables["offsets/view"], view, side="right")) - 1
        centre, extent, size = (self.tables[f"scenes/{n}"][scene] for n in ("centre_world", "extent_m", "image_size"))
        png = self._png(group, f"offsets/{group}", view)
        try:
            values = layer_values(kind, decode_png_exact(png), centre, float(extent))
            return paste_box(values, box, int(size), outside_value(kind))
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(self.path, f"view {view}: layer {name} is damaged ({error})") from error


class ShardReaders(Sequence[ShardReader]):
    """The readers of several shards, each opened when it is first asked for; pickled without those that are open.

    Args:
        paths: the shards.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._opened: dict[int, ShardReader] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> ShardReader:  # type: ignore[override]  # no slices
        reader = self._opened.get(index)
        if reader is None:
            reader = self._opened[index] = ShardReader(self._paths[index])
        return reader

    def __iter__(self) -> Iterator[ShardReader]:
        return (self[index] for index in range(len(self)))

    def __getstate__(self) -> dict[str, object]:
        return {"_paths": self._paths, "_opened": {}}


def _offset(dataset: h5py.Dataset) -> int | None:
    """Where a dataset lies in the file; None where it is chunked."""
    return None if dataset.chunks is not None else dataset.id.get_offset()


def _lacking(name: str, scenes: int) -> Array | None:
    """The content of a table that shards of older versions lack; None where it is not optional."""
    if name in LAYOUT:
        return np.zeros((scenes, *LAYOUT[name].tail), LAYOUT[name].dtype) if LAYOUT[name].optional else None
    level = name.removeprefix("offsets/")
    optional = all(column.optional for column in LAYOUT.values() if column.level == level)
    return np.zeros(scenes + 1, np.int64) if optional else None


def read_header(file: h5py.File, path: Path) -> ShardHeader:
    """Read the root attributes of an open shard; `path` is named in errors.

    Raises:
        InputError: another format or version.
    """
    found = file.attrs.get("format"), file.attrs.get("version")
    if found[0] != FORMAT or found[1] not in READABLE:
        raise InputError(path, f"is {found[0]} version {found[1]}, this mpc reads {FORMAT} up to version {VERSION}")
    layers = json.loads(file.attrs.get("layers", "{}"))
    unknown = sorted(set(layers.values()) - set(KINDS))
    if unknown:
        raise InputError(path, f"holds layers of the kind {unknown[0]}, this mpc knows {', '.join(KINDS)}")
    sets = tuple(PointSetInfo(*entry) for entry in json.loads(file.attrs["point_sets"]))
    return ShardHeader(
        split=file.attrs["split"],
        settings=json.loads(file.attrs["settings"]),
        sets=sets,
        contents=file.attrs["contents"],
        layers=layers,
        joints=tuple(json.loads(file.attrs.get("joints", "[]"))),
    )


_open: OrderedDict[tuple[int, Path], int] = OrderedDict()
_lock = threading.Lock()


def open_file(path: Path) -> int:
    """A file descriptor of this process for `path`, from a bounded cache; it is valid until the next call."""
    key = os.getpid(), path
    with _lock:
        handle = _open.get(key)
        if handle is None:
            while len(_open) >= MAX_OPEN:
                os.close(_open.popitem(last=False)[1])
            handle = _open[key] = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        _open.move_to_end(key)
    return handle
