"""Free people end to end: small, deterministic, whole files, readable by others, and solid where a person is."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

pytest.importorskip("anny")

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.check.models import check_models
from mpc.geometry.labels import GARMENTS, PARTS
from mpc.geometry.surface import sample_surface
from mpc.motion.joints import JOINTS
from mpc.motion.makehuman.body import skeleton
from mpc.people.body.animations import CLIPS, make_clip
from mpc.people.body.posing import skin
from mpc.people.bvh_clips import bvh_clips
from mpc.people.clothes.wardrobe import plan_person
from mpc.people.make import make_people
from mpc.people.person import build_person
from mpc.sampling.inside import label_inside
from mpc.subjects.find import find_subjects
from mpc.subjects.load import load_subject
from mpc.subjects.scenes import list_scenes, pose_scene
from support.rig_bvh import write_bvh
from support.shared import DATA

SEED, SIZE, FRAMES = 5, 128, 4


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("people")
    summary = make_people(out, scans=2, rigged=1, seed=SEED, jobs=1, texture_size=SIZE, frames=FRAMES)
    assert summary.made == ("rig_000", "scan_000", "scan_001")
    assert summary.failed == ()
    return out


def _digest(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def _glb(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    magic, version, total = struct.unpack_from("<4sII", data)
    assert (magic, version, total) == (b"glTF", 2, len(data))
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def _accessor(document: dict[str, Any], blob: bytes, number: int) -> np.ndarray:
    entry = document["accessors"][number]
    view = document["bufferViews"][entry["bufferView"]]
    kind = {5126: np.float32, 5125: np.uint32, 5121: np.uint8, 5123: np.uint16}[entry["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[entry["type"]]
    values = np.frombuffer(blob, kind, entry["count"] * width, view["byteOffset"])
    return values.reshape(entry["count"], width)


def test_layout_and_no_leftovers(people: Path) -> None:
    names = {str(p.relative_to(people)) for p in people.rglob("*") if p.is_file()}
    assert names == {
        "LICENSE.txt", "people.json", "rig_000.glb", "rig_000.labels.npz",
        *(f"scan_00{number}/{name}" for number in range(2)
          for name in ("mesh.labels.npz", "mesh.mtl", "mesh.obj", "texture.png")),
    }  # fmt: skip
    assert "CC0" in (people / "LICENSE.txt").read_text()
    index = json.loads((people / "people.json").read_text())
    assert set(index["people"]) == {"scan_000", "scan_001", "rig_000"}
    assert index["settings"]["hard_poses"] == 0.5
    assert [index["people"][name]["pose_kind"] for name in ("scan_000", "scan_001")] == ["everyday", "hard"]


@pytest.mark.parametrize("name", ["scan_000", "scan_001"])
def test_scan_is_upright_on_the_floor_textured_and_solid(people: Path, name: str) -> None:
    """An everyday pose and a hard one."""
    igl = pytest.importorskip("igl")
    lines = (people / name / "mesh.obj").read_text().splitlines()
    points = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    uv = np.array([line.split()[1:] for line in lines if line.startswith("vt ")], float)
    corners = np.array([[c.split("/") for c in line.split()[1:]] for line in lines if line.startswith("f ")], int)
    faces = corners[:, :, 0] - 1
    assert faces.min() == 0 and faces.max() == len(points) - 1  # noqa: PT018
    assert corners[:, :, 1].min() >= 1 and corners[:, :, 1].max() <= len(uv)  # noqa: PT018
    assert uv.min() >= 0 and uv.max() <= 1  # noqa: PT018
    assert abs(points[:, 1].min()) < 1e-6
    assert 0.8 < points[:, 1].max() < 2.4
    assert 20_000 < len(faces) < 100_000
    pelvis = np.array([[0.0, 0.5 * points[:, 1].max(), points[:, 2].mean()]])
    middle = points[np.abs(points[:, 1] - pelvis[0, 1]) < 0.03][:, [0, 2]]
    pelvis[0, [0, 2]] = 0.5 * (middle.min(axis=0) + middle.max(axis=0))
    low, high = points.min(axis=0), points.max(axis=0)
    around = np.random.default_rng(0).uniform(low - 0.5, high + 0.5, (400, 3))
    outside = around[((around < low) | (around > high)).any(axis=1)]
    winding = np.asarray(igl.fast_winding_number(points, faces.astype(np.int32), np.concatenate([pelvis, outside])))
    assert winding[0] > 0.5
    assert np.abs(winding[1:]).max() < 0.2


def test_nothing_is_wrong_with_free_people(people: Path) -> None:
    """`mpc check --strict` ends with exit status 0 where no report has a warning."""
    reports = check_models(people, jobs=1).reports
    assert [report.state for report in reports] == ["ok", "ok", "ok"], [report.warnings for report in reports]


def test_rig_reads_elsewhere_and_skins_as_computed(people: Path) -> None:
    document, blob = _glb(people / "rig_000.glb")
    primitive = document["meshes"][0]["primitives"][0]
    rest, joints, weights, uv = (
        _accessor(document, blob, primitive["attributes"][name])
        for name in ("POSITION", "JOINTS_0", "WEIGHTS_0", "TEXCOORD_0")
    )
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert uv.min() >= 0 and uv.max() <= 1  # noqa: PT018
    assert abs(rest[:, 1].min()) < 1e-4
    assert len(document["animations"]) >= 6
    nodes, skeleton_joints = document["nodes"], document["skins"][0]["joints"]
    bind = _accessor(document, blob, document["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    parent = {child: i for i, node in enumerate(nodes) for child in node.get("children", [])}
    person = build_person(plan_person(SEED, "rig_000"), texture_size=SIZE)
    lift = person.surface.vertices[:, 1].min()
    for number, name in enumerate(CLIPS):
        animation = document["animations"][number]
        assert animation["name"] == name
        turn = {i: np.eye(3) for i in range(len(nodes))}
        place = {i: np.array(node.get("translation", (0.0, 0.0, 0.0))) for i, node in enumerate(nodes)}
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            values = _accessor(document, blob, sampler["output"])
            assert len(values) == FRAMES
            node = channel["target"]["node"]
            if channel["target"]["path"] == "rotation":
                turn[node] = Rotation.from_quat(values[0]).as_matrix()
            else:
                place[node] = values[0]

        def world(node: int) -> np.ndarray:
            local = np.eye(4)
            local[:3, :3], local[:3, 3] = turn[node], place[node]  # noqa: B023
            return world(parent[node]) @ local if node in parent else local

        matrices = np.stack([world(node) for node in skeleton_joints]) @ bind
        blended = np.einsum("vk,vkij->vij", weights, matrices[joints])
        ours = np.einsum("vij,vj->vi", blended[:, :3, :3], rest) + blended[:, :3, 3]
        clip = make_clip(person.body, name, FRAMES)
        theirs = skin(
            person.surface.vertices, person.surface.weights, person.body, clip.rotations[0], clip.offsets[0]
        ) - [0, lift, 0]
        indices = _accessor(document, blob, primitive["indices"]).reshape(-1, 3)
        np.testing.assert_allclose(ours[indices], theirs[person.surface.faces], atol=1e-4)
    scene = trimesh.load(people / "rig_000.glb", process=False)
    mesh = next(iter(scene.geometry.values()))
    assert len(mesh.faces) == len(person.surface.faces)
    assert mesh.visual.material.baseColorTexture.size == (SIZE, SIZE)


def test_same_bytes_for_any_number_of_workers(people: Path, tmp_path: Path) -> None:
    make_people(tmp_path, scans=2, rigged=1, seed=SEED, jobs=2, texture_size=SIZE, frames=FRAMES)
    assert _digest(tmp_path) == _digest(people)


def test_rerun_keeps_what_is_finished_and_refuses_other_settings(people: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in people.rglob("*") if p.name in ("mesh.obj", "rig_000.glb")}
    summary = make_people(people, scans=2, rigged=1, seed=SEED, jobs=1, texture_size=SIZE, frames=FRAMES)
    assert summary.kept == ("scan_000", "scan_001", "rig_000")
    assert summary.made == ()
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())
    with pytest.raises(SettingsError, match="seed"):
        make_people(people, scans=1, rigged=0, seed=SEED + 1, jobs=1, texture_size=SIZE, frames=FRAMES)
    with pytest.raises(SettingsError, match="rig_poses 0 -> 3"):
        make_people(people, scans=1, rigged=0, seed=SEED, rig_poses=3, jobs=1, texture_size=SIZE, frames=FRAMES)


def test_a_folder_from_before_there_were_hard_poses_goes_on_without_them(people: Path, tmp_path: Path) -> None:
    index = json.loads((people / "people.json").read_text())
    del index["settings"]["hard_poses"]
    index["people"]["scan_000"]["plan"]["hair"] = "as it was drawn then"
    (tmp_path / "people.json").write_text(json.dumps(index))
    shutil.copytree(people / "scan_000", tmp_path / "scan_000")
    settings = {"scans": 1, "rigged": 0, "seed": SEED, "jobs": 1, "texture_size": SIZE, "frames": FRAMES}
    with pytest.raises(SettingsError, match=r"hard_poses 0\.0 -> 0\.5"):
        make_people(tmp_path, **settings)
    assert make_people(tmp_path, **settings, hard_poses=0.0).kept == ("scan_000",)
    people = json.loads((tmp_path / "people.json").read_text())["people"]
    assert people["scan_000"]["plan"]["hair"] == "as it was drawn then"


@pytest.mark.parametrize(
    "wrong",
    [
        {"scans": -1},
        {"hard_poses": 1.5},
        {"rig_poses": -1},
        {"texture_size": 8},
        {"frames": 1},
        {"scans": 0, "rigged": 0},
    ],
)
def test_refuses_settings_out_of_range(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError):
        make_people(tmp_path, **({"scans": 1, "rigged": 1, "seed": 0} | wrong))  # type: ignore[arg-type]


def test_refuses_to_mix_with_others_and_wrong_folders(tmp_path: Path) -> None:
    (tmp_path / "scan_000").mkdir()
    with pytest.raises(SettingsError, match=r"people\.json"):
        make_people(tmp_path, scans=1, rigged=0, seed=0)
    with pytest.raises(InputError, match="not a folder"):
        make_people(tmp_path / "new", scans=1, rigged=0, seed=0, assets=tmp_path / "none")


def test_people_differ() -> None:
    plans = [plan_person(SEED, f"scan_{i:03d}") for i in range(40)]
    assert len({plan.hair for plan in plans}) >= 6
    assert len({w.garment.name for plan in plans for w in plan.worn}) >= 8
    assert len({w.fabric.pattern for plan in plans for w in plan.worn}) >= 8
    ages = [plan.looks.age for plan in plans]
    assert min(ages) < 13 and max(ages) > 60  # noqa: PT018
    brightness = [sum(plan.looks.skin) for plan in plans]
    assert max(brightness) - min(brightness) > 1.0


def test_bvh_of_our_own_rig_comes_back(tmp_path: Path) -> None:
    from mpc.motion.makehuman.body import make_body

    body = make_body(plan_person(SEED, "rig_000").phenotype)
    clip = make_clip(body, "walk", 12)
    write_bvh(tmp_path / "stroll.bvh", body, clip, 100.0)
    (back,) = bvh_clips(tmp_path, body)
    assert back.name == "stroll"
    np.testing.assert_allclose(back.rotations, clip.rotations, atol=1e-6)
    moved = clip.offsets - clip.offsets[0]
    np.testing.assert_allclose(back.offsets - back.offsets[0], moved, atol=1e-6)


def test_bvh_without_known_names_is_refused(tmp_path: Path) -> None:
    from mpc.motion.makehuman.body import make_body

    body = make_body(plan_person(SEED, "rig_000").phenotype)
    (tmp_path / "a.bvh").write_text(
        "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n}\n"
        "MOTION\nFrames: 1\nFrame Time: 0.03\n0 0 0\n"
    )
    with pytest.raises(InputError, match="left_upperarm"):
        bvh_clips(tmp_path, body)
    with pytest.raises(InputError, match="left_upperarm"):
        make_people(tmp_path / "out", scans=0, rigged=1, seed=0, bvh=tmp_path)
    assert not (tmp_path / "out").exists()


def test_makehuman_assets_dress_a_solid_person(tmp_path: Path) -> None:
    igl = pytest.importorskip("igl")
    folder = DATA / "makehuman-assets"
    if not folder.is_dir():
        pytest.skip("no MakeHuman assets here")
    person = build_person(plan_person(SEED, "scan_000"), texture_size=64, assets=folder, seed=SEED, name="scan_000")
    points, faces = person.surface.vertices, person.surface.faces
    np.testing.assert_allclose(person.surface.weights.sum(axis=1), 1.0, atol=1e-9)
    assert (person.surface.weights > 0).sum(axis=1).max() <= 4
    pelvis = 0.5 * (person.body.heads[0] + person.body.heads[skeleton().names.index("spine05")])
    offsets = np.array([[0.0, 0.02, 0.02], [0.0, 0.0, 1.0], [0.0, 1.5, 0.0]])
    queries = pelvis + offsets
    winding = np.asarray(igl.fast_winding_number(points, faces, queries))
    assert winding[0] > 0.5
    assert np.abs(winding[1:]).max() < 0.2


def test_a_share_of_the_people_wears_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does is drawn from the name; the list of people says it, and the settings hold the share."""
    dressed: dict[str, bool] = {}

    def build(plan: Any, *, assets: Path | None, name: str, **_: Any) -> None:
        dressed[name] = assets is not None
        raise InputError(Path(name), "not made in this test")

    monkeypatch.setattr("mpc.people.make.build_person", build)
    monkeypatch.setattr("mpc.people.make.find_assets", lambda folder: None)
    (tmp_path / "assets").mkdir()
    make_people(tmp_path / "out", scans=30, rigged=10, seed=SEED, assets=tmp_path / "assets", assets_share=0.25, jobs=1)
    assert len(dressed) == 40
    assert 4 <= sum(dressed.values()) <= 17
    index = json.loads((tmp_path / "out" / "people.json").read_text())
    assert index["settings"]["assets_share"] == 0.25
    assert {name: entry["assets"] for name, entry in index["people"].items()} == dressed


