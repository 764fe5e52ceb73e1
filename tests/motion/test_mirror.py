"""A rig below a mirroring node poses as before without it, and left and right are told apart by the feet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mpc.formats.gltf.read import read_gltf
from mpc.motion.bones import rig_bones
from mpc.motion.mirror import mirrored_nodes, unmirror
from mpc.motion.skinning import pose_rig
from mpc.subjects.find import find_subjects
from mpc.subjects.load import load_subject
from mpc.subjects.scenes import SceneSpec, pose_scene
from support.box_person import rig_file


def mirrored(folder: Path, scale=(-1, 1, 1), *, turned: bool = False) -> Path:
    """The rig of boxes below a node that mirrors; its inverse bind matrices as they were. A leg may be turned."""
    path = folder / "rig.gltf"
    rig_file(path)
    document = json.loads(path.read_text())
    document["nodes"].append({"name": "Armature", "scale": list(scale), "children": [0, 1]})
    document["scenes"] = [{"nodes": [4]}]
    if turned:
        document["nodes"][2]["rotation"] = [0.0, 0.6, 0.0, 0.8]
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("scale", [(-1, 1, 1), (1, 1, -1), (-1, -1, -1)])
def test_the_same_poses_without_a_mirror(tmp_path: Path, scale) -> None:
    rig = read_gltf(mirrored(tmp_path, scale, turned=True)).rig
    plain = unmirror(rig)
    assert mirrored_nodes(rig.skeleton).any()
    assert not mirrored_nodes(plain.skeleton).any()
    for clip, other in zip((None, *rig.clips), (None, *plain.clips), strict=True):
        for time in (0.0, 0.2):
            vertices, nodes = pose_rig(rig, clip, time)
            again, other_nodes = pose_rig(plain, other, time)
            np.testing.assert_allclose(again, vertices, atol=1e-12)
            np.testing.assert_allclose(other_nodes[:, :3, 3], nodes[:, :3, 3], atol=1e-12)


def test_the_feet_decide_which_side_is_which(tmp_path: Path) -> None:
    mirrored(tmp_path)
    loaded = load_subject(find_subjects(tmp_path)[0])
    assert loaded.placement.facing == "+z"
    assert loaded.placement.facing_world == pytest.approx((0, 0, 1), abs=1e-6)
    assert any("left are on the person's right" in notice for notice in loaded.notices)
    # The left hip is at +x of a person who faces +z.
    scene = pose_scene(loaded, SceneSpec("rig", next(iter(loaded.clips)), 0))
    assert scene.facing_world == pytest.approx((0, 0, 1), abs=1e-6)
    roles = rig_bones(loaded.rig).roles
    names = loaded.rig.skeleton.names
    assert names[roles["left_thigh"]] == "mixamorig:RightUpLeg"


def test_a_plain_rig_stays_as_it_is(tmp_path: Path) -> None:
    subject = rig_file(tmp_path / "rig.gltf")
    loaded = load_subject(subject)
    assert loaded.notices == ()
    assert unmirror(loaded.rig) is loaded.rig
