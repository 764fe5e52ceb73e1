"""Fits that come with scans: passed on with the way into the world, and with a model posed, folded and drawn upon."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mpc.core.errors import InputError
from mpc.geometry.labels import PARTS
from mpc.motion.joints import JOINTS
from mpc.subjects.body_fits import BodyFit, read_body_fit
from mpc.subjects.body_model import BodyModel, fold, load_body_model
from mpc.subjects.find import Subject, find_subjects
from mpc.subjects.load import load_subject
from mpc.subjects.placement import PlacementOptions
from mpc.subjects.scenes import SceneSpec, pose_scene
from support import layout_folders
from support.toy_model import places, write_toy_model


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("model") / "SMPLX_NEUTRAL.npz")


@pytest.fixture(scope="module")
def model(model_path: Path) -> BodyModel:
    return load_body_model(model_path)


def parameters(seed: int = 0, hands: int = 12) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = {
        "betas": 10, "expression": 10, "transl": 3, "global_orient": 3, "body_pose": 63, "jaw_pose": 3, "leye_pose": 3,
        "reye_pose": 3, "left_hand_pose": hands, "right_hand_pose": hands,
    }  # fmt: skip
    return {name: rng.normal(0, 0.4, size) for name, size in sizes.items()}


def posed_one_by_one(model: BodyModel, given: dict[str, np.ndarray], *, flat: bool) -> np.ndarray:
    """The model's definition, a vertex and a joint at a time."""
    shape = np.concatenate([given["betas"], given["expression"]])
    shaped = np.array([v + model.shapes[number] @ shape for number, v in enumerate(model.template)])
    rest = np.array([sum(w * v for w, v in zip(row, shaped, strict=True) if w) for row in model.regressor])
    hands = []
    for number, name in enumerate(("left_hand_pose", "right_hand_pose")):
        pose = given[name]
        if len(pose) < 45:
            pose = sum(c * row for c, row in zip(pose, model.hand_components[number], strict=False))
        hands.append(pose + (0 if flat else model.hand_means[number]))
    order = ("global_orient", "body_pose", "jaw_pose", "leye_pose", "reye_pose")
    turns = Rotation.from_rotvec(np.concatenate([*(given[n] for n in order), *hands]).reshape(-1, 3)).as_matrix()
    feature = np.concatenate([(turn - np.eye(3)).ravel() for turn in turns[1:]])
    moves: list[np.ndarray] = []
    for joint, parent in enumerate(model.parents):
        about = np.eye(4)  # turn about the joint at rest, then do what the parent does
        about[:3, :3] = turns[joint]
        about[:3, 3] = rest[joint] - turns[joint] @ rest[joint]
        moves.append(about if parent < 0 else moves[parent] @ about)
    found = []
    for number, place in enumerate(shaped):
        corrected = np.append(place + model.corrections[number] @ feature, 1)
        found.append(sum(w * (move @ corrected)[:3] for w, move in zip(model.weights[number], moves, strict=True)))
    return np.array(found) + given["transl"]


@pytest.mark.parametrize(("hands", "flat"), [(12, False), (45, True)])
def test_bodies_are_those_of_the_model_s_definition(model: BodyModel, hands: int, flat: bool) -> None:
    given = parameters(hands=hands)
    found = model.pose(given, flat_hands=flat)
    np.testing.assert_allclose(found.vertices, posed_one_by_one(model, given, flat=flat), atol=1e-6)


def test_an_unposed_body_has_its_joints_where_they_are(model: BodyModel) -> None:
    joints = model.pose({}, flat_hands=True).joints
    for name, number in {"pelvis": 0, "left_knee": 4, "right_wrist": 21, "left_index": 25, "right_hand": 43}.items():
        np.testing.assert_allclose(joints[JOINTS.index(name)], places()[number], atol=1e-9)
    assert np.isnan(joints[JOINTS.index("nose")]).all()  # of the true mesh alone
    names = [PARTS[part] for part in model.parts()[::8]]
    assert (names[0], names[15], names[16], names[25]) == ("torso", "head", "left_upper_arm", "left_hand")


