"""The views of a split as arrays, from which a view's record is made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from ...core.arrays import I32, I64, Array
from ..shards.index import ShardEntry
from ..shards.reader import ShardReader, ShardReaders


@dataclass(frozen=True, kw_only=True)
class ViewRef:
    """One view of a split.

    Attributes:
        scene: index in the split's scenes.
        scene_key: see SceneRecord.key.
        subject: the subject's id.
        view_name: name of the view's picture, e.g. "010".
        yaw_deg: the camera's yaw, degrees.
        pitch_deg: the camera's elevation, degrees.
        light_name: name of the view's environment.
        shard: index of the shard that holds the view, among those of the split.
        row: the view's row in the "views/" tables of that shard.
    """

    scene: int
    scene_key: str
    subject: str
    view_name: str
    yaw_deg: float
    pitch_deg: float
    light_name: str
    shard: int
    row: int


# The datasets of views that a record holds.
NAMES = ("views/name", "views/yaw_deg", "views/pitch_deg", "views/light_name")


class ViewTable(Sequence[ViewRef]):
    """The views of a split, in the order of shards, scenes and views.

    What is kept are four numbers a scene. Everything else is read from the shards when a view is asked for, so that
    opening a data set takes no longer with more shards, and processes that load items share the arrays: a process that
    is forked copies nothing of them.

    Args:
        readers: of the split's shards.
        entries: the index's entries of these shards.

    Raises:
        InputError: a shard of version 1, which has to be opened, is damaged.
    """

    def __init__(self, readers: ShardReaders, entries: Sequence[ShardEntry]) -> None:
        self._readers = readers
        counts = [_scene_views(readers, number, entry) for number, entry in enumerate(entries)]
        sizes = [len(count) for count in counts]
        first = [np.cumsum(count, dtype=np.int64) - count for count in counts]
        self._shard: I32 = np.repeat(np.arange(len(entries), dtype=np.int32), sizes)
        self._row: I32 = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
        self._view_row: I64 = np.concatenate(first)
        self._start: I64 = np.concatenate([[0], np.cumsum(np.concatenate(counts), dtype=np.int64)])

    @property
    def scenes(self) -> int:
        """Number of scenes."""
        return len(self._row)

    def __len__(self) -> int:
        return int(self._start[-1])

    @overload
    def __getitem__(self, index: int) -> ViewRef: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[ViewRef, ...]: ...

    def __getitem__(self, index: int | slice) -> ViewRef | tuple[ViewRef, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        scene, shard, row = self.place(index)
        reader = self._readers[shard]
        return self._record(reader, scene, row, [reader.row(name, row) for name in NAMES])

    def __iter__(self) -> Iterator[ViewRef]:
        shard, columns = -1, []
        for scene in range(self.scenes):
            reader = self._readers[int(self._shard[scene])]
            if self._shard[scene] != shard:
                shard, columns = int(self._shard[scene]), [reader.column(name) for name in NAMES]
            first = int(self._view_row[scene])
            for row in range(first, first + int(self._start[scene + 1] - self._start[scene])):
                yield self._record(reader, scene, row, [column[row] for column in columns])

    def place(self, view: int) -> tuple[int, int, int]:
        """The scene, the shard and the row in the "views/" tables of a view.

        Raises:
            IndexError: there is no such view.
        """
        if not -len(self) <= view < len(self):
            raise IndexError(f"view {view} of {len(self)}")
        view %= len(self)
        scene = int(np.searchsorted(self._start, view, side="right")) - 1
        return scene, int(self._shard[scene]), int(self._view_row[scene] + view - self._start[scene])

    def scene_place(self, scene: int) -> tuple[int, int]:
        """The shard of a scene, and its row in the "scenes/" tables."""
        return int(self._shard[scene]), int(self._row[scene])

    def _record(self, reader: ShardReader, scene: int, row: int, values: Sequence[Array]) -> ViewRef:
        own = int(self._row[scene])
        name, yaw, pitch, light = values
        return ViewRef(
            scene=scene,
            scene_key=reader.text("scenes/key", own),
            subject=reader.text("scenes/subject", own),
            view_name=bytes(name).decode(),
            yaw_deg=float(yaw),
            pitch_deg=float(pitch),
            light_name=bytes(light).decode(),
            shard=int(self._shard[scene]),
            row=row,
        )


def _scene_views(readers: ShardReaders, number: int, entry: ShardEntry) -> I64:
    """Number of views of each scene of a shard; of version 1 the index does not say it."""
    if len(entry.scene_views) == len(entry.scenes):
        return np.asarray(entry.scene_views, np.int64)
    return np.diff(readers[number].tables["offsets/view"])
