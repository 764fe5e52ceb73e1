"""A preview for the log: a held-out picture, and its current reconstruction, drawn from three sides and in 3D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import U8
from ..core.pictures import LIGHT_GREY, over_background, side_by_side
from ..datasets.loading.body import body_maps
from ..geometry.mesh import PosedMesh
from ..models.surface import SurfaceNetwork
from ..models.texture import TextureNetwork
from ..reconstruct.localise.localise import localise
from ..reconstruct.picture_to_mesh import mesh_of_grid
from ..reconstruct.surface.camera_rays import orthographic_rays
from ..reconstruct.surface.direct import render_surface, to_rgba
from ..reconstruct.view_field import encode_view
from .data import Item

SIDE = 160
# Coarse, so that a preview takes less time than the validation that it accompanies.
RESOLUTION = 65
YAWS_DEG = (0.0, 90.0, 180.0)


@dataclass(frozen=True, eq=False)
class Preview:
    """What the networks make of a held-out view.

    Attributes:
        picture: (SIDE, 4 * SIDE, 3) uint8: the input, then the body from the picture's camera, from the picture's
            right, and from behind. A panel stays empty where the network predicts nobody.
        mesh: the body, world metres; None where the network predicts nobody.
    """

    picture: U8
    mesh: PosedMesh | None


def make_preview(surface: SurfaceNetwork, texture: TextureNetwork | None, item: Item) -> Preview:
    """Reconstruct one view.

    Args:
        surface: in evaluation mode.
        texture: in evaluation mode; None: the picture shows normals as colours, and the mesh has none.
        item: one view of a data set (see `data.Views`).
    """
    image = np.ascontiguousarray(item["image"].permute(1, 2, 0).numpy())
    landmarks = item["landmarks"].numpy() if "landmarks" in item else None
    body = body_maps(item)
    view = encode_view(surface, texture, image, landmarks, None if body is None else body.numpy())
    grid = localise(view.occupancy, RESOLUTION, bracket=view.depth_range)
    colour = None if texture is None else view.colours
    pixels = np.linspace(0, len(image) - 1, SIDE).round().astype(int)
    panels = [over_background(image[pixels][:, pixels], LIGHT_GREY)]
    for yaw in np.deg2rad(YAWS_DEG):
        # Turn view space about the vertical axis through the middle of the cube.
        turn = np.eye(4)
        turn[[0, 0, 2, 2], [0, 2, 0, 2]] = np.cos(yaw), np.sin(yaw), -np.sin(yaw), np.cos(yaw)
        rays = orthographic_rays(np.eye(4), turn, SIDE, SIDE)
        seen = render_surface(grid, view.occupancy, rays, colour=colour, refinements=0)
        panels.append(over_background(to_rgba(seen), LIGHT_GREY))
    mesh = None
    if grid.surface_box is not None:
        mesh = mesh_of_grid(grid, view, item["calibration"].double().numpy()).posed
    return Preview(side_by_side(panels), mesh)
