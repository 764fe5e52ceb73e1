"""Motions whose rest pose says nothing of the body, and bones whose names leave two readings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mpc.core.errors import MpcError
from mpc.motion.bones import NEEDED, built_in_maps, match_bones, read_schemes, settle_by_shape
from mpc.motion.reference import with_standing_rest
from mpc.motion.retarget import retarget
from support.stick_motion import (
    LIMBS,
    MIXAMO,
    ROKOKO,
    ROKOKO_PARENTS,
    SMPL,
    along_own_axes,
    motion,
    places_of,
    some_turns,
    stick,
    target,
    with_collars,
)


def limbs(places: np.ndarray) -> np.ndarray:
    found = [places[:, end] - places[:, start] for start, end in LIMBS]
    return np.stack([one / np.linalg.norm(one, axis=1, keepdims=True) for one in found])


def test_bones_along_their_own_axes_move_as_the_plain_file() -> None:
    source, own = stick(0.0, 100.0), stick(45.0, 0.9)
    plain = motion(MIXAMO, source, some_turns(8), np.eye(3), np.tile(source[0], (8, 1)))
    odd = along_own_axes(plain)
    aim = target(SMPL, own)
    expected, found = retarget(plain, aim), retarget(odd, aim)
    assert expected.reference is None
    assert found.reference == 0  # the T pose
    np.testing.assert_allclose(found.rotations, expected.rotations, atol=1e-9)
    np.testing.assert_allclose(found.hips, expected.hips, atol=1e-9)


def test_without_a_t_pose_the_limbs_still_point_where_the_sources_do() -> None:
    source, own = stick(70.0, 1.0), stick(45.0, 0.9)
    turns = some_turns(9)[1:]
    turns[3] = Rotation.from_euler("x", 8, degrees=True).as_matrix()  # stands, a little bent forward
    odd = along_own_axes(motion(MIXAMO, source, turns, np.eye(3), np.tile(source[0], (8, 1))))
    aim = target(SMPL, own)
    result = retarget(odd, aim)
    assert result.reference == 3
    np.testing.assert_allclose(
        limbs(places_of(own, aim.rotations, result.rotations, result.hips)), limbs(odd.places), atol=1e-9
    )
    trunk = places_of(own, aim.rotations, result.rotations, result.hips)[3]
    lean = np.degrees(np.arctan2(*(trunk[[5, 8]].mean(axis=0) - trunk[[11, 14]].mean(axis=0))[[2, 1]]))
    assert lean == pytest.approx(8.0, abs=0.5)


def test_a_person_who_never_stands_is_refused_with_the_reason() -> None:
    source = stick(0.0, 1.0)
    turns = np.tile(np.eye(3), (3, 17, 1, 1))
    turns[:, [11, 14]] = Rotation.from_euler("x", -90, degrees=True).as_matrix()  # sits, in every frame
    turns[:, [12, 15]] = np.eye(3)
    odd = along_own_axes(motion(MIXAMO, source, turns, np.eye(3), np.tile(source[0], (3, 1))))
    with pytest.raises(MpcError, match=r"rest pose .* is no standing person, and no frame"):
        retarget(odd, target(SMPL, source))


def test_a_rest_pose_in_which_a_person_stands_stays() -> None:
    source = stick(0.0, 100.0, leg_deg=20.0)
    plain = motion(MIXAMO, source, some_turns(4), np.eye(3), np.tile(source[0], (4, 1)))
    assert with_standing_rest(plain) == (plain, None)


@pytest.mark.parametrize("scheme", read_schemes())
def test_every_scheme_is_found_by_its_names_and_cites_its_source(scheme: str) -> None:
    assert len(read_schemes()[scheme]["source"]) > 15
    for word in (0, 1):  # sides in full, and by their first letter
        wanted = {}
        for role, names in built_in_maps()[scheme].items():
            wanted[role] = list(names) if role in ("spine", "neck") else [names[min(word, len(names) - 1)]]
        names = list(dict.fromkeys(name for found in wanted.values() for name in found))
        matched = match_bones(names)
        assert not matched.missing
        for role in NEEDED:
            assert names[matched.roles[role]] == wanted[role][0], role
        assert len(matched.chains["spine"]) >= 1


@pytest.mark.parametrize("odd", ["LeftArm", "LeftUpperPart"])
def test_the_shape_tells_collar_bones_from_upper_arms(odd: str) -> None:
    names = [name.replace("LeftArm", odd).replace("RightArm", odd.replace("Left", "Right")) for name in ROKOKO]
    matched = settle_by_shape(match_bones(names), names, ROKOKO_PARENTS, with_collars())
    assert names[matched.roles["left_upperarm"]] == odd
    assert names[matched.roles["left_clavicle"]] == "LeftShoulder"
    assert names[matched.roles["right_lowerarm"]] == "RightForeArm"
    assert [names[bone] for bone in matched.chains["spine"]] == ["Spine1", "Spine2"]


def test_a_long_shoulder_stays_the_upper_arm_and_a_twist_bone_is_none() -> None:
    names = ["Hips", "Chest", "Neck", "LeftShoulder", "LeftShoulderTwist", "LeftElbow", "LeftWrist", "RightShoulder",
             "RightElbow", "RightWrist", "LeftHip", "LeftKnee", "RightHip", "RightKnee"]  # fmt: skip
    parents = np.array([-1, 0, 1, 1, 3, 4, 5, 1, 7, 8, 0, 10, 0, 12], np.int32)
    places = np.zeros((14, 3))
    places[[3, 4, 5, 6], 0] = [0.2, 0.3, 0.5, 0.75]
    matched = settle_by_shape(match_bones(names), names, parents, places)
    assert names[matched.roles["left_upperarm"]] == "LeftShoulder"
    assert "left_clavicle" not in matched.roles


@pytest.mark.parametrize("collar", ["clavicle.L", "Chest2"])
def test_an_upper_arm_of_two_bones_begins_at_the_first(collar: str) -> None:
    """Whether a collar bone has a name that is known or not."""
    names = ["root", "spine01", "neck01", collar, "upperarm01.L", "upperarm02.L", "lowerarm01.L", "wrist.L"]
    names += ["upperarm01.R", "lowerarm01.R", "upperleg01.L", "lowerleg01.L", "upperleg01.R", "lowerleg01.R"]
    parents = np.array([-1, 0, 1, 1, 3, 4, 5, 6, 1, 8, 0, 10, 0, 12], np.int32)
    places = np.zeros((14, 3))
    places[[3, 4, 5, 6, 7], 0] = [0.05, 0.2, 0.28, 0.5, 0.75]
    matched = settle_by_shape(match_bones(names), names, parents, places)
    assert names[matched.roles["left_upperarm"]] == "upperarm01.L"
    assert ("left_clavicle" in matched.roles) == (collar == "clavicle.L")
