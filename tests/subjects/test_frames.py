"""Which frames are chosen, which are left out, and that it is told; on a post that tumbles and one that sways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from mpc.core.errors import MpcError, SettingsError
from mpc.datasets.renders.settings import RenderSettings
from mpc.geometry.mesh import PosedMesh
from mpc.motion.bones import match_bones
from mpc.motion.skinning import Channel, Clip, Rig, Skeleton
from mpc.subjects.find import Subject
from mpc.subjects.frames import FrameSettings, LeftOut, Misfit, choose_scenes, pose_features
from mpc.subjects.load import LoadedSubject
from mpc.subjects.placement import Placement
from mpc.subjects.scenes import LoadedScene, SceneSpec, choose_frames

FPS = 30.0


def clip(name: str, degrees: list[float], axis: str = "x", bone: int = 0) -> Clip:
    turns = np.asarray(Rotation.from_euler(axis, np.reshape(degrees, (-1, 1)), degrees=True).as_quat())
    times = np.arange(len(degrees)) / FPS
    return Clip(name, (Channel(bone, "rotation", times, turns),), 0.0, 1 / FPS, len(degrees))


def person(*clips: Clip, rigged: bool = True) -> LoadedSubject:
    """A post from 0 to 2 m on hips at 1 m, a head at 1.7 m, and two legs."""
    box = trimesh.creation.box((0.3, 2.0, 0.2)).apply_translation((0, 1, 0))
    mesh = PosedMesh(np.asarray(box.vertices, np.float64), np.asarray(box.faces, np.int32))
    skeleton = Skeleton(
        names=("hips", "head", "thigh.L", "thigh.R"),
        parents=np.array([-1, 0, 0, 0], np.int32),
        order=np.arange(4, dtype=np.int32),
        translation=np.array([[0, 1.0, 0], [0, 0.7, 0], [0.1, -0.1, 0], [-0.1, -0.1, 0]]),
        rotation=np.tile([0, 0, 0, 1.0], (4, 1)),
        scale=np.ones((4, 3)),
        matrix={},
    )
    inverse = np.eye(4)
    inverse[1, 3] = -1.0
    count = len(mesh.vertices)
    joints, weights = np.zeros((count, 1), np.int32), np.ones((count, 1))  # all follow the hips
    slots = np.arange(4, dtype=np.int32)
    rig = Rig(skeleton, mesh.vertices, slots, np.stack([inverse] * 4), joints, weights, clips, pelvis=(0,))
    subject = Subject("bob", Path("bob.glb"), "rigged" if rigged else "scan", Path())
    return LoadedSubject(
        subject=subject,
        mesh=mesh,
        placement=Placement(np.eye(4), "m", "+y", "+z", 2.0, {}, ()),
        rig=rig if rigged else None,
        clips={c.name: c for c in clips},
    )


@dataclass
class Plan:
    """What `choose_scenes` gave: scenes in the animations' order, frames ascending, and the notices."""

    specs: list[SceneSpec]
    notices: list[str]


def plan_scenes(loaded: LoadedSubject, settings: FrameSettings, *, misfit: Misfit) -> Plan:
    events = list(choose_scenes(loaded, settings, misfit=misfit))
    specs = [event.spec for event in events if not isinstance(event, LeftOut)]
    names = list(loaded.clips)
    specs.sort(key=lambda spec: (names.index(spec.animation) if names else 0, spec.frame))
    return Plan(specs, [event.notice for event in events if isinstance(event, LeftOut)])


def fits(scene: LoadedScene) -> float | None:
    return None


def wide(scene: LoadedScene) -> float | None:
    size = float(np.ptp(scene.mesh.vertices[:, 0]))
    return round(size, 2) if size > 1.0 else None


TUMBLE = clip("tumble", list(np.linspace(0, 170, 18)))  # the head is under the hips from frame 10 (100 degrees) on
SWAY = clip("sway", list(np.linspace(0, 60, 40)), axis="z")


def test_frames_that_fit_are_those_of_the_stream() -> None:
    plan = plan_scenes(person(SWAY), FrameSettings(seed=4), misfit=fits)
    assert [spec.frame for spec in plan.specs] == choose_frames(40, 3, 4, "bob", "sway")
    assert plan.notices == []
    both = plan_scenes(person(TUMBLE, SWAY), FrameSettings(seed=4), misfit=fits)
    assert [spec for spec in both.specs if spec.animation == "sway"] == plan.specs


def test_frames_with_the_head_down_are_left_out_told_and_replaced() -> None:
    told = 0
    for seed in range(12):
        plan = plan_scenes(person(TUMBLE), FrameSettings(seed=seed), misfit=fits)
        frames = [spec.frame for spec in plan.specs]
        assert frames == sorted(set(frames))
        assert len(frames) == 3
        assert max(frames) < 10
        drawn = choose_frames(18, 3, seed, "bob", "tumble")
        assert set(drawn) & set(range(10)) <= set(frames)
        if max(drawn) >= 10:
            told += 1
            (line,) = plan.notices
            assert line.startswith("tumble: ")
            assert "the head is under the hips (frame" in line
            assert str(max(drawn)) in line
    assert told > 5


