"""The torch dataset over shards: one item is one view with points of its scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..geometry.errors import InputError, SettingsError
from ..geometry.mesh import PosedMesh
from ..geometry.randomness import derive_rng
from ..render.shading import display_irradiance
from .pictures import load_picture
from .shard_index import read_index
from .shard_reader import ShardReader
from .shards import ALBEDO_SCALE, NORMAL_SCALE, PointSetInfo

Array = npt.NDArray[Any]
F32 = npt.NDArray[np.float32]

# Reads after which the points that are wanted inside a view's cube must have been found.
MAX_READS = 64
# PIFu's mixture (Saito et al., ICCV 2019, "Spatial Sampling"): 16 near points to 1 uniform.
UNIFORM_SHARE = 1.0 / 17.0


@dataclass(frozen=True)
class ViewRef:
    """One view of a split.

    Attributes:
        scene: index in the split's scenes.
        scene_key, subject: see SceneRecord.
        view_name: e.g. "010".
        yaw_deg, pitch_deg: the camera's.
        light_name: its environment.
        shard, row: where it lies (index of the reader, row of its "views/" tables).
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


class ViewDataset(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Views of one split in random access: `dataset[view]`, or `dataset[(view, draw)]` for other points of it.

    An item reads one picture and one run of neighbours from each kind of point (pools are stored shuffled). What is
    drawn depends on (seed, scene, view, draw) alone, so a resumed training repeats it. Workers may fork or spawn.

    An item is a dict:
        image: (4, H, W) uint8 RGBA, straight alpha.
        calibration: (4, 4) float32, world metres to view space.
        light: (9, 3) float32.
        points: (N, 3) float32, world metres, all inside the view's cube; first the near sets, then the uniform one.
        labels: (N,) float32, 1 inside.
        colour_points, colour_normals: (M, 3) float32, world; on the surface.
        colours: (M, 3) float32, display values in [0, 1] under this view's light.
        view, scene: () int64, indices in the split.

    Args:
        shards: folder written by `mpc sample`.
        split: "train", "val" or "test".
        points: N, 0 for none.
        colour_points: M, 0 for none.
        image_size: edge of the pictures, at most as stored; None for as stored.
        seed: of the draws.
        mixture: share of N by kind of point ("near_50mm", "near_10mm", ..., "uniform"), any positive numbers;
            None for 16 near (evenly by sigma) to 1 uniform.

    Raises:
        InputError: no finished shards, or none of this split.
        SettingsError: a setting that these shards cannot serve.
    """

    def __init__(
        self,
        shards: Path,
        split: str,
        *,
        points: int = 5000,
        colour_points: int = 0,
        image_size: int | None = None,
        seed: int = 0,
        mixture: Mapping[str, float] | None = None,
    ) -> None:
        index = read_index(shards)
        self.settings: dict[str, Any] = index.settings
        self.split = split
        self.points, self.colour_points, self.seed = points, colour_points, seed
        self._readers = tuple(ShardReader(shards / entry.file) for entry in index.shards if entry.split == split)
        if not self._readers:
            raise InputError(shards, f"holds no scene of the split {split!r}")
        self._scenes = tuple((r, row) for r, reader in enumerate(self._readers) for row in range(reader.scenes))
        self.views: tuple[ViewRef, ...] = tuple(self._list_views())
        stored = {int(size) for reader in self._readers for size in reader.tables["scenes/image_size"]}
        self.image_size = image_size or max(stored)
        if not 1 <= self.image_size <= min(stored):
            raise SettingsError(f"image_size is {self.image_size}, pictures are stored with {min(stored)} pixels")
        sets = self._readers[0].header.sets
        self.counts = mixture_counts(sets, points, mixture)
        for info, count in zip(sets, self.counts, strict=True):
            if count > info.count:
                raise SettingsError(f"{count} {info.name} points an item, the pool holds {info.count} a scene")
        if colour_points > self.settings["colour_points"]:
            raise SettingsError(
                f"{colour_points} colour points an item, the pool holds {self.settings['colour_points']}"
            )

    def __len__(self) -> int:
        return len(self.views)

    @property
    def scene_keys(self) -> tuple[str, ...]:
        """Keys of the split's scenes, in the order of `scene` indices."""
        return tuple(self._readers[reader].text("scenes/key", row) for reader, row in self._scenes)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, torch.Tensor]:
        view, draw = item if isinstance(item, tuple) else (item, 0)
        ref = self.views[view]
        reader = self._readers[ref.shard]
        calibration = reader.tables["views/calibration"][ref.row]
        light = reader.tables["views/light"][ref.row]
        rng = derive_rng(self.seed, "draw", ref.scene_key, ref.view_name, int(draw))
        points, labels = self._read_points(ref, calibration, rng)
        content: dict[str, torch.Tensor] = {
            "image": torch.from_numpy(self.picture(view)),
            "calibration": torch.from_numpy(calibration.astype(np.float32)),
            "light": torch.from_numpy(light.copy()),
            "points": torch.from_numpy(points),
            "labels": torch.from_numpy(labels),
            "view": torch.tensor(view),
            "scene": torch.tensor(ref.scene),
        }
        for name, array in self._read_colours(ref, light, rng).items():
            content[name] = torch.from_numpy(array)
        return content

    def picture(self, view: int) -> npt.NDArray[np.uint8]:
        """(4, H, W) uint8 RGBA of a view, straight alpha."""
        ref = self.views[view]
        reader = self._readers[ref.shard]
        top, left, height, width = (int(value) for value in reader.tables["views/box"][ref.row])
        stored = int(reader.tables["scenes/image_size"][self._scenes[ref.scene][1]])
        return load_picture(reader.picture(ref.row), (top, left, height, width), stored, self.image_size)

    def scene_mesh(self, scene: int) -> PosedMesh:
        """The true surface of a scene (geometry alone, world metres).

        Raises:
            InputError: the shards hold none for this split (`mpc sample --meshes all` keeps them for train too).
        """
        index, row = self._scenes[scene]
        reader = self._readers[index]
        vertices, faces = reader.rows(row, "vertex"), reader.rows(row, "face")
        if faces.start == faces.stop:
            raise InputError(reader.path, "holds no true surfaces; sample with --meshes all")
        return PosedMesh(
            reader.read("meshes/vertices", vertices.start, vertices.stop - vertices.start).astype(np.float64),
            reader.read("meshes/faces", faces.start, faces.stop - faces.start).astype(np.int32),
        )

    def _list_views(self) -> list[ViewRef]:
        views: list[ViewRef] = []
        for scene, (index, row) in enumerate(self._scenes):
            reader = self._readers[index]
            key, subject = reader.text("scenes/key", row), reader.text("scenes/subject", row)
            rows = reader.rows(row, "view")
            views.extend(
                ViewRef(
                    scene,
                    key,
                    subject,
                    reader.text("views/name", view),
                    float(reader.tables["views/yaw_deg"][view]),
                    float(reader.tables["views/pitch_deg"][view]),
                    reader.text("views/light_name", view),
                    index,
                    view,
                )
                for view in range(rows.start, rows.stop)
            )
        return views

    def _read_points(self, ref: ViewRef, calibration: Array, rng: np.random.Generator) -> tuple[F32, F32]:
        reader, row = self._readers[ref.shard], self._scenes[ref.scene][1]
        start = reader.rows(row, "point").start
        points = np.empty((sum(self.counts), 3), np.float32)
        labels = np.empty(sum(self.counts), np.float32)
        place = 0
        for info, count in zip(reader.header.sets, self.counts, strict=True):
            if count:
                found = self._draw(reader, row, start, info, count, calibration, rng)
                points[place : place + count], labels[place : place + count] = found
            place += count
            start += info.count
        return points, labels

    def _draw(
        self,
        reader: ShardReader,
        row: int,
        start: int,
        info: PointSetInfo,
        count: int,
        calibration: Array,
        rng: np.random.Generator,
    ) -> tuple[F32, F32]:
        """`count` points of one kind inside the view's cube: a run of neighbours, and its sequel where too few are."""
        first = start + 8 * int(rng.integers(0, info.count // 8))
        found_points: list[F32] = []
        found_labels: list[F32] = []
        missing, at, left = count, first, info.count
        while missing and left:
            # Of uniform points 64 % lie in a given cube; labels are bits, so runs start and end at whole bytes.
            wanted = missing * (7 if info.sigma_m == 0 else 4) // 4 + 64
            run = min(-(-wanted // 8) * 8, start + info.count - at, left)
            q = reader.read("points/q", at, run)
            bits = np.unpackbits(reader.read("points/inside", at // 8, run // 8))
            points = _positions(reader, row, q)
            inside_cube = _in_cube(points, calibration)
            keep = np.flatnonzero(inside_cube)[:missing]
            found_points.append(points[keep])
            found_labels.append(bits[keep].astype(np.float32))
            missing -= len(keep)
            left -= run
            at = start if at + run == start + info.count else at + run
        if missing:
            raise InputError(
                reader.path,
                f"scene {reader.text('scenes/key', row)} has only {count - missing} {info.name} points inside a view's "
                f"cube, {count} wanted: draw fewer, or sample more",
            )
        return np.concatenate(found_points), np.concatenate(found_labels)

    def _read_colours(self, ref: ViewRef, light: F32, rng: np.random.Generator) -> dict[str, Array]:
        reader, row = self._readers[ref.shard], self._scenes[ref.scene][1]
        rows, count = reader.rows(row, "colour"), self.colour_points
        start = rows.start + int(rng.integers(0, rows.stop - rows.start - count + 1))
        normals = reader.read("colours/normal", start, count).astype(np.float32) / np.float32(NORMAL_SCALE)
        albedo = reader.read("colours/albedo", start, count).astype(np.float32) / np.float32(ALBEDO_SCALE)
        shade = display_irradiance(reader.read("colours/transfer", start, count).astype(np.float32), light)
        return {
            "colour_points": _positions(reader, row, reader.read("colours/q", start, count)),
            "colour_normals": normals,
            "colours": np.minimum(albedo * shade, np.float32(1.0)),
        }


def mixture_counts(sets: tuple[PointSetInfo, ...], points: int, mixture: Mapping[str, float] | None) -> tuple[int, ...]:
    """How many of `points` come from each kind; sums to `points`.

    Raises:
        SettingsError: a kind these shards do not have, or a share that is negative or all zero.
    """
    near = [info for info in sets if info.sigma_m > 0]
    if mixture is None:
        share = {info.name: (1.0 - UNIFORM_SHARE) / len(near) if info.sigma_m > 0 else UNIFORM_SHARE for info in sets}
    else:
        share = dict(mixture)
    unknown = sorted(set(share) - {info.name for info in sets})
    if unknown:
        raise SettingsError(f"no points named {', '.join(unknown)}; these shards hold {[info.name for info in sets]}")
    total = sum(share.values())
    if min(share.values()) < 0 or total <= 0:
        raise SettingsError(f"mixture is {share}, expected shares, none negative, not all 0")
    ends = np.rint(np.cumsum([0.0, *(share.get(info.name, 0.0) / total for info in sets)]) * points)
    return tuple(int(count) for count in np.diff(ends))


def _positions(reader: ShardReader, row: int, q: Array) -> F32:
    """World metres, exact: see sampling/lattice.py."""
    origin = reader.tables["scenes/origin_world"][row].astype(np.float32)
    return np.asarray(q * np.float32(reader.tables["scenes/step_m"][row]) + origin, np.float32)


def _in_cube(points: F32, calibration: Array) -> npt.NDArray[np.bool_]:
    view = np.abs(points @ calibration[:3, :3].T.astype(np.float32) + calibration[:3, 3].astype(np.float32))
    # Column by column: a reduction over an axis of three costs ten times as much.
    return np.asarray((view[:, 0] <= 1.0) & (view[:, 1] <= 1.0) & (view[:, 2] <= 1.0))
