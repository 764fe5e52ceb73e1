"""Labels beside a mesh: what is written is read, the same bytes each time, and damaged files are one clear error."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.formats.npz import read_npz
from mpc.formats.person_file import (
    BodyBinding,
    PersonFacts,
    PersonFile,
    find_person_file,
    labels_path,
    read_person_file,
    write_person_file,
)
from mpc.geometry.labels import GARMENTS, UNKNOWN
from mpc.motion.joints import JOINTS


def told(**changes: object) -> np.ndarray:
    """The text of a file with other entries."""
    about = {"format": "mpc-person", "version": 1, "parts": [], "garments": [], "joints": list(JOINTS)}
    return np.array(json.dumps(about | changes))


def person(*, rigged: bool = False) -> PersonFile:
    rng = np.random.default_rng(4)
    joints = rng.normal(size=(len(JOINTS), 3))
    joints[5] = np.nan
    binding = BodyBinding(
        bones=("hips", "head"),
        joint_bones=np.where(np.arange(len(JOINTS)) == 5, -1, np.arange(len(JOINTS)) % 2).astype(np.int32),
        joints=np.array([[0, 1], [1, 0], [0, 0], [1, 1]], np.int32),
        weights=np.array([[0.75, 0.25], [0.5, 0.5], [1, 0], [1, 0]]),
    )
    return PersonFile(
        vertices=rng.normal(size=(6, 3)).astype(np.float32).astype(np.float64),
        vertex_part=np.array([1, 2, 3, 3, 15, UNKNOWN], np.uint8),
        vertex_garment=np.array([1, 2, 3, 4, 5, 8], np.uint8),
        body_vertices=rng.normal(size=(4, 3)).astype(np.float32).astype(np.float64),
        body_faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        joints=joints,
        binding=binding if rigged else None,
        facts=PersonFacts(height_m=1.61, age_years=33.5, sex="female"),
    )


@pytest.mark.parametrize("rigged", [False, True])
def test_what_is_written_is_read(tmp_path: Path, rigged: bool) -> None:
    path, other = tmp_path / "a.labels.npz", tmp_path / "b.labels.npz"
    written = person(rigged=rigged)
    write_person_file(path, written)
    write_person_file(other, written)
    assert path.read_bytes() == other.read_bytes()
    read = read_person_file(path)
    for name in ("vertices", "vertex_part", "vertex_garment", "body_vertices", "body_faces", "joints"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), err_msg=name)
    assert read.facts == written.facts
    assert (read.binding is not None) == rigged
    if read.binding is not None and written.binding is not None:
        assert read.binding.bones == written.binding.bones
        np.testing.assert_array_equal(read.binding.joint_bones, written.binding.joint_bones)
        np.testing.assert_allclose(read.binding.weights, written.binding.weights)


def test_others_may_name_fewer_joints_and_other_garments(tmp_path: Path) -> None:
    """The lists of names in the file decide what its numbers mean."""
    path = tmp_path / "a.labels.npz"
    write_person_file(path, person())
    with np.load(path) as content:
        arrays = dict(content)
    about = json.loads(str(arrays["about"]))
    about |= {"joints": ["head", "pelvis"], "garments": ["outside", "kimono", "shoes"]}
    about["person"] = {"height_m": 1.7}
    arrays |= {"joints": np.array([[1.0, 2, 3], [4, 5, 6]]), "vertex_garment": np.array([0, 1, 2, 2, 2, 2], np.int64)}
    np.savez(path, **{**arrays, "about": json.dumps(about)})
    read = read_person_file(path)
    assert read.joints[JOINTS.index("pelvis")].tolist() == [4, 5, 6]
    assert np.isnan(read.joints).any(axis=1).sum() == len(JOINTS) - 2
    assert read.vertex_garment.tolist() == [0, UNKNOWN, *[GARMENTS.index("shoes")] * 4]
    assert read.facts == PersonFacts(height_m=1.7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertex_part": np.zeros(5, np.uint8)}, "vertex_part"),
        ({"body_faces": np.array([[0, 1, 4]])}, "body_faces holds"),
        ({"vertices": np.full((6, 3), np.nan)}, "vertices holds NaN"),
        ({"body_weights": np.full((4, 2), 0.2)}, "sum to 1"),
        ({"joint_bones": np.full(len(JOINTS), 2)}, "joint_bones holds"),
        ({"joints": None}, "lack 'joints'"),
        ({"about": np.array('{"format": "mpc-person", "version": 9}')}, "version 9"),
        ({"about": np.array("[1, 2]")}, "do not hold together"),
        ({"vertices": np.array([None] * 6)}, "lack 'vertices'"),
        ({"about": np.array([1, 2, 3])}, "expected a text"),
        ({"about": np.array("[" * 100_000)}, "nested too deeply"),
        ({"about": told(joints=7)}, "joints in about is no list of names"),
        ({"about": told(parts={})}, "parts in about is no list of names"),
        ({"about": told(person=[])}, "person in about is no JSON object"),
        ({"about": told(person={"height_m": 170})}, "height_m is 170"),
        ({"about": told(person={"age_years": float("nan")})}, "age_years is nan"),
        ({"joints": np.full((len(JOINTS), 3), 1e308)}, "joints holds values beyond"),
        ({"body_vertices": np.full((4, 3), 400.0)}, "body_vertices are not where vertices are"),
    ],
)
def test_damaged_labels_are_one_error(tmp_path: Path, change: dict[str, np.ndarray | None], message: str) -> None:
    path = tmp_path / "a.labels.npz"
    write_person_file(path, person(rigged=True))
    with np.load(path) as content:
        arrays = {**content, **change}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=message) as caught:
        read_person_file(path)
    assert str(path) in str(caught.value)


class Pickled:
    """Its pickle calls a function."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('a pickle was run')",)


