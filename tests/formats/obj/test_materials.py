"""MTL: materials, textures and how they repeat, against hand-made files; where textures may lie."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.formats.mesh_files import write_mesh
from mpc.formats.named_files import resolve_inside
from mpc.formats.obj.read import read_obj
from mpc.formats.obj.write import lost_wraps, write_obj
from mpc.geometry.mesh import Material, PosedMesh, Wrap
from support.obj_texts import FACES, TETRAHEDRON, picture, write


def test_materials_textures_colours_and_cut_outs(tmp_path: Path) -> None:
    picture(tmp_path / "my skin.png", (10, 20, 30))
    picture(tmp_path / "mask.png", (0, 0, 0), (2, 2))
    picture(tmp_path / "Tex" / "cloth_DIF.png", (90, 80, 70))
    library = """# comment
newmtl skin
Kd 0 0 0
map_Kd -s 2 3 1 -o 0.5 0 0 -bm 1.0 my skin.png
newmtl plain red
Kd 0.5 0.25 0
d 0.9
newmtl cloth
map_Kd C:\\Users\\artist\\cloth_dif.PNG
map_d mask.png
newmtl unused
map_Kd nowhere.png
"""
    write(tmp_path, library, "my mats.mtl")
    text = "mtllib my mats.mtl\n" + TETRAHEDRON
    text += "f 1/1 3/3 2/2\nusemtl plain red\nf 1/1 2/2 4/4\nusemtl skin\nf 1/1 4/4 3/3\nusemtl cloth\nf 2/2 3/3 4/4\n"
    read = read_obj(write(tmp_path, text))
    mesh = read.mesh
    by_face = [mesh.materials[index] for index in mesh.face_material]
    assert [material.name for material in by_face] == ["grey", "plain red", "skin", "cloth"]
    red, skin, cloth = by_face[1:]
    assert red.texture is None
    assert red.colour == (0.5, 0.25, 0.0, 0.9)
    assert skin.texture is not None
    assert skin.texture[0, 0].tolist() == [10, 20, 30, 255]
    assert skin.colour[:3] == (1, 1, 1), "a black Kd beside a texture is an exporter's habit"
    assert cloth.alpha_mode == "mask"
    assert cloth.texture is not None
    assert cloth.texture.shape == (4, 4, 4)
    assert cloth.texture[0, 0].tolist() == [90, 80, 70, 0]
    assert mesh.uv is not None
    assert mesh.face_uv is not None
    assert mesh.uv[mesh.face_uv][2].tolist() == [[0.5, 0], [2.5, 3], [0.5, 3]], "-s and -o are baked in"
    assert mesh.uv[mesh.face_uv][3].tolist() == [[1, 0], [0, 1], [1, 1]]


def test_a_clamped_texture_is_no_repeated_one(tmp_path: Path) -> None:
    picture(tmp_path / "t.png")
    given = {"": "repeat", "-clamp on ": "clamp", "-clamp off ": "repeat", "-s 2 2 1 -CLAMP On ": "clamp"}
    for option, side in given.items():
        write(tmp_path, f"newmtl m\nmap_Kd {option}t.png\n", "mesh.mtl")
        read = read_obj(write(tmp_path, f"mtllib mesh.mtl\n{TETRAHEDRON}usemtl m\n{FACES}"))
        assert read.mesh.materials[0].wrap == (side, side)
        copy = tmp_path / "copy" / "mesh.obj"
        write_obj(copy, read.mesh)
        assert read_obj(copy).mesh.materials[0].wrap == (side, side)


def test_wrap_modes_that_an_obj_cannot_hold_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Against what reading the written file gives: told exactly where a face reaches to what comes out otherwise."""
    sides: list[Wrap] = ["repeat", "clamp", "mirror"]
    faces = np.array([[0, 1, 2]], np.int32)
    for wrap in itertools.product(sides, sides):
        material = Material("m", np.full((2, 2, 4), 255, np.uint8), wrap=wrap)
        for beyond in ([1, 1], [0, 0], [1, 0], [0, 1]):
            uv = np.array([[0, 0], [1, 0], [0, 1]], np.float32) * (1 + np.array(beyond, np.float32))
            mesh = PosedMesh(np.eye(3), faces, (material,), uv=uv, face_uv=faces)
            if beyond == [1, 1]:
                write_obj(tmp_path / "mesh.obj", mesh)
                came = read_obj(tmp_path / "mesh.obj").mesh.materials[0].wrap
            for kind, read in (("OBJ", came), ("PLY", ("repeat", "repeat"))):
                differs = any(out and side != other for side, other, out in zip(wrap, read, beyond, strict=True))
                assert bool(lost_wraps(mesh, kind)) == differs, (kind, wrap, beyond)
    mesh = replace(mesh, uv=2 * mesh.uv)
    write_mesh(tmp_path / "mesh.obj", replace(mesh, materials=(replace(material, wrap=("mirror", "clamp")),)))
    assert 'material "m": its texture ends and is mirrored beyond [0, 1]; in the OBJ it repeats' in caplog.text


