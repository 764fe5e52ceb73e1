"""Scenes of a shard that is written again are copied from the one that held them before, where their input is the same.

A person who comes or goes changes the shard of others, too. Their rows are read from the old shard and compared with
its checksums, so the new shard has the bytes that sampling them again would give it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ...core.arrays import I64, Array
from ...core.errors import InputError
from ...motion.joints import JOINTS
from .format import LEVELS, Part, SampledScene, ShardHeader, check_part, layer_level
from .index import ShardIndex, input_mark
from .plan import ShardPlan
from .reader import read_header
from .write import digest


@dataclass(frozen=True)
class OldScene:
    """Where an earlier run left a scene.

    Attributes:
        path: the shard.
        contents: digest of the shard's settings and inputs; a file with another one is not the shard that is meant.
        row: the scene's row in the shard's tables.
        key: the scene's key.
        notices: what was said of it.
    """

    path: Path
    contents: str
    row: int
    key: str
    notices: tuple[str, ...]


def find_old_scenes(out: Path, waiting: Iterable[ShardPlan], before: ShardIndex | None) -> dict[str, OldScene]:
    """Find the scenes that can be copied.

    Args:
        out: the shards folder, whose settings are the same as before.
        waiting: the shards that are to be written.
        before: the index of an earlier run; None where there is none.

    Returns:
        By key, those whose input and split have not changed, and whose shard is there.
    """
    if before is None:
        return {}
    wanted = {scene.key: (shard.split, scene.digest) for shard in waiting for scene in shard.scenes}
    said: dict[str, list[str]] = {}
    for notice in before.notices:
        key, _, text = notice.partition(": ")
        said.setdefault(key, []).append(text)
    found: dict[str, OldScene] = {}
    for entry in before.shards:
        path = out / entry.file
        # Of shards of earlier versions the index does not know the inputs.
        for row, (key, mark) in enumerate(zip(entry.scenes, entry.scene_inputs, strict=False)):
            split, sha256 = wanted.get(key, ("", ""))
            if split == entry.split and mark == input_mark(sha256) and path.is_file():
                found[key] = OldScene(path, entry.contents, row, key, tuple(said.get(key, ())))
    return found


def copy_scene(old: OldScene) -> SampledScene:
    """Read a scene from the shard that holds it.

    Raises:
        InputError: the shard is another one, or its rows are not those that were written.
        Exception: a damaged file, what h5py raises (`verify.DAMAGE`).
    """
    with h5py.File(old.path, "r") as file:
        header = read_header(file, old.path)
        if header.contents != old.contents:
            raise InputError(old.path, "is not the shard that the index describes")
        if header.joints not in ((), JOINTS):
            raise InputError(old.path, "holds the joints of another version of mpc")
        part = _read_rows(file, header, old)
    check_part(old.key, part, header.layers, joints=bool(header.joints))
    if bytes(part["scenes/key"][0]).decode() != old.key:
        raise InputError(old.path, f"holds another scene where {old.key} was")
    return SampledScene(part, tuple(header.layers), old.notices)


def _read_rows(file: h5py.File, header: ShardHeader, old: OldScene) -> Part:
    views = _table(file, "offsets/view", old)[old.row : old.row + 2]
    places: dict[str, tuple[int, int]] = {"scene": (old.row, old.row + 1), "view": (int(views[0]), int(views[1]))}
    for level in (*LEVELS[2:], *map(layer_level, header.layers)):
        ends: I64 = _table(file, f"offsets/{level}", old)
        # The bytes of a layer are counted view by view.
        chosen = ends[views] if level.startswith("layers/") else ends[old.row : old.row + 2]
        places[level] = int(chosen[0]), int(chosen[1])
    part: Part = {}
    for name, column in header.columns.items():
        rows = slice(*places[column.level])
        if column.level in ("scene", "view"):
            table = _table(file, name, old)[rows]
            # Text is as long as the longest of the scene's own, so that it does not depend on the shard's others.
            part[name] = np.array(table.tolist(), "S") if column.dtype == "S" else table
        else:
            part[name] = file[name][rows]
            if zlib.crc32(np.ascontiguousarray(part[name]).tobytes()) != file[f"checksums/{name}"][old.row]:
                raise InputError(old.path, f"{name}: the checksum of {old.key} differs")
    return part


def _table(file: h5py.File, name: str, old: OldScene) -> Array:
    table = np.asarray(file[name][...])
    if digest(table) != file[name].attrs["sha256"]:
        raise InputError(old.path, f"{name}: its checksum differs")
    return table
