"""`mpc render --animations`: a stranger's rig, a user's bone map, a broken clip among good ones, workers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mpc.cli.main import main
from support.cesium_bones import CESIUM
from support.shared import MODELS, needs_models

pytestmark = needs_models


def render(folder: Path, out: str, *more: str) -> Result:
    size = ("--views", "1", "--size", "48", "--rays", "16", "--renderer", "embree", "--jobs", "1")
    return CliRunner().invoke(main, ["render", str(folder / "models"), "--out", str(folder / out), *size, *more])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    shutil.copy(MODELS / "rigged" / "CesiumMan.gltf", tmp_path / "models")
    (tmp_path / "clips").mkdir()
    shutil.copy(MODELS / "bvh" / "made_walk.bvh", tmp_path / "clips" / "stroll.bvh")
    (tmp_path / "map.toml").write_text(CESIUM)
    return tmp_path


def animated(out: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line in (out / "manifest.jsonl").read_text().splitlines():
        name = json.loads(line)["key"].split("/")[1].rpartition("_")[0]
        counts[name] = counts.get(name, 0) + 1
    return counts


def test_clips_are_brought_and_told(folder: Path) -> None:
    (folder / "clips" / "broken.bvh").write_text("HIERARCHY\n")
    clips = ("--animations", str(folder / "clips"), "--frames-per-animation", "2")
    done = render(folder, "out", *clips, "--bone-map", str(folder / "map.toml"))
    assert done.exit_code == 0, done.output
    assert animated(folder / "out") == {"animation_0": 2, "stroll": 2}
    assert "broken.bvh: has no MOTION part" in done.output
    assert "no counterpart: pelvis.L" in done.output
    again = render(folder, "out", *clips, "--bone-map", str(folder / "map.toml"))
    assert "0 scenes rendered, 4 kept" in again.output
    # The clip changes: its scenes are made again.
    shutil.copy(MODELS / "bvh" / "made_squat.bvh", folder / "clips" / "stroll.bvh")
    changed = render(folder, "out", *clips, "--bone-map", str(folder / "map.toml"))
    assert " 0 kept" in changed.output


def test_two_workers_write_the_same_bytes(folder: Path) -> None:
    shutil.copy(folder / "models" / "CesiumMan.gltf", folder / "models" / "Twin.gltf")
    more = ("--animations", str(folder / "clips"), "--bone-map", str(folder / "map.toml"), "--poses", "kmeans:2")
    for out, jobs in (("one", "1"), ("two", "2")):
        done = render(folder, out, *more, "--jobs", jobs)
        assert done.exit_code == 0, done.output
    one, two = ((folder / out / "manifest.jsonl").read_bytes() for out in ("one", "two"))
    assert one == two
    assert one.count(b"\n") == 4


def test_a_rig_that_no_map_knows_fails_with_its_bones(folder: Path) -> None:
    done = render(folder, "out", "--animations", str(folder / "clips"))
    assert done.exit_code == 3
    assert "failed: CesiumMan" in done.output
    assert "give a bone map" in done.output
    assert "Skeleton_torso_joint_1" in done.output


def test_choices_exclude_each_other(folder: Path) -> None:
    assert render(folder, "out", "--frames", "all", "--poses", "kmeans:2").exit_code == 2
    wrong = render(folder, "out", "--poses", "kmeans:none")
    assert wrong.exit_code == 2
    assert "kmeans:K" in wrong.output
