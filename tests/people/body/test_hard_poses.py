"""Hard poses: what is drawn, joint by joint, and that limbs stay out of each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("anny")

from mpc.core.randomness import derive_rng
from mpc.motion.makehuman.body import Body, make_body, skeleton
from mpc.motion.makehuman.limits import RANGES, beyond, joint_angles
from mpc.motion.makehuman.rotations import rotation_about
from mpc.people import scan_poses
from mpc.people.body.animations import make_clip
from mpc.people.body.capsules import body_capsules, overlaps, segment_distance
from mpc.people.body.hard_poses import draw_hard_pose
from mpc.people.body.legs import Leg, LegAngles
from mpc.people.body.pose_families import FAMILIES, SKIRTED
from mpc.people.body.poses import POSES, vary
from mpc.people.body.posing import Arm, Pose, bone_transforms, pose_rotations
from mpc.people.clothes.wardrobe import plan_person
from mpc.people.scan_poses import ScanPose, plan_scan_pose, pose_clip, scan_rotations
from support.rig_bvh import write_bvh

SEED = 5
NAMES = skeleton().names
DEEP_M = 0.25


def at(heads: np.ndarray, bone: str, tag: str) -> np.ndarray:
    return heads[NAMES.index(f"{bone}.{tag}")]


@pytest.fixture(scope="module")
def bodies() -> list[Body]:
    """A child, and a man who is heavy."""
    plan = plan_person(SEED, "scan_000").phenotype
    shapes = [{**plan, "age": 0.28}, {**plan, "age": 0.7, "gender": 0.0, "weight": 0.95}]
    return [make_body(shape) for shape in shapes]


@pytest.fixture(scope="module")
def drawn(bodies: list[Body]) -> list[tuple[str, Body, np.ndarray, np.ndarray]]:
    """Four draws of each family: its name, the body, and the bones' global rotations and heads."""
    result = []
    for number, name in enumerate(sorted(FAMILIES) * 4):
        body = bodies[number % len(bodies)]
        pose = draw_hard_pose(body, name, derive_rng(SEED, "draws", number))
        result.append((name, body, *bone_transforms(body, *pose_rotations(body, pose))))
    return result


def test_joints_stay_in_their_ranges(drawn) -> None:
    """Hinges by the angle between their bones, spine and neck by Euler angles of SciPy."""
    for name, _, rotations, heads in drawn:
        hips, chest = rotations[0], rotations[NAMES.index("spine01")]
        for part, bend in (("spine", hips.T @ chest), ("neck", chest.T @ rotations[NAMES.index("head")])):
            turn, side, forward = Rotation.from_matrix(bend).as_euler("YZX", degrees=True)
            for value, axis in ((forward, "forward"), (-side, "side"), (turn, "turn")):
                low, high = RANGES[f"{part} {axis}"]
                assert low - 2.1 <= value <= high + 2.1, (name, part, axis)
        for tag in "LR":
            for first, joint, last, most in (
                ("upperarm01", "lowerarm01", "wrist", 150),
                ("upperleg01", "lowerleg01", "foot", 135),
            ):
                one = at(heads, joint, tag) - at(heads, first, tag)
                other = at(heads, last, tag) - at(heads, joint, tag)
                angle = np.degrees(np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))
                assert angle <= most + 2.1, (name, joint)
            thigh = hips.T @ (at(heads, "lowerleg01", tag) - at(heads, "upperleg01", tag))
            assert -32.1 <= np.degrees(np.arctan2(thigh[2], -thigh[1])) <= 122.1, name
            foot = rotations[NAMES.index(f"lowerleg01.{tag}")].T @ rotations[NAMES.index(f"foot.{tag}")]
            assert -22.1 <= Rotation.from_matrix(foot).as_euler("YZX", degrees=True)[2] <= 52.1, name


def test_limbs_stay_out_of_each_other_and_of_the_torso(drawn, bodies: list[Body]) -> None:
    """By points on the segments, a hundred on each; flesh gives way by a centimetre, a belly by more."""
    found = {id(body): body_capsules(body) for body in bodies}
    share = np.linspace(0, 1, 40)[:, None]
    for name, body, rotations, heads in drawn:
        capsules = found[id(body)]
        ends = np.stack(
            [
                [heads[b] + rotations[b] @ (point - body.heads[b]) for b, point in zip(bones, points, strict=True)]
                for bones, points in zip(capsules.bones, capsules.ends, strict=True)
            ]
        )
        points = ends[:, :1] * (1 - share) + ends[:, 1:] * share
        for (one, other), give in zip(capsules.pairs, capsules.give, strict=True):
            apart = np.linalg.norm(points[one][:, None] - points[other][None], axis=2).min()
            deep = capsules.radii[one] + capsules.radii[other] - apart
            assert deep <= give, (name, capsules.names[one], capsules.names[other])


