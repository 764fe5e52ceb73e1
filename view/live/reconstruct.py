"""The second stage: the person's surface, each frame on its own; and its mesh, where somebody wants it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...core.arrays import U8
from ...core.pictures import mask_of
from ...formats.gltf.write import encode_glb
from ...models.runs import LoadedRun
from ...reconstruct.capture.body import measure_body
from ...reconstruct.capture.frame_pictures import STEADY_HZ, STEADY_PER_SPEED, frame_picture
from ...reconstruct.capture.framing import Framing, cut, cut_photo
from ...reconstruct.capture.given_landmarks import LandmarkGiver, body_of
from ...reconstruct.capture.one_euro import OneEuroFilter
from ...reconstruct.capture.people import lazy_finder
from ...reconstruct.capture.settings import CaptureSettings
from ...reconstruct.localise.localise import localise
from ...reconstruct.picture_to_mesh import ReconstructedMesh, reconstruct_field
from ...reconstruct.view_field import ViewEncoder
from .meter import Meter
from .shots import Seen, Surface

# A photograph of this edge colours a mesh; more would cost memory while a sequence is recorded.
PHOTO = 384


class StageOfSurfaces:
    """Encodes the square around a person and localises the surface.

    Args:
        run: the networks.
        height_m: assumed height of the standing person, metres.
        meter: is told how long encoding and localising take.
        photo_colours: meshes have the frame's colours where it shows them.
        fit_bodies: fit a body to the landmarks for networks that read one.
    """

    def __init__(
        self,
        run: LoadedRun,
        height_m: float,
        meter: Meter | None = None,
        *,
        photo_colours: bool = True,
        fit_bodies: bool = False,
    ) -> None:
        self._run, self._meter, self._photo = run, meter or Meter(), photo_colours
        self._fit_bodies = fit_bodies
        self._size = int(run.settings.get("image_size", 512))
        self._settings = CaptureSettings(height_m=height_m)
        self._encoder = ViewEncoder(run.surface, run.texture)
        self._giver = LandmarkGiver(run, lazy_finder(), bodies=fit_bodies)
        self._steady = OneEuroFilter(STEADY_HZ, STEADY_PER_SPEED)

    def frame(self, seen: Seen) -> Framing:
        """The square around a person: its place and scale follow the person smoothly."""
        body = None if seen.person is None else measure_body(seen.person)
        framing = frame_picture(self._run, seen.picture, self._settings, body=body)
        # In shares of the square, so that the smoothing is the same for every camera.
        side = framing.extent_m * framing.pixels_per_metre
        height = seen.picture.shape[0]
        values = np.array([framing.column / height, framing.row / height, math.log(side)])
        column, row, scale = self._steady.smooth(values, seen.shot.taken).tolist()
        return replace(
            framing, column=column * height, row=row * height, pixels_per_metre=math.exp(scale) / framing.extent_m
        )

    def reconstruct(self, seen: Seen, resolution: int, mode: str) -> Surface:
        """The surface of the person in a frame.

        Args:
            seen: the frame and the person.
            resolution: nodes along each side of the view cube.
            mode: see `LiveSettings`.

        Raises:
            MpcError: the frame cannot be framed, or the network gives no numbers.
        """
        return self.localise(seen, self.frame(seen), resolution, mode)

    def localise(self, seen: Seen, framing: Framing, resolution: int, mode: str) -> Surface:
        """The surface in a given square; nothing of other frames enters it."""
        with self._meter.stage("encode"):
            square = cut(seen.picture, framing, self._size)
            if seen.person is None:
                landmarks = self._giver.of_mask(seen.picture, framing)
            else:
                landmarks = self._giver.of_person(seen.person, framing)
            body = body_of(self._run, square, landmarks, framing) if self._fit_bodies else None
            (view,) = self._encoder.encode([square], [landmarks], [body])
        grid = None
        if mode != "visible":
            with self._meter.stage("localise"):
                grid = localise(view.occupancy, resolution, mode=mode, mask=mask_of(square), bracket=view.depth_range)
                grid = replace(grid, device=str(self._run.device))
        return Surface(seen, square, framing, landmarks, view, grid, resolution)

    def mesh(self, surface: Surface) -> ReconstructedMesh:
        """The whole surface of a frame as a coloured mesh, localised without loss.

        Raises:
            NoSurfaceError: the network predicts that nothing is inside.
        """
        photo: U8 | None = cut_photo(surface.seen.picture, surface.framing, PHOTO) if self._photo else None
        return reconstruct_field(
            surface.view, surface.framing.calibration, surface.resolution, mask=mask_of(surface.square), photo=photo
        )


def glb_of(mesh: ReconstructedMesh) -> bytes:
    """A mesh as GLB."""
    return encode_glb(mesh.posed, lit=mesh.vertex_colours is None)
