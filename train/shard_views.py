"""Shards as training reads them: small pictures stay in memory once decoded."""

from __future__ import annotations

from pathlib import Path

from ..core.arrays import U8
from ..datasets.loading.relight import RELIGHT_POINTS
from ..datasets.loading.views import ViewDataset
from ..datasets.shards.index import read_index
from .settings import TrainSettings

CACHE_BYTES = 1 << 30
"""Pictures of a split are kept when all together need no more than this (16,000 of 128x128)."""


class CachedViews(ViewDataset):
    """A `ViewDataset` that decodes and shrinks each picture once a process.

    With the tiny preset the decoding of a stored 512x512 PNG costs as much as the network's step.
    """

    _pictures: dict[int, U8] | None = None

    def picture(self, view: int) -> U8:
        """(4, H, W) uint8 RGBA; see `ViewDataset.picture`."""
        if self._pictures is None:
            self._pictures = {}
        found = self._pictures.get(view)
        if found is None:
            found = self._pictures[view] = super().picture(view)
        return found.copy()


def open_views(
    shards: Path, split: str, settings: TrainSettings, points: int, colour_points: int, *, train: bool = False
) -> ViewDataset:
    """The views of a split with the settings' picture size and seed, cached where that is small.

    With `train` the points are mixed as the settings say; otherwise as PIFu does, so that scores of all runs compare.
    """
    share, power = (settings.uniform_share, settings.sigma_power) if train else (1 / 17, 0.0)
    stored = read_index(shards).settings
    sigmas = stored["sigmas_m"]
    relight_points = min(RELIGHT_POINTS, stored["colour_points"]) if train and settings.augment.relight else 0
    total = sum(sigma**power for sigma in sigmas)
    mixture = {f"near_{sigma * 1000:g}mm": (1.0 - share) * sigma**power / total for sigma in sigmas}
    mixture["uniform"] = share if sigmas else 1.0
    for kind in (CachedViews, ViewDataset):
        views: ViewDataset = kind(
            shards, split, points=points, colour_points=colour_points, image_size=settings.image_size,
            seed=settings.seed, mixture=mixture, relight_points=relight_points,
            balanced=train and settings.balanced,
        )  # fmt: skip
        if len(views) * views.image_size**2 * 4 <= CACHE_BYTES:
            break
    return views
