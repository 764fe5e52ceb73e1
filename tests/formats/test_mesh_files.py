"""Meshes as files: every writer's meshes read back by trimesh and by our own readers; one table for every command."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from mpc.core.errors import InputError, SettingsError
from mpc.evaluate.folders import find_meshes
from mpc.formats.mesh_files import READ_SUFFIXES, WRITE_FORMATS, read_mesh, read_mesh_file, write_mesh
from mpc.formats.motions import read_motion_file
from mpc.geometry.mesh import Material, PosedMesh
from mpc.subjects.animations import doubt_motions
from mpc.subjects.find import find_subjects
from mpc.subjects.load import load_subject

COLOURS = np.array([[255, 0, 0], [0, 128, 0], [0, 0, 10], [255, 255, 255]], np.uint8)
OPAQUE = np.concatenate([COLOURS, np.full((4, 1), 255, np.uint8)], axis=1)
VERTICES = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1.5, 0], [0, 0, 0.25]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)


def picture(seed, alpha=255):
    """(6, 5, 4) uint8 noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 5, 4), np.uint8)
    pixels[..., 3] = alpha
    return pixels


def textured(*materials, face_material=(0, 0, 0, 0)):
    """A tetrahedron whose corners have a texture coordinate each: seams everywhere."""
    uv = np.random.default_rng(0).random((12, 2)).astype(np.float32)
    return PosedMesh(
        VERTICES, FACES, materials, np.array(face_material, np.int32), uv, np.arange(12, dtype=np.int32).reshape(4, 3)
    )


def corners_by_face(mesh):
    """(F, 3, 3) positions, (F, 3, 2) uv, sorted by position, so that no order of faces or corners matters."""
    rows = [
        sorted(np.concatenate([mesh.vertices[mesh.faces[f]], mesh.uv[mesh.face_uv[f]]], axis=1).tolist())
        for f in range(len(mesh.faces))
    ]
    return np.array(sorted(rows))


def test_three_formats_are_written_and_no_other(tmp_path):
    assert WRITE_FORMATS == ("glb", "ply", "obj")
    for suffix in WRITE_FORMATS:
        write_mesh(tmp_path / "deep" / f"mesh.{suffix}", PosedMesh(VERTICES, FACES))
    # A bare mesh is one file: no library, no texture, nothing temporary.
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"mesh.glb", "mesh.ply", "mesh.obj"}
    with pytest.raises(SettingsError, match="fbx"):
        write_mesh(tmp_path / "mesh.fbx", PosedMesh(VERTICES, FACES))


def test_one_table_of_readers_serves_every_command(tmp_path):
    for suffix in WRITE_FORMATS:
        write_mesh(tmp_path / suffix / f"mesh.{suffix}", PosedMesh(VERTICES, FACES))
    (tmp_path / "stl").mkdir()
    trimesh.Trimesh(VERTICES, FACES, process=False).export(tmp_path / "stl" / "mesh.stl")
    subjects = {subject.id: load_subject(subject).mesh for subject in find_subjects(tmp_path)}
    measured = {name: read_mesh(path) for name, path in find_meshes(tmp_path).items()}
    assert set(subjects) == set(measured) == {"glb", "ply", "obj", "stl"}
    for name, mesh in measured.items():
        assert mesh.face_areas.sum() == pytest.approx(PosedMesh(VERTICES, FACES).face_areas.sum(), rel=1e-6), name
    assert set(READ_SUFFIXES) == {".obj", ".ply", ".stl", ".glb", ".gltf", ".fbx"}


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".glb", ".gltf", ".fbx", ".dae", ""])
def test_what_cannot_be_read_is_an_input_error_that_names_the_file(tmp_path, suffix):
    path = tmp_path / f"mesh{suffix}"
    for content in (None, b"", b"nothing of the kind"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=f"mesh{suffix}"):
            read_mesh(path)


