"""Layers of views in another size, or moved together with their pictures.

A layer holds what its view shows at the middle of each pixel. So it is not averaged over areas, as pictures are: at a
new place its value is interpolated between the four pixels around, of which those count that show the surface, and for
depths and positions only those that show the same surface as the one with the greatest weight. Labels are never mixed:
the one with the greatest weight is taken. What shows the surface with less than half of its weight is outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from ...core.arrays import Array
from ...geometry.labels import mirrored_parts
from ..renders.layer_kinds import LayerKind, layer_kind, outside_value

PREFIX = "layers/"
"""An item of `ViewDataset` holds a layer under its name with this in front."""
# Values farther apart belong to different surfaces: view space (6 cm at the default extent), and metres.
JUMP = {"depth": 0.05, "position": 0.06}
# Matrices come from float32 calibrations; what mixes depth into x and y by less is rounding. Likewise half a weight.
ROUNDING = 1e-3


def layer_tensor(values: Array) -> Tensor:
    """(C, H, W) of a layer as RenderLayers holds it, (H, W) or (H, W, C)."""
    tensor = torch.from_numpy(values)
    return tensor[None] if tensor.ndim == 2 else tensor.permute(2, 0, 1).contiguous()


def resize_layer(kind: LayerKind, layer: Tensor, size: int) -> Tensor:
    """Show a layer at another size.

    Args:
        kind: of the layer.
        layer: (C, H, W).
        size: pixels along each side of the result.

    Returns:
        (C, size, size), the same dtype; where an area covers 2 x 2 pixels this is their mean.
    """
    stored = layer.shape[-1]
    if stored == size:
        return layer
    factor = stored // size
    if stored % size == 0 and factor % 2:  # the middle of a new pixel is that of a stored one
        return layer[:, factor // 2 :: factor, factor // 2 :: factor].contiguous()
    if stored % size == 0:
        return _shrink_evenly(kind, layer, factor)
    return _sample(kind, layer[None], _grid_corners(size, stored, layer.device))[0]


def _shrink_evenly(kind: LayerKind, layer: Tensor, factor: int) -> Tensor:
    """`resize_layer` by an even factor: the middle of a new pixel is the corner of four stored ones."""
    shown = _shown(kind, layer[None])[0]
    parts = []
    for used in (shown.any(dim=1), shown.any(dim=0)):  # only the part that shows the surface is computed
        place = used.nonzero()
        first, last = (int(place[0]), int(place[-1])) if len(place) else (0, 0)
        parts.append((first // factor, last // factor + 1))
    (top, bottom), (left, right) = parts
    part = layer[None, :, top * factor : bottom * factor, left * factor : right * factor]
    before, after = slice(factor // 2 - 1, None, factor), slice(factor // 2, None, factor)
    four = [part[:, :, row, column] for row in (before, after) for column in (before, after)]
    outside = torch.full_like(layer[:, ::factor, ::factor], outside_value(kind))
    outside[:, top:bottom, left:right] = _mix(kind, four, [_shown(kind, value) * 0.25 for value in four])[0]
    return outside


def move_layers(batch: Mapping[str, Tensor], calibrations: Tensor) -> dict[str, Tensor]:
    """Move the layers of a batch as `augment` moved its pictures, by the change of their calibrations.

    Masks and colours are moved. Depths are moved and become those of the new view space: they grow and shrink with
    the person. Normals are moved and turned with the camera's axes: in a mirror image their x changes sign. Positions
    are moved and stay, since the world does. Labels are moved, and in a mirror image left and right parts of the body
    change places. Colours are those of the surface, which neither `augment`'s tints nor
    another light change.

    Args:
        batch: of `ViewDataset(layers=...)`: "calibration" (B, 4, 4) before the change, and (B, C, H, W) layers.
        calibrations: (B, 4, 4), after the change: A @ batch["calibration"], A any matrix that moves, scales, turns or
            mirrors the picture.

    Returns:
        The layers alone, by the batch's names; empty where it has none.

    Raises:
        ValueError: A turns the person out of the picture's plane, which no layer can follow.
        InputError: the kind of a layer is not known.
    """
    layers = {name: layer for name, layer in batch.items() if name.startswith(PREFIX)}
    if not layers or torch.equal(batch["calibration"], calibrations):
        return layers
    change = calibrations.double() @ torch.linalg.inv_ex(batch["calibration"].double()).inverse
    if change[:, :2, 2].abs().max() > ROUNDING or change[:, 3, :3].abs().max() > ROUNDING:
        raise ValueError("the calibrations changed by more than a move within the picture: layers cannot follow")
    moved = {}
    size = next(iter(layers.values())).shape[-1]
    back = torch.linalg.inv_ex(change).inverse[:, [0, 1]][:, :, [0, 1, 3]]
    middles = _pixel_middles(size, change.device)
    source = torch.einsum("bij,hwj->bhwi", back[:, :, :2], middles) + back[:, None, None, :, 2]
    corners = _corners(source, size)
    for name, layer in layers.items():
        kind = layer_kind(name.removeprefix(PREFIX))
        values = _sample(kind, layer, corners)
        moved[name] = _in_new_view(kind, values, source, change)
        if kind == "label" and "part" in name.removeprefix(PREFIX).split("_"):
            moved[name] = _with_sides(moved[name], change)
    return moved


def _with_sides(parts: Tensor, change: Tensor) -> Tensor:
    """Parts (B, 1, H, W) in which left and right have changed places where the change is a mirror."""
    mirror = torch.linalg.det(change[:, :2, :2]) < 0
    table = torch.from_numpy(mirrored_parts()).to(parts.device)
    return torch.where(mirror[:, None, None, None], table[parts.long()], parts)


def _in_new_view(kind: LayerKind, values: Tensor, source: Tensor, change: Tensor) -> Tensor:
    """Values (B, C, H, W) of the old view space at (B, H, W, 2) old places, in the new view space."""
    if kind == "depth":
        across = torch.einsum("bj,bhwj->bhw", change[:, 2, :2], source) + change[:, 2, 3, None, None]
        return (values * change[:, 2, 2, None, None, None] + across[:, None]).to(values.dtype)
    if kind == "normal":
        turn = torch.linalg.inv_ex(change[:, :3, :3]).inverse
        # The rows have one length, since all axes are scaled alike, so that unit normals stay unit normals.
        turn = turn / turn.norm(dim=1, keepdim=True)
        return torch.einsum("bji,bjhw->bihw", turn.to(values.dtype), values)
    return values


def _pixel_middles(size: int, device: torch.device) -> Tensor:
    """(size, size, 2) view x and y of the middles of pixels."""
    middle = (2.0 * torch.arange(size, device=device, dtype=torch.float64) + 1.0) / size - 1.0
    return torch.stack(torch.meshgrid(middle, middle, indexing="xy"), dim=-1)


def _corners(places: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """The four pixels around each of (B, h, w, 2) places in view x and y of B pictures, and their bilinear weights.

    Returns:
        For each of the four, its flat index among all pixels of the B pictures, and its weight, 0 beyond the border;
        both (B, h, w).
    """
    place = ((places + 1.0) * size - 1.0) / 2.0
    corner = place.floor()
    right, down = (place - corner).float().unbind(dim=-1)
    column, row = corner.long().unbind(dim=-1)
    first = torch.arange(len(places), device=places.device)[:, None, None] * size**2
    found = []
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        inside = (column + x >= 0) & (column + x < size) & (row + y >= 0) & (row + y < size)
        index = first + (row + y).clamp(0, size - 1) * size + (column + x).clamp(0, size - 1)
        found.append((index, (right if x else 1 - right) * (down if y else 1 - down) * inside))
    return found


@cache
def _grid_corners(size: int, stored: int, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """`_corners` of the pixels of a picture in one of another size: computed once, and the same for every layer."""
    return _corners(_pixel_middles(size, device)[None], stored)


def _sample(kind: LayerKind, layers: Tensor, corners: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Values (B, C, h, w) of (B, C, H, W) layers between the pixels of `_corners`; see the head of this file."""
    seen = _shown(kind, layers).flatten()
    indices = [index for index, _ in corners]
    weights = [share * seen[index] for index, share in corners]
    # People cover a tenth of a picture: values are mixed for those pixels alone, which takes a quarter of the time.
    near = torch.stack(weights).sum(dim=0) > 0
    flat = layers.permute(0, 2, 3, 1).reshape(-1, layers.shape[1])
    values = [flat[index[near]].T[None, :, None] for index in indices]
    mixed = _mix(kind, values, [weight[near][None, None] for weight in weights])
    found = torch.full((*near.shape, layers.shape[1]), outside_value(kind), dtype=layers.dtype, device=layers.device)
    found[near] = mixed[0, :, 0].T
    return found.permute(0, 3, 1, 2).contiguous()


