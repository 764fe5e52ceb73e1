"""What can be evaluated: something that makes a mesh of a view. Runs do, and so do baselines, which learn nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ...core.arrays import F32, F64, U8, Bools
from ...core.pictures import mask_of
from ...datasets.loading.body import body_maps
from ...datasets.loading.views import ViewDataset
from ...geometry.camera import project
from ...geometry.mesh import PosedMesh
from ...reconstruct.localise.localise import FieldError, as_values, localise
from ...reconstruct.picture_to_mesh import ReconstructedMesh
from ...reconstruct.surface.mesh import NoSurfaceError, extract_mesh, to_world
from ..metrics.volume import measure_iou
from ..settings import EvaluationSettings


def view_points(item: Mapping[str, torch.Tensor]) -> F64:
    """Return the points of an item of ViewDataset, (N, 3) float64, in its view space."""
    return project(item["points"].double().numpy(), item["calibration"].double().numpy())


def stored_picture(stored: ViewDataset, index: int) -> U8:
    """Return the picture of a view, (S, S, 4) uint8, straight alpha."""
    return np.ascontiguousarray(stored.picture(index).transpose(1, 2, 0))


@dataclass(frozen=True, eq=False)
class GivenView:
    """A view that a method rebuilds, and the truth that only a ceiling may look at.

    Attributes:
        picture: (H, W, 4) uint8 RGBA, straight alpha, in the size that the method is shown.
        calibration: (4, 4) float64, world metres to view space.
        points: (N, 3) float64 in view space, at which the occupancy is compared with `labels`.
        labels: (N,) bool, whether these points lie inside.
        truth: the true surface, world metres.
        landmarks: (33, 7) float32 of the person in this view (models/person/landmarks.py); None where none are given.
        photo: (S, S, 4) uint8, the picture as it is stored; None: colours do not matter.
        body: (8, H, W) float32 of the body below the clothes (datasets/loading/body.py); None where none is given.
    """

    picture: U8
    calibration: F64
    points: F64
    labels: Bools
    truth: PosedMesh
    landmarks: F32 | None = None
    photo: U8 | None = None
    body: F32 | None = None

    @classmethod
    def of(cls, item: Mapping[str, torch.Tensor], truth: PosedMesh, photo: U8 | None = None) -> GivenView:
        """The view of an item of ViewDataset, the true surface of its scene, and the picture as it is stored."""
        body = body_maps(item)
        return cls(
            item["image"].permute(1, 2, 0).numpy(), item["calibration"].double().numpy(), view_points(item),
            item["labels"].numpy() > 0.5, truth, item["landmarks"].numpy() if "landmarks" in item else None,
            photo, None if body is None else body.numpy(),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """What a method made of a view.

    Attributes:
        iou: of the occupancy at the view's labelled points; None where it is not finite.
        mesh: the reconstruction; None where there is no surface.
        failure: why there is none; "" where there is one.
        seconds: by stage; empty after a failure.
    """

    iou: float | None = None
    mesh: ReconstructedMesh | None = None
    failure: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


Method = Callable[[GivenView], Rebuilt]
"""Rebuilds a view; what can go wrong with a view is told in the result, not raised."""


def rebuild_field(
    view: GivenView, settings: EvaluationSettings, occupancy: Callable[[F32], Any], *, threshold: float = 0.5
) -> Rebuilt:
    """Rebuild a view from an occupancy by the same search as a run's.

    Args:
        view: the view.
        settings: resolution and the use of the mask.
        occupancy: (n, 3) float32 points in view space -> (n,) values.
        threshold: values above it are inside.
    """
    begin, iou = time.perf_counter(), None
    try:
        values = as_values(occupancy(view.points.astype(np.float32)), len(view.points))
        iou = measure_iou(values > threshold, view.labels)
        mask = mask_of(view.picture) if settings.use_mask else None
        grid = localise(occupancy, settings.resolution, threshold=threshold, mask=mask)
        mesh = to_world(extract_mesh(grid, largest_component=settings.largest_component), view.calibration)
    except (FieldError, NoSurfaceError) as error:
        return Rebuilt(iou, failure=str(error))
    made = ReconstructedMesh(mesh.vertices, mesh.faces, None, grid.total_evaluations)
    return Rebuilt(iou, made, seconds={"rebuild": time.perf_counter() - begin})
