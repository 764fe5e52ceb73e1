"""Landmarks beside shards: the rows of their views, and files that are damaged or belong to other shards."""

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.landmarks import (
    LANDMARKS,
    ShardLandmarks,
    ViewLandmarks,
    has_landmarks,
    landmarks_path,
    read_landmarks,
    write_landmarks,
)
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.verify import verify_shards
from support import balls


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Shards of six balls, more than one of them for training."""
    root = tmp_path_factory.mktemp("landmarks")
    settings = SampleSettings(near_points=64, uniform_points=64, colour_points=64, shard_bytes=1 << 20)
    sample_renders(balls.make_renders(root / "renders", size=32), root / "shards", settings, jobs=1)
    return root / "shards"


@pytest.fixture
def entries(shards):
    made = read_index(shards).shards
    yield made
    for entry in made:
        landmarks_path(shards, entry).unlink(missing_ok=True)


def fill(shards, entries):
    """Landmarks whose first number is the number of the shard, and second the row of the view."""
    for number, entry in enumerate(entries):
        values = np.zeros((entry.views, 33, 7), np.float32)
        values[:, 0, 0], values[:, 0, 1] = number, np.arange(entry.views)
        write_landmarks(shards, entry, ShardLandmarks(values, np.ones(entry.views, bool)))


def test_items_hold_the_landmarks_of_their_view(shards, entries):
    fill(shards, entries)
    assert has_landmarks(shards)
    assert verify_shards(shards) == []
    for split in ("train", "test"):
        data = ViewDataset(shards, split, points=0, landmarks=True)
        own = [number for number, entry in enumerate(entries) if entry.split == split]
        for view in range(len(data)):
            ref = data.views[view]
            assert data[view]["landmarks"][0, :2].tolist() == [own[ref.shard], ref.row]
            assert data[view]["landmarks"].shape == (33, 7)
    assert "landmarks" not in ViewDataset(shards, "train", points=0)[0]


def test_the_digest_is_that_of_the_landmarks(shards, entries):
    fill(shards, entries)
    first = ViewLandmarks(shards, entries).digest
    assert ViewLandmarks(shards, entries).digest == first
    values = read_landmarks(shards, entries[0])
    values.values[-1, 32, 6] += 1e-6
    write_landmarks(shards, entries[0], values)
    assert ViewLandmarks(shards, entries).digest != first


def test_missing_partial_and_foreign_landmarks_are_none(shards, entries):
    assert not has_landmarks(shards)
    with pytest.raises(InputError, match="mpc landmarks"):
        ViewDataset(shards, "train", points=0, landmarks=True)
    fill(shards, entries)
    half = LANDMARKS.empty(entries[0].views)
    half.done[:-1] = True
    write_landmarks(shards, entries[0], half)
    assert not has_landmarks(shards)
    assert has_landmarks(shards, *({entry.split for entry in entries} - {entries[0].split}))
    with pytest.raises(InputError, match="lacks landmarks"):
        ViewLandmarks(shards, entries)
    # The file of a shard that was since made anew: its checksum is another one.
    other = landmarks_path(shards, entries[1]).read_bytes()
    landmarks_path(shards, entries[0]).write_bytes(other)
    assert read_landmarks(shards, entries[0]) is None


@pytest.mark.parametrize("place", [0.3, 0.5, 0.8])
def test_a_flipped_bit_is_found(shards, entries, place):
    fill(shards, entries)
    path = landmarks_path(shards, entries[0])
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 4
    path.write_bytes(data)
    (problem,) = verify_shards(shards)
    assert str(problem).startswith(f"landmarks/{path.name}: damaged landmarks")
    with pytest.raises(InputError, match=r"damaged landmarks.*remove it"):
        read_landmarks(shards, entries[0])
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged landmarks"):
        read_landmarks(shards, entries[0])
