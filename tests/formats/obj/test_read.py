"""OBJ: surfaces against hand-made files, speed of nothing but structure."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from mpc.formats import polygons
from mpc.formats.obj.read import read_obj
from support.obj_texts import FACES, TETRAHEDRON, write


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


def test_unused_vertices_may_be_anything(tmp_path: Path) -> None:
    mesh = read_obj(write(tmp_path, TETRAHEDRON + "v nan nan inf\n" + FACES)).mesh
    assert len(mesh.vertices) == 4


def test_many_large_concave_polygons_do_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygons, "MAX_CLIP_WORK", 15_000.0)  # a second or so; ten by default
    rng = np.random.default_rng(0)
    lines = [f"v {x:.4f} {y:.4f} 0" for x, y in rng.uniform(size=(400, 2))]
    lines += ["f " + " ".join(map(str, rng.permutation(400) + 1)) for _ in range(100)]
    path = write(tmp_path, "\n".join(lines))
    start = time.perf_counter()
    assert len(read_obj(path).mesh.faces) > 0
    assert time.perf_counter() - start < 30  # 1 s when the machine is idle; without the limit, 100 s
