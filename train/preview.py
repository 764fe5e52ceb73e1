"""What the networks of this moment make of a held-out picture: input, front, side and back, next to each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..core.arrays import U8
from ..core.pictures import side_by_side
from ..models.runs import LoadedRun
from ..models.surface import SurfaceNetwork
from ..models.texture import TextureNetwork
from ..reconstruct.capture.panels import over_background
from ..reconstruct.localise.localise import localise
from ..reconstruct.surface.direct import orthographic_rays, render_surface, to_rgba
from ..reconstruct.view_field import encode_view
from .data import Item

SIDE = 160
# Coarse on purpose: a picture at each validation should cost less than the validation.
RESOLUTION = 65
YAWS_DEG = (0.0, 90.0, 180.0)


def reconstruction_picture(
    surface: SurfaceNetwork, texture: TextureNetwork | None, item: Item, device: torch.device
) -> U8:
    """Rebuild one view without a mesh and look at it.

    Args:
        surface, texture: in evaluation mode; without the texture network normals are shown as colours.
        item: of a data set (see `data.Views`).
        device: where the networks are.

    Returns:
        (SIDE, 4 * SIDE, 3) uint8: the input, then the body from the picture's camera, from the picture's right, and
        from behind; empty panels where the network sees nobody.
    """
    image = np.ascontiguousarray(item["image"].permute(1, 2, 0).numpy())
    view = encode_view(LoadedRun(surface, texture, {}, Path(), device), image)
    grid = localise(view.occupancy, RESOLUTION)
    colour = None if texture is None else view.colours
    given = np.linspace(0, len(image) - 1, SIDE).round().astype(int)
    panels = [over_background(image[given][:, given])]
    for yaw in np.deg2rad(YAWS_DEG):
        # The view space of the picture, turned about the vertical axis through the cube's middle.
        turn = np.eye(4)
        turn[[0, 0, 2, 2], [0, 2, 0, 2]] = np.cos(yaw), np.sin(yaw), -np.sin(yaw), np.cos(yaw)
        rays = orthographic_rays(np.eye(4), turn, SIDE, SIDE)
        seen = render_surface(grid, view.occupancy, rays, colour=colour, refinements=0)
        panels.append(over_background(to_rgba(seen)))
    return side_by_side(panels)
