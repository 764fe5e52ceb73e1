"""Random fields to search, in view space, with masks and brackets that are true of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from mpc.reconstruct.localise.field import DeviceField


@dataclass(frozen=True, eq=False)
class RandomField:
    """Blobs with ripples, or noise, cut off by two slanting planes and an ellipse that bracket and mask know of.

    Attributes:
        values: (N, 3) points -> (N,) occupancy.
        mask: (64, 64) bool, outside of which nothing is.
        bracket: (N, 2) -> (N, 2), see `DepthRange`.
        seeds: (20, 3) points anywhere.
    """

    values: Callable
    mask: np.ndarray
    bracket: Callable
    seeds: np.ndarray


def random_field(seed: int, kind: str) -> RandomField:
    """One of the fields "blobs", "noise" and "hard" (blobs of 0 and 1)."""
    rng = np.random.default_rng(seed)
    centres, radii = rng.uniform(-0.7, 0.7, (5, 3)).astype(np.float32), rng.uniform(0.05, 0.4, 5).astype(np.float32)
    waves, phases = rng.normal(0, 8 if kind != "noise" else 11, (3, 4)).astype(np.float32), rng.uniform(0, 6, 4)
    phases = phases.astype(np.float32)

    def values(points):
        ripples = np.sin(points @ waves + phases).sum(axis=1)
        if kind == "noise":
            level = 3 * ripples
        else:
            near = np.min([np.linalg.norm(points - c, axis=1) - r for c, r in zip(centres, radii, strict=True)], axis=0)
            level = -(near + 0.04 * ripples) / 0.02
        inside = (points[:, 2] > -0.6 + 0.2 * points[:, 0]) & (points[:, 2] < 0.5 + 0.2 * points[:, 1])
        inside &= np.hypot(points[:, 0] / 0.8, points[:, 1] / 0.9) < 0.9
        if kind == "hard":
            return ((level > 0) & inside).astype(np.float32)
        return np.where(inside, 1 / (1 + np.exp(-np.clip(level, -30, 30))), 1e-3).astype(np.float32)

    pixels = (2 * np.arange(64) + 1) / 64 - 1
    mask = np.hypot(pixels[None] / 0.8, pixels[:, None] / 0.9) < 0.95

    def bracket(xy):
        return np.stack([-0.62 + 0.2 * xy[:, 0], 0.52 + 0.2 * xy[:, 1]], axis=1).astype(np.float32)

    return RandomField(values, mask, bracket, rng.uniform(-1, 1, (20, 3)).astype(np.float32))


def on_device(field, retry=lambda: False):
    """A function of host points as a field of torch's CPU: a host that works ahead asks it without a wait."""

    def there(points):
        return torch.from_numpy(np.asarray(field(points.numpy()), np.float32))

    return DeviceField(field, there, "cpu", retry)
