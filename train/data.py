"""The data sets that training accepts, and how their views become batches on the training device."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..core.errors import InputError, SettingsError
from ..core.held_out import held_out_subjects
from ..core.randomness import derive_rng
from ..datasets.loading.body import KNOWN, body_maps
from ..datasets.loading.relight import RELIGHT_POINTS
from ..datasets.loading.views import CachedViews, ViewDataset, cache_bytes
from ..datasets.shards.index import ShardIndex, read_index
from ..geometry.camera import PerspectiveCamera, camera_of
from .body import check_known
from .distributed import Group
from .maps import choose_layers
from .mining import MinedBatches
from .settings import TrainSettings

logger = logging.getLogger(__name__)

# Where loader processes pass batches on, and the least that they need of it.
SHARED_MEMORY = Path("/dev/shm")
LEAST_SHARED = 32 << 20

Item = dict[str, Tensor]
"""One view of a data set, or a batch of views, by the names that `Views` lists."""


def refuse_held_out(shards: Path, index: ShardIndex) -> None:
    """Refuse people of a benchmark: who has trained on them, or chosen weights by them, cannot be measured by them.

    Args:
        shards: folder written by `mpc sample`.
        index: of the folder.

    Raises:
        InputError: some are in the splits "train" or "val".
    """
    found = held_out_subjects(index.split, index.licences)
    if found:
        few = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise InputError(
            shards,
            f"{few} belong to a benchmark and must not be trained or validated on; keep their renders in shards of "
            "their own (mpc sample --split 0,0,1), or put them into the test split (--split-file)",
        )


class Views(Protocol):
    """A data set of views with points of their scenes: `ViewDataset` (datasets/loading/views.py), `EllipsoidViews`.

    `self[view]`, or `self[(view, draw)]` for another draw of the points, is an item with image (4, H, W) uint8,
    calibration (4, 4), points (N, 3), labels (N,), colour_points (M, 3), colours (M, 3), view () and scene ().
    `views[i]` has the attributes scene_key, subject and view_name.
    """

    @property
    def views(self) -> Sequence[Any]:
        """One record for each view."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any, /) -> Item: ...


def fingerprint(data: Views) -> str:
    """Hash of the views of a data set, in order. The mining table of a checkpoint is valid for these views alone."""
    digest = hashlib.sha256()
    for view in data.views:
        digest.update(f"{view.scene_key}\x1f{view.view_name}\n".encode())
    return digest.hexdigest()


def view_cube(data: Views) -> dict[str, float]:
    """Edge of the pictures' cube in metres, and angle of view in degrees (0: orthographic); medians of a few views."""
    cameras = [camera_of(data[view]["calibration"].numpy()) for view in spread(len(data), 8)]
    fovs = [camera.fov_deg if isinstance(camera, PerspectiveCamera) else 0.0 for camera in cameras]
    # Rounded, since items hold float32.
    return {
        "extent_m": round(statistics.median(camera.extent_m for camera in cameras), 4),
        "fov_deg": round(statistics.median(fovs), 2),
    }


def open_loader(data: Views, batches: MinedBatches, *, workers: int, group: Group) -> DataLoader[Item]:
    """A loader of the batches that `batches` draws; each worker prepares two batches in advance.

    Args:
        data: the views.
        batches: draws the views of each step.
        workers: loader processes; 0 loads in this process.
        group: the processes that train together.
    """
    if workers and (free := free_shared_memory()) is not None and free < LEAST_SHARED:
        logger.warning(
            "/dev/shm has %.1f MiB free, too little for loader processes: views are loaded in this process "
            "(a container needs --shm-size or --ipc=host)",
            free / 2**20,
        )
        workers = 0
    return DataLoader(
        cast("Dataset[Item]", data),
        batch_sampler=batches,
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        pin_memory=group.device.type == "cuda",
        # Without a generator of its own, the loader would draw a number from torch's global one, and a resumed run
        # would differ from one that was not interrupted.
        generator=torch.Generator(),
    )