@pytest.mark.parametrize("suffix", ["ply", "obj"])
def test_exported_meshes_are_read_back_by_trimesh(tmp_path, suffix):
    path = tmp_path / f"mesh.{suffix}"
    write_mesh(path, PosedMesh(VERTICES, FACES, vertex_colours=OPAQUE))
    mesh = trimesh.load(path, process=False)
    assert np.allclose(mesh.vertices, VERTICES)
    assert np.array_equal(mesh.faces, FACES)
    assert np.abs(mesh.visual.vertex_colors[:, :3].astype(int) - COLOURS).max() <= 1
    assert mesh.volume == pytest.approx(1.5 * 0.25 / 6)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    ours = read_mesh(path)
    assert np.allclose(ours.vertices[ours.faces], VERTICES[FACES])
    assert np.array_equal(ours.vertex_colours[ours.faces], OPAQUE[FACES])


def test_glb_is_read_back_with_its_colours(tmp_path):
    from mpc.subjects.scenes import list_scenes, load_scene

    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "person.glb"
    write_mesh(path, PosedMesh(VERTICES, FACES, vertex_colours=OPAQUE), lit=False)
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


@pytest.mark.parametrize("suffix", WRITE_FORMATS)
def test_textures_and_their_coordinates_come_back(tmp_path, suffix):
    """Exactly, as far as the format's numbers go: OBJ holds six decimals, glTF counts v from above in float32."""
    first, second = Material("skin", picture(1)), Material("cloth", picture(2))
    mesh = textured(first, second, face_material=(0, 1, 1, 0))
    write_mesh(tmp_path / f"mesh.{suffix}", mesh)
    back = read_mesh(tmp_path / f"mesh.{suffix}")
    assert back.faces.shape == mesh.faces.shape
    np.testing.assert_allclose(corners_by_face(back), corners_by_face(mesh), atol={"obj": 5e-7}.get(suffix, 1e-7))
    for f in range(4):
        want = mesh.materials[mesh.face_material[f]]
        at = [g for g in range(4) if np.allclose(np.sort(back.corners[g], 0), np.sort(mesh.corners[f], 0), atol=1e-6)]
        (face,) = at
        assert np.array_equal(back.materials[back.face_material[face]].texture, want.texture)
    if suffix != "ply":
        assert {material.name for material in back.materials} == {"skin", "cloth"}
    names = {path.name for path in tmp_path.iterdir()}
    beside = {"obj": {"mesh.mtl", "mesh_skin.png", "mesh_cloth.png"}, "ply": {"mesh_texture0.png", "mesh_texture1.png"}}
    assert names == {f"mesh.{suffix}"} | beside.get(suffix, set())


@pytest.mark.parametrize("suffix", WRITE_FORMATS)
def test_trimesh_sees_the_texture_where_it_lies(tmp_path, suffix):
    mesh = textured(Material("skin", picture(1)))
    write_mesh(tmp_path / f"mesh.{suffix}", mesh)
    read = trimesh.load(tmp_path / f"mesh.{suffix}", process=False, force="mesh")
    material = read.visual.material
    pixels = np.asarray((material.baseColorTexture if suffix == "glb" else material.image).convert("RGB"))
    assert np.array_equal(pixels, picture(1)[..., :3])
    found = np.concatenate([read.vertices[read.faces], read.visual.uv[read.faces]], axis=2)  # v from below, as ours
    found = np.array(sorted(sorted(face) for face in np.round(found, 6).tolist()))
    np.testing.assert_allclose(found, corners_by_face(mesh), atol=2e-6)


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_a_cut_out_and_plain_colours_come_back(tmp_path, suffix):
    lace = Material("lace", picture(3, alpha=np.arange(30, dtype=np.uint8).reshape(6, 5) * 8), alpha_mode="mask")
    red = Material("red", colour=(0.8, 0.25, 0.1, 1.0))
    write_mesh(tmp_path / f"mesh.{suffix}", textured(lace, red, face_material=(0, 1, 1, 1)))
    found = {material.name: material for material in read_mesh(tmp_path / f"mesh.{suffix}").materials}
    assert found["lace"].alpha_mode == "mask"
    assert np.array_equal(found["lace"].texture, lace.texture)
    assert found["red"].alpha_mode == "opaque"
    np.testing.assert_allclose(found["red"].colour, red.colour, atol=1e-6)


