"""Data sets recognised by their folders: who is a person, who is not, how tall, which picture."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.geometry.surface import albedo_at
from mpc.subjects.find import find_subjects
from mpc.subjects.frames import FrameSettings, choose_scenes
from mpc.subjects.layouts.layout import claim
from mpc.subjects.layouts.recognise import recognise
from mpc.subjects.layouts.renderpeople import RIGGED
from mpc.subjects.placement import PlacementOptions
from mpc.subjects.scenes import SceneSpec, list_scenes, load_scene, load_subject, pose_scene
from support import layout_folders


def only(root):
    (subject,) = find_subjects(root)
    return subject


def height_of(seed):
    return float(np.ptp(layout_folders.parts_of(seed)[0][:, 1]))


def assert_textured(mesh, seed):
    """The colour at each corner is the one the picture has at its place: neither flipped nor another's."""
    faces = np.arange(len(mesh.faces), dtype=np.int32)
    at = np.tile([1.0, 0.0, 0.0], (len(faces), 1))
    colour = albedo_at(mesh, faces, at)[:, :3] * 255
    low, high = mesh.bounds
    place = (mesh.vertices[mesh.faces[:, 0]] - low) / (high - low)
    expected = np.stack([place[:, 0], place[:, 1]], axis=1) * 0.96 + 0.02
    assert np.abs(colour[:, :2] / 255 - expected).max() < 0.05
    assert np.abs(colour[:, 2] - 40 * seed).max() < 6


@pytest.mark.parametrize(("library", "z_up"), [(True, False), (False, True)])
def test_renderpeople_posed(tmp_path, library, z_up):
    layout_folders.renderpeople(tmp_path, 1, "adam", library=library, z_up=z_up)
    subject = only(tmp_path)
    assert (subject.id, subject.layout) == ("rp_adam_posed_001", "RenderPeople posed")
    assert subject.path.name == "rp_adam_posed_001_100k.obj"
    loaded = load_subject(subject)
    assert loaded.placement.unit == "cm"
    assert loaded.placement.up == ("+z" if z_up else "+y")
    assert loaded.placement.height_m == pytest.approx(height_of(1), abs=2e-4)
    assert loaded.mesh.materials[0].texture.shape == (64, 64, 4)
    assert_textured(loaded.mesh, 1)


def test_renderpeople_rigged_takes_one_of_the_exports(tmp_path):
    folder = tmp_path / "rp_emma_rigged_010_FBX"
    folder.mkdir()
    files = [folder / f"rp_emma_rigged_010_{which}.fbx" for which in ("ue4", "u3d", "yup_a", "zup_t")]
    for file in files:
        file.write_bytes(b"Kaydara FBX Binary")
    claims, dropped = recognise(tmp_path, files)
    assert {path.name: found.id for path, found in claims.items()} == {
        "rp_emma_rigged_010_u3d.fbx": "rp_emma_rigged_010"
    }
    assert len(dropped) == 3
    assert claim(RIGGED, Path("x/rp_emma_rigged_010_FBX/other.fbx"), frozenset()) is None


@pytest.mark.parametrize("fits", ["THuman2.0_smplx", "smplx", "THuman2.0_Smpl_X_Paras"])
def test_thuman_is_metric_by_its_fit(tmp_path, fits):
    scales = {3: 0.5785, 4: 0.9997}
    for seed, scale in scales.items():
        layout_folders.thuman(tmp_path, seed, scale, fits=fits)
    found = find_subjects(tmp_path)
    assert [subject.id for subject in found] == ["0003", "0004"]  # mesh_smplx.obj of the fits is nobody
    for subject in found:
        loaded = load_subject(subject)
        seed = int(subject.id)
        assert loaded.placement.unit == "fit"
        assert loaded.placement.height_m == pytest.approx(height_of(seed), rel=1e-4)
        assert_textured(loaded.mesh, seed)


@pytest.mark.parametrize(("turn", "facing"), [(0, "+z"), (90, "+x"), (180, "-z"), (250, "-x"), (20, "+z")])
def test_thuman_faces_where_its_fit_does(tmp_path, turn, facing):
    layout_folders.thuman(tmp_path, 3, 0.6, turn_deg=turn)
    loaded = load_subject(only(tmp_path))
    assert loaded.placement.facing == facing
    assert loaded.placement.reasons["facing"] == "the body fit"
    remains = np.radians(turn - {"+z": 0, "+x": 90, "-z": 180, "-x": 270}[facing])
    exact = (np.sin(remains), 0.0, np.cos(remains))
    assert pose_scene(loaded, SceneSpec("", "scan", 0)).facing_world == pytest.approx(exact, abs=1e-6)
    left = np.radians(turn - {"+z": 0, "+x": 90, "-z": 180, "-x": 270}[facing])  # less than half a right angle
    vertices, faces, _ = layout_folders.parts_of(3)
    spin = np.array([[np.cos(left), 0, np.sin(left)], [0, 1, 0], [-np.sin(left), 0, np.cos(left)]])
    expected = (vertices @ spin.T)[faces]
    found = loaded.mesh.corners
    middle = found.mean(axis=(0, 1)) - found.min(axis=(0, 1))
    assert middle == pytest.approx(expected.mean(axis=(0, 1)) - expected.min(axis=(0, 1)), abs=1e-4)


