"""The third stage: a surface as a viewer sees it, straight from the network's field, without a mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from ...core.arrays import F32, F64, U8
from ...core.pictures import LIGHT_GREY, mask_of
from ...geometry.camera import OrthographicCamera
from ...reconstruct.localise.grid import LocalisedGrid
from ...reconstruct.localise.localise import Occupancy, localise
from ...reconstruct.surface.camera_rays import orthographic_rays
from ...reconstruct.surface.direct import SurfaceMap, render_surface
from .paint import FramePaint
from .settings import Look
from .shots import Surface


def camera_for(surface: Surface, look: Look) -> OrthographicCamera:
    """The camera of a viewer: it goes around the middle of the person's cube."""
    framing = surface.framing
    return OrthographicCamera(framing.centre_world, framing.extent_m / look.zoom, look.yaw_deg, look.pitch_deg)


def draw(surface: Surface, look: Look, size: int, paint: FramePaint | None = None) -> U8:
    """Draw a surface.

    Args:
        surface: of a frame.
        look: where the viewer is.
        size: pixels along each side.
        paint: gives the colours of what the frame shows; None: the texture network gives all.

    Returns:
        (size, size, 3) uint8, of the normals where there is no texture network, before light grey.
    """
    camera = camera_for(surface, look)
    own, view = surface.framing.calibration, surface.view
    colour: Callable[[F32], F32] | None = None if view.texture_features is None else view.colours
    occupancy: Occupancy = view.occupancy
    space, grid, back = own, surface.grid, np.eye(4)
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
    rays = orthographic_rays(space, _before_cube(camera, surface.framing.extent_m), size, size)
    if paint is None or colour is None:
        shown = render_surface(grid, occupancy, rays, colour=colour, refinements=0)
    else:
        shown = render_surface(grid, occupancy, rays, refinements=0)
        shown = replace(shown, colours=_painted(shown, paint, back, look))
    values = shown.normals * 0.5 + 0.5 if shown.colours is None else shown.colours
    picture = np.full((size, size, 3), LIGHT_GREY, np.uint8)
    picture[shown.mask] = np.rint(np.clip(values[shown.mask], 0, 1) * 255)
    return picture


def _before_cube(camera: OrthographicCamera, extent_m: float) -> F64:
    """The calibration of a camera whose rays begin before a cube of this edge, however near the viewer comes."""
    calibration = camera.calibration.copy()
    calibration[2] = replace(camera, extent_m=extent_m).calibration[2]
    return calibration


def _painted(shown: SurfaceMap, paint: FramePaint, back: F64, look: Look) -> F32:
    """The colours (H, W, 3) of a picture, from the frame where that shows them.

    Args:
        shown: what is drawn, in any view space.
        paint: of the frame.
        back: (4, 4) from that view space to the frame's.
        look: where the viewer is.
    """
    surface, points = paint.surface, shown.points[shown.mask]
    there = _moved(points, back)
    # The direction to the camera: towards lower z in the frame's view space.
    forth = np.linalg.inv(back).astype(np.float64)
    nearer = _moved(there - np.array([0.0, 0.0, 1e-2], np.float32), forth)
    towards = nearer - points
    cosine = (shown.normals[shown.mask] * towards).sum(axis=1) / np.linalg.norm(towards, axis=1)
    colours = np.zeros((*shown.mask.shape, 3), np.float32)
    colours[shown.mask] = paint.colours(
        there, cosine, surface.view.colours, len(shown.mask) * look.zoom, own_place=_is_own_place(surface, look)
    )
    return colours


def _is_own_place(surface: Surface, look: Look) -> bool:
    """Whether a viewer looks along the rays of the frame's own camera."""
    return (look.yaw_deg, look.pitch_deg) == (0.0, 0.0) and not surface.framing.fov_deg


def _localise_visible(surface: Surface, look: Look, occupancy: Occupancy) -> LocalisedGrid:
    """The first surface before a viewer; at the camera's own place, mask and depth bracket save evaluations."""
    view = surface.view
    if not _is_own_place(surface, look):
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
    framing, frame = surface.framing, Image.fromarray(surface.seen.picture[..., :3])
    side = framing.extent_m * framing.pixels_per_metre
    shrunk = max(int(side / size), 1)
    if shrunk > 1:  # interpolation between four pixels would leave out those between
        frame = frame.reduce(shrunk)
    left, top = framing.column - side / 2, framing.row - side / 2
    box = left / shrunk, top / shrunk, (left + side) / shrunk, (top + side) / shrunk
    shown = frame.transform((size, size), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR, fillcolor=LIGHT_GREY)
    panel: U8 = np.asarray(shown)
    return panel
