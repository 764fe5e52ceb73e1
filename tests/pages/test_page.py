"""A page carries its style sheet and its scripts, and all of them are installed with the package."""

import base64
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import trimesh

import mpc
from mpc.geometry.mesh import PosedMesh
from mpc.pages.page import page, read_asset, section
from mpc.pages.viewer import ViewerModel, simplify, viewer
from support.html import assert_nothing_is_fetched, parse

ROOT = Path(mpc.__file__).resolve().parent


def test_every_file_that_is_no_module_is_package_data():
    """A wheel holds nothing but modules and what package-data names: a page without its style would be bare."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    listed = settings["setuptools"]["package-data"]
    for room in settings["mpc"]["rooms"]:
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts:
                # The folder that holds it, or the package above that.
                owners = [folder for folder in path.parents if folder.is_relative_to(ROOT)]
                names = {folder: ".".join(["mpc", *folder.relative_to(ROOT).parts]) for folder in owners}
                assert any(
                    path in folder.glob(pattern) for folder in owners for pattern in listed.get(names[folder], ())
                ), path


def test_a_page_carries_its_style_and_links_to_its_sections():
    text = page("Title", "below", [section("First part", "<p>one</p>"), section("Second", "")])
    assert f"<style>\n{read_asset('report.css')}</style>" in text
    assert parse(text).sections == ["first-part", "second"]
    assert [link for link in parse(text).references if link.startswith("#")] == ["#first-part", "#second"]
    for name in ("report.css", "viewer.js", "check.css", "check.js"):
        assert "</" not in read_asset(name)  # would end the element that holds it


def test_the_viewer_holds_the_meshes_and_simplifies_large_ones():
    ball = trimesh.creation.icosphere(subdivisions=5)
    mesh = PosedMesh(np.asarray(ball.vertices), np.asarray(ball.faces, np.int32))
    colours = np.full((len(mesh.vertices), 3), [10, 200, 30], np.uint8)
    vertices, faces, shown = simplify(mesh, colours, most=2000)
    assert 500 < len(faces) <= 2000
    assert np.abs(np.linalg.norm(vertices[faces], axis=2) - 1).max() < 0.02
    assert (shown == [10, 200, 30]).all()
    text = viewer([ViewerModel("<x>", ("a", "b"), (mesh, mesh), (colours, colours))], "")
    assert_nothing_is_fetched(text)
    content = json.loads(re.search(r'viewer-data">(.*?)</script>', text, re.DOTALL).group(1))
    stored = np.frombuffer(base64.b64decode(content[0]["meshes"][1]["vertices"]), "<i2").reshape(-1, 3) / 32767
    assert np.abs(stored - mesh.vertices).max() < 4e-5
    stored_faces = np.frombuffer(base64.b64decode(content[0]["meshes"][1]["faces"]), "<u4").reshape(-1, 3)
    assert np.array_equal(stored_faces, mesh.faces)
    assert viewer([], "") == ""
