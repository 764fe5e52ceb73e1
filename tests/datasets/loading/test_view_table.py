"""Views as arrays: the same records as a walk through the shards gives, and shards are opened when they are needed."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from mpc.datasets.loading.view_table import ViewRef, ViewTable
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.reader import ShardReader, ShardReaders
from mpc.datasets.shards.settings import SampleSettings
from support.balls import make_renders

SETTINGS = SampleSettings(near_points=64, uniform_points=32, colour_points=16, ratios=(1, 0, 0), shard_bytes=5_000)
VERSION_1 = Path(__file__).parents[1] / "shards" / "version_1"


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("a")
    make_renders(root / "renders", balls=9, views=3, size=32)
    sample_renders(root / "renders", root / "shards", SETTINGS, jobs=1)
    assert len(list((root / "shards").glob("*.h5"))) > 2
    return root / "shards"


def walk(shards: Path) -> list[ViewRef]:
    """The records by h5py alone."""
    found, scene = [], 0
    for number, entry in enumerate(read_index(shards).shards):
        with h5py.File(shards / entry.file) as file:
            for row, key in enumerate(file["scenes/key"]):
                for view in range(*file["offsets/view"][row : row + 2]):
                    found.append(
                        ViewRef(
                            scene=scene,
                            scene_key=key.decode(),
                            subject=file["scenes/subject"][row].decode(),
                            view_name=file["views/name"][view].decode(),
                            yaw_deg=float(file["views/yaw_deg"][view]),
                            pitch_deg=float(file["views/pitch_deg"][view]),
                            light_name=file["views/light_name"][view].decode(),
                            shard=number,
                            row=view,
                        )
                    )
                scene += 1
    return found


@pytest.mark.parametrize("old", [False, True], ids=["version 2", "version 1"])
def test_records_are_those_of_the_shards(shards, old):
    folder = VERSION_1 if old else shards
    table, wanted = ViewDataset(folder, "train", points=8).views, walk(folder)
    assert list(table) == wanted
    assert [table[view] for view in range(len(table))] == wanted
    assert table[-1] == wanted[-1]
    assert table[1:5:2] == tuple(wanted[1:5:2])
    assert [table.place(view) for view in range(len(table))] == [(ref.scene, ref.shard, ref.row) for ref in wanted]
    assert table.scenes == wanted[-1].scene + 1
    with pytest.raises(IndexError, match=f"view {len(table)} of {len(table)}"):
        table[len(table)]


def test_scenes_of_different_numbers_of_views():
    class Entry:
        def __init__(self, *views: int) -> None:
            self.scenes, self.scene_views = tuple(map(str, views)), views

    table = ViewTable(ShardReaders([]), [Entry(2, 0, 3), Entry(1)])
    assert len(table) == 6
    places = [(0, 0, 0), (0, 0, 1), (2, 0, 2), (2, 0, 3), (2, 0, 4), (3, 1, 0)]
    assert [table.place(view) for view in range(6)] == places
    assert [table.scene_place(scene) for scene in range(4)] == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_shards_are_opened_when_they_are_needed(shards, monkeypatch):
    opened, real = [], ShardReader.__init__

    def count(self, path):
        opened.append(path.name)
        real(self, path)

    monkeypatch.setattr(ShardReader, "__init__", count)
    dataset = ViewDataset(shards, "train", points=8)
    assert len(opened) == 1, "the first shard alone, for its kinds of points"
    assert dataset.scene_keys == tuple(dict.fromkeys(ref.scene_key for ref in walk(shards)))
    assert len(opened) == 1
    before = len(pickle.dumps(dataset))
    for view in range(len(dataset)):
        dataset[view]
    assert sorted(opened) == sorted(path.name for path in shards.glob("*.h5"))
    assert len(pickle.dumps(dataset)) == before, "a worker that is spawned is sent the arrays alone"
    again = pickle.loads(pickle.dumps(dataset))
    assert all(np.array_equal(again[3][name], value) for name, value in dataset[3].items())
