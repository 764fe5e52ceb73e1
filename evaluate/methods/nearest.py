"""The training person whose outline resembles that of the view most, as they stand in the view that shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.arrays import U8, Bools
from ...core.pictures import mask_of, resample
from ...core.progress import Progress
from ...datasets.loading.views import ViewDataset
from ...geometry.camera import project, unproject
from ...geometry.mesh import PosedMesh
from ...reconstruct.picture_to_mesh import ReconstructedMesh
from ...sampling.inside import label_inside
from ..metrics.volume import measure_iou
from .method import GivenView, Rebuilt

# Edge of the outlines that are compared, pixels: some four centimetres, so that the person decides and not the fingers.
SIDE = 64
# Outlines that are compared at a time; more would only take more memory.
CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Silhouettes:
    """The outlines of all training views.

    Attributes:
        bits: (V, SIDE * SIDE / 8) uint8, packed by `np.packbits`, in the order of the training split's views.
    """

    bits: U8

    @classmethod
    def of(cls, training: ViewDataset, progress: Progress | None = None) -> Silhouettes:
        """Read the outlines of all views of a data set whose pictures have SIDE pixels."""
        rows = []
        if progress is not None:
            progress.start("Outlines", len(training))
        for index in range(len(training)):
            rows.append(pack(mask_of(np.ascontiguousarray(training.picture(index).transpose(1, 2, 0)))))
            if progress is not None:
                progress.advance(1)
        if progress is not None:
            progress.finish()
        return cls(np.stack(rows))

    def nearest(self, mask: Bools) -> int:
        """The index of the view whose outline has the greatest IoU with a mask (SIDE, SIDE); the first of several."""
        wanted = mask.ravel().astype(np.float32)
        scores = []
        for first in range(0, len(self.bits), CHUNK):
            known = np.unpackbits(self.bits[first : first + CHUNK], axis=1).astype(np.float32)
            both = known @ wanted
            scores.append(both / np.maximum(known.sum(axis=1) + wanted.sum() - both, 1.0))
        return int(np.concatenate(scores).argmax())


def pack(mask: Bools) -> U8:
    """A mask (SIDE, SIDE) as bits, (SIDE * SIDE / 8,) uint8."""
    bits: U8 = np.packbits(mask.ravel())
    return bits


def save_silhouettes(path: Path, silhouettes: Silhouettes) -> None:
    """Write outlines to a .npz file."""
    np.savez_compressed(path, bits=silhouettes.bits)


def load_silhouettes(path: Path) -> Silhouettes:
    """Read what `save_silhouettes` wrote."""
    with np.load(path) as content:
        return Silhouettes(content["bits"])


def open_training(shards: Path) -> ViewDataset:
    """The training views as outlines are read from them.

    Raises:
        InputError: the shards have no training split, or hold none of its true surfaces.
    """
    training = ViewDataset(shards, "train", points=0, colour_points=0, image_size=SIDE)
    training.scene_mesh(0)
    return training


@dataclass(frozen=True, eq=False)
class NearestPerson:
    """Takes the true surface of the training person whose outline is most like that of the picture, view for view.

    Attributes:
        training: the training views.
        silhouettes: their outlines.
    """

    training: ViewDataset
    silhouettes: Silhouettes

    def __call__(self, view: GivenView) -> Rebuilt:
        """See `Method`."""
        begin = time.perf_counter()
        small = view.picture if len(view.picture) == SIDE else resample(view.picture, SIDE)
        index = self.silhouettes.nearest(mask_of(small))
        person = self.training.scene_mesh(self.training.views[index].scene)
        there = self.training.calibration(index)
        mesh = PosedMesh(unproject(project(person.vertices, there), view.calibration), person.faces)
        iou = measure_iou(label_inside(mesh, unproject(view.points, view.calibration)), view.labels)
        made = ReconstructedMesh(mesh.vertices, mesh.faces, None, 0)
        return Rebuilt(iou, made, seconds={"rebuild": time.perf_counter() - begin})