def test_folded_parameters_give_the_body_in_the_world(model: BodyModel) -> None:
    given = parameters(3)
    to_world = np.eye(4)
    to_world[:3, :3] = 1.3 * Rotation.from_rotvec([0.3, -2.0, 0.5]).as_matrix()
    to_world[:3, 3] = (0.2, -1, 3)
    posed = model.pose(given)
    folded, scale = fold(given, to_world, posed.root)
    assert scale == pytest.approx(1.3)
    expected = posed.vertices @ to_world[:3, :3].T + to_world[:3, 3]
    np.testing.assert_allclose(scale * model.pose(folded).vertices, expected, atol=1e-6)


def give_fit(folder: Path, turn_deg: int = 30) -> tuple[Subject, dict[str, np.ndarray]]:
    """A folder of THuman2.0's form whose fit has all parameters."""
    layout_folders.thuman(folder, 3, 0.55, turn_deg=turn_deg)
    path = folder / "THuman2.0_smplx" / "0003" / "smplx_param.pkl"
    content = {**pickle.loads(path.read_bytes()), "transl": np.array([[0.01, 0.02, 0.03]], np.float32)}
    path.write_bytes(pickle.dumps(content))
    (subject,) = find_subjects(folder)
    return subject, {name: np.asarray(value, np.float64).ravel() for name, value in content.items()}


def test_a_fit_goes_into_the_world_with_its_scan(tmp_path: Path, model_path: Path, model: BodyModel) -> None:
    subject, content = give_fit(tmp_path / "set")
    loaded = load_subject(subject, body_model=model_path)
    scene = pose_scene(loaded, SceneSpec(subject.id, "scan", 0))
    fit = scene.describe_known()["fit"]
    assert fit["model"] == "smplx"
    assert fit["parameters"]["global_orient"] == content["global_orient"].tolist()
    # The fitted body times the scale plus the translation is inside the scan, whose unit is 1 / scale metres.
    to_scan = np.eye(4)
    to_scan[:3, :3] *= content["scale"]
    to_scan[:3, 3] = content["translation"]
    np.testing.assert_allclose(fit["to_world"], loaded.to_world @ to_scan)
    assert np.linalg.det(np.array(fit["to_world"])[:3, :3]) == pytest.approx(1.0)
    posed = model.pose({name: content[name] for name in fit["parameters"]})
    expected = np.concatenate([posed.vertices, np.ones((len(posed.vertices), 1))], axis=1) @ np.array(fit["to_world"]).T
    assert scene.body is not None
    assert scene.joints is not None
    np.testing.assert_allclose(scene.body.vertices, expected[:, :3], atol=1e-9)
    folded = {name: np.array(values) for name, values in fit["folded"]["parameters"].items()}
    np.testing.assert_allclose(fit["folded"]["scale"] * model.pose(folded).vertices, expected[:, :3], atol=1e-6)
    # The body faces where the scan was turned to face, and the knees are below the pelvis.
    pelvis, knee = (scene.joints[JOINTS.index(name)] for name in ("pelvis", "left_knee"))
    assert pelvis[1] > knee[1]
    assert scene.mesh.face_part is not None
    assert set(np.unique(scene.mesh.face_part)) <= set(range(1, len(PARTS)))
    # Without the model the parameters alone are passed on.
    bare = pose_scene(load_subject(subject), SceneSpec(subject.id, "scan", 0))
    assert bare.describe_known() == {"fit": {name: value for name, value in fit.items() if name != "folded"}}
    assert (bare.body, bare.joints, bare.mesh.face_part) == (None, None, None)