def test_pickles_are_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.labels.npz"
    write_person_file(path, person())
    with np.load(path) as content:
        arrays = dict(content)
    pickled = np.array([Pickled()], object)
    np.savez(path, allow_pickle=True, **{**arrays, "other": pickled})
    assert read_person_file(path).facts.sex == "female"  # an array that nobody asks for is left alone
    np.savez(path, allow_pickle=True, **{**arrays, "joints": pickled})
    with pytest.raises(InputError, match="lack 'joints'"):
        read_person_file(path)
    with pytest.raises(SystemExit), np.load(path, allow_pickle=True) as content:
        content["joints"]  # so that the pickle would do something


def test_an_npz_reserves_no_more_than_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", head.getvalue())
    with pytest.raises(InputError, match="cut off"):
        read_npz(path)
    np.savez_compressed(path, a=np.zeros(100_000), b=np.asfortranarray([[1, 2], [3, 4]]), none=np.zeros((0, 3)))
    with pytest.raises(InputError, match="more than 2000 bytes when unpacked"):
        read_npz(path, limit=2000)
    read = read_npz(path, ["b", "none", "missing"], limit=10_000)
    assert (read["b"].tolist(), read["none"].shape, len(read)) == ([[1, 2], [3, 4]], (0, 3), 2)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="does not read"):
        read_npz(path)


def test_labels_lie_beside_their_mesh_and_in_its_folder(tmp_path: Path) -> None:
    mesh = tmp_path / "model" / "mesh.obj"
    mesh.parent.mkdir()
    assert find_person_file(mesh, mesh.parent) is None
    write_person_file(labels_path(mesh), person())
    assert find_person_file(mesh, mesh.parent) == tmp_path / "model" / "mesh.labels.npz"
    elsewhere = tmp_path / "elsewhere.npz"
    labels_path(mesh).rename(elsewhere)
    labels_path(mesh).symlink_to(elsewhere)
    assert find_person_file(mesh, mesh.parent) is None
