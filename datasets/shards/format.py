"""The shard format: HDF5, flat arrays with offsets, many scenes a file (docs/shard-format.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.arrays import Array
from ...core.errors import InputError
from ...motion.joints import JOINTS
from ..renders.layer_kinds import LayerKind

FORMAT = "mpc-shard"
VERSION = 2
# Version 1 is version 2 without layers.
READABLE = (1, 2)

Part = dict[str, Array]


@dataclass(frozen=True)
class Column:
    """One dataset of a shard: rows of one level, all scenes one after the other.

    Attributes:
        level: what a row is; rows of a scene are found by the level's offsets.
        dtype: NumPy type; "S" is fixed-length UTF-8, as long as the longest entry.
        tail: shape of a row.
        compressed: whether it is chunked and gzip-compressed; all others lie in one piece, to be read by offset.
        optional: whether shards of older versions lack it; then it reads as zeros, or as no rows.
        gaps: whether NaN stands for what is not known.
    """

    level: str
    dtype: str
    tail: tuple[int, ...] = ()
    compressed: bool = False
    optional: bool = False
    gaps: bool = False


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
    "meshes/part": Column("part", "|u1", compressed=True, optional=True),
}
# On request (`mpc sample --joints`), in the order of JOINTS, which the root attribute "joints" repeats.
JOINT_COLUMNS: dict[str, Column] = {
    "scenes/joints": Column("scene", "<f4", (len(JOINTS), 3), gaps=True),
    "views/joints": Column("view", "<f4", (len(JOINTS), 3), gaps=True),
    "views/joints_visible": Column("view", "|u1", (len(JOINTS),)),
}
LEVELS = ("scene", "view", "byte", "point", "octet", "doubt", "colour", "vertex", "face", "part")
NORMAL_SCALE = 32767.0
ALBEDO_SCALE = 65535.0
CONFIDENCE_SCALE = 255.0


def layer_level(layer: str) -> str:
    """The level of a layer's bytes, which is also the name of its group and of its offsets in a shard."""
    return f"layers/{layer}"


def layout(layers: Iterable[str], *, joints: bool = False) -> dict[str, Column]:
    """The datasets of a shard: those of `LAYOUT`, three for each layer of its views, and on request those of joints."""
    columns = LAYOUT | (JOINT_COLUMNS if joints else {})
    for group in map(layer_level, layers):
        columns[f"{group}/box"] = Column("view", "<i4", (4,))
        columns[f"{group}/png_size"] = Column("view", "<i8")
        columns[f"{group}/png"] = Column(group, "|u1")
    return columns


def levels(layers: Iterable[str]) -> tuple[str, ...]:
    """What rows of a shard can be: `LEVELS`, and the bytes of each layer."""
    return (*LEVELS, *map(layer_level, layers))


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
        layers: kind of each layer of the views (datasets/renders/layer_kinds.py), by its name.
        joints: names of the joints, in the order of their rows; empty where the shard holds none.
    """

    split: str
    settings: dict[str, Any]
    sets: tuple[PointSetInfo, ...]
    contents: str
    layers: dict[str, LayerKind] = field(default_factory=dict)
    joints: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, Column]:
        """The datasets of the shard."""
        return layout(self.layers, joints=bool(self.joints))


@dataclass(frozen=True, eq=False)
class SampledScene:
    """A scene that waits for its shard.

    Attributes:
        rows: its rows of every dataset of `layout`.
        layers: names of the layers of its views.
        notices: remarks for the user.
    """

    rows: Part
    layers: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def level_rows(part: Part, layers: Iterable[str]) -> dict[str, int]:
    """Count the rows that a scene has at each of the `levels`, in their order."""
    columns = layout(layers)
    first = {column.level: name for name, column in reversed(columns.items())}
    return {level: len(part[first[level]]) for level in levels(layers)}


def check_part(key: str, part: Part, layers: Iterable[str], *, joints: bool = False) -> None:
    """Check that a scene's arrays fit the layout and are finite; arguments as for `layout`.

    Raises:
        InputError: one does not or is not; names the scene and the dataset.
    """
    columns = layout(layers, joints=joints)
    for name, column in columns.items():
        array = part.get(name)
        if array is None or array.shape[1:] != column.tail:
            shape = None if array is None else array.shape
            raise InputError(key, f"{name} has shape {shape}, expected (rows, {column.tail})")
        fits = array.dtype.kind == "S" if column.dtype == "S" else array.dtype == np.dtype(column.dtype)
        if not fits:
            raise InputError(key, f"{name} is {array.dtype}, expected {column.dtype}")
        if array.dtype.kind == "f" and not (np.isfinite(array) | (column.gaps and np.isnan(array))).all():
            raise InputError(key, f"{name} holds NaN or infinite values")
    rows = level_rows(part, layers)
    for name, column in columns.items():
        if len(part[name]) != rows[column.level]:
            raise InputError(key, f"{name} has {len(part[name])} rows, expected {rows[column.level]}")