def test_a_translation_in_the_body_s_unit_is_told_by_the_scan() -> None:
    """Both ways of writing are met: the scan lies where the right one puts the pelvis, at 3 units from the origin."""
    rng, scale = np.random.default_rng(1), 0.5
    cloud = rng.uniform(-1, 1, (500, 3)) * [0.2, 0.45, 0.1] + [3.0, 0.0, 0.0]
    for told, right in (((3.0, 0.2, 0.0), 0), ((6.0, 0.4, 0.0), 1)):
        ways = [np.diag([scale, scale, scale, 1.0]) for _ in range(2)]
        ways[0][:3, 3], ways[1][:3, 3] = told, scale * np.array(told)
        fit = BodyFit({"betas": np.zeros(10)}, *ways)
        np.testing.assert_array_equal(fit.to_scan(cloud), ways[right])
    assert BodyFit({}, ways[0]).to_scan(cloud) is ways[0]


def test_fits_of_the_other_sets_are_found(tmp_path: Path, model_path: Path) -> None:
    layout_folders.customhumans(tmp_path / "custom", 5)
    given = {"betas": [0.0] * 10, "body_pose": [0.1] * 63, "left_hand_pose": [0.0] * 12}
    (tmp_path / "custom" / "mesh" / "0005_ab12" / "mesh-f00101.json").write_text(json.dumps(given))
    (subject,) = find_subjects(tmp_path / "custom")
    scene = pose_scene(load_subject(subject, body_model=model_path), SceneSpec(subject.id, "scan", 0))
    told = scene.describe_known()["fit"]
    assert (told["flat_hands"], told["at_pelvis"]) == (True, True)
    assert scene.joints is not None
    np.testing.assert_allclose(scene.joints[JOINTS.index("pelvis")], np.array(told["to_world"])[:3, 3], atol=1e-9)
    layout_folders.xhumans(tmp_path / "many", 6, {"train/Take1": 2})
    folder = next((tmp_path / "many").rglob("SMPLX"))
    for number in (7, 8):
        content = {"transl": np.array([0, 0, 0.1 * number]), "body_pose": np.zeros(63), "betas": np.zeros(10)}
        (folder / f"mesh-f{number:05d}_smplx.pkl").write_bytes(pickle.dumps(content))
    (person,) = find_subjects(tmp_path / "many")
    loaded = load_subject(person, PlacementOptions(facing="+z"), body_model=model_path)
    (take,) = loaded.takes
    scenes = [pose_scene(loaded, SceneSpec(person.id, take, frame)) for frame in (0, 1)]
    told = [scene.describe_known()["fit"]["parameters"]["transl"][2] for scene in scenes]
    assert told == pytest.approx([0.7, 0.8])
    first, second = (scene.body for scene in scenes)
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(second.vertices - first.vertices, np.tile([0, 0, 0.1], (440, 1)), atol=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [({"betas": ["a"]}, "not a row of numbers"), ({"betas": [float("nan")]}, "finite"), ([1], "not a fit")],
)
def test_damaged_fits_are_one_error(tmp_path: Path, content: object, message: str) -> None:
    layout_folders.customhumans(tmp_path, 5)
    path = tmp_path / "mesh" / "0005_ab12" / "mesh-f00101.json"
    path.write_text(json.dumps(content))
    (subject,) = find_subjects(tmp_path)
    with pytest.raises(InputError, match=message):
        load_subject(subject)
    path.unlink()
    assert read_body_fit(subject, subject.path) is None


def test_files_that_are_no_model_are_refused(tmp_path: Path) -> None:
    bad = {"f": np.full((3, 3), 9999), "weights": np.zeros((3, 3)), "kintree_table": np.full((2, 55), 60)}
    for number, (name, array) in enumerate(bad.items()):
        path = write_toy_model(tmp_path / f"{number}.npz", **{name: array})
        with pytest.raises(InputError, match=f"no model file of SMPL-X.*{name}"):
            load_body_model(path)
    np.savez(tmp_path / "other.npz", v_template=np.zeros((3, 3)))
    with pytest.raises(InputError, match="it has no f"):
        load_body_model(tmp_path / "other.npz")
