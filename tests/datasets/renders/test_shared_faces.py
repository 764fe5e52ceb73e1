"""The faces of a rig are stored once for all of its scenes, come back with each, and damage to them is named."""

from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.format import read_scene_mesh
from mpc.datasets.renders.mesh_file import SHARED, read_mesh, texture_names, write_mesh
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.renders.verify import verify_renders
from mpc.geometry.mesh import Material, PosedMesh
from support.box_person import rig_file


def make_mesh(seed: int) -> PosedMesh:
    """A tetrahedron with texture coordinates, colours and labels, in a pose of its own."""
    rng = np.random.default_rng(seed)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)
    uv = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    colours = np.full((4, 4), 90, np.uint8)
    vertices = rng.normal(size=(4, 3)).astype(np.float32).astype(np.float64)
    part, garment = np.array([1, 2, 3, 3], np.uint8), np.array([1, 1, 4, 255], np.uint8)
    return PosedMesh(vertices, faces, (Material(),), np.zeros(4, np.int32), uv, faces, colours, part, garment)


def test_shared_and_own_faces_come_back(tmp_path):
    transfer = np.ones((4, 9), np.float32)
    for number in range(3):
        mesh, path = make_mesh(number), tmp_path / f"{number}.npz"
        write_mesh(path, tmp_path / "textures", mesh, transfer, share_faces=number > 0)
        found, _ = read_mesh(path, path.read_bytes(), tmp_path / "textures")
        for name in ("vertices", *SHARED):
            np.testing.assert_array_equal(getattr(found, name), getattr(mesh, name))
            assert getattr(found, name).dtype == getattr(mesh, name).dtype
    (shared,) = (tmp_path / "textures").iterdir()
    assert [texture_names(tmp_path / f"{number}.npz") for number in range(3)] == [set(), {shared.name}, {shared.name}]
    whole = shared.read_bytes()
    shared.write_bytes(whole[:-40])
    with pytest.raises(InputError, match="its content is not that of its name"):
        read_mesh(path, path.read_bytes(), tmp_path / "textures")
    write_mesh(path, tmp_path / "textures", mesh, transfer, share_faces=True)
    assert shared.read_bytes() == whole, "a damaged file is written again"


def test_scenes_of_a_rendered_rig_share_one_file(tmp_path):
    rig_file(tmp_path / "models" / "rig.gltf", names=("walk", "jump"))
    out = tmp_path / "renders"
    settings = RenderSettings(views=1, size=32, rays=16, frames_per_animation=2, longest_edge_m=0.2, extent_m=3.0)
    summary = render_models(tmp_path / "models", out, settings, renderer="embree", jobs=1)
    assert (summary.rendered, summary.failures) == (4, ())
    (shared,) = out.glob("*/textures/*.npz")
    meshes = [read_scene_mesh(scene)[0] for scene in read_renders(out).scenes]
    assert all(np.array_equal(mesh.faces, meshes[0].faces) for mesh in meshes)
    assert not np.array_equal(meshes[0].vertices, meshes[1].vertices)
    assert list(verify_renders(out, deep=True).problems) == []
    data = bytearray(shared.read_bytes())
    data[len(data) // 2] ^= 1
    shared.write_bytes(data)
    assert len(list(verify_renders(out, deep=True).problems)) >= 1
    with pytest.raises(InputError, match=shared.name):
        read_scene_mesh(read_renders(out).scenes[0])


def test_bytes_of_a_rig_without_what_its_scenes_share(tmp_path):
    """A mesh.npz of a rig holds the vertices and their transfer: 12 + 36 bytes a vertex, and little else."""
    faces = np.random.default_rng(0).integers(0, 5000, (10_000, 3)).astype(np.int32)
    mesh = PosedMesh(np.zeros((5000, 3)), faces, uv=np.zeros((9000, 2), np.float32), face_uv=faces)
    path = Path(tmp_path / "mesh.npz")
    write_mesh(path, tmp_path / "textures", mesh, np.zeros((5000, 9), np.float32), share_faces=True)
    assert path.stat().st_size < 48 * 5000 + 2000
    write_mesh(path, tmp_path / "textures", mesh, np.zeros((5000, 9), np.float32))
    assert path.stat().st_size > 2 * 48 * 5000
