"""Dense supervision: predicted maps against the layers of the views, at every pixel (models/maps.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..core.errors import SettingsError
from ..datasets.loading.layers import PREFIX
from ..models.maps import MAPS

LAYERS = ("depth_front", "depth_back", "smooth_normal_front", "smooth_normal_back")
"""Layers that dense supervision needs, in the order of the channels of the maps."""
FACE_LAYERS = ("depth_front", "depth_back", "normal_front", "normal_back")
"""The same with the normals of faces, which do where there are no smooth ones."""
# Depths are in halves of the view cube and err by some hundredths, components of normals by tenths.
_DEPTH_WEIGHT = 10.0


def choose_layers(held: Collection[str]) -> tuple[str, ...]:
    """The layers to load of those that shards hold: smooth normals, or those of faces where there are none.

    Raises:
        SettingsError: there are neither.
    """
    for names in (LAYERS, FACE_LAYERS):
        if set(names) <= set(held):
            return names
    raise SettingsError(
        f"the shards hold {'the layers ' + ', '.join(held) if held else 'no layers'}, and maps are learned from "
        f"{', '.join(LAYERS)}; render and sample with --layers {' '.join(LAYERS)}"
    )


def has_maps(batch: Mapping[str, Tensor]) -> bool:
    """Whether a batch holds the layers of dense supervision."""
    return PREFIX + LAYERS[0] in batch


def true_maps(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The layers of a batch as the channels that a network predicts.

    Args:
        batch: from `ViewDataset(layers=...)` with the layers of `choose_layers`: "layers/<name>" (B, 1 or 3, H, W).

    Returns:
        Maps (B, 8, H, W) float32, 0 where there is no surface, and (B, 1, H, W) bool, where there is.

    Raises:
        SettingsError: the batch has no layers.
    """
    names = choose_layers([name.removeprefix(PREFIX) for name in batch if name.startswith(PREFIX)])
    layers = [batch[PREFIX + name].float() for name in names]
    shown = torch.isfinite(layers[0]) & torch.isfinite(layers[1])
    return torch.cat([layer.nan_to_num() for layer in layers], dim=1) * shown, shown


def maps_loss(maps: Tensor, truth: Tensor, shown: Tensor) -> Tensor:
    """Mean absolute error of depths (times ten) and normals, over the pixels that show the person.

    Args:
        maps: (B, 8, H, W), predicted.
        truth: (B, 8, H, W), from `true_maps`.
        shown: (B, 1, H, W) bool; other pixels do not count.

    Returns:
        (B,) float32; 0 for views without a pixel of the person.
    """
    _check_sizes(maps, truth)
    error = (maps.float() - truth).abs() * shown
    pixels = shown.sum(dim=(1, 2, 3)).clamp(min=1)
    depth, normal = error[:, :2].sum(dim=(1, 2, 3)) / 2, error[:, 2:].sum(dim=(1, 2, 3)) / (MAPS - 2)
    return (_DEPTH_WEIGHT * depth + normal) / pixels


def levels_loss(levels: Sequence[Tensor], truth: Tensor, shown: Tensor) -> Tensor:
    """Mean of `maps_loss` over the levels that are trained; the other arguments are its arguments.

    Args:
        levels: maps (B, 8, H, W) of each level; those of a frozen level have no gradient.
        truth: see `maps_loss`.
        shown: see `maps_loss`.
    """
    trained = [maps for maps in levels if maps.requires_grad] or levels[-1:]
    return torch.stack([maps_loss(maps, truth, shown) for maps in trained]).mean(dim=0)


def depth_error(maps: Tensor, truth: Tensor, shown: Tensor) -> Tensor:
    """Mean absolute error of both depths (B,), in halves of the view cube; arguments as for `maps_loss`."""
    error = (maps[:, :2].float() - truth[:, :2]).abs() * shown
    return error.sum(dim=(1, 2, 3)) / (2 * shown.sum(dim=(1, 2, 3)).clamp(min=1))


def map_figures(found: Iterable[tuple[Tensor, Tensor, Tensor, Tensor]]) -> dict[str, float]:
    """What the log says of the maps of held-out views.

    Args:
        found: for batches of views: predicted maps, true maps and shown pixels as for `maps_loss`, and calibrations
            (B, 4, 4).

    Returns:
        front_cm and back_cm, mean errors of both depths (of a perspective camera: about, at the person's distance);
        front_deg and back_deg, mean angles between normals; middle, the correlation over all pixels of the middle
        between front and back, which is about 0 while a network does not know who faces where.
    """
    sums, pixels = torch.zeros(4, dtype=torch.float64), 0.0
    middles: list[Tensor] = []
    for maps, truth, shown, calibrations in found:
        mask, maps = shown[:, 0], maps.float()
        # The third row of a calibration takes metres to view space.
        metres = 1.0 / calibrations[:, 2, :3].float().norm(dim=1)
        depth = (maps[:, :2] - truth[:, :2]).abs() * metres[:, None, None, None] * 100.0
        for side in range(2):
            one, other = (functional.normalize(m[:, 2 + 3 * side : 5 + 3 * side], dim=1) for m in (maps, truth))
            angle = torch.rad2deg(torch.arccos((one * other).sum(dim=1).clamp(-1.0, 1.0)))
            sums[side] += depth[:, side][mask].double().sum().cpu()
            sums[2 + side] += angle[mask].double().sum().cpu()
        pixels += float(mask.sum())
        middles.append(torch.stack([m[:, :2].mean(dim=1)[mask] for m in (maps, truth)]).cpu())
    front, back, front_deg, back_deg = (sums / max(pixels, 1.0)).tolist()
    middle = float(torch.corrcoef(torch.cat(middles, dim=1))[0, 1]) if pixels > 1 else 0.0
    return {
        "front_cm": round(front, 4), "back_cm": round(back, 4), "front_deg": round(front_deg, 3),
        "back_deg": round(back_deg, 3), "middle": round(middle, 4) if middle == middle else 0.0,
    }  # fmt: skip


def _check_sizes(maps: Tensor, truth: Tensor) -> None:
    if maps.shape != truth.shape:
        raise SettingsError(
            f"the network predicts maps of {maps.shape[-1]} pixels and the views have {truth.shape[-1]}; "
            "set image_size to the size of the maps (surface_network.encoder.size or fine_size)"
        )
