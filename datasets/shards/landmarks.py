"""Landmarks of the people in the views of shards, in files beside the shards: `landmarks/<shard>.npz`.

Of each view (33, 7) float32, in the frame of its picture; NaN where nobody was found. models/person/landmarks.py says
what the numbers are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .beside import Beside, NumbersInMemory, ViewNumbers
from .index import ShardEntry

SHAPE = (33, 7)
LANDMARKS = Beside(name="landmarks", shape=SHAPE, dtype="float32", blank=float(np.nan), command="mpc landmarks")
FOLDER = LANDMARKS.name
ShardLandmarks = ViewNumbers
landmarks_path, write_landmarks, read_landmarks, has_landmarks = (
    LANDMARKS.path, LANDMARKS.write, LANDMARKS.read, LANDMARKS.are_there
)  # fmt: skip


class ViewLandmarks(NumbersInMemory):
    """The landmarks of the views of several shards, in memory: 924 bytes a view.

    Args:
        shards: folder written by `mpc sample`.
        entries: the index's entries of these shards.

    Raises:
        InputError: landmarks are missing, or damaged.
    """

    def __init__(self, shards: Path, entries: Sequence[ShardEntry]) -> None:
        super().__init__(LANDMARKS, shards, entries)
