"""Show training pictures under another light, on the training device.

A picture is texture x irradiance^(1/2.2), and irradiance is transfer . light (render/light/shading.py). So the same
picture under a new light is its colours times (new / old irradiance)^(1/2.2). The transfer of its pixels is computed
from surface points of the scene: those that the camera sees are averaged in the cells of a coarse grid, empty cells
take the mean of their neighbours, and values between the cells are interpolated.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from ...core.arrays import F32
from ...core.errors import SettingsError
from ...render.light.lights import LightSet, builtin_lights, draw_light
from ...render.light.shading import DISPLAY_GAMMA

# The grid's edge: cells of 2 cm at the default extent of 2.4 m, where 8,192 points give a few a cell.
CELLS = 128
# Points that are farther away (view space) than the nearest one of their cell by more than this are hidden by it.
HIDDEN = 0.03
# Irradiance (linear) added to both lights, so that the ratio stays bounded where the old light was black.
FLOOR = 0.01
FILL_ROUNDS = 8
# Number of points that `ViewDataset` gives with an item for this.
RELIGHT_POINTS = 8192


def draw_lights(lights: LightSet, count: int, *, probability: float, rng: np.random.Generator) -> list[F32 | None]:
    """Draw a new light for some items of a batch.

    Every process draws for the whole batch of all processes, so that their number does not matter.

    Args:
        lights: the environments; each is turned at random about the vertical axis.
        count: items of the whole batch.
        probability: of an item to get a new light.
        rng: the source of randomness.

    Returns:
        For each item a light (9, 3); None where the old one stays.
    """
    chosen = rng.random(count) < probability
    drawn = [draw_light(lights, rng).coefficients for _ in range(count)]
    return [light if use else None for light, use in zip(drawn, chosen, strict=True)]


def relight_some(
    batch: dict[str, Tensor], probability: float, *, rng: np.random.Generator, rows: slice, count: int
) -> dict[str, Tensor]:
    """Show some items of a batch under built-in lights.

    Args:
        batch: see `relight`.
        probability: of an item to get a new light.
        rng: see `augment`.
        rows: see `augment`.
        count: see `augment`.

    Raises:
        SettingsError: the views have no points to compute the new light from.
    """
    if "relight_points" not in batch:
        raise SettingsError("augment.relight needs views with coloured points: `mpc sample --colours`")
    return relight(batch, draw_lights(builtin_lights(), count, probability=probability, rng=rng)[rows])


def relight(batch: dict[str, Tensor], lights: list[F32 | None]) -> dict[str, Tensor]:
    """Show items of a batch under new lights; "image", "light" and "colours" change together.

    Args:
        batch: from `ViewDataset(relight_points=...)`, before `augment` moves its pictures.
        lights: a light (9, 3) for each item, None where the old one stays, see `draw_lights`.
    """
    rows = [row for row, light in enumerate(lights) if light is not None]
    if not rows:
        return batch
    device = batch["image"].device
    new = torch.from_numpy(np.stack([light for light in lights if light is not None])).to(device)
    old = batch["light"][rows]
    images, colours, kept = batch["image"].clone(), batch["colours"].clone(), batch["light"].clone()
    transfer = pixel_transfer(
        batch["relight_points"][rows], batch["relight_transfer"][rows], batch["calibration"][rows],
        min(CELLS, images.shape[-1]),
    )  # fmt: skip
    images[rows] = _shaded(images[rows], transfer, old, new)
    shade = display_irradiance(batch["colour_transfer"][rows] @ new)
    colours[rows] = (batch["colour_albedo"][rows] * shade).clamp(max=1.0)
    kept[rows] = new
    return {**batch, "image": images, "colours": colours, "light": kept}


def display_irradiance(linear: Tensor) -> Tensor:
    """Factors by which an sRGB albedo is multiplied to give display values; `linear` is transfer . light."""
    return linear.clamp(min=0.0) ** (1.0 / DISPLAY_GAMMA)


def pixel_transfer(points: Tensor, transfer: Tensor, calibrations: Tensor, cells: int) -> Tensor:
    """Transfer of the surface that each cell of the picture shows.

    Args:
        points: (B, R, 3) world metres, on the surface.
        transfer: (B, R, 9).
        calibrations: (B, 4, 4), world metres to view space.
        cells: edge of the grid.

    Returns:
        (B, 9, cells, cells); cells far from all points hold 0.
    """
    batch, count = points.shape[:2]
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], dim=2) @ calibrations.mT
    view = homogeneous[..., :3] / homogeneous[..., 3:]
    cell = ((view[..., :2] + 1.0) * (cells / 2)).floor().long()
    within = ((cell >= 0) & (cell < cells)).all(dim=2)
    place = torch.where(within, cell[..., 1] * cells + cell[..., 0], cells * cells)  # one more cell for points outside
    depth = torch.full((batch, cells * cells + 1), torch.inf, device=points.device)
    depth = depth.scatter_reduce(1, place, view[..., 2], "amin")
    # The nearest point of the cells around, too: a cell between two points of the front must not show the back.
    front = depth[:, :-1].reshape(batch, 1, cells, cells)
    front = -torch.nn.functional.max_pool2d(-front, 3, stride=1, padding=1)
    front = torch.cat([front.flatten(1), depth[:, -1:]], dim=1)
    seen = within & (view[..., 2] <= front.gather(1, place) + HIDDEN)
    weight = seen.to(points.dtype)
    values = torch.cat([transfer * weight[..., None], weight[..., None]], dim=2)
    total = torch.zeros(batch, cells * cells + 1, 10, device=points.device, dtype=points.dtype)
    total.scatter_add_(1, place[..., None].expand(batch, count, 10), values)
    grid = total[:, :-1].mT.reshape(batch, 10, cells, cells)
    for _ in range(FILL_ROUNDS):  # cells without a point take the mean of those around
        empty = grid[:, 9:] == 0
        grid = torch.where(empty, avg_pool2d(grid, 3, stride=1, padding=1), grid)
    return grid[:, :9] / grid[:, 9:].clamp(min=1e-12)


def _shaded(images: Tensor, transfer: Tensor, old: Tensor, new: Tensor) -> Tensor:
    size = list(images.shape[-2:])
    # First from nine coefficients to three channels of irradiance, then up to the picture's size: both are linear.
    before, after = (torch.einsum("bkhw,bkc->bchw", transfer, light.float()).clamp(min=0.0) for light in (old, new))
    before, after = (interpolate(value, size, mode="bilinear", align_corners=False) for value in (before, after))
    ratio = ((after + FLOOR) / (before + FLOOR)) ** (1.0 / DISPLAY_GAMMA)
    colours = (images[:, :3].float() * ratio).round().clamp(0, 255).to(torch.uint8)
    return torch.cat([colours, images[:, 3:]], dim=1)
