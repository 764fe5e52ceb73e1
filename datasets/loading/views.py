"""The torch dataset over shards: one item is one view with points of its scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...core.arrays import U8
from ...core.errors import InputError, SettingsError
from ...core.randomness import derive_rng
from ...geometry.mesh import PosedMesh
from ..shards.index import read_index
from ..shards.pictures import load_picture
from ..shards.reader import ShardReader
from .points import draw_colours, draw_points, draw_transfer, mixture_counts


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
        facing: (3,) float32 world, the horizontal unit vector that the person faces; zero where nobody knows.
        points: (N, 3) float32, world metres, all inside the view's cube; first the near sets, then the uniform one.
        labels: (N,) float32, 1 inside.
        confidence: (N,) float32 in [0, 1], on request: how sure each label is (sampling/inside.py), 1 on closed scenes.
        colour_points, colour_normals: (M, 3) float32, world; on the surface.
        colours: (M, 3) float32, display values in [0, 1] under this view's light.
        view, scene: () int64, indices in the split.
        colour_albedo, colour_transfer, relight_points, relight_transfer: on request, see datasets/loading/relight.py.

    Args:
        shards: folder written by `mpc sample`.
        split: "train", "val" or "test".
        points: N, 0 for none.
        colour_points: M, 0 for none.
        image_size: edge of the pictures, at most as stored; None for as stored.
        seed: of the draws.
        mixture: share of N by kind of point ("near_50mm", "near_10mm", ..., "uniform"), any positive numbers;
            None for 16 near (evenly by sigma) to 1 uniform.
        confidence: whether items hold it.
        balanced: as many points inside as outside, whatever the mixture (`scene_rows.draw_points`).
        relight_points: R coloured points with what relighting needs, 0 for none (datasets/loading/relight.py).

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
        confidence: bool = False,
        balanced: bool = False,
        relight_points: int = 0,
    ) -> None:
        index = read_index(shards)
        self.settings: dict[str, Any] = index.settings
        self.split = split
        self.points, self.colour_points, self.seed = points, colour_points, seed
        self.confidence, self.balanced, self.relight_points = confidence, balanced, relight_points
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
            needed = count * (2 if balanced else 1)
            if needed > info.count:
                raise SettingsError(f"{needed} {info.name} points an item, the pool holds {info.count} a scene")
        if max(colour_points, relight_points) > self.settings["colour_points"]:
            raise SettingsError(
                f"{max(colour_points, relight_points)} colour points an item, the pool holds "
                f"{self.settings['colour_points']}"
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
        row = self._scenes[ref.scene][1]
        points = draw_points(
            reader, row, self.counts, calibration, rng, confidence=self.confidence, balanced=self.balanced
        )
        relight = self.relight_points > 0
        colours = draw_colours(reader, row, self.colour_points, light, rng, relight=relight)
        if relight:
            colours |= draw_transfer(reader, row, self.relight_points, rng)
        return {
            "image": torch.from_numpy(self.picture(view)),
            "calibration": torch.from_numpy(calibration.astype(np.float32)),
            "light": torch.from_numpy(light.copy()),
            "facing": torch.from_numpy(reader.tables["scenes/facing_world"][row].copy()),
            "view": torch.tensor(view),
            "scene": torch.tensor(ref.scene),
            **{name: torch.from_numpy(array) for name, array in (points | colours).items()},
        }

    def picture(self, view: int) -> U8:
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


CACHE_BYTES = 1 << 30
"""Pictures of a split are kept when all together need no more than this (16,000 of 128x128)."""


class CachedViews(ViewDataset):
    """A `ViewDataset` that decodes and shrinks each picture once a process.

    With the tiny preset the decoding of a stored 512x512 PNG costs as much as the network's step.
    """

    _pictures: dict[int, U8] | None = None

    def picture(self, view: int) -> U8:
        """(4, H, W) uint8 RGBA; see `ViewDataset.picture`."""
        if self._pictures is None:
            self._pictures = {}
        found = self._pictures.get(view)
        if found is None:
            found = self._pictures[view] = super().picture(view)
        return found.copy()
