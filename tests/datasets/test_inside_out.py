"""A scan turned inside out is lit, drawn and labelled as if it were right, also in folders of older versions."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc.core.files import file_sha256
from mpc.core.sealed import read_sealed_json
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.sample_scene import sample_scene
from mpc.datasets.shards.settings import SampleSettings
from mpc.formats.mesh_files import write_mesh
from support.dressed import dressed_person

POINTS = SampleSettings(near_points=2000, uniform_points=200, colour_points=500)


@pytest.fixture(scope="module")
def renders(tmp_path_factory) -> dict[str, Path]:
    """The same person, drawn from a file whose faces are right and from one whose faces are all turned."""
    mesh, parts = dressed_person()
    patch = parts["shirt"] & (mesh.corners.mean(axis=1)[:, 2] > 0.1) & (mesh.corners.mean(axis=1)[:, 1] < 0.5)
    faces = {"right": mesh.faces, "inside out": mesh.faces[:, ::-1], "a patch turned": mesh.faces.copy()}
    faces["a patch turned"][patch] = mesh.faces[patch, ::-1]
    found = {}
    for name, corners in faces.items():
        folder = tmp_path_factory.mktemp("person")
        (folder / "models" / "anna").mkdir(parents=True)
        turned = replace(mesh, faces=np.ascontiguousarray(corners), vertex_colours=None)
        write_mesh(folder / "models" / "anna" / "mesh.obj", turned)
        settings = RenderSettings(views=2, step_deg=120, size=64, rays=32, layers=("normal_front",))
        render_models(folder / "models", folder / "renders", settings, renderer="embree", jobs=1)
        found[name] = folder / "renders"
    return found


@pytest.mark.parametrize("name", ["inside out", "a patch turned"])
def test_light_pictures_and_layers_are_the_same(renders, name):
    right, other = (renders[key] / "anna" / "scan_0000" for key in ("right", name))
    pictures = sorted(path.name for path in right.glob("*.png"))
    assert len(pictures) == 4
    for picture in pictures:
        assert (right / picture).read_bytes() == (other / picture).read_bytes(), picture
    with np.load(right / "mesh.npz") as wanted, np.load(other / "mesh.npz") as found:
        for array in ("vertices", "faces", "transfer"):
            assert (wanted[array] == found[array]).all(), array


@pytest.mark.parametrize("name", ["inside out", "a patch turned"])
@pytest.mark.parametrize("age", ["new", "old"])
def test_labels_and_colours_are_the_same(renders, tmp_path, name, age):
    wanted = sample_scene(read_renders(renders["right"]).scenes[0], POINTS, keep_mesh=True)
    folder = renders[name]
    if age == "old":  # as an earlier version left it: the faces as in the file, and no word about them
        folder = shutil.copytree(folder, tmp_path / "renders")
        scene = folder / "anna" / "scan_0000"
        with np.load(scene / "mesh.npz") as arrays:
            stored = dict(arrays)
        middle = stored["vertices"][stored["faces"]].mean(axis=1)
        turn = (middle[:, 2] > 0.1) & (middle[:, 1] < 0.5) if name == "a patch turned" else np.ones(len(middle), bool)
        stored["faces"][turn] = stored["faces"][turn, ::-1]
        np.savez(scene / "mesh.npz", **stored)
        content, _ = read_sealed_json(scene / "scene.json")
        assert content["notes"].pop("oriented") is True
        content["files"]["mesh.npz"] = file_sha256(scene / "mesh.npz")
        (folder / "manifest.jsonl").unlink(missing_ok=True)
        (scene / "scene.json").write_text(json.dumps(content))
    found = sample_scene(read_renders(folder).scenes[0], POINTS, keep_mesh=True)
    assert any("turned" in notice for notice in found.notices) == (age == "old")
    for array in ("points/q", "points/inside", "points/confidence", "colours/q", "colours/normal", "colours/transfer"):
        assert (wanted.rows[array] == found.rows[array]).all(), array
