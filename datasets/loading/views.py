"""The torch dataset over shards: each item is one view with points of its scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...core.arrays import F32, F64, U8, U16, Bools
from ...core.errors import InputError, SettingsError
from ...core.machine import usable_memory
from ...core.randomness import derive_rng
from ...geometry.mesh import PosedMesh
from ..renders.layer_kinds import STORED, layer_codes, layer_kind, layer_values
from ..shards.bodies import ViewBodies
from ..shards.index import ShardEntry, read_index
from ..shards.joints import read_joints
from ..shards.landmarks import ViewLandmarks
from ..shards.pictures import load_picture
from ..shards.reader import ShardReaders
from .joints import VIEW, VISIBLE, WORLD
from .layers import PREFIX, layer_tensor, resize_layer
from .points import draw_colours, draw_points, draw_transfer, mixture_counts
from .view_table import ViewTable


class ViewDataset(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Views of one split in random access: `dataset[view]`, or `dataset[(view, draw)]` for other points of it.

    An item reads one picture, and of each kind of points one run of rows (pools are stored shuffled). What is drawn
    depends on (seed, scene, view, draw) alone, so a resumed training repeats it. Worker processes may fork or spawn.

    An item is a dict:
        image: (4, H, W) uint8 RGBA, straight alpha.
        calibration: (4, 4) float32, world metres to view space.
        light: (9, 3) float32.
        facing: (3,) float32 world, the horizontal unit vector that the person faces; zero where it is unknown.
        points: (N, 3) float32, world metres, all inside the view's cube; first the near sets, then the uniform one.
        labels: (N,) float32, 1 inside.
        confidence: (N,) float32 in [0, 1], on request: how sure each label is (sampling/inside.py), 1 on closed scenes.
        colour_points: (M, 3) float32, world metres, on the surface.
        colour_normals: (M, 3) float32, world, unit normals there.
        colours: (M, 3) float32, display values in [0, 1] under this view's light.
        view: () int64, index in the split's views.
        scene: () int64, index in the split's scenes.
        colour_albedo: (M, 3) float32, on request, see datasets/loading/relight.py.
        colour_transfer: (M, 9) float32, on request.
        relight_points: (R, 3) float32, world metres, on request.
        relight_transfer: (R, 9) float32, on request.
        landmarks: (33, 7) float32, on request, the person's landmarks in the frame of the picture
            (datasets/shards/landmarks.py); NaN where nobody was found.
        joints_world: (39, 3) float32, on request, the person's joints (datasets/shards/joints.py), metres; NaN for
            those that are not known.
        joints: (39, 3) float32, on request, where the view shows them: x, y and depth in its view space.
        joints_visible: (39,) bool, on request, whether they are seen there.
        layers/<name>: (C, H, W), on request, a layer of the view (render/layers.py): depths and positions float32, NaN
            outside; normals float32, 0 outside; masks bool; albedo uint8. How they are shrunk, and how they move
            with augmented pictures, says datasets/loading/layers.py.
        layers/fitted_body_depth_front and its siblings: (1 or 3, H, W) float32, on request, the body that was fitted to
            the landmarks (datasets/shards/bodies.py); depths NaN, normals 0 outside.

    Args:
        shards: folder written by `mpc sample`.
        split: "train", "val" or "test".
        points: number N of labelled points, 0 for none.
        colour_points: number M of coloured points, 0 for none.
        image_size: edge of the pictures, pixels, at most as stored; None for the stored size.
        seed: seed of the draws.
        mixture: shares of N by kind of points ("near_50mm", "near_10mm", ..., "uniform"), any numbers of at least 0;
            None for 16 near points (shared evenly by the sigmas) to 1 uniform point.
        confidence: whether items hold "confidence".
        balanced: whether as many points are inside as outside, whatever the mixture (`points.draw_points`).
        relight_points: number R of points to compute another light from, 0 for none (datasets/loading/relight.py).
        layers: names of the layers that items hold, of those that the shards hold (`mpc sample --layers`).
        landmarks: whether items hold "landmarks", from `mpc landmarks`.
        joints: whether items hold joints, from `mpc sample --joints`.
        bodies: whether items hold the fitted bodies, from `mpc landmarks --bodies`.

    Raises:
        InputError: the folder holds no finished shards, or none of this split, or lacks landmarks or bodies.
        SettingsError: these shards cannot give what a setting wants.
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
        layers: Sequence[str] = (),
        landmarks: bool = False,
        joints: bool = False,
        bodies: bool = False,
    ) -> None:
        index = read_index(shards)
        self.settings: dict[str, Any] = index.settings
        self.split = split
        self.points, self.colour_points, self.seed = points, colour_points, seed
        self.confidence, self.balanced, self.relight_points = confidence, balanced, relight_points
        self.layers, self.joints = tuple(layers), joints
        entries = [entry for entry in index.shards if entry.split == split]
        if not entries:
            raise InputError(shards, f"holds no scene of the split {split!r}")
        self._readers = ShardReaders([shards / entry.file for entry in entries])
        self._keys = tuple(key for entry in entries for key in entry.scenes)
        held = self.settings.get("layers", [])
        for name in self.layers:
            if name not in held:
                raise SettingsError(
                    f"{shards} holds no layer {name} (it holds: {', '.join(held) or 'none'}); sample with "
                    f"--layers {name}"
                )
        if joints and not self.settings.get("joints"):
            raise SettingsError(f"{shards} holds no joints; sample with --joints")
        self.views = ViewTable(self._readers, entries)
        self.landmarks = ViewLandmarks(shards, entries) if landmarks else None
        self.bodies = ViewBodies(shards, entries) if bodies else None
        stored = {size for number, entry in enumerate(entries) for size in self._image_sizes(number, entry)}
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
        return self._keys

    def _image_sizes(self, number: int, entry: ShardEntry) -> Sequence[int]:
        """Smallest and largest edge of a shard's pictures; of version 1 the index does not say it."""
        if entry.image_sizes:
            return entry.image_sizes
        return [int(size) for size in self._readers[number].tables["scenes/image_size"]]

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, torch.Tensor]:
        view, draw = item if isinstance(item, tuple) else (item, 0)
        scene, shard, view_row = self.views.place(view)
        reader, row = self._readers[shard], self.views.scene_place(scene)[1]
        calibration, light = reader.row("views/calibration", view_row), reader.row("views/light", view_row)
        key, name = reader.text("scenes/key", row), reader.text("views/name", view_row)
        rng = derive_rng(self.seed, "draw", key, name, int(draw))
        points = draw_points(
            reader, row, self.counts, calibration, rng, confidence=self.confidence, balanced=self.balanced
        )
        relight = self.relight_points > 0
        colours = draw_colours(reader, row, self.colour_points, light, rng, relight=relight)
        if relight:
            colours |= draw_transfer(reader, row, self.relight_points, rng)
        person: dict[str, F32 | Bools] = {}
        if self.landmarks is not None:
            person["landmarks"] = self.landmarks.of(shard, view_row)
        if self.joints:
            joints = read_joints(reader, view_row)
            person |= {WORLD: joints.world, VIEW: joints.view, VISIBLE: joints.visible}
        return {
            "image": torch.from_numpy(self.picture(view)),
            "calibration": torch.from_numpy(calibration.astype(np.float32)),
            "light": torch.from_numpy(light.copy()),
            "facing": torch.from_numpy(reader.tables["scenes/facing_world"][row].copy()),
            "view": torch.tensor(view),
            "scene": torch.tensor(scene),
            **{name: torch.from_numpy(array) for name, array in {**points, **colours, **person}.items()},
            **{PREFIX + name: self.layer(name, view) for name in self.layers},
            **({} if self.bodies is None else self._fitted(self.bodies.layers(shard, view_row))),
        }

    def _fitted(self, layers: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Fitted bodies as layers of an item, in the size of the pictures."""
        return {PREFIX + name: resize_layer(layer_kind(name), layer, self.image_size) for name, layer in layers.items()}

    @property
    def decoded_bytes(self) -> int:
        """Memory that all decoded pictures take together, with all layers as the numbers of their files."""
        layers = [STORED[kind] for name, kind in self._readers[0].header.layers.items() if name in self.layers]
        pixel = 4 + sum(np.dtype(dtype).itemsize * max(channels, 1) for dtype, channels in layers)
        return len(self.views) * self.image_size**2 * pixel

    def layer(self, name: str, view: int) -> torch.Tensor:
        """(C, H, W) of one layer of a view, decoded now; dtypes as in items.

        Raises:
            InputError: the shards hold no such layer, or it is damaged.
        """
        _, shard, row = self.views.place(view)
        reader = self._readers[shard]
        layer = layer_tensor(reader.layer(name, row))
        return resize_layer(reader.header.layers[name], layer, self.image_size)

    def calibration(self, view: int) -> F64:
        """(4, 4) float64 of a view, world metres to view space."""
        _, shard, row = self.views.place(view)
        matrix: F64 = np.array(self._readers[shard].row("views/calibration", row), np.float64)
        return matrix

    def picture(self, view: int) -> U8:
        """(4, H, W) uint8 RGBA of a view, straight alpha."""
        scene, shard, row = self.views.place(view)
        reader = self._readers[shard]
        stored = int(reader.tables["scenes/image_size"][self.views.scene_place(scene)[1]])
        return load_picture(reader.picture(row), reader.box(row), stored, self.image_size)

    def scene_mesh(self, scene: int) -> PosedMesh:
        """The true surface of a scene: geometry, world metres, and the part of each face where it is known.

        Raises:
            InputError: the shards hold none for this split (`mpc sample --meshes all` keeps them for train too).
        """
        index, row = self.views.scene_place(scene)
        reader = self._readers[index]
        vertices, faces = reader.rows(row, "vertex"), reader.rows(row, "face")
        if faces.start == faces.stop:
            raise InputError(reader.path, "holds no true surfaces; sample with --meshes all")
        mesh = PosedMesh(
            reader.read("meshes/vertices", vertices.start, vertices.stop - vertices.start).astype(np.float64),
            reader.read("meshes/faces", faces.start, faces.stop - faces.start).astype(np.int32),
        )
        parts = reader.rows(row, "part")
        if parts.start == parts.stop:
            return mesh
        return replace(mesh, face_part=reader.read("meshes/part", parts.start, parts.stop - parts.start))


def cache_bytes() -> int:
    """Decoded pictures and layers of a split are kept in memory when all need no more: a sixth of it, at least 1 GiB.

    1 GiB holds 16,000 pictures of 128x128, or 5,000 of 96x96 with two depths and two normals.
    """
    return max(1 << 30, usable_memory() // 6)


class CachedViews(ViewDataset):
    """A `ViewDataset` that decodes and shrinks each picture and layer once in each process.

    With the tiny preset, decoding a stored 512x512 PNG takes as long as a step of the network. Layers are kept as the
    numbers of their files (datasets/renders/layer_kinds.py), in half the memory.
    """

    _pictures: dict[int, U8] | None = None
    _layers: dict[tuple[str, int], U8 | U16] | None = None

    def picture(self, view: int) -> U8:
        """(4, H, W) uint8 RGBA; see `ViewDataset.picture`."""
        if self._pictures is None:
            self._pictures = {}
        found = self._pictures.get(view)
        if found is None:
            found = self._pictures[view] = super().picture(view)
        return found.copy()

    def layer(self, name: str, view: int) -> torch.Tensor:
        """(C, H, W) of one layer of a view, to within 1 / 65534 of its range; see `ViewDataset.layer`."""
        kind = self._readers[self.views.place(view)[1]].header.layers[name]
        if kind not in ("depth", "normal"):
            return super().layer(name, view)
        if self._layers is None:
            self._layers = {}
        codes = self._layers.get((name, view))
        if codes is None:
            values = super().layer(name, view).permute(1, 2, 0).numpy()
            codes = self._layers[name, view] = layer_codes(kind, values[..., 0] if kind == "depth" else values, (), 1.0)
        return layer_tensor(layer_values(kind, codes, (), 1.0))
