"""Textures are found where other programs put and name them: libraries, code pages, options, stores of links."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.formats.mesh_files import read_mesh_file
from mpc.formats.named_files import find_inside, model_folder
from mpc.geometry.mesh import PosedMesh
from support.fault_cases import LOWER, UPPER, Obj, into_store, person, write_obj
from support.fault_folders import CASES


def colours(mesh: PosedMesh) -> np.ndarray:
    """(F, 3) colour of each face at its middle, from texture or material."""
    found = np.empty((len(mesh.faces), 3))
    for number, material in enumerate(mesh.materials):
        chosen = mesh.face_material == number
        if material.texture is None:
            found[chosen] = np.array(material.colour[:3]) * 255
            continue
        height, width = material.texture.shape[:2]
        u, v = mesh.uv[mesh.face_uv[chosen]].mean(axis=1).T
        found[chosen] = material.texture[((1 - v) * height).astype(int), (u * width).astype(int), :3]
    return found


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Reads the mesh of a case: the surface and its notices."""
    root = tmp_path_factory.mktemp("models")

    def of(case: str):
        if not (root / case).exists():
            CASES[case](root / case)
        return read_mesh_file(next((root / case).glob("mesh.*[jy]")))

    return of


TEXTURED = [
    "02_option_after", "02_unknown_option", "02_option_space", "03_latin1", "03_gbk", "03_windows1251",
    "11_face_colours", "13_st_and_picture", "51_store", "76_library_folder", "76_ambient_map", "76_other_case",
]  # fmt: skip


@pytest.mark.parametrize("case", TEXTURED)
def test_the_upper_half_has_its_colour_and_the_lower_half_its_own(read, case: str) -> None:
    mesh = read(case).mesh
    v = mesh.corners[..., 1].mean(axis=1)
    middle = 0.5 * (mesh.bounds[0, 1] + mesh.bounds[1, 1])
    far = np.abs(v - middle) > 0.1  # the border between the colours may cut a face
    expected = np.where((v > middle)[:, None], UPPER, LOWER)
    np.testing.assert_array_equal(colours(mesh)[far], expected[far])


def test_two_libraries_of_one_statement_are_both_read(read) -> None:
    result = read("01_two_libraries")
    upper = result.mesh.corners[..., 1].mean(axis=1) > 0.86
    np.testing.assert_array_equal(colours(result.mesh), np.where(upper[:, None], [255.0, 0, 0], [0, 0, 255.0]))
    assert result.notices == ()


@pytest.mark.parametrize(
    ("case", "words"),
    [("13_st_and_picture", "textured with mesh.png"), ("76_ambient_map", "map_Ka"), ("76_other_case", '"Skin"')],
)
def test_what_was_guessed_is_told(read, case: str, words: str) -> None:
    assert any(words in notice for notice in read(case).notices)


def test_clamp_behind_the_name_counts(read) -> None:
    assert read("02_option_after").mesh.materials[0].wrap == ("clamp", "clamp")
    assert read("02_unknown_option").mesh.materials[0].wrap == ("repeat", "repeat")


def test_of_two_libraries_the_missing_one_is_told(tmp_path: Path) -> None:
    write_obj(person(cells=1), Obj(tmp_path, head=("mtllib mesh.mtl gone.mtl",)))
    read = read_mesh_file(tmp_path / "mesh.obj")
    assert read.notices == ('the material library "gone.mtl" is not there',)
    assert read.mesh.materials[0].texture is not None


def test_an_unreadable_name_takes_the_only_picture_and_says_so(tmp_path: Path) -> None:
    write_obj(person(cells=1), Obj(tmp_path))
    (tmp_path / "mesh.mtl").write_bytes(b"newmtl skin\nmap_Kd h\xe4ut\x81.png\n")
    read = read_mesh_file(tmp_path / "mesh.obj")
    assert read.mesh.materials[0].texture is not None
    assert read.notices == ('the texture "h\\xe4ut\\x81.png" is not there; the only picture, texture.png, is used',)
    (tmp_path / "other.png").write_bytes((tmp_path / "texture.png").read_bytes())
    with pytest.raises(InputError, match=r"h\\xe4ut\\x81.png.*is not there.*save the file that names it as UTF-8"):
        read_mesh_file(tmp_path / "mesh.obj")


@pytest.mark.parametrize("store", ["hash", "dvc", "annex"])
def test_links_into_stores_are_followed(tmp_path: Path, store: str) -> None:
    folder = tmp_path / "snapshot" / "anna"
    write_obj(person(cells=1), Obj(folder))
    into_store(folder, tmp_path / "blobs", store)
    assert model_folder(folder / "mesh.obj") == folder
    assert read_mesh_file(folder / "mesh.obj").mesh.materials[0].texture is not None


def test_a_link_to_any_other_file_outside_is_refused(tmp_path: Path) -> None:
    write_obj(person(cells=1), Obj(tmp_path / "anna"))
    (tmp_path / "secret.png").write_bytes((tmp_path / "anna" / "texture.png").read_bytes())
    (tmp_path / "anna" / "texture.png").unlink()
    (tmp_path / "anna" / "texture.png").symlink_to("../secret.png")
    with pytest.raises(InputError, match="outside the model's folder"):
        read_mesh_file(tmp_path / "anna" / "mesh.obj")


def test_a_mesh_that_is_a_link_finds_its_texture_beside_the_link_and_beside_the_file(tmp_path: Path) -> None:
    write_obj(person(cells=1), Obj(tmp_path / "store" / "a"))
    linked = tmp_path / "models" / "mesh.obj"
    linked.parent.mkdir()
    linked.symlink_to(os.path.relpath(tmp_path / "store" / "a" / "mesh.obj", linked.parent))
    assert read_mesh_file(linked).mesh.materials[0].texture is not None
    (tmp_path / "store" / "a" / "texture.png").rename(linked.parent / "texture.png")
    (tmp_path / "store" / "a" / "mesh.mtl").rename(linked.parent / "mesh.mtl")
    assert read_mesh_file(linked).mesh.materials[0].texture is not None


def test_letters_with_accents_match_in_both_normal_forms(tmp_path: Path) -> None:
    (tmp_path / "ha\u0308ut.png").touch()
    assert find_inside(tmp_path, "h\u00e4ut.png", tmp_path / "mesh.obj", "it").name == "ha\u0308ut.png"


@pytest.mark.parametrize(
    ("line", "text", "words"),
    [
        (3, "v 1 2 three", r'a vertex line holds something that is not a number: "three" \(line 3\)'),
        (4, "v 1 2", r"1 vertex lines have fewer than 3 numbers \(line 4\)"),
        (5, "f 1 2 x", r"a face line holds something that is not an? \w+ ?\(?"),
    ],
)
def test_the_line_that_does_not_read_is_named(tmp_path: Path, line: int, text: str, words: str) -> None:
    rows = ["# a triangle", "v 0 0 0", "v 1 0 0", "v 0 1 0", "f 1 2 3"]
    rows[line - 1] = text
    (tmp_path / "mesh.obj").write_text("\n".join(rows) + "\n")
    with pytest.raises(InputError, match=words):
        read_mesh_file(tmp_path / "mesh.obj")


def test_the_statement_of_a_missing_texture_is_named(tmp_path: Path) -> None:
    write_obj(person(cells=1), Obj(tmp_path, library=("newmtl skin", "Kd 1 1 1", "map_Kd gone.png")))
    with pytest.raises(
        InputError, match=r'mesh.mtl: the texture of material "skin" \(line 3\), "gone.png", is not there'
    ):
        read_mesh_file(tmp_path / "mesh.obj")