def test_limbs_reach_further_ahead_and_behind_than_in_everyday_poses(drawn, bodies: list[Body]) -> None:
    """The share of draws, over eight yaws, in which a wrist or an ankle is 25 cm nearer or further than the pelvis."""
    ends = [NAMES.index(name) for name in ("wrist.L", "wrist.R", "foot.L", "foot.R")]
    yaws = np.arange(8) * np.pi / 4

    def deep(heads: np.ndarray) -> np.ndarray:
        away = heads[ends] - heads[0]
        return np.abs(np.outer(away[:, 0], np.sin(yaws)) + np.outer(away[:, 2], np.cos(yaws))).max(axis=0) > DEEP_M

    everyday = []
    for number, name in enumerate(sorted(POSES) * 3):
        body = bodies[number % len(bodies)]
        pose = vary(POSES[name], derive_rng(SEED, "everyday", number))
        everyday.append(deep(bone_transforms(body, *pose_rotations(body, pose))[1]))
    hard = np.mean([deep(heads) for _, _, _, heads in drawn], axis=0)
    assert hard.min() > 0.6
    assert hard.mean() > np.mean(everyday) + 0.2


def test_measured_angles_are_those_that_were_set(bodies: list[Body]) -> None:
    pose = Pose(
        spine=(20, -6, 12),
        neck=(-10, 8, 30),
        left_leg=LegAngles(flexion=62, abduction=14, rotation=9, knee=71, ankle=18),
        right_leg=LegAngles(flexion=-18, abduction=3, rotation=-12, knee=40, ankle=-7),
        left_arm=Arm(flexion=20, abduction=30, rotation=0, elbow=80),
    )
    angles = joint_angles(*bone_transforms(bodies[0], *pose_rotations(bodies[0], pose)))
    wanted = {
        "hip flexion L": 62, "hip abduction L": 14, "hip rotation L": 9, "knee L": 71, "ankle L": 18,
        "hip flexion R": -18, "hip abduction R": 3, "hip rotation R": -12, "knee R": 40, "ankle R": -7,
    }  # fmt: skip
    for name, value in wanted.items():
        assert angles[name] == pytest.approx(value, abs=1.0), name
    # An arm that counts as straight keeps a fifth of the bend at rest.
    rest = joint_angles(np.tile(np.eye(3), (len(NAMES), 1, 1)), bodies[0].heads)["elbow L"]
    assert angles["elbow L"] == pytest.approx(80 + 0.2 * rest, abs=1.0)
    # Five small bends about three axes do not add up to one large one exactly.
    near = {"spine forward": 20, "spine side": -6, "spine turn": 12, "neck forward": -10}
    for name, value in near.items():
        assert angles[name] == pytest.approx(value, abs=4), name
    assert beyond({"knee L": 138.0, "elbow R": 149.0}) == ["knee L"]


def test_a_free_leg_goes_where_its_angles_say(bodies: list[Body]) -> None:
    body = bodies[0]
    pose = Pose(left_leg=LegAngles(flexion=90, abduction=0, rotation=0, knee=90), shift=(0, 0, 0))
    heads = bone_transforms(body, *pose_rotations(body, pose))[1]
    hip, knee, ankle = (at(heads, bone, "L") for bone in ("upperleg01", "lowerleg01", "foot"))
    rest = [at(body.heads, bone, "L") for bone in ("upperleg01", "lowerleg01", "foot")]
    upper, lower = np.linalg.norm(rest[1] - rest[0]), np.linalg.norm(rest[2] - rest[1])
    np.testing.assert_allclose(knee - hip, [0, 0, upper], atol=1e-9)
    np.testing.assert_allclose(ankle - knee, [0, -lower, 0], atol=1e-9)


def test_distances_of_segments_agree_with_brute_force() -> None:
    ends = np.random.default_rng(0).normal(size=(4, 60, 3))
    ends[3, :20] = ends[2, :20] + ends[1, :20] - ends[0, :20]  # parallel
    ends[1, 20:30] = ends[0, 20:30]  # a point
    share = np.linspace(0, 1, 200)[:, None, None]
    for number in range(60):
        one = ends[0, number] + share[:, 0] * (ends[1, number] - ends[0, number])
        other = ends[2, number] + share[:, 0] * (ends[3, number] - ends[2, number])
        brute = np.linalg.norm(one[:, None] - other[None], axis=2).min()
        assert segment_distance(*ends[:, number : number + 1])[0] == pytest.approx(brute, abs=2e-2)


