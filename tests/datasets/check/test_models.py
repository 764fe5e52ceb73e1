"""`mpc check`: the rows, the page, the exit status, and the same rows whoever did the work."""

import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner
from PIL import Image

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.core.guard import Limits
from mpc.datasets.check.models import check_models, row, table
from mpc.datasets.check.page import check_page
from mpc.datasets.check.thumbnail import BACKGROUND, thumbnail
from mpc.geometry.mesh import Material, PosedMesh
from support import layout_folders
from support.shared import MODELS, needs_models


def write_mesh(path, mesh):
    layout_folders.write_obj(path, mesh.vertices, mesh.faces, np.zeros((len(mesh.vertices), 2)))


def sphere(radius=0.9, open_above=None):
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    if open_above is not None:
        mesh.update_faces(mesh.triangles_center[:, 1] < open_above)
    return mesh


@pytest.fixture
def models(tmp_path):
    """A closed ball, one without its top, two separate ones, a broken file, a copy of the first."""
    root = tmp_path / "models"
    write_mesh(root / "closed.obj", sphere())
    write_mesh(root / "open.obj", sphere(open_above=0.0))
    pair = trimesh.util.concatenate([sphere(0.45), sphere(0.45).apply_translation([0, 0.95, 0])])
    write_mesh(root / "pair.obj", pair)
    (root / "broken.obj").write_text("v 0 0 0\n")
    shutil.copy(root / "closed.obj", root / "zz_copy.obj")
    return root


def by_name(summary):
    return {report.id: report for report in summary.reports}


def test_rows_are_what_the_shapes_are(models):
    found = by_name(check_models(models, jobs=1))
    closed, opened, pair = found["closed"], found["open"], found["pair"]
    assert (closed.faces, closed.components, closed.open_edges) == (5120, 1, 0)
    assert closed.height_m == pytest.approx(1.8, abs=1e-3)
    assert closed.ambiguous == 0.0
    assert pair.components == 2
    assert pair.open_edges == 0
    assert opened.open_edges > 50
    # Of a bowl the winding number falls from 1 to 0 through the mouth: much of it is near one half.
    assert opened.ambiguous > 0.3
    assert any("hard to tell apart" in warning for warning in opened.warnings)
    assert found["broken"].state == "failed"
    assert "no faces" in found["broken"].error
    assert any("same file as closed" in warning for warning in found["zz_copy"].warnings)
    assert not any("same file" in warning for warning in closed.warnings)
    assert any("no texture" in warning for warning in closed.warnings)


def test_rows_do_not_depend_on_the_workers(models):
    alone = check_models(models, jobs=1).as_json()
    spread = check_models(models, jobs=2, limits=Limits(timeout_s=120)).as_json()
    for rows in (alone, spread):
        for entry in rows:
            del entry["seconds"]
    assert alone == spread


def test_a_subject_that_takes_too_long_is_a_row(models):
    summary = check_models(models, jobs=1, limits=Limits(timeout_s=0.01))
    assert len(summary.reports) == 5
    assert all("--subject-timeout" in report.error for report in summary.reports)


def test_table_and_page_hold_each_row(models):
    summary = check_models(models, jobs=1)
    text = table(summary.reports)
    assert len(text.splitlines()) == 6
    assert re.search(r"closed +scan +obj +m +\S+ +1\.80 m +5120 +1 +yes +0\.0% +- +- +warning", text)
    page = check_page(summary)
    assert page.count("data:image/jpeg;base64,") == 4
    for encoded in re.findall(r"base64,([^\"]+)", page):
        assert Image.open(io.BytesIO(base64.b64decode(encoded))).size == (320, 160)
    assert "broken.obj: the file has no faces" in page
    assert str(models / "broken.obj") not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page), "the page needs nothing else"


def test_names_cannot_write_into_the_page(tmp_path):
    root = tmp_path / "models"
    write_mesh(root / "<img src=x onerror=alert(1)>.obj", sphere())
    (root / "a&b<script>.obj").write_text("")
    page = check_page(check_models(root, jobs=1))
    assert "<img src=x" not in page
    assert "b<script>" not in page
    assert "a&amp;b" in page