def test_thuman_without_a_fit_says_so_and_takes_a_height(tmp_path):
    layout_folders.thuman(tmp_path, 5, None)
    subject = only(tmp_path)
    assert any("smplx_param.pkl is not there" in notice for notice in load_subject(subject).notices)
    loaded = load_subject(subject, PlacementOptions(height_m=1.7))
    assert loaded.placement.height_m == 1.7
    assert not loaded.notices


@pytest.mark.parametrize("scale", [np.zeros(1), np.array([np.nan]), np.ones(3), "large", None])
def test_thuman_refuses_a_fit_without_a_scale(tmp_path, scale):
    layout_folders.thuman(tmp_path, 3, 0.6)
    fit = tmp_path / "THuman2.0_smplx" / "0003" / "smplx_param.pkl"
    fit.write_bytes(pickle.dumps({"scale": scale} if scale is not None else [1]))
    with pytest.raises(InputError, match=r"smplx_param\.pkl.*scale"):
        load_subject(only(tmp_path))


def test_a_fit_with_an_absurd_scale_is_told_and_not_used(tmp_path):
    layout_folders.thuman(tmp_path, 4, 0.9)
    (tmp_path / "THuman2.0_smplx" / "0004" / "smplx_param.pkl").write_bytes(pickle.dumps({"scale": np.array([90.0])}))
    loaded = load_subject(only(tmp_path))
    assert loaded.placement.unit == "m"
    assert any("nobody's size" in notice for notice in loaded.notices)


def test_customhumans(tmp_path):
    layout_folders.customhumans(tmp_path, 1)
    subject = only(tmp_path)
    assert (subject.id, subject.layout) == ("0001_ab12_mesh-f00101", "CustomHumans")
    loaded = load_subject(subject)
    assert loaded.placement.height_m == pytest.approx(height_of(1), abs=1e-4)
    assert_textured(loaded.mesh, 1)


def test_2k2k(tmp_path):
    layout_folders.two_k2k(tmp_path, 6)
    subject = only(tmp_path)
    assert (subject.id, subject.layout) == ("00006", "2K2K")
    mesh = load_subject(subject).mesh
    assert (mesh.vertex_colours == (200, 106, 90, 255)).all()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_xhumans_is_one_person_with_takes(tmp_path, protocol):
    layout_folders.xhumans(tmp_path, 6, {"train/Take1": 5, "train/Take9": 2, "test/Take2": 4}, protocol=protocol)
    subject = only(tmp_path)
    assert (subject.id, subject.kind, subject.layout) == ("00006", "scans", "X-Humans")
    specs = list_scenes(subject, seed=0)
    counts = {name: sum(spec.animation == name for spec in specs) for name in {spec.animation for spec in specs}}
    assert counts == {"train_Take1": 3, "train_Take9": 2, "test_Take2": 3}
    assert specs == list_scenes(subject, seed=0)
    # Scans have no bones to cluster poses by: as many random frames as ever, not all.
    loaded = load_subject(subject)
    choice = FrameSettings(frames_per_animation=2, poses="kmeans:4")
    assert len(list(choose_scenes(loaded, choice, misfit=lambda scene: None))) == 6
    for frame in (0, 4):
        scene = load_scene(subject, type(specs[0])("00006", "train_Take1", frame))
        assert scene.mesh.bounds[0, 2] - layout_folders.parts_of(6)[0][:, 2].min() == pytest.approx(
            0.1 * frame, abs=1e-5
        )
        assert_textured(scene.mesh, 6)
    with pytest.raises(InputError, match="no frame 5"):
        load_scene(subject, type(specs[0])("00006", "train_Take1", 5))


def test_xhumans_pointed_at_from_every_level(tmp_path):
    folder = layout_folders.xhumans(tmp_path / "X_Humans", 6, {"train/Take1": 1, "test/Take2": 1})
    assert only(tmp_path).id == "00006"
    assert only(folder).id == "00006"
    assert list({spec.animation for spec in list_scenes(only(folder / "train"), seed=0)}) == ["Take1"]


def test_other_folders_are_left_alone(tmp_path):
    parts = layout_folders.parts_of(1)
    for name in ("0001/0001.obj", "0002/mesh.obj", "00003/00003.ply", "anna/rp_hat.obj"):
        layout_folders.write_obj(tmp_path / name, *parts)
    found = find_subjects(tmp_path)
    assert [subject.layout for subject in found] == [None] * 4
    assert [subject.id for subject in found] == ["00003", "0001", "0002", "rp_hat"]


def test_equal_ids_of_two_sets_stay_apart(tmp_path):
    for release in ("a", "b"):
        layout_folders.thuman(tmp_path / release, 3, 0.6)
    names = [subject.id for subject in find_subjects(tmp_path)]
    assert len(set(names)) == 2
    assert all(load_subject(subject).placement.unit == "fit" for subject in find_subjects(tmp_path))
