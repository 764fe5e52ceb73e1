"""The third stage: a surface as a viewer sees it, straight from the network's field, without a mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...core.arrays import F32, F64, U8
from ...core.pictures import LIGHT_GREY, mask_of, over_background, resample
from ...geometry.camera import OrthographicCamera
from ...reconstruct.localise.grid import LocalisedGrid
from ...reconstruct.localise.localise import Occupancy, localise
from ...reconstruct.surface.direct import orthographic_rays, render_surface, to_rgba
from .settings import Look
from .shots import Surface


def camera_for(surface: Surface, look: Look) -> OrthographicCamera:
    """The camera of a viewer: it goes around the middle of the person's cube."""
    framing = surface.framing
    return OrthographicCamera(framing.centre_world, framing.extent_m / look.zoom, look.yaw_deg, look.pitch_deg)


def draw(surface: Surface, look: Look, size: int) -> U8:
    """Draw a surface.

    Args:
        surface: of a frame.
        look: where the viewer is.
        size: pixels along each side.

    Returns:
        (size, size, 3) uint8 in the texture network's colours, or of the normals without one, before light grey.
    """
    camera = camera_for(surface, look)
    own, view = surface.framing.calibration, surface.view
    colour: Callable[[F32], F32] | None = None if view.texture_features is None else view.colours
    occupancy: Occupancy = view.occupancy
    space, grid = own, surface.grid
    if grid is None:  # only what this viewer sees is localised, in the view space of a camera at the viewer's place
        space = replace(camera, extent_m=surface.framing.extent_m).calibration
        back = own @ np.linalg.inv(space)

        def occupancy(points: F32) -> F32:
            inside: F32 = view.occupancy(_moved(points, back))
            return inside

        def colours(points: F32) -> F32:
            found: F32 = view.colours(_moved(points, back))
            return found

        colour = None if colour is None else colours
        grid = _localise_visible(surface, look, occupancy)
    rays = orthographic_rays(space, camera.calibration, size, size)
    return over_background(to_rgba(render_surface(grid, occupancy, rays, colour=colour, refinements=0)), LIGHT_GREY)


def _localise_visible(surface: Surface, look: Look, occupancy: Occupancy) -> LocalisedGrid:
    """The first surface before a viewer; at the camera's own place, mask and depth bracket save evaluations."""
    view = surface.view
    if (look.yaw_deg, look.pitch_deg) != (0.0, 0.0) or surface.framing.fov_deg:
        return localise(occupancy, surface.resolution, mode="visible")
    mask = mask_of(surface.square)
    return localise(view.occupancy, surface.resolution, mode="visible", mask=mask, bracket=view.depth_range)


def _moved(points: F32, matrix: F64) -> F32:
    """Points (N, 3) after a projective map (4, 4)."""
    moved = points @ matrix[:, :3].T + matrix[:, 3]
    taken: F32 = (moved[:, :3] / moved[:, 3:]).astype(np.float32)
    return taken


def input_panel(surface: Surface, size: int) -> U8:
    """The frame itself as the viewer at the camera's place would see it, (size, size, 3) uint8, with its background."""
    framing = surface.framing
    half = framing.extent_m * framing.pixels_per_metre / 2
    box = framing.column - half, framing.row - half, framing.column + half, framing.row + half
    picture = surface.seen.picture
    opaque = np.concatenate([picture[..., :3], np.full((*picture.shape[:2], 1), 255, np.uint8)], axis=2)
    return over_background(resample(opaque, size, box), LIGHT_GREY)
