"""Losses, and the scores used by mining and validation.

Each returns one value per item, so that a batch can be split across ranks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def occupancy_loss(
    logits: Sequence[Tensor], inside: Tensor, labels: Tensor, *, kind: str, point_alpha: float | None = None
) -> Tensor:
    """Loss of each item, averaged over the stacks (PIFu's intermediate supervision).

    Args:
        logits: (B, N) for each stack, before the sigmoid.
        inside: (B, N) bool, whether a point lies in the view's cube; the others do not count.
        labels: (B, N) float32, 1 inside the person.
        kind: "mse" of the occupancy, "bce", or "balanced-bce". The last gives the inner and the outer points of an item
            the same total weight; with few inner points this thickens the body along the ray, where depth is uncertain.
        point_alpha: a point has the weight exp(|occupancy - label| / point_alpha), normalised to mean 1 over the item;
            None gives all points the same weight.

    Returns:
        (B,) float32.
    """
    counted = inside.float()
    number = counted.sum(dim=1).clamp(min=1.0)
    total = torch.zeros(len(labels), device=labels.device)
    for value in logits:
        raw = value.float()
        occupancy = torch.sigmoid(raw)
        if kind == "mse":
            loss = (occupancy - labels) ** 2
        else:
            loss = functional.binary_cross_entropy_with_logits(raw, labels, reduction="none")
        if kind == "balanced-bce":
            share = ((labels * counted).sum(dim=1, keepdim=True) / number[:, None]).clamp(0.01, 0.99)
            loss = loss * torch.where(labels > 0.5, 0.5 / share, 0.5 / (1.0 - share))
        weight = counted
        if point_alpha is not None:
            hardness = torch.exp((occupancy.detach() - labels).abs() / point_alpha) * counted
            weight = hardness * (number / hardness.sum(dim=1).clamp(min=1e-12))[:, None]
        total = total + (loss * weight).sum(dim=1) / number
    return total / len(logits)


def facing_loss(summary: Tensor, facing: Tensor, calibrations: Tensor) -> Tensor:
    """Squared error of the facing direction that a picture's summary predicts.

    Args:
        summary: (B, S); its first two numbers are the predicted direction (right, away from the camera).
        facing: (B, 3) world, unit; zero where the direction is unknown, which makes the loss 0.
        calibrations: (B, 4, 4), mirrored and scaled with the picture.

    Returns:
        (B,) float32.
    """
    matrix = calibrations[:, :, :3].float()
    # The axes of the camera. The depth axis of a pinhole camera is the fourth row. Where augmentation has shifted the
    # picture, its first row holds a part of that axis, which is subtracted.
    pinhole = matrix[:, 3].norm(dim=1, keepdim=True) > 0
    away = functional.normalize(torch.where(pinhole, matrix[:, 3], matrix[:, 2]), dim=1)
    right = functional.normalize(matrix[:, 0] - (matrix[:, 0] * away).sum(dim=1, keepdim=True) * away, dim=1)
    # Written as sums of products, because autocast would compute a matrix product in half precision.
    turned = (torch.stack([right, away], dim=1) * facing.float()[:, None]).sum(dim=2)
    length = turned.norm(dim=1, keepdim=True)
    error = (summary[:, :2].float() - turned / length.clamp(min=1e-6)).square().sum(dim=1)
    return torch.where(length[:, 0] > 1e-6, error, 0.0)


def colour_loss(colours: Tensor, truth: Tensor, *, point_alpha: float | None = None) -> Tensor:
    """Mean absolute error of colours.

    Args:
        colours: (B, N, 3) display values in [0, 1].
        truth: (B, N, 3) the same.
        point_alpha: weights of the points, see `occupancy_loss`.

    Returns:
        (B,) float32.
    """
    error = (colours.float() - truth).abs().mean(dim=-1)
    if point_alpha is not None:
        hardness = torch.exp(error.detach() / point_alpha)
        error = error * hardness / hardness.mean(dim=1, keepdim=True)
    return error.mean(dim=1)


def iou(occupancy: Tensor, labels: Tensor) -> Tensor:
    """IoU of {occupancy > 0.5} and {label > 0.5}, both (B, N): (B,) float32; 1 where both sets are empty."""
    found, true = occupancy > 0.5, labels > 0.5
    union = (found | true).sum(dim=1)
    return torch.where(union > 0, (found & true).sum(dim=1) / union.clamp(min=1), 1.0).float()
