"""OBJ and MTL: features against hand-made files, damage against its error, speed of nothing but structure."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mpc.core.errors import InputError, MpcError
from mpc.formats import polygons
from mpc.formats.images import read_texture
from mpc.formats.mesh_files import write_mesh
from mpc.formats.named_files import resolve_inside
from mpc.formats.obj.read import read_obj
from mpc.formats.obj.write import lost_wraps, write_obj
from mpc.geometry.mesh import Material, PosedMesh, Wrap
from support.shared import MODELS, needs_models

TETRAHEDRON = """v 0 0 0
v 1 0 0
v 0 2 0
v 0 0 1
vt 0 0
vt 1 0
vt 0 1
vt 1 1
"""
FACES = "f 1/1 3/3 2/2\nf 1/1 2/2 4/4\nf 1/1 4/4 3/3\nf 2/2 3/3 4/4\n"


def write(folder: Path, text: str, name: str = "mesh.obj") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def picture(path: Path, colour: tuple[int, ...] = (200, 100, 50), size: tuple[int, int] = (4, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if len(colour) == 3 else "RGBA", size, colour).save(path)


def signed_volume(path: Path) -> float:
    corners = read_obj(path).mesh.corners
    return float(np.einsum("fc,fc->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def test_positions_and_texture_coordinates_are_indexed_apart(tmp_path: Path) -> None:
    mesh = read_obj(write(tmp_path, TETRAHEDRON + "f 1/1 3/3 2/2\nf 1/4 2/2 4/1\nf 1/1 4/4 3/3\nf 2/2 3/3 4/4\n")).mesh
    assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 1]]
    assert mesh.faces.tolist() == [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]
    assert mesh.uv is not None
    assert mesh.face_uv is not None
    assert mesh.uv[mesh.face_uv][1].tolist() == [[1, 1], [1, 0], [0, 0]]


@pytest.mark.parametrize(
    "faces",
    [
        "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4",
        "f 1// 3// 2//\nf 1//1 2//1 4//1\nf 1/ 4/ 3/\nf 2 3 4",
        "f -4 -2 -3\nf -4/-4 -3/-3 -1/-1\nf 1 4 3\nf 2/2/1 3/3/1 4/4/1  # a comment",
        "f 1 3 \\\n2\nf 1 2 4\r\nf\t1 4 3\n   f 2  3 4   ",
    ],
)
def test_every_way_to_write_a_corner(tmp_path: Path, faces: str) -> None:
    path = write(tmp_path, TETRAHEDRON + "vn 0 0 1\n" + faces)
    assert signed_volume(path) == pytest.approx(2 / 6)


def test_negative_indices_count_from_the_line_they_stand_on(tmp_path: Path) -> None:
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 5\nv 1 0 5\nv 0 1 5\nf -3 -2 -1\n"
    mesh = read_obj(write(tmp_path, text)).mesh
    assert mesh.corners[:, :, 2].tolist() == [[0, 0, 0], [5, 5, 5]]


def test_polygons_keep_area_and_order(tmp_path: Path) -> None:
    """A concave quad (arrow head), a concave decagon (star) and a triangle, in one file."""
    angle = np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2, 0.4, 1.0)
    star = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(10)], axis=1)
    arrow = np.array([[0, 0, 1], [2, 1, 1], [0, 2, 1], [0.5, 1, 1]], float)
    points = np.concatenate([star, arrow, [[0, 0, 2], [1, 0, 2], [0, 1, 2]]])
    lines = [f"v {x} {y} {z}" for x, y, z in points]
    lines += ["f " + " ".join(str(i + 1) for i in range(10)), "f 11 12 13 14", "f 15 16 17"]
    mesh = read_obj(write(tmp_path, "\n".join(lines))).mesh
    area = {0.0: 0.0, 1.0: 0.0, 2.0: 0.0}
    for z, cross in zip(mesh.corners[:, 0, 2], mesh.face_cross, strict=True):
        assert cross[2] > 0, "a triangle is turned over, so the cut leaves the polygon"
        area[float(z)] += cross[2] / 2
    star_area = 0.5 * 10 * 0.4 * np.sin(np.pi / 5)
    assert area == pytest.approx({0.0: star_area, 1.0: 1.5, 2.0: 0.5})
    assert mesh.corners[-1, 0, 2] == 2


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


@pytest.mark.parametrize(("scale", "name"), [(1.0, "unit"), (255.0, "byte")])
def test_vertex_colours(tmp_path: Path, scale: float, name: str) -> None:
    rgb = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.2, 0.4, 0.6]]) * scale
    points = [[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 1]]
    lines = ["v " + " ".join(map(str, [*p, *c])) for p, c in zip(points, rgb, strict=True)]
    mesh = read_obj(write(tmp_path, "\n".join(lines) + "\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n", f"{name}.obj")).mesh
    assert mesh.vertex_colours is not None
    assert mesh.vertex_colours.tolist() == [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [51, 102, 153, 255]]
    assert mesh.materials[0].colour == (1, 1, 1, 1)


def test_split_vertices_are_joined_but_sheets_back_to_back_are_not(tmp_path: Path) -> None:
    split = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3\nf 4 5 6\n"
    assert len(read_obj(write(tmp_path, split)).mesh.vertices) == 4
    sheet = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 0 0\nv 1 1 0\nv 1 0 0\nf 1 2 3\nf 4 5 6\n"
    mesh = read_obj(write(tmp_path, sheet, "sheet.obj")).mesh
    assert len(mesh.vertices) == 6
    assert np.linalg.norm(mesh.vertex_normals, axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (TETRAHEDRON, "no faces"),
        (TETRAHEDRON + "f 1 2 9\n", "not there"),
        (TETRAHEDRON + "f 1 2 0\n", "index 0"),
        (TETRAHEDRON + "f 1 2 -9\n", "not there"),
        (TETRAHEDRON + "f 1/1 2/2 3/9\n", "texture coordinate"),
        (TETRAHEDRON + "f 1/1 2/2", "fewer than 3"),
        (TETRAHEDRON + "f 1 2 x\n", "not an index|not a number"),
        (TETRAHEDRON + "f 1 2 3.5\n", "not an index|not a number"),
        (TETRAHEDRON + "f 1 2 99999999999999999999999\n", "not there|not a number"),
        ("v 0 0 0\nv 1 0\nv 0 1 0\nf 1 2 3\n", "fewer than 3"),
        ("v 0 0 0\nv 1 0 a\nv 0 1 0\nf 1 2 3\n", "not a number"),
        ("v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n", "finite"),
        ("v 0 0 0\nv 1e400 0 0\nv 0 1 0\nf 1 2 3\n", "finite"),
        ("v 0 0 0\nv 1e300 0 0\nv 0 1 0\nf 1 2 3\n", "cannot be a person"),
        ("v 0 0 0\nv 0 1 0\nv 0 2 0\nf 1 2 3\n", "no area"),
        ("v 0 0 0\nv 0 1 0\nv 0 2 0\nf 1 1 2\n", "area"),
        ("\x7fELF\0\0\0", "not a text file"),
    ],
)
def test_damage_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=reason) as caught:
        read_obj(path)
    assert caught.value.path == path


def test_unused_vertices_may_be_anything(tmp_path: Path) -> None:
    mesh = read_obj(write(tmp_path, TETRAHEDRON + "v nan nan inf\n" + FACES)).mesh
    assert len(mesh.vertices) == 4


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


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("RGB", (1, 2, 3), [1, 2, 3, 255]),
        ("RGBA", (1, 2, 3, 4), [1, 2, 3, 4]),
        ("L", 7, [7, 7, 7, 255]),
        ("LA", (7, 9), [7, 7, 7, 9]),
        ("1", 1, [255, 255, 255, 255]),
        ("I;16", 257 * 40, [40, 40, 40, 255]),
    ],
)
def test_every_kind_of_png(tmp_path: Path, mode: str, value: object, expected: list[int]) -> None:
    path = tmp_path / "x.png"
    Image.new(mode, (3, 2), value).save(path)  # type: ignore[arg-type]
    texture = read_texture(path, path)
    assert texture.shape == (2, 3, 4)
    assert texture.dtype == np.uint8
    assert texture[1, 2].tolist() == expected


def test_palette_and_cmyk(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (255, 0, 0)).quantize(8).save(tmp_path / "p.png")
    assert read_texture(tmp_path / "p.png", tmp_path)[0, 0].tolist() == [255, 0, 0, 255]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
    assert np.abs(read_texture(tmp_path / "c.jpg", tmp_path)[4, 4].astype(int) - [255, 0, 0, 255]).max() < 12


def test_pictures_are_refused_by_their_header_and_when_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    with pytest.raises(InputError, match="64 x 64"):
        read_texture(path, path, max_pixels=64 * 64 - 1)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="decoded"):
        read_texture(path, path)
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(InputError, match="decoded"):
        read_texture(path, path)


def test_many_large_concave_polygons_do_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygons, "MAX_CLIP_WORK", 15_000.0)  # a second or so; ten by default
    rng = np.random.default_rng(0)
    lines = [f"v {x:.4f} {y:.4f} 0" for x, y in rng.uniform(size=(400, 2))]
    lines += ["f " + " ".join(map(str, rng.permutation(400) + 1)) for _ in range(100)]
    path = write(tmp_path, "\n".join(lines))
    start = time.perf_counter()
    assert len(read_obj(path).mesh.faces) > 0
    assert time.perf_counter() - start < 30  # 1 s when the machine is idle; without the limit, 100 s


@pytest.fixture(scope="module")
def seed_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("fuzz")
    picture(folder / "t.png")
    write(folder, "newmtl a\nmap_Kd t.png\n", "mesh.mtl")
    return folder, ("mtllib mesh.mtl\nusemtl a\n" + TETRAHEDRON + FACES).encode()


@settings(max_examples=300, deadline=10_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, 200),
            st.integers(0, 6),
            st.one_of(
                st.binary(max_size=6), st.sampled_from([b"/", b"-", b"f ", b"v ", b"\n", b"nan", b"1e99", b"\\\n"])
            ),
        ),
        min_size=1,
        max_size=6,
    ),
    end=st.integers(0, 250),
)
def test_mutated_files_never_crash(
    seed_file: tuple[Path, bytes], edits: list[tuple[int, int, bytes]], end: int
) -> None:
    folder, content = seed_file
    for at, length, new in edits:
        content = content[:at] + new + content[at + length :]
    path = folder / "fuzz.obj"
    path.write_bytes(content[: max(end, 100)])
    try:
        mesh = read_obj(path).mesh
    except MpcError as error:
        assert str(folder) in str(error)  # noqa: PT017 - both outcomes are allowed, each with its own promise
    else:
        assert np.isfinite(mesh.vertices).all()
        assert mesh.face_areas.sum() > 0


@settings(max_examples=150, deadline=10_000)
@given(edits=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), min_size=1, max_size=5))
def test_mutated_pictures_never_crash(tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, bytes]]) -> None:
    path = tmp_path_factory.mktemp("p") / "x.png"
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(path)
    content = path.read_bytes()
    for at, new in edits:
        content = content[:at] + new + content[at + len(new) :]
    try:
        assert read_texture(content, path).shape[2] == 4
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017


BROKEN = {
    "truncated_obj": "fewer than 3",
    "nan_vertices": "finite",
    "index_out_of_range": "index 0|not there",
    "zero_faces": "no faces",
    "missing_texture": "not there",
    "escaping_texture": "outside",
    "escaping_mtllib": "outside",
    "degenerate_area": "no area",
    "truncated_png": "decoded",
    "huge_png": "60000 x 60000",
    "empty_file": "empty",
}


@needs_models
@pytest.mark.parametrize("name", BROKEN)
def test_shared_broken_files(name: str) -> None:
    with pytest.raises(InputError, match=BROKEN[name]) as caught:
        read_obj(MODELS / "broken" / name / "mesh.obj")
    assert name in str(caught.value.path)
