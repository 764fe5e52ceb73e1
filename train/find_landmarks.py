"""The 33 landmarks of every view of shards, found once by the person finder and kept beside the shards."""

from __future__ import annotations

import os
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from ..core.arrays import F32
from ..core.devices import one_thread
from ..core.errors import InputError, MpcError
from ..core.files import read_json
from ..core.progress import NoProgress, Progress
from ..datasets.shards.index import read_index
from ..datasets.shards.landmarks import FOLDER, LANDMARKS, has_landmarks
from ..models.person.finder import PersonFinder
from ..models.person.landmarks import find_landmarks
from ..models.person.store import require_networks
from .fill_views import Rows, ViewsSummary, fill_views, open_shard, view_picture
from .settings import TrainSettings


def use_landmarks(
    shards: Path, settings: TrainSettings, *, earlier: Path | None = None, progress: Progress | None = None
) -> bool:
    """Whether a run trains with landmarks; finds those of its shards where they are not there. The user is told.

    Args:
        shards: folder written by `mpc sample`.
        settings: of the run.
        earlier: folder of the run that goes on, or of which a copy is annealed: it keeps to what it began with.
        progress: receives the work and the remark.

    Raises:
        InputError: damaged landmarks.
    """
    progress = progress or NoProgress()
    if not settings.surface_network.reads_landmarks:
        return False
    if earlier is not None:
        began_with = bool(read_json(earlier / "run.json")["data"].get("landmarks"))
        if not began_with:
            progress.message(f"{earlier} was trained without landmarks, and goes on without")
        return began_with
    if has_landmarks(shards):
        return True
    lacking = f"{shards} lacks landmarks, so the networks are trained without; `mpc landmarks {shards}` finds them once"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # the others would wait for the one that finds them
        progress.message(lacking)
        return False
    try:
        summary = find_all_landmarks(shards, progress=progress)
    except InputError:
        raise
    except MpcError as error:
        progress.message(f"{shards} lacks landmarks, so the networks are trained without: {error}")
        return False
    for name, reason in summary.failures:
        progress.message(f"{name}: {reason}")
    progress.message(lacking if summary.failures else f"landmarks of {summary.views} views -> {shards / FOLDER}/")
    return not summary.failures


def find_all_landmarks(
    shards: Path, *, engine: str = "auto", jobs: int = 0, backend: str = "loky", progress: Progress | None = None
) -> ViewsSummary:
    """Find the landmarks of every view of a folder of shards. What an earlier call found is kept.

    Writes landmarks/<shard>.npz (datasets/shards/landmarks.py). The bytes do not depend on the number of workers, nor
    on how often the work was stopped; they do depend on the engine, by a tenth of a pixel.

    Args:
        shards: folder written by `mpc sample`.
        engine: "torch", "litert", or "auto": LiteRT where it is installed.
        jobs: number of worker processes, see core/units.py.
        backend: name of a joblib backend.
        progress: receives every view.

    Raises:
        InputError: the folder holds no finished shards, or damaged landmarks.
        MpcError: the networks that find a person were not fetched.
    """
    read_index(shards)
    require_networks()
    filled = fill_views(
        LANDMARKS, shards, partial(_look, engine), jobs=jobs, backend=backend, progress=progress or NoProgress()
    )
    nobody = sum(int(np.isnan(one.values[one.done, 0, 0]).sum()) for one in filled.held)
    return ViewsSummary(filled.done, filled.found_now, nobody, filled.failures)


def _look(engine: str, rows: Rows) -> F32:
    """(n, 33, 7) landmarks of some views."""
    reader, finder = open_shard(rows.shard), _open_finder(engine)
    with one_thread():  # so that the bytes do not depend on the number of threads
        return np.stack([find_landmarks(finder, view_picture(reader, row)) for row in rows.rows])


@lru_cache(maxsize=2)
def _open_finder(engine: str) -> PersonFinder:
    return PersonFinder.open(engine)