def test_library_beside_the_mesh_is_found_when_the_named_one_is_not(tmp_path: Path) -> None:
    write(tmp_path, "newmtl a\nKd 1 0 0\n", "mesh.mtl")
    mesh = read_obj(write(tmp_path, "mtllib gone.mtl\nusemtl a\n" + TETRAHEDRON + FACES)).mesh
    assert mesh.materials[0].colour == (1, 0, 0, 1)


def test_picture_named_as_the_mesh_serves_without_a_library(tmp_path: Path) -> None:
    picture(tmp_path / "mesh.jpg", (250, 250, 250))
    read = read_obj(write(tmp_path, TETRAHEDRON + FACES))
    assert read.mesh.materials[0].texture is not None
    assert any("mesh.jpg" in notice for notice in read.notices)


def test_unknown_material_is_grey_and_told(tmp_path: Path) -> None:
    read = read_obj(write(tmp_path, "usemtl what\n" + TETRAHEDRON + FACES))
    assert read.mesh.materials[0].texture is None
    assert any("what" in notice for notice in read.notices)


@pytest.mark.parametrize(
    "name", ["../secret.png", "/{root}/secret.png", "..\\secret.png", "link.png", "dir/secret.png"]
)
def test_nothing_outside_the_folder_is_opened(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    model.mkdir()
    picture(tmp_path / "secret.png")
    (model / "link.png").symlink_to(tmp_path / "secret.png")
    (model / "dir").symlink_to(tmp_path, target_is_directory=True)
    write(model, f"newmtl m\nmap_Kd {name.format(root=str(tmp_path)[1:])}\n", "mesh.mtl")
    with pytest.raises(InputError, match="outside"):
        read_obj(write(model, "mtllib mesh.mtl\nusemtl m\n" + TETRAHEDRON + FACES))
    write(tmp_path, "newmtl m\n", "secret.mtl")
    with pytest.raises(InputError, match="outside"):
        read_obj(write(model, "mtllib ../secret.mtl\n" + TETRAHEDRON + FACES, "other.obj"))


def test_missing_texture_names_library_and_file(tmp_path: Path) -> None:
    library = write(tmp_path, "newmtl m\nmap_Kd gone.png\n", "mesh.mtl")
    with pytest.raises(InputError, match=r"gone\.png.*not there") as caught:
        read_obj(write(tmp_path, "mtllib mesh.mtl\nusemtl m\n" + TETRAHEDRON + FACES))
    assert caught.value.path == library


def test_resolve_inside_prefers_the_path_as_written(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "x.png")
    picture(tmp_path / "x.png")
    mesh = tmp_path / "m.obj"
    assert resolve_inside(tmp_path, "a/x.png", mesh, "it") == (tmp_path / "a" / "x.png").resolve()
    assert resolve_inside(tmp_path, "A\\X.PNG", mesh, "it") == (tmp_path / "a" / "x.png").resolve()
    assert resolve_inside(tmp_path, "gone/x.png", mesh, "it") == (tmp_path / "x.png").resolve()
