"""Meshes as files: read back by trimesh and by our own readers; a full disk."""

import json
import struct

import numpy as np
import pytest
import trimesh

from mpc.core.errors import SettingsError
from mpc.formats.mesh_files import write_mesh

COLOURS = np.array([[255, 0, 0], [0, 128, 0], [0, 0, 10], [255, 255, 255]], np.uint8)
VERTICES = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1.5, 0], [0, 0, 0.25]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)


@pytest.mark.parametrize("suffix", ["ply", "obj"])
def test_exported_meshes_are_read_back_by_trimesh(tmp_path, suffix):
    path = tmp_path / f"mesh.{suffix}"
    write_mesh(path, VERTICES, FACES, COLOURS)
    mesh = trimesh.load(path, process=False)
    assert np.allclose(mesh.vertices, VERTICES)
    assert np.array_equal(mesh.faces, FACES)
    assert np.abs(mesh.visual.vertex_colors[:, :3].astype(int) - COLOURS).max() <= 1
    assert mesh.volume == pytest.approx(1.5 * 0.25 / 6)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(SettingsError, match="fbx"):
        write_mesh(tmp_path / "mesh.fbx", VERTICES, FACES)


def test_glb_is_read_back_with_its_colours(tmp_path):
    from mpc.datasets.subjects.find import find_subjects
    from mpc.datasets.subjects.scenes import list_scenes, load_scene

    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "person.glb"
    write_mesh(path, VERTICES, FACES, COLOURS)
    loaded = trimesh.load(path, process=False).geometry
    (mesh,) = loaded.values()
    assert np.allclose(mesh.vertices, VERTICES)
    assert np.array_equal(mesh.faces, FACES)
    (subject,) = find_subjects(tmp_path / "models")
    posed = load_scene(subject, list_scenes(subject, seed=0)[0]).mesh  # our reader turns linear colours back
    assert posed.vertex_colours is not None
    assert np.array_equal(np.unique(posed.vertex_colours[:, :3], axis=0), np.unique(COLOURS, axis=0))
    content = path.read_bytes()
    length = struct.unpack("<I", content[12:16])[0]
    assert json.loads(content[20 : 20 + length])["extensionsUsed"] == ["KHR_materials_unlit"]
    assert len(content) == struct.unpack("<I", content[8:12])[0]
