"""Listing scenes by the manifest: the same as reading each, unless a scene.json is newer than what was recorded."""

import os
import shutil
from pathlib import Path

import pytest

from mpc.core.errors import InputError
from mpc.datasets.renders import listing
from mpc.datasets.renders.belonging import describe_scene
from mpc.datasets.renders.format import SCENE, read_scene
from mpc.datasets.renders.listing import list_renders, list_scene
from mpc.datasets.renders.manifest import append_manifest
from mpc.datasets.renders.read import read_renders
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from support.balls import make_renders

SETTINGS = SampleSettings(near_points=64, uniform_points=32, colour_points=16)


@pytest.fixture
def renders(tmp_path) -> Path:
    """Three people, as a finished run leaves them."""
    folder = make_renders(tmp_path / "renders", balls=3, views=2, size=32, layers=("mask",))
    append_manifest(folder, (describe_scene(scene) for scene in read_renders(folder).scenes))
    return folder


def test_a_listed_scene_is_what_reading_it_gives(renders, monkeypatch):
    read = read_renders(renders)
    wanted = [vars(list_scene(scene)) for scene in read.scenes]
    sizes = {path.name: path.stat().st_size for path in read.scenes[0].folder.iterdir()}
    assert wanted[0]["sizes"] == {
        "pictures": sizes["000.png"] + sizes["180.png"],
        "mask": sizes["000.mask.png"] + sizes["180.mask.png"],
        "mesh.npz": sizes["mesh.npz"],
    }
    monkeypatch.setattr(listing, "read_listed", lambda *_: pytest.fail("a scene.json was read"))
    found = list_renders(renders)
    assert [vars(scene) for scene in found.scenes] == wanted
    assert (found.settings, found.refused, found.sources) == (read.settings, read.refused, read.sources)
    assert found.scenes[0].read().sha256 == read.scenes[0].sha256


def test_a_scene_that_is_newer_than_the_manifest_is_read(renders):
    folder = renders / "ball_1" / "scan_0000"
    text = (folder / SCENE).read_text()
    (folder / SCENE).write_text(text.replace("white_0", "white_9"))  # its checksum does not fit any more
    assert list(list_renders(renders).refused) == ["ball_1/scan_0000"]
    (folder / SCENE).write_text(text)
    assert list_renders(renders).refused == {}
    # One whose time was set back is found when it is read, not silently used.
    scene = list_renders(renders).scenes[1]
    (folder / SCENE).write_bytes((renders / "ball_2" / "scan_0000" / SCENE).read_bytes())
    os.utime(folder / SCENE, ns=(0, 0))
    assert list_renders(renders).refused == {}
    with pytest.raises(InputError, match="has changed since it was listed"):
        scene.read()
    summary = sample_renders(renders, renders.parent / "shards", SETTINGS, jobs=1)
    assert [key for key, _ in summary.failures] == ["ball_1/scan_0000"]


def test_what_reading_refuses_listing_refuses(renders):
    shutil.rmtree(renders / "ball_0")
    make_renders(renders.parent / "other", balls=4, views=2, size=32)
    shutil.copytree(renders.parent / "other" / "ball_3", renders / "ball_3")  # no run has recorded it
    append_manifest(renders, [{"key": "ball_2/scan_0000", "aside": "its person was not found by the last run"}])
    found, read = list_renders(renders), read_renders(renders)
    assert found.refused == read.refused
    assert sorted(found.refused) == ["ball_0/scan_0000", "ball_2/scan_0000", "ball_3/scan_0000"]
    assert [scene.key for scene in found.scenes] == ["ball_1/scan_0000"]


def test_lines_of_earlier_versions_are_read_scene_by_scene(renders):
    keys = ("key", "kind", "views", "renderer", "scene_sha256", "files")
    lines = [describe_scene(read_scene(path.parent)) for path in sorted(renders.glob("*/*/scene.json"))]
    append_manifest(renders, ({key: line[key] for key in keys} for line in lines))
    assert [vars(scene) for scene in list_renders(renders).scenes] == [
        vars(list_scene(scene)) for scene in read_renders(renders).scenes
    ]
