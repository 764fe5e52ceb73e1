"""A trained run as a method: its networks see the picture, and the field they predict becomes a coloured mesh."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from ...core.pictures import mask_of
from ...models.runs import LoadedRun
from ...reconstruct.localise.localise import FieldError, as_values
from ...reconstruct.picture_to_mesh import reconstruct_field
from ...reconstruct.surface.mesh import NoSurfaceError
from ...reconstruct.view_field import encode_view
from ..metrics.volume import measure_iou
from ..settings import EvaluationSettings
from .method import GivenView, Rebuilt


@dataclass(frozen=True, eq=False)
class RunMethod:
    """Encodes a picture, compares the occupancy with the labels, and makes the mesh that `mpc reconstruct` writes.

    Attributes:
        run: the networks.
        settings: resolution and the use of the mask.
        colour: colour the mesh, where there is a texture network.
    """

    run: LoadedRun
    settings: EvaluationSettings
    colour: bool

    def __call__(self, view: GivenView) -> Rebuilt:
        """See `Method`."""
        begin, iou, settings = time.perf_counter(), None, self.settings
        try:
            field = encode_view(
                self.run.surface, self.run.texture, view.picture, view.landmarks, view.body,
                both_ways=settings.both_ways,
            )  # fmt: skip
            values = as_values(field.occupancy(view.points.astype(np.float32)), len(view.points))
            iou = measure_iou(values > 0.5, view.labels)
            encoded = time.perf_counter()
            mesh = reconstruct_field(
                field, view.calibration, settings.resolution, mask=mask_of(view.picture) if settings.use_mask else None,
                largest_component=settings.largest_component, colour=self.colour,
                photo=view.photo if settings.photo_colours else None,
            )  # fmt: skip
        except (FieldError, NoSurfaceError) as error:
            return Rebuilt(iou, failure=str(error))
        return Rebuilt(iou, mesh, seconds={"encode": encoded - begin, "rebuild": time.perf_counter() - encoded})
