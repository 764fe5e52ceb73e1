"""Joints in shards: those of the renders in every view, unknown ones as NaN, and moved as pictures are."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import mpc
from mpc.core.errors import InputError, SettingsError
from mpc.datasets.loading.augment import AugmentSettings, augment
from mpc.datasets.loading.joints import move_joints
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.joints import read_view_joints
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.joints import read_joints
from mpc.datasets.shards.reader import ShardReader
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.verify import verify_shards
from mpc.geometry.camera import project
from mpc.motion.joints import JOINTS
from support.arrays import files_of
from support.labelled import PLACES, write_labelled_scan

SMALL = SampleSettings(near_points=80, uniform_points=80, colour_points=80, ratios=(1.0, 0.0, 0.0), joints=True)
SIZE = 32
KNOWN = [JOINTS.index(name) for name in PLACES]


@pytest.fixture(scope="module")
def sampled(figures, tmp_path_factory):
    """Renders and shards of a person with joints, seen in perspective, and of a figure of whom nobody knows any."""
    root = tmp_path_factory.mktemp("joints")
    write_labelled_scan(root / "models" / "known")
    (root / "models" / "unknown").symlink_to(figures / "one")
    settings = RenderSettings(views=2, step_deg=90, size=SIZE, rays=16, longest_edge_m=0.2, fov_deg=30)
    assert not render_models(root / "models", root / "renders", settings, renderer="embree", jobs=1).failures
    assert not sample_renders(root / "renders", root / "shards", SMALL, jobs=1).failures
    return root


@pytest.fixture(scope="module")
def views(sampled):
    return ViewDataset(sampled / "shards", "train", points=8, joints=True)


def test_items_hold_the_joints_of_their_renders(sampled, views):
    scenes = {scene.subject: scene for scene in read_renders(sampled / "renders").scenes}
    seen = 0
    for index, ref in enumerate(views.views):
        item, scene = views[index], scenes[ref.subject]
        told = read_view_joints(scene, next(view for view in scene.views if view.name == ref.view_name))
        if ref.subject == "unknown":
            assert told is None
            assert item["joints"].isnan().all()
            assert item["joints_world"].isnan().all()
            assert not item["joints_visible"].any()
            continue
        np.testing.assert_allclose(item["joints_world"][KNOWN], np.array(list(PLACES.values())), atol=1e-5)
        calibration = views.calibration(index)
        expected = project(np.array(list(PLACES.values()), float), calibration)
        np.testing.assert_allclose(item["joints"][KNOWN], expected, atol=3e-5)
        np.testing.assert_allclose(((item["joints"][:, :2] + 1) * SIZE - 1) / 2, told.px, atol=2e-3)  # NaN equals NaN
        assert item["joints_visible"].tolist() == told.visible.tolist()
        seen += int(item["joints_visible"].sum())
    assert seen > 10
    assert verify_shards(sampled / "shards") == []


def test_the_joint_example_of_the_documentation(sampled):
    text = (Path(mpc.__file__).parent / "docs" / "shard-format.md").read_text()
    (example,) = (code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "views/joints" in code)
    (path,) = (sampled / "shards").glob("*.h5")
    reader = ShardReader(path)
    scene = [reader.text("scenes/subject", row) for row in range(reader.scenes)].index("known")
    view = reader.rows(scene, "view").start + 1
    space = {"h5py": h5py, "np": np, "scene": scene, "view": view}
    exec("import json\n" + example.replace("shards/train-all.h5", str(path)), space)
    known = read_joints(reader, view)
    number = JOINTS.index("left_elbow")
    np.testing.assert_allclose(space["world"], known.world[number])
    np.testing.assert_allclose(space["px"], ((known.view[number, :2] + 1) * SIZE - 1) / 2, rtol=1e-6)
    assert space["seen"] == known.visible[number]
    for name, (shape, dtype) in {"scenes/joints": ("39, 3", "f4"), "views/joints_visible": ("39", "u1")}.items():
        assert re.search(rf"\| `{name}` \| \w+ \| {dtype} \| {shape} \|", text)


def test_who_is_added_later_gives_the_same_shards(sampled, tmp_path):
    """Scenes with joints are copied from the shard that held them."""
    few, out = tmp_path / "few", tmp_path / "shards"
    shutil.copytree(sampled / "renders", few)
    shutil.rmtree(few / "unknown")
    (few / "manifest.jsonl").unlink()  # which tells of the one that is gone
    assert not sample_renders(few, out, SMALL, jobs=1).failures
    assert sample_renders(sampled / "renders", out, SMALL, jobs=1).sampled == 1
    later, once = ({name: data for name, data in files_of(folder).items() if name.endswith(".h5")} for folder in
                   (out, sampled / "shards"))  # fmt: skip
    assert later == once


def test_shards_without_joints_are_as_before_and_say_what_to_do(sampled, tmp_path):
    sample_renders(sampled / "renders", tmp_path, replace(SMALL, joints=False), jobs=1)
    (path,) = tmp_path.glob("*.h5")
    with h5py.File(path) as file:
        assert "joints" not in file.attrs
        assert {"scenes/joints", "views/joints", "views/joints_visible"}.isdisjoint(
            f"{group}/{name}" for group in ("scenes", "views") for name in file[group]
        )
    assert "joints" not in SampleSettings().as_json()
    assert "joints" not in ViewDataset(tmp_path, "train", points=8)[0]
    with pytest.raises(SettingsError, match="holds no joints; sample with --joints"):
        ViewDataset(tmp_path, "train", points=8, joints=True)
    with pytest.raises(InputError, match="holds no joints"):
        read_joints(ShardReader(path), 0)


def test_joints_are_found_by_the_names_of_the_shard(sampled, tmp_path):
    """A shard whose list of names has another order, and a joint that this version lacks."""
    (source,) = (sampled / "shards").glob("*.h5")
    path = tmp_path / source.name
    shutil.copy(source, path)
    wanted = read_joints(ShardReader(source), 0)
    names = [*reversed(JOINTS)]
    lost = names.index("left_elbow")
    names[lost] = "tail"
    with h5py.File(path, "r+") as file:
        file.attrs["joints"] = str(names).replace("'", '"')
        for name in ("scenes/joints", "views/joints", "views/joints_visible"):
            file[name][...] = file[name][...][:, ::-1]
    found = read_joints(ShardReader(path), 0)
    number = JOINTS.index("left_elbow")
    for name in ("world", "view", "visible"):
        rows, others = np.delete(getattr(found, name), number, 0), np.delete(getattr(wanted, name), number, 0)
        np.testing.assert_array_equal(rows, others)
    assert np.isnan(found.world[number]).all()
    assert not found.visible[number]


def test_joints_move_as_pictures_do(views):
    """A mirror image, grown and shifted: each joint is where its mark in the picture went, under the other side."""
    batch = torch.utils.data.default_collate([views[index] for index in range(len(views))])
    settings = AugmentSettings(flip=0.5, scale=0.3, shift=0.3)
    rng = np.random.default_rng(5)
    _, calibrations = augment(
        batch["image"], batch["calibration"], settings, rng=rng, rows=slice(None), count=len(views)
    )
    moved = move_joints(batch, calibrations)
    before, after = batch["calibration"].double(), calibrations.double()
    change = after @ torch.linalg.inv(before)
    flipped = change[:, 0, 0] < 0
    assert flipped.any()
    assert not flipped.all()
    left, right, head = (JOINTS.index(name) for name in ("left_elbow", "right_elbow", "head"))
    for row in range(len(views)):
        for joint, other in ((left, right), (right, left), (head, head)):
            source = batch["joints"][row, other if flipped[row] else joint].double()
            place = change[row, :3, :3] @ source + change[row, :3, 3]
            np.testing.assert_allclose(moved["joints"][row, joint], place, atol=2e-5)
            inside = bool((place[:2].abs() <= 1).all())
            was_seen = batch["joints_visible"][row, other if flipped[row] else joint]
            assert bool(moved["joints_visible"][row, joint]) == (inside and bool(was_seen))
    same = move_joints(batch, batch["calibration"])
    assert all(same[name] is batch[name] for name in ("joints", "joints_world", "joints_visible"))
    assert move_joints({"calibration": before}, after) == {}
