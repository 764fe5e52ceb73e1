"""PLY and STL: every layout written by hand here, read back; damage against its error."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mpc.core.errors import InputError, MpcError
from mpc.formats.build_mesh import ReadMesh
from mpc.formats.ply.read import read_ply
from mpc.formats.stl import read_stl
from support.shared import MODELS, needs_models

POINTS = [[0, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 0], [0.5, 1, 1]]
COLOURS = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7], [1, 2, 3]]
POLYGONS = [[3, 2, 1, 0], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]  # a pyramid: volume 2/3


def ply(folder: Path, order: str, polygons: list[list[int]] = POLYGONS, name: str = "mesh.ply") -> Path:
    header = f"ply\nformat {order} 1.0\ncomment made here\nelement vertex {len(POINTS)}\n"
    header += "property float x\nproperty float y\nproperty double z\n"
    header += "property uchar red\nproperty uchar green\nproperty uchar blue\n"
    header += (
        f"element face {len(polygons)}\nproperty uchar flags\nproperty list uchar int vertex_indices\nend_header\n"
    )
    if order == "ascii":
        rows = [" ".join(map(str, [*p, *c])) for p, c in zip(POINTS, COLOURS, strict=True)]
        rows += [f"0 {len(polygon)} " + " ".join(map(str, polygon)) for polygon in polygons]
        body = "\n".join(rows).encode() + b"\n"
    else:
        mark = ">" if "big" in order else "<"
        body = b"".join(struct.pack(mark + "ffdBBB", *p, *c) for p, c in zip(POINTS, COLOURS, strict=True))
        body += b"".join(struct.pack(f"{mark}BB{len(p)}i", 7, len(p), *p) for p in polygons)
    path = folder / name
    path.write_bytes(header.encode() + body)
    return path


def volume(read: ReadMesh) -> float:
    corners = read.mesh.corners
    return float(np.einsum("fc,fc->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("quad", [True, False])
def test_every_byte_order_with_and_without_polygons(tmp_path: Path, order: str, quad: bool) -> None:
    polygons = POLYGONS if quad else [[3, 2, 1], [3, 1, 0], *POLYGONS[1:]]
    read = read_ply(ply(tmp_path, order, polygons))
    assert volume(read) == pytest.approx(2 / 3)
    assert len(read.mesh.faces) == 6
    assert read.mesh.vertex_colours is not None
    at_top = read.mesh.vertices[:, 2] == 1
    assert read.mesh.vertex_colours[at_top].tolist() == [[1, 2, 3, 255]]
    assert read.mesh.materials[0].colour == (1, 1, 1, 1)


def test_faces_before_vertices_and_unknown_elements(tmp_path: Path) -> None:
    text = "ply\r\nformat ascii 1.0\r\nelement face 1\r\nproperty list uchar uint vertex_index\r\n"
    text += "element camera 1\r\nproperty float a\r\nelement vertex 3\r\n"
    text += "property float x\r\nproperty float y\r\nproperty float z\r\nend_header\r\n"
    text += "3 0 1 2\r\n5\r\n0 0 0 1 0 0 0 1 0\r\n"
    path = tmp_path / "m.ply"
    path.write_bytes(text.encode())
    assert read_ply(path).mesh.face_areas.tolist() == [0.5]


def test_meshlab_textures_a_corner(tmp_path: Path) -> None:
    for name, colour in (("one.png", (255, 0, 0)), ("two.png", (0, 0, 255))):
        Image.new("RGB", (2, 2), colour).save(tmp_path / name)
    text = "ply\nformat ascii 1.0\ncomment VCGLIB generated\ncomment TextureFile one.png\ncomment TextureFile two.png\n"
    text += "element vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    text += "element face 3\nproperty list uchar int vertex_indices\nproperty list uchar float texcoord\n"
    text += "property int texnumber\nend_header\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n"
    text += "3 0 2 1 6 0 0 0 1 1 0 0\n3 0 1 3 6 .5 .5 1 .5 1 1 1\n3 0 3 2 6 0 0 0 0 0 0 -1\n"
    path = tmp_path / "m.ply"
    path.write_text(text)
    mesh = read_ply(path).mesh
    assert len(mesh.vertices) == 4
    assert mesh.uv is not None
    assert mesh.face_uv is not None
    assert mesh.uv[mesh.face_uv][1].tolist() == [[0.5, 0.5], [1, 0.5], [1, 1]]
    textures = [mesh.materials[index].texture for index in mesh.face_material]
    assert textures[0] is not None
    assert textures[1] is not None
    assert (textures[0][0, 0].tolist(), textures[1][0, 0].tolist()) == ([255, 0, 0, 255], [0, 0, 255, 255])
    assert textures[2] is None


def test_vertex_texture_coordinates_and_float_colours(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), (1, 2, 3)).save(tmp_path / "t.png")
    body = "0 0 0 .1 .2 1 0 .5\n1 0 0 .3 .4 1 0 .5\n0 1 0 .5 .6 1 0 .5\n3 0 1 2\n"
    columns = ["x", "y", "z", "s", "t", "red", "green", "blue"]
    text = "ply\nformat ascii 1.0\n{}element vertex 3\n" + "".join(f"property float {c}\n" for c in columns)
    text += "element face 1\nproperty list uchar int vertex_indices\nend_header\n" + body
    path = tmp_path / "m.ply"
    path.write_text(text.format("comment TextureFile t.png\n"))
    read = read_ply(path)
    assert read.mesh.uv is not None
    assert read.mesh.uv.tolist() == np.float32([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]).tolist()
    assert read.mesh.vertex_colours is None, "the texture wins"
    path.write_text(text.format(""))
    colours = read_ply(path).mesh.vertex_colours
    assert colours is not None
    assert colours[0].tolist() == [255, 0, 128, 255]


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("element", ["vertex", "face"])
def test_counts_that_lie_are_refused_before_anything_is_allocated(tmp_path: Path, order: str, element: str) -> None:
    path = ply(tmp_path, order)
    path.write_bytes(
        path.read_bytes().replace(f"element {element} 5".encode(), f"element {element} 4000000000".encode())
    )
    with pytest.raises(InputError, match="4000000000"):
        read_ply(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"ply\n", b"plx\n", "not a PLY"),
        (b"end_header", b"end_headxx", "no end"),
        (b"format ascii", b"format utf16", "format"),
        (b"property uchar flags", b"property quux flags", "not understood"),
        (b"property float y", b"property float x", "two properties"),
        (b"0 3 0 1 4", b"0 3 0 1 9", "not there"),
        (b"0 3 0 1 4", b"0 3 0 1 -1", "not there"),
        (b"0 3 0 1 4", b"0 900000 0 1", "list of 900000|more than"),
        (b"0 3 0 1 4", b"0 3 0 1 nan", "whole numbers"),
        (b"0 3 0 1 4", b"0 3 0 1 1.5", "whole numbers"),
        (b"0.5 1 1", b"nan 1 1", "finite"),
        (b"0.5 1 1", b"abc 1 1", "not a number"),
    ],
)
def test_damage_is_named(tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    path = ply(tmp_path, "ascii")
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(InputError, match=reason) as caught:
        read_ply(path)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"property uchar flags", b"property quux flags", "line 12 of the PLY header"),
        (b"0.5 1 1", b"0,5 1 1", r"not a number: '0,5' \(line 19\)"),
        (
            b"0 3 0 1 4",
            b"0 3 0 1 9",
            "faces refer to a vertex .*; the first is face 1, counted from 0",
        ),
        (b"0 3 2 3 4", b"0 9999 2 3 4", "list of 9999 entries in row 3 of element 'face'"),
    ],
)
def test_the_line_or_the_row_is_named(tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    path = ply(tmp_path, "ascii")
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(InputError, match=reason):
        read_ply(path)


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_strips_of_triangles_are_faces(tmp_path: Path, order: str) -> None:
    """The sides of the pyramid as two strips in one row, the base as a row of its own; -1 ends a strip."""
    rows = [[0, 1, 4, 2, -1, 2, 3, 4, 0, -1], [3, 2, 0, 1]]
    header = f"ply\nformat {order} 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z\n"
    header += "element tristrips 2\nproperty list int int vertex_indices\nend_header\n"
    if order == "ascii":
        body = "\n".join(
            [*(" ".join(map(str, p)) for p in POINTS), *(f"{len(r)} {' '.join(map(str, r))}" for r in rows)]
        )
        content = body.encode()
    else:
        mark = ">" if "big" in order else "<"
        content = b"".join(struct.pack(mark + "3f", *p) for p in POINTS)
        content += b"".join(struct.pack(f"{mark}{len(r) + 1}i", len(r), *r) for r in rows)
    path = tmp_path / "mesh.ply"
    path.write_bytes(header.encode() + content)
    read = read_ply(path)
    assert len(read.mesh.faces) == 6
    assert volume(read) == pytest.approx(2 / 3)  # so all faces look the same way


def test_texture_outside_the_folder_is_refused(tmp_path: Path) -> None:
    inner = tmp_path / "model"
    inner.mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "t.png")
    text = "ply\nformat ascii 1.0\ncomment TextureFile ../t.png\nelement vertex 3\nproperty float x\nproperty float y\n"
    text += "property float z\nproperty float s\nproperty float t\nelement face 1\n"
    text += "property list uchar int vertex_indices\nend_header\n0 0 0 0 0\n1 0 0 0 0\n0 1 0 0 0\n3 0 1 2\n"
    path = inner / "m.ply"
    path.write_text(text)
    with pytest.raises(InputError, match="outside"):
        read_ply(path)


EDIT = st.tuples(st.integers(0, 600), st.integers(0, 4), st.binary(max_size=5))


@settings(max_examples=200, deadline=10_000)
@given(order=st.sampled_from(["ascii", "binary_little_endian", "binary_big_endian"]), edits=st.lists(EDIT, max_size=5))
def test_mutated_ply_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, order: str, edits: list[tuple[int, int, bytes]]
) -> None:
    path = ply(tmp_path_factory.mktemp("f"), order)
    content = path.read_bytes()
    for at, length, new in edits:
        content = content[:at] + new + content[at + length :]
    path.write_bytes(content)
    try:
        assert np.isfinite(read_ply(path).mesh.vertices).all()
    except MpcError as error:
        assert str(path) in str(error)  # noqa: PT017 - both outcomes are allowed, each with its own promise


def stl(folder: Path, binary: bool) -> Path:
    triangles = np.float32([[POINTS[i] for i in p] for p in [[3, 2, 1], [3, 1, 0], *POLYGONS[1:]]])
    path = folder / "mesh.stl"
    if binary:
        rows = b"".join(struct.pack("<12fH", 0, 0, 0, *t.ravel().tolist(), 0) for t in triangles)
        path.write_bytes(b"solid or not".ljust(80) + struct.pack("<I", len(triangles)) + rows)
    else:
        lines = ["solid x"]
        for t in triangles:
            lines += ["facet normal 0 0 0", " outer loop", *[f"  vertex {x} {y} {z}" for x, y, z in t]]
            lines += [" endloop", "endfacet"]
        path.write_text("\n".join([*lines, "endsolid x\n"]))
    return path


@pytest.mark.parametrize("binary", [True, False])
def test_stl_is_joined_and_grey(tmp_path: Path, binary: bool) -> None:
    path = stl(tmp_path, binary)
    read = read_stl(path)
    assert volume(read) == pytest.approx(2 / 3)
    assert len(read.mesh.vertices) == 5
    assert read.mesh.materials[0].colour == (0.7, 0.7, 0.7, 1.0)
    content = path.read_bytes()
    path.write_bytes(content[:-30] if binary else content.split(b"vertex", 2)[0] + b"vertex 1 2")
    with pytest.raises(InputError):
        read_stl(path)


@settings(max_examples=150, deadline=10_000)
@given(binary=st.booleans(), edits=st.lists(EDIT, max_size=5))
def test_mutated_stl_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, binary: bool, edits: list[tuple[int, int, bytes]]
) -> None:
    path = stl(tmp_path_factory.mktemp("f"), binary)
    content = path.read_bytes()
    for at, length, new in edits:
        content = content[:at] + new + content[at + length :]
    path.write_bytes(content)
    try:
        assert np.isfinite(read_stl(path).mesh.vertices).all()
    except MpcError as error:
        assert str(path) in str(error)  # noqa: PT017


@needs_models
def test_shared_huge_header() -> None:
    with pytest.raises(InputError, match="4000000000"):
        read_ply(MODELS / "broken" / "huge_ply_header" / "mesh.ply")