def test_labels_hold_the_body_below_the_clothes(people: Path) -> None:
    """Of a scan and of a rig in a pose: what is worn, joints in the body, the body in the clothes."""
    for subject in find_subjects(people)[::2]:
        plan = plan_person(SEED, subject.id)
        loaded = load_subject(subject)
        scene = pose_scene(loaded, list_scenes(subject, frames_per_animation=1, seed=0)[-1])
        mesh, body, joints = scene.mesh, scene.body, scene.joints
        assert mesh.face_part is not None
        assert mesh.face_garment is not None
        assert body is not None
        assert joints is not None
        kinds = {worn.garment.kind for worn in plan.worn}
        found = {GARMENTS[garment] for garment in np.unique(mesh.face_garment)}
        assert {"skin", "shoes"} <= found
        assert ("trousers" in found, "bag" in found) == ("trousers" in kinds, "bag" in kinds)
        assert {PARTS[part] for part in np.unique(mesh.face_part)} >= set(PARTS[3:])
        assert loaded.known.facts.age_years == plan.looks.age
        assert label_inside(body, joints[[JOINTS.index(name) for name in ("pelvis", "spine2", "left_knee")]]).all()
        # Bare skin is on the surface itself, so the points are taken half a millimetre below the body's.
        drawn = sample_surface(body, 2000, np.random.default_rng(0))
        below = drawn.positions - 5e-4 * body.face_normals[drawn.faces]
        assert label_inside(mesh, below).mean() >= 0.995
