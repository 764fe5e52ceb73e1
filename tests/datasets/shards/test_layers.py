"""Layers in shards: what the files hold, bit for bit; damage is named; shards of version 1 are still read."""

import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import pytest

import mpc
from mpc.core.errors import InputError, SettingsError
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.format import read_scene
from mpc.datasets.renders.layer_files import read_layer, read_picture
from mpc.datasets.renders.layer_kinds import layer_kind
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.reader import ShardReader
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.verify import check_shard, verify_shards
from mpc.render.layers import LAYERS
from support.balls import make_renders

SMALL = SampleSettings(near_points=64, uniform_points=32, colour_points=16, layers=LAYERS)
VERSION_1 = Path(__file__).parent / "version_1"


@pytest.fixture(scope="module")
def renders(tmp_path_factory) -> Path:
    return make_renders(tmp_path_factory.mktemp("a") / "renders", balls=3, views=3, layers=LAYERS)


@pytest.fixture(scope="module")
def shards(renders, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("b") / "shards"
    assert sample_renders(renders, out, SMALL, jobs=1).failures == ()
    return out


def test_layers_are_those_of_the_files(renders, shards):
    checked = 0
    for path in shards.glob("*.h5"):
        reader = ShardReader(path)
        assert reader.header.layers == {name: layer_kind(name) for name in LAYERS}
        for row in range(reader.scenes):
            scene = read_scene(renders / reader.text("scenes/key", row))
            for view, record in enumerate(scene.views, start=reader.rows(row, "view").start):
                for name in LAYERS:
                    found, wanted = reader.layer(name, view), read_layer(scene, record, name)
                    assert found.dtype == wanted.dtype
                    np.testing.assert_array_equal(found, wanted, err_msg=name)  # NaN equals NaN
                    checked += 1
    assert checked == 3 * 3 * len(LAYERS)
    assert verify_shards(shards) == []


def test_pictures_and_layers_are_compressed_once(tmp_path, monkeypatch):
    """What render wrote is copied byte for byte, and shows the same pixels."""
    made = make_renders(tmp_path / "renders", balls=2, views=3, layers=("mask", "depth_front"), boxed=True)

    def refuse(*_):
        raise AssertionError("a picture was compressed again")

    monkeypatch.setattr("mpc.datasets.shards.pictures.encode_png_box", refuse)
    settings = replace(SMALL, layers=("mask", "depth_front"), ratios=(1, 0, 0))
    assert sample_renders(made, tmp_path / "shards", settings, jobs=1).failures == ()
    dataset = ViewDataset(tmp_path / "shards", "train", points=8)
    reader = ShardReader(next((tmp_path / "shards").glob("*.h5")))
    for view, ref in enumerate(dataset.views):
        scene = read_scene(made / ref.scene_key)
        record = next(one for one in scene.views if one.name == ref.view_name)
        assert reader.picture(ref.row) == record.path.read_bytes()
        assert np.array_equal(dataset.picture(view).transpose(1, 2, 0), read_picture(scene, record))
        assert dataset.picture(view)[3].any()
    # Whole pictures, as earlier versions and other programs write them, are cropped, and show the same pixels.
    whole = make_renders(tmp_path / "whole", balls=2, views=3)
    monkeypatch.undo()
    sample_renders(whole, tmp_path / "same", replace(settings, layers=()), jobs=1)
    other = ViewDataset(tmp_path / "same", "train", points=8)
    assert all(np.array_equal(dataset.picture(view), other.picture(view)) for view in range(len(dataset)))


def test_boxes_hold_the_ball_and_little_more(shards):
    with h5py.File(next(shards.glob("*.h5"))) as file:
        boxes = file["layers/depth_front/box"][...]
    assert (np.abs(boxes[:, 2:] - 64 * 1.0 / 2.4) <= 1.01).all()  # the ball's diameter, of the cube's edge, in pixels


def test_the_layer_example_of_the_documentation(shards):
    """With plain h5py and Pillow; the ball's nearest point lies a radius before its centre."""
    text = (Path(mpc.__file__).parent / "docs" / "shard-format.md").read_text()
    example = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[2]
    path = next(shards.glob("*.h5"))
    space = {"h5py": h5py, "io": io, "np": np, "PIL": PIL, "view": 1}
    exec(example.replace("shards/test-all.h5", str(path)), space)
    whole = ShardReader(path).layer("depth_front", 1)
    rows, columns = (slice(space[a], space[a] + space[b]) for a, b in (("top", "height"), ("left", "width")))
    np.testing.assert_allclose(space["depth"], whole[rows, columns], atol=1e-6)
    assert abs(np.nanmin(space["depth"]) + 0.5 / 1.2) < 0.005
    assert "`layers/<name>/box`" in text


def test_damage_in_a_layer_is_named_with_its_scene(shards, tmp_path):
    shutil.copytree(shards, tmp_path / "shards")
    path = sorted((tmp_path / "shards").glob("*.h5"))[0]
    name = "layers/normal_front/png"
    with h5py.File(path) as file:
        offset = file[name].id.get_offset() + file[name].id.get_storage_size() - 9
        key = file["scenes/key"][-1].decode()
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(data)
    assert [(p.dataset, p.scene) for p in check_shard(path)] == [(name, key)]
    reader = ShardReader(path)
    with pytest.raises(InputError, match="layer normal_front is damaged"):
        reader.layer("normal_front", reader.views - 1)


def test_layers_that_were_not_rendered_or_sampled_are_refused(renders, shards, tmp_path):
    plain = make_renders(tmp_path / "renders", balls=1, views=1, layers=("mask",))
    with pytest.raises(SettingsError, match=r"holds no layer depth_back \(it holds: mask\)"):
        sample_renders(plain, tmp_path / "shards", SampleSettings(layers=("depth_back",)), jobs=1)
    with pytest.raises(SettingsError, match="different names"):
        SampleSettings(layers=("mask", "mask"))
    shutil.copytree(renders, tmp_path / "lacking")
    (tmp_path / "lacking" / "ball_1/scan_0000/000.mask.png").unlink()
    summary = sample_renders(tmp_path / "lacking", tmp_path / "less", SMALL, jobs=1)
    assert (summary.scenes, summary.failures[0][0]) == (2, "ball_1/scan_0000")
    assert "render with --layers mask" in summary.failures[0][1]
    with pytest.raises(SettingsError, match="holds no layer smooth"):
        ViewDataset(shards, "train", points=8, layers=("smooth",))
    with pytest.raises(InputError, match="holds no layer depth_front"):
        ShardReader(next(VERSION_1.glob("*.h5"))).layer("depth_front", 0)


def test_shards_of_version_1_are_still_read(tmp_path):
    """The folder was written by the last mpc that wrote version 1; ball_1 is open."""
    assert verify_shards(VERSION_1) == []
    assert read_index(VERSION_1).shards[0].views == 4
    with h5py.File(VERSION_1 / "train-00000.h5") as file:
        assert (file.attrs["version"], "layers" in file) == (1, False)
    dataset = ViewDataset(VERSION_1, "train", points=48, colour_points=8, confidence=True)
    assert dataset.scene_keys == ("ball_0/scan_0000", "ball_1/scan_0000")
    for view in range(4):
        item = dataset[view]
        assert item["image"].shape == (4, 32, 32)
        assert (item["confidence"] == 1).all() == (view < 2)
        assert abs((item["image"][3] > 200).float().mean().item() - np.pi * (0.5 / 2.4) ** 2) < 0.02
        if view < 2:
            radius = np.linalg.norm(item["points"].numpy() - [0.0, 1.0, 0.0], axis=1)
            labels = item["labels"].numpy() > 0.5
            assert labels[radius < 0.494].all()
            assert not labels[radius > 0.5].any()
    with pytest.raises(SettingsError, match="holds no layer mask"):
        ViewDataset(VERSION_1, "train", points=8, layers=("mask",))
