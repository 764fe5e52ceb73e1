"""Retargeting against closed forms on stick figures, and on the shared clips: floor, knees and elbows, bones told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from mpc.core.errors import InputError, MpcError
from mpc.formats.motions import read_motion_file
from mpc.motion.bones import match_bones, rig_bones
from mpc.motion.retarget import between, retarget
from mpc.motion.rig_clips import bring_clips
from mpc.motion.skinning import pose_rig, world_matrices
from mpc.subjects.animations import doubt_motions, find_motion_files, usable_motions, with_animations
from mpc.subjects.find import Subject
from mpc.subjects.load import LoadedSubject, load_subject
from support.cesium_bones import CESIUM
from support.shared import MODELS
from support.stick_motion import LIMBS, MIXAMO, SMPL, motion, places_of, some_turns, stick, target

F64 = npt.NDArray[np.float64]
BVH = MODELS / "bvh"
needs_shared = pytest.mark.skipif(not BVH.is_dir(), reason="the shared models are not here")

AXES = {
    "y up": np.eye(3),
    "z up, facing -y": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "y up, facing -x": Rotation.from_euler("y", -90, degrees=True).as_matrix(),
}


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES.keys())
def test_limbs_point_where_the_sources_do(axes: F64) -> None:
    source, own = stick(0.0, 100.0, leg_deg=20.0), stick(45.0, 0.9)  # a T pose in centimetres, an A pose in metres
    moving = motion(MIXAMO, source, some_turns(8), axes, np.tile(source[0], (8, 1)))
    aim = target(SMPL, own)
    result = retarget(moving, aim)
    there = places_of(own, aim.rotations, result.rotations, result.hips)
    here = moving.places @ axes  # back to y up
    for start, end in LIMBS:
        a, b = here[:, end] - here[:, start], there[:, end] - there[:, start]
        a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
        np.testing.assert_allclose(b, a, atol=1e-9)
    hips = result.rotations[:, 0] @ aim.rotations[0].T
    np.testing.assert_allclose(hips, axes.T @ (moving.rotations[:, 0] @ moving.rest_rotations[0].T) @ axes, atol=1e-9)
    assert result.unmatched == ()
    # Bones keep their lengths: only turns are taken over.
    length = np.linalg.norm(there[:, [6, 12]] - there[:, [5, 11]], axis=2)
    np.testing.assert_allclose(length, np.tile([0.27, 0.405], (8, 1)), atol=1e-9)


def test_the_hips_path_scales_with_the_legs() -> None:
    source, own = stick(0.0, 100.0), stick(45.0, 0.5)
    path = source[0] + np.array([[0, 0, 0], [40.0, 0, 0], [40.0, 0, 80.0]])
    result = retarget(motion(MIXAMO, source, np.tile(np.eye(3), (3, 17, 1, 1)), np.eye(3), path), target(SMPL, own))
    np.testing.assert_allclose(result.hips, own[0] + np.array([[0, 0, 0], [0.2, 0, 0], [0.2, 0, 0.4]]), atol=1e-9)


def test_a_clip_stands_on_the_floor_and_jumps_above_it() -> None:
    source, own = stick(0.0, 1.0), stick(45.0, 1.0)
    height = np.concatenate([np.zeros(20), [0.3, 0.5, 0.3], [-0.04]])  # stands, jumps, sinks in for a frame
    path = source[0] + height[:, None] * [0, 1, 0] + [0, 7.0, 0]  # the file's floor lies anywhere
    moving = motion(MIXAMO, source, np.tile(np.eye(3), (24, 17, 1, 1)), np.eye(3), path)
    aim = target(SMPL, own)
    result = retarget(moving, aim)
    low = aim.lowest(result.rotations, result.hips) - aim.floor_y
    np.testing.assert_allclose(low, np.maximum(height, 0.0), atol=1e-9)
    assert result.lifted_m[-1] == pytest.approx(0.04)
    assert np.count_nonzero(result.lifted_m > 1e-9) == 1


def test_spines_of_different_lengths_share_the_turn() -> None:
    own_names = ["Pelvis", "Spine1", "Spine2", "Spine3", *SMPL[4:]]
    assert len(match_bones(own_names).chains["spine"]) == 3
    turns = np.tile(np.eye(3), (1, 17, 1, 1))
    turns[0, 1:] = Rotation.from_euler("y", 20, degrees=True).as_matrix()
    turns[0, 2:11] = Rotation.from_euler("y", 60, degrees=True).as_matrix()
    turns[0, 11:] = np.eye(3)
    source = stick(0.0, 1.0)
    aim = target(own_names, source)
    result = retarget(motion(MIXAMO, source, turns, np.eye(3), source[:1]), aim)
    turned = Rotation.from_matrix((result.rotations[0] @ aim.rotations.transpose(0, 2, 1))[1:4]).as_rotvec(degrees=True)
    # Two bones at 20 and 60 degrees, half and all of the way up, on bones at a third, two thirds and all of it.
    np.testing.assert_allclose(turned[:, 1], [20 * 2 / 3, 20 + 40 / 3, 60], atol=1e-9)


def test_between_turns_one_direction_onto_another() -> None:
    rng = np.random.default_rng(0)
    pairs = [*rng.normal(size=(20, 2, 3)), np.array([[0, 1.0, 0], [0, -2.0, 0]]), np.array([[1.0, 0, 0], [3.0, 0, 0]])]
    for start, end in pairs:
        turn = between(start, end)
        np.testing.assert_allclose(turn @ start / np.linalg.norm(start), end / np.linalg.norm(end), atol=1e-9)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1.0)


def test_a_missing_bone_is_named_on_either_side() -> None:
    rest = stick(0.0, 1.0)
    still = np.tile(np.eye(3), (1, 17, 1, 1))
    with pytest.raises(MpcError, match=r"the motion has no bone known as .*left_shin"):
        retarget(
            motion([n.replace("LeftLeg", "x") for n in MIXAMO], rest, still, np.eye(3), rest[:1]), target(SMPL, rest)
        )
    with pytest.raises(MpcError, match=r"the rig has no bone known as .*hips"):
        retarget(motion(MIXAMO, rest, still, np.eye(3), rest[:1]), target(["x", *SMPL[1:]], rest))


# --- the shared rigs and clips ---


def shared_rig(name: str) -> LoadedSubject:
    path = MODELS / "rigged" / name
    return load_subject(Subject(path.stem, path, "rigged", path.parent))


@needs_shared
@pytest.mark.parametrize(("name", "without"), [("rig_02.glb", ("cmu_01_01",)), ("rig_04.glb", ())])
def test_no_frame_of_the_shared_clips_goes_through_the_floor(name: str, without: tuple[str, ...]) -> None:
    loaded = shared_rig(name)
    motions = [motion for motion in usable_motions(BVH) if motion.name not in without]
    assert loaded.rig is not None
    brought = bring_clips(loaded.rig, loaded.to_world, rig_bones(loaded.rig), motions)
    assert len(brought.clips) == 11 - len(without)
    floor = loaded.mesh.bounds[0, 1]
    for clip in brought.clips:
        picked = np.unique(np.linspace(0, clip.frames - 1, 12).astype(int))
        low = []
        for frame in picked.tolist():
            posed, _ = pose_rig(loaded.rig, clip, clip.time_of(frame))
            low.append(float((posed @ loaded.to_world[:3, :3].T)[:, 1].min()) - floor)
        assert min(low) > -0.005, clip.name  # worst seen 3.5 mm; the goal is 2 cm
        assert np.median(low) < 0.03, clip.name


@needs_shared
def test_knees_and_elbows_bend_the_right_way() -> None:
    loaded = shared_rig("rig_03.glb")
    assert loaded.rig is not None
    matched = rig_bones(loaded.rig)
    names = ("made_squat", "made_walk", "cmu_01_01")
    motions = [motion for motion in usable_motions(BVH) if motion.name in names]
    bends = 0
    for clip in bring_clips(loaded.rig, loaded.to_world, matched, motions).clips:
        for frame in range(0, clip.frames, 5):
            world = world_matrices(loaded.rig.skeleton, clip, clip.time_of(frame))
            place = {role: world[bone, :3, 3] for role, bone in matched.roles.items()}
            left = place["left_thigh"] - place["right_thigh"]
            for side in ("left", "right"):
                thigh = place[f"{side}_shin"] - place[f"{side}_thigh"]
                shin = place[f"{side}_foot"] - place[f"{side}_shin"]
                axis = np.cross(thigh, shin)
                sine = float(np.linalg.norm(axis) / np.linalg.norm(thigh) / np.linalg.norm(shin))
                if sine > np.sin(np.radians(30)):
                    bends += 1
                    # Heels go back: the shin turns about the axis that points to the person's left.
                    assert float(axis @ left) > 0.5 * float(np.linalg.norm(axis) * np.linalg.norm(left))
                upper = place[f"{side}_lowerarm"] - place[f"{side}_upperarm"]
                lower = place[f"{side}_hand"] - place[f"{side}_lowerarm"]
                assert float(upper @ lower) > -0.9 * float(np.linalg.norm(upper) * np.linalg.norm(lower))
    assert bends > 50


@needs_shared
def test_a_users_map_brings_clips_to_a_stranger(tmp_path: Path) -> None:
    loaded = shared_rig("CesiumMan.gltf")
    with pytest.raises(InputError, match=r"no bone known as .*hips.*give a bone map"):
        with_animations(loaded, BVH / "made_walk.bvh")
    path = tmp_path / "cesium.toml"
    path.write_text(CESIUM)
    moved = with_animations(loaded, BVH, path)
    assert list(moved.clips) == ["animation_0", *(file.stem for file in find_motion_files(BVH))]
    assert moved.bone_map == "cesium"
    (told,) = (notice for notice in moved.notices if "no counterpart" in notice)
    assert "LHipJoint, RHipJoint" in told


@needs_shared
def test_a_rigs_own_clip_comes_back_through_another_reader() -> None:
    """A clip of one rig brought to the same rig is the clip."""
    loaded = shared_rig("rig_03.glb")
    assert loaded.rig is not None
    motions = read_motion_file(MODELS / "rigged" / "rig_03.glb")
    squat = next(motion for motion in motions if motion.name.endswith("squat"))
    (clip,) = bring_clips(loaded.rig, loaded.to_world, rig_bones(loaded.rig), [squat]).clips
    own = loaded.clips["squat"]
    for frame in (0, 10, 25):
        expected, _ = pose_rig(loaded.rig, own, own.time_of(frame))
        posed, _ = pose_rig(loaded.rig, clip, clip.time_of(frame))
        difference = posed - expected
        np.testing.assert_allclose(difference, np.broadcast_to(difference.mean(axis=0), difference.shape), atol=1e-5)


def test_motions_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no motion"):
        find_motion_files(tmp_path)
    path = tmp_path / "a.bvh"
    path.write_text(
        "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n}\n"
        "MOTION\nFrames: 1\nFrame Time: 0.03\n0 0 0\n"
    )
    with pytest.raises(InputError, match=r"no bone known as .*left_thigh.*its bones: Hips.*give a bone map"):
        read_motion_file(path)
    with pytest.raises(InputError, match=r"holds no motion that can be used: .*a\.bvh"):
        doubt_motions(tmp_path)
    assert list(usable_motions(tmp_path)) == []
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="not read"):
        read_motion_file(tmp_path / "a.txt")