def _mix(kind: LayerKind, values: list[Tensor], weights: list[Tensor]) -> Tensor:
    """The value of a pixel from four (B, C, h, w) around it and their weights (B, h, w), 0 for those outside."""
    value, weight = torch.stack(values).float().nan_to_num(), torch.stack(weights)[:, :, None]
    shown = weight.sum(dim=0) >= 0.5 - ROUNDING
    if kind == "label":
        nearest = value.gather(0, weight.argmax(dim=0, keepdim=True).expand(-1, -1, value.shape[2], -1, -1))[0]
        return torch.where(shown, nearest, 0.0).to(torch.uint8)
    if kind in JUMP:
        first = weight.argmax(dim=0, keepdim=True).expand(-1, -1, value.shape[2], -1, -1)
        apart = (value - value.gather(0, first)).abs().amax(dim=2, keepdim=True)
        weight = weight * (apart <= JUMP[kind])
    mean = (value * weight).sum(dim=0) / weight.sum(dim=0).clamp(min=1e-12)
    if kind == "mask":
        return shown
    if kind == "colour":
        return torch.where(shown, mean.round(), 0.0).to(torch.uint8)
    if kind == "normal":
        return torch.where(shown, torch.nn.functional.normalize(mean, dim=1), 0.0)
    return torch.where(shown, mean, torch.nan)


def _shown(kind: LayerKind, value: Tensor) -> Tensor:
    """(B, h, w) bool: which values (B, C, h, w) show the surface."""
    if kind == "mask":
        return value[:, 0].bool()
    if kind == "colour":
        return value[:, 3] > 0
    if kind in ("normal", "label"):
        return (value != 0).any(dim=1)
    return ~value.isnan().any(dim=1)