def free_shared_memory(folder: Path = SHARED_MEMORY) -> int | None:
    """Bytes that processes may still share, which loader processes pass batches through; None where nobody says."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def collate(items: Sequence[Item]) -> Item:
    """Stack items to one batch."""
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}


def with_body(batch: Item) -> Item:
    """The batch with the body of its layers as "body" (B, 8, H, W), see `body_maps`; as it is where it has none."""
    body = body_maps(batch)
    return batch if body is None else {**batch, "body": body}


def to_device(batch: Item, device: torch.device) -> Item:
    """Move a batch to the device of the networks."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0 to `count` - 1, evenly spaced, beginning with 0."""
    take = min(count, most)
    return [index * count // take for index in range(take)]


def drawn_views(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0 to `count` - 1, drawn once and for all, in ascending order.

    Evenly spaced views would often have one yaw: 32 of 64 scenes with 36 views each are all fronts.
    """
    order = derive_rng(0, "validation views").permutation(count)
    return sorted(int(index) for index in order[:most])


def point_mixture(stored: Sequence[float], settings: TrainSettings) -> dict[str, float]:
    """The share of each kind of points that training draws.

    Args:
        stored: sigmas of the points near the surface that the shards hold, metres.
        settings: settings of the run.

    Raises:
        SettingsError: the shards lack a sigma of the settings.
    """
    sigmas = settings.sigmas_m or tuple(stored)
    if lacking := [sigma for sigma in sigmas if sigma not in stored]:
        raise SettingsError(
            f"sigmas_m asks for points with a noise of {lacking[0]:g} m, and these shards hold "
            f"{', '.join(f'{sigma:g}' for sigma in stored)} m: sample with --sigmas {lacking[0]:g}, or set sigmas_m=[] "
            "for all that they hold"
        )
    share, power = settings.uniform_share, settings.sigma_power
    total = sum(sigma**power for sigma in sigmas)
    mixture = {f"near_{sigma * 1000:g}mm": (1.0 - share) * sigma**power / total for sigma in sigmas}
    return {**mixture, "uniform": share if sigmas else 1.0}


def open_views(
    shards: Path,
    split: str,
    settings: TrainSettings,
    points: int,
    colour_points: int,
    *,
    train: bool = False,
    landmarks: bool = False,
) -> ViewDataset:
    """Open the views of a split, with the picture size and the seed of the settings; small data sets are cached.

    Args:
        shards: folder written by `mpc sample`.
        split: name of the split.
        settings: settings of the run.
        points: number of points of each view.
        colour_points: number of coloured points of each view.
        train: mix the points as the settings say; otherwise as PIFu does, so that the scores of all runs compare.
        landmarks: whether items hold the landmarks beside the shards.

    Raises:
        SettingsError: the surface network is to be given known bodies, and the shards hold none.
        InputError: it is to be given fitted ones, and there are none beside the shards.
    """
    stored = read_index(shards).settings
    held, body = stored.get("layers", ()), settings.surface_network.body_source
    layers = choose_layers(held) if settings.has_maps else ()
    if body == "known":
        check_known(held)
        layers = (*layers, *KNOWN)
    relight_points = min(RELIGHT_POINTS, stored["colour_points"]) if train and settings.augment.relight else 0
    mixture = point_mixture(stored["sigmas_m"], settings if train else TrainSettings())
    for kind in (CachedViews, ViewDataset):
        views: ViewDataset = kind(
            shards, split, points=points, colour_points=colour_points, image_size=settings.image_size,
            seed=settings.seed, mixture=mixture, relight_points=relight_points,
            balanced=train and settings.balanced, layers=layers, landmarks=landmarks,
            bodies=body == "fitted",
        )  # fmt: skip
        if views.decoded_bytes * loading_processes(settings.workers) <= cache_bytes():
            break
    return views


def loading_processes(workers: int) -> int:
    """How many processes of this machine load views, each of which would keep decoded pictures of its own.

    Args:
        workers: loader processes of one training process; 0: it loads by itself.
    """
    return max(1, workers) * int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
