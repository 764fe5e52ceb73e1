"""Names of joints, hips and pelvis, the direction a skeleton faces."""

from __future__ import annotations

import numpy as np
import pytest

from mpc.motion.landmarks import find_pelvis, part_name, rest_facing, side_of
from mpc.motion.skinning import Skeleton


@pytest.mark.parametrize(
    ("name", "plain", "side"),
    [
        ("mixamorig:LeftUpLeg", "upleg", "left"),
        ("upperleg01.R", "upperleg", "right"),
        ("DEF-upperleg01.L", "upperleg", "left"),
        ("upperleg_l", "upperleg", "left"),
        ("leg_joint_R_1", "leg", "right"),
        ("Bip01 L Thigh", "thigh", "left"),
        ("mixamorig:Hips", "hips", None),
        ("pelvis", "pelvis", None),
        ("hip", "hip", None),
        ("lowerback", "lowerback", None),
        ("Skeleton_torso_joint_1", "torso", None),
    ],
)
def test_joint_names(name: str, plain: str, side: str | None) -> None:
    assert (part_name(name), side_of(name)) == (plain, side)


def skeleton(names: list[str], parents: list[int], places: list[list[float]]) -> Skeleton:
    count = len(names)
    return Skeleton(
        tuple(names), np.array(parents, np.int32), np.arange(count, dtype=np.int32), np.array(places, float),
        np.tile([0.0, 0, 0, 1], (count, 1)), np.ones((count, 3)), {},
    )  # fmt: skip


def test_pelvis_by_name_or_between_the_hips() -> None:
    names = ["root", "foot.L", "upperleg01.L", "upperleg01.R", "trunk"]
    bones = skeleton(names, [-1, 2, 4, 4, 0], [[0, 0, 0]] * 5)
    assert find_pelvis(bones, range(5)) == (2, 3)
    assert find_pelvis(skeleton(["a", "Hips", "x"], [-1, 0, 1], [[0, 0, 0]] * 3), range(3)) == (1,)
    assert find_pelvis(skeleton(["a", "b"], [-1, 0], [[0, 0, 0]] * 2), range(2)) == ()


def test_rest_facing_from_left_and_right() -> None:
    bones = skeleton(["root", "leg_l", "leg_r"], [-1, 0, 0], [[0, 0, 0], [0, 0, 1], [0, 0, -1]])
    world = np.tile(np.eye(4), (3, 1, 1))
    world[1:, 2, 3] = [1, -1]
    assert rest_facing(bones, range(3), world, np.array([0.0, 1, 0])) == pytest.approx([-1, 0, 0])
    assert rest_facing(skeleton(["root"], [-1], [[0, 0, 0]]), [0], world, np.array([0.0, 1, 0])) is None