@pytest.mark.parametrize("suffix", WRITE_FORMATS)
def test_a_colour_is_multiplied_into_its_texture(tmp_path, suffix):
    """Readers disagree about a factor beside a texture: none must be left."""
    write_mesh(tmp_path / f"mesh.{suffix}", textured(Material("skin", picture(4), (0.5, 1.0, 0.25, 1.0))))
    (material,) = read_mesh(tmp_path / f"mesh.{suffix}").materials[:1]
    assert np.array_equal(material.texture[..., :3], np.rint(picture(4)[..., :3] * [0.5, 1.0, 0.25]))
    assert material.colour == pytest.approx((1.0, 1.0, 1.0, 1.0))


def test_tiled_textures_repeat_and_others_do_not(tmp_path):
    mesh = textured(Material("skin", picture(1)))
    for stretch, wrap in ((1.0, 33071), (3.0, 10497)):
        path = tmp_path / "mesh.glb"
        write_mesh(
            path, PosedMesh(VERTICES, FACES, mesh.materials, mesh.face_material, mesh.uv * stretch, mesh.face_uv)
        )
        content = path.read_bytes()
        (sampler,) = json.loads(content[20 : 20 + struct.unpack("<I", content[12:16])[0]])["samplers"]
        assert (sampler["wrapS"], sampler["wrapT"]) == (wrap, wrap)


@pytest.mark.parametrize("suffix", WRITE_FORMATS)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"mesh.{suffix}"
    write_mesh(path, PosedMesh(VERTICES, FACES))
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mpc.core.files.sync", full)
    with pytest.raises(OSError, match="No space"):
        write_mesh(path, PosedMesh(VERTICES * 2, FACES))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_pictures_beside_material_is_given_on(tmp_path):
    """`texture` reaches the OBJ reader through the table."""
    write_mesh(tmp_path / "mesh.obj", textured(Material("skin", picture(1))))
    (tmp_path / "mesh_texture.png").rename(tmp_path / "other.png")
    with pytest.raises(InputError, match="mesh_texture"):
        read_mesh_file(tmp_path / "mesh.obj")
    found = read_mesh_file(tmp_path / "mesh.obj", tmp_path, texture=tmp_path / "other.png")
    assert np.array_equal(found.mesh.materials[0].texture, picture(1))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "a.obj",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "pointer of Git LFS.*git lfs pull",
        ),
        ("a.fbx", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "pointer of Git LFS"),
        ("a.glb", b"<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page, not what .glb promises"),
        ("a.ply", b"# made here\no body\nv 0 0 0\n", "is an OBJ, .*rename it to .obj"),
        ("a.obj", b"ply\nformat ascii 1.0\n", "is a PLY, .*rename it to .ply"),
        ("a.obj", b"Kaydara FBX Binary  \0\x1a\0", "is an FBX, .*rename it to .fbx"),
        ("a.stl", b"glTF\2\0\0\0", "is a GLB"),
        ("a.obj", b'<?xml version="1.0"?>\n<COLLADA version="1.4">', "is a Collada file, .*convert it to GLB"),
        ("a.glb", b"PK\3\4 scene.usda", "is a ZIP archive .*USDZ.*convert it to GLB"),
        ("a.ply", b"\x1f\x8b\x08", r"compressed \(gzip\)"),
        ("a.obj", b"solid person\n facet normal 0 0 1\n", "is an STL"),
        ("a.obj", b"# nothing\n", "no faces"),
        ("a.ply", b"plx\n", "not a PLY"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_mesh_file(path)
    assert caught.value.path == path


def test_a_motion_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "walk.bvh"
    path.write_bytes(b"Kaydara FBX Binary  \0\x1a\0")
    with pytest.raises(InputError, match=r"is an FBX, .*rename it to \.fbx"):
        read_motion_file(path)
    with pytest.raises(InputError, match="convert it to BVH, FBX or GLB"):
        read_motion_file(tmp_path / "walk.c3d")


def test_motions_of_formats_that_are_not_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "walk.c3d").touch()
    with pytest.raises(InputError, match=r"holds no motion .*; 1 motions of formats that are not read"):
        doubt_motions(tmp_path)