def test_spread_frames_are_replaced_by_their_neighbours() -> None:
    sway = plan_scenes(person(SWAY), FrameSettings(poses="spread", frames_per_animation=4), misfit=fits)
    assert [spec.frame for spec in sway.specs] == choose_frames(40, 4, 0, "bob", "sway", spread=True)
    for seed in range(12):
        plan = plan_scenes(person(TUMBLE), FrameSettings(seed=seed, poses="spread"), misfit=fits)
        first, middle, last = choose_frames(18, 3, seed, "bob", "tumble", spread=True)
        fit = [first, middle if middle < 10 else 9]
        nearest = [frame for frame in range(10) if abs(frame - last) < abs(frame - middle)]
        # Frames from 10 on are unfit; each is replaced by the nearest fit one of its own part, where there is one.
        assert [spec.frame for spec in plan.specs] == fit + nearest[-1:]


def test_all_frames_less_the_unfit() -> None:
    plan = plan_scenes(person(TUMBLE, SWAY), FrameSettings(poses="all"), misfit=wide)
    kept = {name: [s.frame for s in plan.specs if s.animation == name] for name in ("tumble", "sway")}
    assert kept["tumble"] == list(range(10))
    # The post is 0.3 cos + 2 sin wide, over 1 m from 21.4 degrees on.
    angle = np.radians(np.linspace(0, 60, 40))
    assert kept["sway"] == np.flatnonzero(0.3 * np.cos(angle) + 2 * np.sin(angle) <= 1.0).tolist()
    assert plan.notices[0].startswith("tumble: 8 of 18 frames tried are left out")
    assert "outside the view cube (frames" in plan.notices[1]
    assert "; --extent 1.88 holds them)" in plan.notices[1]  # 0.3 cos 60 + 2 sin 60
    everything = plan_scenes(person(TUMBLE), FrameSettings(poses="all", pose_filter=False), misfit=wide)
    assert len(everything.specs) == 18


def test_when_nothing_is_left_the_subject_fails_with_the_reasons() -> None:
    upside_down = clip("fall", [170.0, 175.0, 180.0])
    with pytest.raises(MpcError, match=r"bob\.glb: no frame .*3 of 3 .*head is under the hips \(frames 0, 1, 2\)"):
        plan_scenes(person(upside_down), FrameSettings(seed=0), misfit=fits)


def test_clusters_take_one_frame_of_each_kind_of_pose() -> None:
    # 90 frames near upright, 5 bent, 5 tilted: three frames at random would nearly always stand upright.
    rng = np.random.default_rng(1)
    stand = clip("stand", list(rng.normal(0, 1, 90)))
    bend = clip("bend", list(rng.normal(60, 1, 5)))
    lean = clip("lean", list(rng.normal(50, 1, 5)), axis="z")
    loaded = person(stand, bend, lean)
    plan = plan_scenes(loaded, FrameSettings(poses="kmeans:3"), misfit=fits)
    assert sorted(spec.animation for spec in plan.specs) == ["bend", "lean", "stand"]
    again = plan_scenes(loaded, FrameSettings(poses="kmeans:3"), misfit=fits)
    assert again.specs == plan.specs
    many = plan_scenes(person(bend), FrameSettings(poses="kmeans:50"), misfit=fits)
    assert len(many.specs) <= 5


def test_clusters_step_over_the_unfit() -> None:
    plan = plan_scenes(person(TUMBLE), FrameSettings(poses="kmeans:6"), misfit=fits)
    assert plan.specs
    assert max(spec.frame for spec in plan.specs) < 10
    assert "the head is under the hips" in plan.notices[0]


def test_turning_round_does_not_make_another_pose() -> None:
    loaded = person(clip("turn", [0.0, 75.0, 150.0], axis="y"), clip("bend", [0.0, 30.0]))
    assert loaded.rig is not None
    matched = match_bones(loaded.rig.skeleton.names)
    turn = [pose_features(loaded, matched, SceneSpec("bob", "turn", frame)) for frame in range(3)]
    np.testing.assert_allclose(turn[1], turn[0], atol=1e-9)
    np.testing.assert_allclose(turn[2], turn[0], atol=1e-9)
    bend = pose_features(loaded, matched, SceneSpec("bob", "bend", 1))
    assert np.abs(bend - turn[0]).max() > 0.1


def test_scans_and_rigs_without_clips_have_one_scene() -> None:
    assert plan_scenes(person(rigged=False), FrameSettings(seed=0), misfit=wide).specs == [SceneSpec("bob", "scan", 0)]
    assert plan_scenes(person(), FrameSettings(seed=0), misfit=wide).specs == [SceneSpec("bob", "rest", 0)]


@pytest.mark.parametrize("poses", ["some", "kmeans", "kmeans:0", "kmeans:x", "kmeans:-3"])
def test_wrong_choices_are_refused(poses: str) -> None:
    with pytest.raises(SettingsError, match="kmeans:K"):
        FrameSettings(poses=poses)
    with pytest.raises(SettingsError, match="kmeans:K"):
        RenderSettings(poses=poses)