def test_an_arm_through_the_chest_is_found(bodies: list[Body]) -> None:
    for body in bodies:
        capsules = body_capsules(body)

        def worst(pose: Pose, body: Body = body, capsules=capsules) -> tuple[float, str]:
            depths = overlaps(capsules, body, *bone_transforms(body, *pose_rotations(body, pose)))
            pair = capsules.pairs[int(depths.argmax())]
            return float(depths.max()), " ".join(capsules.names[part] for part in pair)

        assert worst(Pose(left_arm=Arm(abduction=22), right_arm=Arm(abduction=22)))[0] <= 0
        depth, which = worst(Pose(left_arm=Arm(flexion=10, abduction=-35), right_arm=Arm(abduction=22)))
        assert depth > 0.02 and " L" in which, which  # noqa: PT018
        crossed, _ = worst(Pose(left_leg=Leg(out=-0.3), right_leg=Leg(out=-0.3)))
        assert crossed > 0.02


def test_the_share_of_hard_poses_is_kept_and_skirts_stay_off_the_ground() -> None:
    names = [f"scan_{number:03d}" for number in range(60)]
    plans = {name: plan_scan_pose(SEED, name, hard_poses=0.5) for name in names}
    kinds = Counter(plan.kind for plan in plans.values())
    assert kinds == {"everyday": 30, "hard": 30}
    assert {plan.kind for plan in (plans[names[0]], plans[names[1]])} == {"everyday", "hard"}
    assert {plan_scan_pose(SEED, name, hard_poses=0.0).kind for name in names} == {"everyday"}
    assert Counter(plan_scan_pose(SEED, name, hard_poses=0.2).kind for name in names)["hard"] == 12
    skirted = {name for name in names if any(worn.garment.kind == "skirt" for worn in plan_person(SEED, name).worn)}
    assert skirted
    for name, plan in plans.items():
        if name in skirted:
            assert plan.name in (SKIRTED if plan.kind == "hard" else set(POSES) - {"sitting", "lunge"})
    families = {plan.name for name, plan in plans.items() if plan.kind == "hard" and name not in skirted}
    assert len(families) > 0.7 * len(FAMILIES)


def test_a_scan_takes_a_frame_of_a_motion(tmp_path: Path, bodies: list[Body]) -> None:
    """It is a frame of the clip but for the turn about the vertical, which makes the pelvis face +z."""
    body = bodies[0]
    clip = make_clip(body, "walk", 6)
    clip.rotations[:, 0] = rotation_about((0, 1, 0), 70) @ clip.rotations[:, 0]
    (tmp_path / "clips").mkdir()
    write_bvh(tmp_path / "clips" / "walk.bvh", body, clip, 100.0)
    names = [f"scan_{number:03d}" for number in range(80)]
    plans = [plan_scan_pose(SEED, name, hard_poses=1.0, bvh=tmp_path / "clips") for name in names]
    free = [plan for plan in plans if plan.name not in SKIRTED]
    motions = [plan for plan in plans if plan.kind == "motion"]
    assert 0.15 < len(motions) / len(free) < 0.6
    assert {plan.name for plan in motions} == {"walk.bvh"}
    local, _ = scan_rotations(ScanPose("motion", "walk.bvh"), body, np.random.default_rng(3), tmp_path / "clips")
    ahead = local[0][:, 2]
    assert ahead[0] == pytest.approx(0, abs=1e-6) and ahead[2] > 0.9  # noqa: PT018
    assert np.abs(clip.rotations[:, 1:] - local[1:]).reshape(len(clip.rotations), -1).max(axis=1).min() < 1e-6


def test_a_clip_of_hard_poses_stays_within_the_joints_ranges_and_keeps_skirts_off_the_ground() -> None:
    body, rng = make_body(plan_person(SEED, "rig_000").phenotype), np.random.default_rng(SEED)
    capsules = body_capsules(body)
    clip = pose_clip(body, 12, rng, skirted=False)
    assert (clip.name, clip.rotations.shape[0], clip.offsets.shape) == ("poses", 12, (12, 3))
    for local, offset in zip(clip.rotations, clip.offsets, strict=True):
        placed = bone_transforms(body, local, offset)
        assert not beyond(joint_angles(*placed))
        assert overlaps(capsules, body, *placed).max() <= 0
    apart = np.abs(clip.rotations[:, None] - clip.rotations[None]).max(axis=(2, 3, 4))
    assert apart[~np.eye(12, dtype=bool)].min() > 0.1
    drawn: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_poses, "draw_hard_pose", lambda _b, name, _r: drawn.append(name) or Pose())
        pose_clip(body, 40, rng, skirted=True)
    assert set(drawn) == set(SKIRTED)
