"""The renders folder: round trip, whole or absent, damage named."""

import json

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.core.files import write_json
from mpc.datasets.renders.format import read_scene_mesh, scene_key
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.write import write_scene
from mpc.geometry.camera import OrthographicCamera
from mpc.geometry.mesh import Material, PosedMesh


def a_mesh() -> PosedMesh:
    texture = np.random.default_rng(0).integers(0, 255, (8, 16, 4), np.uint8)
    return PosedMesh(
        np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).astype(np.float32).astype(np.float64),
        np.array([[0, 2, 1], [0, 1, 3]], np.int32),
        (Material("cut", texture, (1.0, 0.5, 0.25, 1.0), "mask", 0.3, ("mirror", "clamp")), Material("plain")),
        np.array([1, 0], np.int32),
        np.array([[0, 0], [1, 0], [0, 1]], np.float32),
        np.array([[0, 1, 2], [0, 1, 2]], np.int32),
        np.full((4, 4), 200, np.uint8),
    )


def write(root, frame=3):
    camera = OrthographicCamera((0.0, 0.5, 0.0), 2.4, 10.0)
    view = {
        "name": "010",
        "yaw_deg": 10.0,
        "pitch_deg": 0.0,
        "calibration": camera.calibration.tolist(),
        "light": np.arange(27.0).reshape(9, 3).tolist(),
        "light_name": "noon",
    }
    description = {
        "subject": "anna",
        "animation": "walk",
        "frame": frame,
        "kind": "rigged",
        "centre_world": [0.0, 0.5, 0.0],
        "extent_m": 2.4,
        "image_size": 8,
        "views": [view],
        "notes": {},
    }
    transfer = np.random.default_rng(1).random((4, 9)).astype(np.float32)
    write_json(root / "settings.json", {"format": "mpc-renders", "version": 1, "settings": {"seed": 0}})
    return write_scene(root, description, a_mesh(), transfer, {"010": b"not looked at here"}), transfer, camera


def test_what_is_written_comes_back(tmp_path):
    _, transfer, camera = write(tmp_path)
    renders = read_renders(tmp_path)
    (scene,) = renders.scenes
    assert (scene.key, scene.frame, scene.extent_m) == (scene_key("anna", "walk", 3), 3, 2.4)
    assert np.array_equal(scene.views[0].calibration, camera.calibration)
    assert np.array_equal(scene.views[0].light, np.arange(27, dtype=np.float32).reshape(9, 3))
    mesh, read_transfer = read_scene_mesh(scene)
    original = a_mesh()
    for name in ("vertices", "faces", "face_material", "uv", "face_uv", "vertex_colours"):
        assert np.array_equal(getattr(mesh, name), getattr(original, name)), name
    assert np.array_equal(read_transfer, transfer)
    assert np.array_equal(mesh.materials[0].texture, original.materials[0].texture)
    assert mesh.materials[0].alpha_mode == "mask"
    assert mesh.materials[1].texture is None
    assert [material.wrap for material in mesh.materials] == [("mirror", "clamp"), ("repeat", "repeat")]
    with np.load(scene.folder / "mesh.npz") as stored:
        entries = json.loads(str(stored["materials"]))
    assert ["wrap" in entry for entry in entries] == [True, False], "as earlier versions wrote it where it repeats"


def test_same_scene_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    first, second = (sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(first) == 6  # settings, texture, faces of the rig, scene.json, mesh.npz, one picture


def test_a_failed_write_leaves_nothing(tmp_path):
    write(tmp_path)
    with pytest.raises(TypeError):
        write_scene(
            tmp_path,
            {"subject": "anna", "animation": "walk", "frame": 4, "kind": "rigged", "oops": object()},
            a_mesh(),
            np.zeros((4, 9), np.float32),
            {},
        )
    assert [path.name for path in sorted((tmp_path / "anna").iterdir())] == ["textures", "walk_0003"]


@pytest.mark.parametrize("victim", ["scene.json", "mesh.npz"])
def test_damage_is_named(tmp_path, victim):
    folder, _, _ = write(tmp_path)
    path = folder / victim
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=victim):
        read_scene_mesh(read_renders(tmp_path).scenes[0])


def test_a_missing_entry_and_a_wrong_version_are_named(tmp_path):
    folder, _, _ = write(tmp_path)
    content = json.loads((folder / "scene.json").read_text())
    del content["extent_m"], content["sha256"]  # without the checksum, as earlier versions wrote it
    (folder / "scene.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="extent_m"):
        read_renders(tmp_path)
    write_json(tmp_path / "settings.json", {"format": "mpc-renders", "version": 99})
    with pytest.raises(InputError, match="version 99"):
        read_renders(tmp_path)
