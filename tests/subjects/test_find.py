"""The search for people: ids, order, kinds, and what hostile folders cost."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.core.errors import InputError
from mpc.datasets.shards.groups import group_by_name
from mpc.formats.fbx.read import peek_fbx
from mpc.subjects.find import find_subjects, safe_name
from mpc.subjects.loose_frames import doubt_numbers
from support.shared import MODELS, needs_models


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def glb(path: Path, document: object) -> None:
    text = json.dumps(document).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text), len(text), b"JSON") + text)


def ids(root: Path) -> list[str]:
    return [subject.id for subject in find_subjects(root)]


def test_names_come_from_folder_or_stem(tmp_path: Path) -> None:
    touch(tmp_path, "scans/anna/mesh.obj", "scans/anna/texture.png", "scans/rp_bob_100k.obj", "rigs/carl/model.GLB")
    touch(tmp_path, "scans/dora/dora_high.ply", "mesh.stl", "notes.txt", "scans/anna/mesh.mtl")
    assert ids(tmp_path) == ["mesh", "carl", "anna", "dora_high", "rp_bob_100k"]


def test_equal_names_get_their_parents_in_front(tmp_path: Path) -> None:
    touch(tmp_path, "a/x/mesh.obj", "b/x/mesh.obj", "c/Y.obj", "d/y.ply", "e/one.obj", "e/one.ply", "f/z.obj")
    found = ids(tmp_path)
    assert found[:4] == ["a_x", "b_x", "c_Y", "d_y"]
    assert found[6] == "z"
    assert len({name.casefold() for name in found}) == 7
    assert all(name.startswith("e_one_") for name in found[4:6])


def test_a_folder_with_two_generic_meshes_keeps_their_stems(tmp_path: Path) -> None:
    touch(tmp_path, "p/mesh.obj", "p/body.obj")
    assert ids(tmp_path) == ["body", "mesh"]


def test_adding_a_subject_elsewhere_changes_no_id(tmp_path: Path) -> None:
    touch(tmp_path, "a/mesh.obj", "b/mesh.obj")
    before = ids(tmp_path)
    touch(tmp_path, "c/mesh.obj")
    assert ids(tmp_path)[:2] == before


def test_hidden_files_links_and_loops(tmp_path: Path) -> None:
    models = tmp_path / "models"
    touch(models, ".git/mesh.obj", ".hidden.obj", "a/mesh.obj")
    touch(tmp_path, "elsewhere/b/mesh.obj")
    (models / "loop").symlink_to(models, target_is_directory=True)
    (models / "a" / "up").symlink_to(models / "a", target_is_directory=True)
    (models / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (models / "gone.obj").symlink_to(tmp_path / "nowhere.obj")
    found = find_subjects(models)
    assert [subject.id for subject in found] == ["a", "gone", "b"]
    assert found[2].root == (tmp_path / "elsewhere" / "b").resolve()


def test_kind_comes_from_the_header_alone(tmp_path: Path) -> None:
    glb(tmp_path / "rig.glb", {"asset": {"version": "2.0"}, "skins": [{"joints": [0]}]})
    glb(tmp_path / "prop.glb", {"asset": {"version": "2.0"}})
    (tmp_path / "text.gltf").write_text('{"skins": [{"joints": [0]}]}')
    (tmp_path / "broken.gltf").write_text('{"skins": [')
    (tmp_path / "lying.glb").write_bytes(struct.pack("<4sIII4s", b"glTF", 2, 99, 0x7FFFFFF0, b"JSON") + b"{}")
    kinds = {subject.id: subject.kind for subject in find_subjects(tmp_path)}
    assert kinds == {"rig": "rigged", "prop": "scan", "text": "rigged", "broken": "scan", "lying": "scan"}


def test_a_pipe_named_like_a_mesh_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.glb")
    assert ids(tmp_path) == ["pipe"]


def test_missing_folder_and_empty_folder(tmp_path: Path) -> None:
    assert find_subjects(tmp_path) == []
    with pytest.raises(InputError, match="not a folder"):
        find_subjects(tmp_path / "gone")
    touch(tmp_path, "file")
    with pytest.raises(InputError, match="not a folder"):
        find_subjects(tmp_path / "file")


def test_frames_named_by_numbers_alone_keep_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, *(f"00032/{take}/{n:06}.obj" for take in ("hips", "shoot") for n in range(2)))
    touch(tmp_path, *(f"00096/hips/{n:06}.obj" for n in range(3)), "bob/000007.obj", "bob/000008.obj")
    touch(tmp_path, "carl/000099/000099.obj", "0001.obj", "0002.obj")
    found = ids(tmp_path)
    frames = ["00032.hips.f000000", "00032.hips.f000001", "00032.shoot.f000000", "00032.shoot.f000001"]
    frames += [f"00096.hips.f{n:06}" for n in range(3)]
    assert found == ["0001", "0002", *frames, "000007", "000008", "000099"]
    groups = group_by_name(found)
    assert {groups[name] for name in frames[:4]} == {"00032"}
    assert {groups[name] for name in frames[4:]} == {"00096"}
    assert len(groups) == len(frames)


def test_frames_below_names_are_kept_together() -> None:
    names = ["anna.walk.f000", "anna.run.f000", "ben.walk.f000", "4d.00032.hips.f0001", "4d.person_7.f0001"]
    assert list(group_by_name(names).values()) == ["00032", "person_7", "anna", "anna", "ben"]


def test_numbers_that_may_be_one_person_are_doubted(tmp_path: Path) -> None:
    touch(tmp_path, "bob/000007.obj", "bob/000008.obj", "carl/000009.obj", "a.obj")
    touch(tmp_path, *(f"{who}/{n:04}.obj" for who in ("x", "y") for n in range(2)))
    doubts = doubt_numbers(tmp_path, [subject.path for subject in find_subjects(tmp_path)])
    assert list(doubts) == [tmp_path / "bob" / "000007.obj"]
    assert "2 meshes of this folder are named by numbers alone" in doubts[tmp_path / "bob" / "000007.obj"]


def test_subjects_travel_to_workers(tmp_path: Path) -> None:
    touch(tmp_path, "a/mesh.obj")
    subject = find_subjects(tmp_path)[0]
    assert pickle.loads(pickle.dumps(subject)) == subject


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_safe_names_are_safe(text: str) -> None:
    name = safe_name(text)
    assert name
    assert not name.startswith(".")
    assert not set(name) & set('/\\:*?"<>|\0 \n')
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [("../../etc", "etc"), ("a b/c", "a_b_c"), ("", "unnamed"), ("...", "unnamed"), ("con", "_con"), ("Zoë", "Zoë")],
)
def test_safe_name_examples(text: str, expected: str) -> None:
    assert safe_name(text) == expected


def test_long_names_are_cut_and_stay_unique(tmp_path: Path) -> None:
    touch(tmp_path, "x" * 150 + "1.obj", "x" * 150 + "2.obj")
    found = ids(tmp_path)
    assert len(set(found)) == 2
    assert max(len(name.encode()) for name in found) <= 100


@needs_models
def test_shared_models() -> None:
    found = {subject.id: subject.kind for subject in find_subjects(MODELS)}
    assert {f"scan_0{i}" for i in range(1, 7)} | {f"rig_0{i}" for i in range(1, 5)} | {"CesiumMan"} <= set(found)
    assert found["CesiumMan"] == found["rig_01"] == "rigged"
    assert found["scan_01"] == found["empty_file"] == "scan"
    assert len(found) == 27


def test_each_fbx_is_looked_into_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, words in {
        "rig": b"PolygonVertexIndex Cluster", "scan": b"PolygonVertexIndex", "clip": b"AnimationCurve"
    }.items():  # fmt: skip
        (tmp_path / f"{name}.fbx").write_bytes(b"Kaydara FBX Binary " + words)
    looked: list[str] = []

    def counted(path: Path) -> tuple[bool, bool]:
        looked.append(path.name)
        return peek_fbx(path)

    monkeypatch.setattr("mpc.subjects.find.peek_fbx", counted)
    assert {subject.id: subject.kind for subject in find_subjects(tmp_path)} == {"rig": "rigged", "scan": "scan"}
    assert sorted(looked) == ["clip.fbx", "rig.fbx", "scan.fbx"]
