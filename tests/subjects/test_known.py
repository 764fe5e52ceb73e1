"""What is known of a person: labels find their faces whatever the unit, bodies and joints follow the bones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.formats.person_file import BodyBinding, labels_path, read_person_file, write_person_file
from mpc.geometry.labels import GARMENTS, PARTS
from mpc.motion.joints import JOINTS
from mpc.subjects.find import find_subjects
from mpc.subjects.known import foot_contact
from mpc.subjects.load import load_subject
from mpc.subjects.placement import PlacementOptions
from mpc.subjects.scenes import SceneSpec, pose_scene
from support.box_person import rig_file
from support.labelled import (
    BOX_GARMENTS,
    BOX_PARTS,
    PLACES,
    body_of,
    box_labels,
    figure,
    person_of,
    write_labelled_scan,
)


def names(labels: np.ndarray, table: tuple[str, ...]) -> list[str]:
    return [table[label] for label in labels]


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_scan_has_the_labels_of_its_file(tmp_path: Path, scale: float) -> None:
    write_labelled_scan(tmp_path / "person", scale)
    (subject,) = find_subjects(tmp_path)
    loaded = load_subject(subject, PlacementOptions(unit="m" if scale == 1 else "cm", up="+y", facing="+z"))
    mesh = loaded.mesh
    assert mesh.face_part is not None
    assert mesh.face_garment is not None
    assert len(mesh.faces) == len(figure().faces)
    box = box_labels(len(mesh.faces) // 8)
    assert names(mesh.face_part, PARTS) == [BOX_PARTS[number] for number in box]
    assert names(mesh.face_garment, GARMENTS) == [BOX_GARMENTS[number] for number in box]
    scene = pose_scene(loaded, SceneSpec(subject.id, "scan", 0))
    assert scene.body is not None
    assert scene.joints is not None
    np.testing.assert_allclose(scene.body.vertices, body_of(figure()).vertices, atol=1e-5)
    for name, place in PLACES.items():
        np.testing.assert_allclose(scene.joints[JOINTS.index(name)], place, atol=1e-5)
    told = scene.describe_known()
    assert told["person"] == {"height_m": 1.72, "age_years": 40.0}
    assert told["joints"]["world"][JOINTS.index("nose")] is None
    assert told["contact"] == dict.fromkeys(("left_heel", "left_toe", "right_heel", "right_toe"), True)


def test_labels_of_another_mesh_are_told_and_left_alone(tmp_path: Path) -> None:
    path = write_labelled_scan(tmp_path / "person")
    labels = read_person_file(labels_path(path))
    labels.vertices[:, 1] += 0.01
    write_person_file(labels_path(path), labels)
    (subject,) = find_subjects(tmp_path)
    loaded = load_subject(subject)
    assert loaded.mesh.face_part is None
    assert loaded.known.body is None
    assert "the labels beside the mesh are of another one" in loaded.notices[-1]
    labels_path(path).write_bytes(b"PK")
    with pytest.raises(InputError, match=r"mesh\.labels\.npz"):
        load_subject(subject)


def test_a_rig_without_labels_has_what_its_bones_tell(tmp_path: Path) -> None:
    """Hips at 0.9 m and two thighs; in frame f of "walk" the hips are f centimetres higher."""
    subject = rig_file(tmp_path / "rig.gltf", names=("walk",))
    loaded = load_subject(subject)
    mesh = loaded.mesh
    assert mesh.face_part is not None
    assert mesh.face_garment is None
    assert set(names(mesh.face_part, PARTS)) == {"torso", "left_thigh", "right_thigh"}
    middle = mesh.corners.mean(axis=1)
    left = mesh.face_part == PARTS.index("left_thigh")
    assert (middle[left, 0] > 0).all()
    assert (middle[left, 1] < 0.9).all()
    for frame in (0, 7):
        joints = pose_scene(loaded, SceneSpec(subject.id, "walk", frame)).joints
        assert joints is not None
        hip = np.array([0.1, 0.85 + 0.01 * frame, 0.01])
        np.testing.assert_allclose(joints[JOINTS.index("left_hip")], hip, atol=1e-6)
        np.testing.assert_allclose(joints[JOINTS.index("pelvis")], hip * [0, 1, 1], atol=1e-6)
        assert np.isnan(joints[JOINTS.index("left_knee")]).all()


def test_the_body_of_a_rig_moves_as_its_skin(tmp_path: Path) -> None:
    """The body's vertices are those of the surface, bound as they are: in every pose they lie on it."""
    subject = rig_file(tmp_path / "rig.gltf", names=("walk",))
    mesh = figure()
    side = np.sign(mesh.vertices[:, 0]) * (mesh.vertices[:, 1] < 0.8)
    bones = np.where(side == 1, 1, np.where(side == -1, 2, 0)).astype(np.int32)
    binding = BodyBinding(
        bones=("mixamorig:Hips", "mixamorig:LeftUpLeg", "mixamorig:RightUpLeg"),
        joint_bones=np.zeros(len(JOINTS), np.int32),
        joints=bones[:, None],
        weights=np.ones((len(bones), 1)),
    )
    write_person_file(labels_path(subject.path), person_of(mesh, binding))
    loaded = load_subject(subject)
    assert loaded.mesh.face_garment is not None
    rest, moved = (pose_scene(loaded, SceneSpec(subject.id, "walk", frame)) for frame in (0, 9))
    assert rest.body is not None
    assert moved.body is not None
    assert moved.joints is not None
    np.testing.assert_allclose(rest.body.vertices, body_of(mesh).vertices, atol=1e-6)
    shift = [0, 0.09, 0]
    np.testing.assert_allclose(moved.body.vertices, rest.body.vertices + shift, atol=1e-6)
    np.testing.assert_allclose(moved.joints[JOINTS.index("head")], np.add(PLACES["head"], shift), atol=1e-6)
    assert set(moved.describe_known()["contact"].values()) == {False}
    # Bones that the file lacks: its own tell of the joints, and the notice says so.
    lost = BodyBinding(
        bones=("pelvis", "a", "b"), joint_bones=binding.joint_bones, joints=bones[:, None], weights=binding.weights
    )
    write_person_file(labels_path(subject.path), person_of(mesh, lost))
    loaded = load_subject(subject)
    assert "bones that it lacks" in loaded.notices[-1]
    scene = pose_scene(loaded, SceneSpec(subject.id, "walk", 0))
    assert scene.body is None
    assert scene.joints is not None
    assert not np.isnan(scene.joints[JOINTS.index("pelvis")]).any()


def test_a_lifted_toe_does_not_touch_the_floor(tmp_path: Path) -> None:
    write_labelled_scan(tmp_path / "person")
    (subject,) = find_subjects(tmp_path)
    scene = pose_scene(load_subject(subject), SceneSpec(subject.id, "scan", 0))
    assert scene.joints is not None
    vertices = scene.mesh.vertices.copy()
    toes = (vertices[:, 0] > 0) & (vertices[:, 2] > 0.06) & (vertices[:, 1] < 0.07)
    vertices[toes, 1] += 0.03
    found = foot_contact(scene.mesh.with_vertices(vertices), scene.joints, 0.0)
    assert found == {"left_heel": True, "left_toe": False, "right_heel": True, "right_toe": True}
