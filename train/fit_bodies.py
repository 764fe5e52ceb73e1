"""A body fitted to the landmarks of every view of shards, once, and kept beside the shards."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ..core.arrays import U16
from ..core.errors import MpcError
from ..core.progress import NoProgress, Progress
from ..datasets.shards.bodies import BODIES, SIDE, body_codes
from ..datasets.shards.index import read_index
from ..datasets.shards.landmarks import ViewLandmarks
from ..geometry.camera import camera_of
from ..reconstruct.fitted_body.maps import fitted_maps, why_no_bodies
from .fill_views import Rows, ViewsSummary, fill_views, open_shard, view_picture


def fit_all_bodies(
    shards: Path, *, jobs: int = 0, backend: str = "loky", progress: Progress | None = None
) -> ViewsSummary:
    """Fit a body to the landmarks of every view of a folder of shards. What an earlier call fitted is kept.

    Writes bodies/<shard>.npz (datasets/shards/bodies.py). The bytes do not depend on the number of workers, nor on how
    often the work was stopped.

    Args:
        shards: folder written by `mpc sample`, with landmarks (`find_landmarks.find_all_landmarks`).
        jobs: number of worker processes, see core/units.py.
        backend: name of a joblib backend.
        progress: receives every view.

    Raises:
        InputError: the folder holds no finished shards, lacks landmarks, or holds damaged bodies.
        MpcError: the package that holds the body is not installed.
    """
    if lacking := why_no_bodies():
        raise MpcError(f"no bodies can be fitted: {lacking}")
    entries = read_index(shards).shards
    ViewLandmarks(shards, entries)
    look = partial(_look, shards)
    filled = fill_views(BODIES, shards, look, jobs=jobs, backend=backend, progress=progress or NoProgress())
    nobody = sum(int((~one.values[one.done].any(axis=(1, 2, 3))).sum()) for one in filled.held)
    return ViewsSummary(filled.done, filled.found_now, nobody, filled.failures)


def _look(shards: Path, rows: Rows) -> U16:
    """(n, 8, SIDE, SIDE) codes of the bodies of some views."""
    reader, entry = open_shard(rows.shard), read_index(shards).shards[rows.number]
    landmarks, codes = ViewLandmarks(shards, [entry]), []
    for row in rows.rows:
        picture = view_picture(reader, row)
        extent_m = camera_of(reader.row("views/calibration", row)).extent_m
        codes.append(body_codes(fitted_maps(picture, landmarks.of(0, row), extent_m, SIDE)))
    return np.stack(codes)