def test_command_and_exit_status(models, tmp_path):
    def run(*words):
        result = CliRunner().invoke(main, ["check", *map(str, words), "--jobs", "1"], catch_exceptions=False)
        return result.exit_code, result.output

    page, rows = tmp_path / "made" / "check.html", tmp_path / "check.json"
    code, output = run(models, "--out", page, "--json", rows, "--unit", "dm")
    assert code == 3
    assert "failed: broken: " in output
    assert "5 subjects, 4 with warnings, 1 cannot be used" in output
    assert page.stat().st_size > 1000
    assert next(entry for entry in json.loads(rows.read_text()) if entry["id"] == "closed")["height_m"] == 0.18
    (models / "broken.obj").unlink()
    assert run(models, "--out", page)[0] == 0
    assert run(models, "--out", page, "--strict")[0] == 3
    assert run(tmp_path / "made", "--out", page)[0] == 1
    assert run(models, "--out", page, "--subject-memory", "0.1")[0] == 2


def test_names_cannot_move_the_cursor(tmp_path):
    write_mesh(tmp_path / "a.obj", sphere())
    text = (tmp_path / "a.obj").read_text()
    (tmp_path / "a.obj").write_text("mtllib a.mtl\nusemtl \x1b[2Jred\n" + text)
    (tmp_path / "a.mtl").write_text("newmtl \x1b[2Jred\nmap_Kd gone\x1b]0;.png\n")
    words = ["check", str(tmp_path), "--out", str(tmp_path / "page.html"), "--jobs", "1"]
    output = CliRunner().invoke(main, words).output
    assert "failed: a: " in output
    assert "\x1b" not in output


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no scan"):
        check_models(tmp_path)


def test_thumbnail_sees_front_and_side():
    """A box, red in front, green at its left side: red in the first picture, green in the second."""
    box = trimesh.creation.box([0.4, 1.6, 0.4])
    normals = box.face_normals
    kinds = np.where(normals[:, 2] > 0.5, 0, np.where(normals[:, 0] > 0.5, 1, 2)).astype(np.int32)
    paints = [(1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0)]
    mesh = PosedMesh(
        vertices=np.asarray(box.vertices, np.float64),
        faces=np.asarray(box.faces, np.int32),
        materials=tuple(Material(str(paint), colour=paint) for paint in paints),
        face_material=kinds,
    )
    picture = thumbnail(mesh, 64)
    assert picture.shape == (64, 128, 3)
    assert tuple(picture[32, 32]) == (255, 0, 0)
    assert tuple(picture[32, 96]) == (0, 255, 0)
    assert (picture[0, 0] == BACKGROUND).all()
    share = 0.4 * 1.6 / (1.6 * 1.06) ** 2
    assert (picture[:, :64] != BACKGROUND).any(axis=2).mean() == pytest.approx(share, rel=0.08)


@needs_models
def test_shared_models():
    found = by_name(check_models(MODELS / "scans", jobs=1))
    closed = {name: report.open_edges == 0 for name, report in found.items()}
    assert closed == {f"scan_0{i}": i in (1, 5) for i in range(1, 7)}
    assert {name: report.components for name, report in found.items()} == {
        "scan_01": 1, "scan_02": 353, "scan_03": 37, "scan_04": 11, "scan_05": 1, "scan_06": 25,
    }  # fmt: skip
    # The file of scan_04 has 14 parts, three of which are specks of four faces that lie apart.
    assert any("no part of the person: 3 specks; left out" in text for text in found["scan_04"].warnings)
    assert row(found["scan_05"])[3] == "cm"
    assert row(found["scan_06"])[4] == "+z"
    assert sorted(found["scan_03"].textures) == [(1024, 1024), (2048, 2048)]
    assert found["scan_01"].height_m == pytest.approx(1.731, abs=2e-3)
