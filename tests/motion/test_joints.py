"""The skeleton and its maps, and joints of rigs of made bones, against places worked out by hand."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

from mpc.formats.gltf.read import read_gltf
from mpc.geometry.labels import PARTS, UNKNOWN, label_faces, mirrored_parts
from mpc.motion.bone_words import match_by_words
from mpc.motion.bones import match_bones
from mpc.motion.joints import BLAZEPOSE_33, COCO_17, JOINTS, SMPL_24, BoundJoints, joints_of_bones, pick, with_feet
from mpc.motion.parts import bone_parts, vertex_parts
from mpc.motion.skinning import world_matrices
from support.cesium_bones import CESIUM
from support.shared import MODELS, needs_models

# A Mixamo skeleton: name, number of the bone above, place.
BONES = [
    ("mixamorig:Hips", -1, (0, 1.0, -0.05)),
    ("mixamorig:Spine", 0, (0, 1.2, 0)),
    ("mixamorig:Spine1", 1, (0, 1.3, 0)),
    ("mixamorig:Neck", 2, (0, 1.5, 0)),
    ("mixamorig:Head", 3, (0, 1.6, 0.02)),
    ("mixamorig:LeftShoulder", 2, (0.05, 1.45, 0)),
    ("mixamorig:LeftArm", 5, (0.2, 1.45, 0)),
    ("mixamorig:LeftForeArm", 6, (0.45, 1.45, 0)),
    ("mixamorig:LeftHand", 7, (0.7, 1.45, 0)),
    ("mixamorig:LeftHandMiddle1", 8, (0.8, 1.45, 0)),
    ("mixamorig:LeftUpLeg", 0, (0.1, 0.95, 0)),
    ("mixamorig:LeftLeg", 10, (0.1, 0.5, 0)),
    ("mixamorig:LeftFoot", 11, (0.1, 0.1, 0)),
    ("mixamorig:LeftToeBase", 12, (0.1, 0.02, 0.15)),
    ("mixamorig:RightUpLeg", 0, (-0.1, 0.95, 0)),
    ("mixamorig:RightLeg", 14, (-0.1, 0.5, 0)),
    ("mixamorig:RightArm", 2, (-0.2, 1.45, 0)),
    ("mixamorig:RightForeArm", 16, (-0.45, 1.45, 0)),
    ("LeftHandTwist", 8, (0.72, 1.45, 0)),
    ("Prop", -1, (0, 0, 1)),
]
NAMES, PARENTS = [name for name, _, _ in BONES], np.array([above for _, above, _ in BONES], np.int32)
HEADS = np.array([place for _, _, place in BONES], np.float64)


def at(joints: BoundJoints, name: str) -> np.ndarray:
    return joints.places[JOINTS.index(name)]


def test_maps_name_joints_once_and_in_the_order_of_their_skeletons() -> None:
    assert len(set(JOINTS)) == len(JOINTS) == 39
    assert (len(COCO_17), len(BLAZEPOSE_33), len(SMPL_24)) == (17, 33, 24)
    for names in (COCO_17, BLAZEPOSE_33, SMPL_24):
        known = [name for name in names if name is not None]
        assert len(set(known)) == len(known)
        assert set(known) <= set(JOINTS)
    assert set(COCO_17) | set(BLAZEPOSE_33) | set(SMPL_24) == {*JOINTS, None}
    # Places that everybody knows: COCO 9 and 16, BlazePose 15, 24 and 31, SMPL 12, 15 and 21.
    assert (COCO_17[9], COCO_17[16]) == ("left_wrist", "right_ankle")
    assert (BLAZEPOSE_33[15], BLAZEPOSE_33[24], BLAZEPOSE_33[31]) == ("left_wrist", "right_hip", "left_toe")
    assert (SMPL_24[12], SMPL_24[15], SMPL_24[21]) == ("neck", "head", "right_wrist")
    values = np.arange(39.0)[:, None] * [1, 10, 100]
    assert pick(COCO_17, values)[9].tolist() == (JOINTS.index("left_wrist") * np.array([1, 10, 100])).tolist()
    assert np.isnan(pick(BLAZEPOSE_33, values)).all(axis=1).sum() == 6


def test_joints_are_where_bones_begin() -> None:
    joints = joints_of_bones(match_bones(NAMES), HEADS)
    assert at(joints, "pelvis").tolist() == [0, 0.95, 0]  # between the hips, not at the bone of that name
    assert at(joints, "left_elbow").tolist() == [0.45, 1.45, 0]
    assert at(joints, "left_hand").tolist() == [0.8, 1.45, 0]
    assert np.isnan(at(joints, "right_wrist")).all()
    # The way from the pelvis to the neck is straight and 0.55 m long.
    heights = [at(joints, f"spine{number}")[1] for number in (1, 2, 3)]
    np.testing.assert_allclose(heights, 0.95 + 0.55 * np.array([0.235, 0.497, 0.598]))
    # A joint of the spine follows the bone below it: hips, then "Spine" from 1.2 m on.
    assert joints.bones[[JOINTS.index(f"spine{number}") for number in (1, 2, 3)]].tolist() == [0, 1, 1]


def test_joints_follow_their_bones() -> None:
    joints = joints_of_bones(match_bones(NAMES), HEADS)
    rest = np.tile(np.eye(4), (len(BONES), 1, 1))
    rest[:, :3, 3] = HEADS
    now = rest.copy()
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])  # about z, at the hips
    now[:, :3, :3] = quarter
    now[:, :3, 3] = (HEADS - HEADS[0]) @ quarter.T + HEADS[0]
    posed = joints.posed(rest, now)
    known = joints.bones >= 0
    np.testing.assert_allclose(posed[known], (joints.places[known] - HEADS[0]) @ quarter.T + HEADS[0])
    assert np.isnan(posed[~known]).all()


def test_heels_and_toes_are_the_ends_of_the_foot() -> None:
    matched = match_bones(NAMES)
    box = np.stack(np.meshgrid(np.linspace(0.06, 0.14, 9), np.linspace(0, 0.1, 11), np.linspace(-0.08, 0.2, 29)), -1)
    vertices = box.reshape(-1, 3)
    part = np.full(len(vertices), PARTS.index("left_foot"), np.uint8)
    joints = with_feet(joints_of_bones(matched, HEADS), matched.roles, vertices, part)
    heel, toe = at(joints, "left_heel"), at(joints, "left_toe")
    assert heel[0] == pytest.approx(0.1)
    assert (heel[2], toe[2]) == (pytest.approx(-0.07, abs=0.011), pytest.approx(0.19, abs=0.011))
    assert max(heel[1], toe[1]) < 0.04
    assert joints.bones[JOINTS.index("left_toe")] == NAMES.index("mixamorig:LeftToeBase")
    assert np.isnan(at(joints, "right_heel")).all()


def test_parts_follow_the_heaviest_bones() -> None:
    parts = bone_parts(match_bones(NAMES), PARENTS)
    told = {name: PARTS[part] if part != UNKNOWN else None for name, part in zip(NAMES, parts, strict=True)}
    assert told["mixamorig:LeftShoulder"] == told["mixamorig:Neck"] == told["mixamorig:Hips"] == "torso"
    assert told["LeftHandTwist"] == told["mixamorig:LeftHandMiddle1"] == "left_hand"
    assert told["mixamorig:LeftToeBase"] == "left_foot"
    assert told["Prop"] is None
    # Two bones of the hand outweigh the lower arm, though none of them does alone.
    joints = np.array([[7, 8, 9], [19, 19, 19], [7, 8, 8]], np.int32)
    weights = np.array([[0.4, 0.35, 0.25], [1, 0, 0], [0.6, 0.4, 0]])
    expected = [PARTS.index("left_hand"), UNKNOWN, PARTS.index("left_lower_arm")]
    assert vertex_parts(parts, joints, weights).tolist() == expected


def test_a_face_has_the_label_of_most_of_its_corners() -> None:
    labels = np.array([3, 4, 5], np.uint8)
    faces = np.array([[0, 1, 1], [0, 0, 1], [1, 0, 1], [2, 0, 1]], np.int32)
    assert label_faces(labels, faces).tolist() == [4, 3, 4, 5]


def test_a_mirror_image_exchanges_left_and_right() -> None:
    table = mirrored_parts()
    assert table[PARTS.index("left_hand")] == PARTS.index("right_hand")
    assert table[[0, PARTS.index("torso"), UNKNOWN]].tolist() == [0, PARTS.index("torso"), UNKNOWN]
    np.testing.assert_array_equal(table[table], np.arange(256))


def test_words_and_order_tell_bones_that_no_table_knows() -> None:
    """Names as CesiumMan's, numbered from either end, with a collar bone on one side and a bone between."""
    bones = [
        ("Z_UP", -1), ("Skeleton_torso_joint_1", 0), ("torso_joint_3", 1), ("neck_joint_1", 2), ("neck_joint_2", 3),
        ("shoulder_joint_L", 2), ("arm_joint_L__4_", 5), ("arm_joint_L__3_", 6), ("arm_joint_L__2_", 7),
        ("arm_joint_R", 2), ("arm_joint_R__2_", 9), ("helper", 10), ("arm_joint_R__3_", 11),
        ("leg_joint_L_1", 1), ("leg_joint_L_2", 13), ("leg_joint_L_3", 14),
        ("leg_joint_R_1", 1), ("leg_joint_R_2", 16), ("leg_joint_R_3", 17), ("leg_joint_R_5", 18),
    ]  # fmt: skip
    names, parents = [name for name, _ in bones], np.array([above for _, above in bones], np.int32)
    matched = match_by_words(names, parents, np.random.default_rng(0).normal(size=(len(bones), 3)))
    assert matched.roles == {
        "hips": 1, "head": 4, "left_clavicle": 5, "left_upperarm": 6, "left_lowerarm": 7, "left_hand": 8,
        "right_upperarm": 9, "right_lowerarm": 10, "right_hand": 12, "left_thigh": 13, "left_shin": 14, "left_foot": 15,
        "right_thigh": 16, "right_shin": 17, "right_foot": 18, "right_toe": 19,
    }  # fmt: skip
    assert matched.chains == {"neck": (3,), "spine": (2,)}
    assert match_by_words(["leg_L", "body"], np.array([-1, 0], np.int32), np.zeros((2, 3))).roles == {}


@needs_models
def test_the_shared_figure_of_odd_names_has_its_parts() -> None:
    """Words find what the map that tests write for it says."""
    read = read_gltf(MODELS / "rigged" / "CesiumMan.gltf")
    assert read.rig is not None
    skeleton = read.rig.skeleton
    found = match_by_words(skeleton.names, skeleton.parents, world_matrices(skeleton, None)[:, :3, 3])
    table = tomllib.loads(CESIUM)["cesium"]
    limbs = {role: name for role, name in table.items() if "_" in role or role in ("hips", "head")}
    assert {role: skeleton.names[found.roles[role]] for role in limbs} == limbs
