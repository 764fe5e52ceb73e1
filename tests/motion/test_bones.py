"""Bone names of the rigs in use find their roles; the user's own map goes first and is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpc.core.errors import InputError
from mpc.formats.bone_maps import read_bone_maps
from mpc.motion.bones import NEEDED, all_roles, bare_names, match_bones, plain

MIXAMO = [
    "mixamorig:" + name
    for name in [
        "Hips",
        "Spine",
        "Spine1",
        "Spine2",
        "Neck",
        "Head",
        "LeftShoulder",
        "LeftArm",
        "LeftForeArm",
        "LeftHand",
        "LeftHandThumb1",
        "LeftHandIndex1",
        "RightShoulder",
        "RightArm",
        "RightForeArm",
        "RightHand",
        "LeftUpLeg",
        "LeftLeg",
        "LeftFoot",
        "LeftToeBase",
        "RightUpLeg",
        "RightLeg",
        "RightFoot",
        "RightToeBase",
    ]
]
CMU = [
    "Hips",
    "LHipJoint",
    "LeftUpLeg",
    "LeftLeg",
    "LeftFoot",
    "LeftToeBase",
    "RHipJoint",
    "RightUpLeg",
    "RightLeg",
    "RightFoot",
    "RightToeBase",
    "LowerBack",
    "Spine",
    "Spine1",
    "Neck",
    "Neck1",
    "Head",
    "LeftShoulder",
    "LeftArm",
    "LeftForeArm",
    "LeftHand",
    "LThumb",
    "RightShoulder",
    "RightArm",
    "RightForeArm",
    "RightHand",
]
RENDERPEOPLE = [
    "root",
    "hip",
    "spine_01",
    "spine_02",
    "spine_03",
    "neck",
    "head",
    "shoulder_l",
    "upperarm_l",
    "upperarm_twist_l",
    "lowerarm_l",
    "lowerarm_twist_l",
    "hand_l",
    "index_01_l",
    "shoulder_r",
    "upperarm_r",
    "lowerarm_r",
    "hand_r",
    "upperleg_l",
    "upperleg_twist_l",
    "lowerleg_l",
    "foot_l",
    "upperleg_r",
    "lowerleg_r",
    "foot_r",
]
MAKEHUMAN = [
    "root",
    "spine05",
    "spine04",
    "spine03",
    "spine02",
    "spine01",
    "neck01",
    "neck02",
    "neck03",
    "head",
    "clavicle.L",
    "upperarm01.L",
    "upperarm02.L",
    "lowerarm01.L",
    "wrist.L",
    "finger2-1.L",
    "clavicle.R",
    "upperarm01.R",
    "lowerarm01.R",
    "wrist.R",
    "pelvis.L",
    "upperleg01.L",
    "lowerleg01.L",
    "foot.L",
    "upperleg01.R",
    "lowerleg01.R",
    "foot.R",
]
SMPL = [
    "Pelvis",
    "L_Hip",
    "R_Hip",
    "Spine1",
    "L_Knee",
    "R_Knee",
    "Spine2",
    "L_Ankle",
    "R_Ankle",
    "Spine3",
    "L_Foot",
    "R_Foot",
    "Neck",
    "L_Collar",
    "R_Collar",
    "Head",
    "L_Shoulder",
    "R_Shoulder",
    "L_Elbow",
    "R_Elbow",
    "L_Wrist",
    "R_Wrist",
    "L_Hand",
    "R_Hand",
]
SMPLX = [
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_index1",
    "left_thumb1",
]
BIPED = [
    "Bip01",
    "Bip01 Pelvis",
    "Bip01 Spine",
    "Bip01 Spine1",
    "Bip01 Neck",
    "Bip01 Head",
    "Bip01 L Clavicle",
    "Bip01 L UpperArm",
    "Bip01 L Forearm",
    "Bip01 L Hand",
    "Bip01 R Clavicle",
    "Bip01 R UpperArm",
    "Bip01 R Forearm",
    "Bip01 R Hand",
    "Bip01 L Thigh",
    "Bip01 L Calf",
    "Bip01 L Foot",
    "Bip01 R Thigh",
    "Bip01 R Calf",
    "Bip01 R Foot",
]

# What each family calls the left thigh, shin, foot, collar bone, upper arm and hand.
CASES = [
    ("mixamo", MIXAMO, "mixamorig:LeftUpLeg mixamorig:LeftLeg mixamorig:LeftFoot mixamorig:LeftShoulder "
     "mixamorig:LeftArm mixamorig:LeftHand", 3),
    ("cmu", CMU, "LeftUpLeg LeftLeg LeftFoot LeftShoulder LeftArm LeftHand", 3),
    ("renderpeople", RENDERPEOPLE, "upperleg_l lowerleg_l foot_l shoulder_l upperarm_l hand_l", 3),
    ("makehuman", MAKEHUMAN, "upperleg01.L lowerleg01.L foot.L clavicle.L upperarm01.L wrist.L", 5),
    ("smpl", SMPL, "L_Hip L_Knee L_Ankle L_Collar L_Shoulder L_Wrist", 3),
    ("smpl", SMPLX, "left_hip left_knee left_ankle left_collar left_shoulder left_wrist", 3),
    ("biped", BIPED, "Bip01 L Thigh;Bip01 L Calf;Bip01 L Foot;Bip01 L Clavicle;Bip01 L UpperArm;Bip01 L Hand", 2),
]  # fmt: skip


@pytest.mark.parametrize(("table", "names", "left", "spine"), CASES, ids=[f"{c[0]}{len(c[1])}" for c in CASES])
def test_families_find_their_roles(table: str, names: list[str], left: str, spine: int) -> None:
    matched = match_bones(names)
    assert matched.map_name == table
    assert not matched.missing
    roles = ("thigh", "shin", "foot", "clavicle", "upperarm", "hand")
    wanted = left.split(";") if ";" in left else left.split()
    assert [names[matched.roles[f"left_{role}"]] for role in roles] == wanted
    assert len(matched.chains["spine"]) == spine
    # Left and right never share a bone, and none is counted twice.
    assert len(matched.known) == len(matched.roles) + sum(len(chain) for chain in matched.chains.values())
    prefixed = [f"ns:DEF-{name}" for name in names] if table == "makehuman" else names
    assert match_bones(prefixed).roles == matched.roles


@pytest.mark.parametrize(
    ("table", "names", "pattern"),
    [
        ("renderpeople", RENDERPEOPLE, "rp_nathan_animated_003_walking_{}"),  # the model's name in front
        ("mixamo", MIXAMO, "{}_{number:02}"),  # a running number behind, as Sketchfab writes it
        ("renderpeople", RENDERPEOPLE, "{}_{number:03}"),
        ("cmu", CMU, "Skeleton 001_{}"),
        ("renderpeople", RENDERPEOPLE, "rp_carla_rigged_001_{}_{number:03}"),
    ],
)
def test_what_all_bones_have_in_common_tells_nothing(table: str, names: list[str], pattern: str) -> None:
    odd = [pattern.format(name, number=number) for number, name in enumerate(names)]
    odd += ["Sketchfab_model", "mesh"]  # nodes that are no bones
    matched = match_bones(odd)
    assert matched.map_name == table
    assert matched.roles == match_bones(names).roles


def test_names_without_a_common_part_stay() -> None:
    assert bare_names(["J_Bip_C_Hips", "J_Bip_L_Foot", "Hair"]) == ["J_Bip_C_Hips", "J_Bip_L_Foot", "Hair"]
    assert bare_names(["spine_01", "spine_02", "hip", "neck", ""]) == ["spine_01", "spine_02", "hip", "neck", ""]
    assert bare_names(["a_hip", "a_head", "a_", ""]) == ["hip", "head", "a_", ""]


def test_names_of_motive_and_cascadeur() -> None:
    """OptiTrack's Unity plugin and a MotionBuilder script for Cascadeur's model list them."""
    motive = [f"Alice_{name}" for name in ("Hip", "Ab", "Chest", "Neck", "Head")]
    parts = ("Shoulder", "UArm", "FArm", "Hand", "Thigh", "Shin", "Foot", "Toe")
    motive += [f"Alice_{side}{part}" for side in "LR" for part in parts]
    matched = match_bones(motive)
    assert (matched.map_name, matched.missing) == ("optitrack", [])
    assert motive[matched.roles["left_upperarm"]] == "Alice_LUArm"
    assert motive[matched.roles["right_clavicle"]] == "Alice_RShoulder"
    assert [motive[bone] for bone in matched.chains["spine"]] == ["Alice_Ab", "Alice_Chest"]
    cascy = ["pelvis", "stomach", "chest", "neck", "head"]
    parts = ("clavicle", "arm", "forearm", "hand", "thigh", "calf", "foot", "toe", "f_index1")
    cascy += [f"{part}_{side}" for side in "lr" for part in parts]
    matched = match_bones(cascy)
    assert (matched.map_name, matched.missing) == ("cascadeur", [])
    assert cascy[matched.roles["left_upperarm"]] == "arm_l"
    assert cascy[matched.roles["right_index1"]] == "f_index1_r"


def test_fingers_are_found() -> None:
    assert {"left_index1", "left_thumb1"} <= match_bones(MIXAMO).roles.keys() & match_bones(SMPLX).roles.keys()
    assert MAKEHUMAN[match_bones(MAKEHUMAN).roles["left_index1"]] == "finger2-1.L"
    assert RENDERPEOPLE[match_bones(RENDERPEOPLE).roles["left_index1"]] == "index_01_l"


def test_rigify_prefixes_stay_apart() -> None:
    """Rigify has a bone of each prefix: those that deform lose theirs, the others must not be taken for them."""
    assert plain("DEF-spine.001") == "spine001"
    assert plain("ORG-spine.001") == "orgspine001"


def test_plain_names() -> None:
    assert plain("Armature|mixamorig7:LeftUpLeg") == "leftupleg"
    assert plain("m_avg_L_Hip") == "lhip"
    assert plain("DEF-upperarm01.L") == "upperarm01l"
    assert plain("default") == "default"


def test_nothing_is_known_of_strangers() -> None:
    matched = match_bones(["a", "b", "Head"])
    assert set(matched.missing) == set(NEEDED)


def test_the_users_map_goes_first(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    lines = [f'{role} = "bone {number}"' for number, role in enumerate(NEEDED)]
    path.write_text("[mine]\n" + "\n".join(lines) + '\nspine = ["s one", "s two"]\n')
    maps = read_bone_maps(path)
    names = [f"bone {number}" for number in range(len(NEEDED))] + ["s two", "s one"]
    matched = match_bones(names, maps)
    assert (matched.map_name, matched.missing) == ("mine", [])
    assert matched.chains["spine"] == (len(NEEDED) + 1, len(NEEDED))
    assert match_bones(MIXAMO, maps).map_name == "mixamo"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[mine\n", "TOML"),
        ("", "no map"),
        ('hips = "a"\n', "outside a table"),
        ('[mine]\nleft_tail = "a"\n', "'left_tail' is no role"),
        ("[mine]\nhips = 3\n", r"hips: expected a bone's name"),
        ("[mine]\nspine = []\n", "spine: expected"),
    ],
)
def test_wrong_maps_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        read_bone_maps(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_bone_maps(tmp_path / "none.toml")


def test_every_role_is_named_once() -> None:
    roles = all_roles()
    assert len(roles) == len(set(roles))
    assert set(NEEDED) < set(roles)
