"""Meshes beside the truth: balls whose errors are known in closed form."""

import numpy as np
import pytest
import trimesh

from mpc.core.errors import InputError, SettingsError
from mpc.formats.mesh_files import write_mesh
from mpc.geometry.mesh import PosedMesh
from mpc.pages.pictures import heat_colours
from mpc.view.recognise import ViewOptions, open_source
from mpc.view.sources.compared import BESIDE, ERROR, MISSING


def ball(path, radius):
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    mesh = PosedMesh(np.asarray(sphere.vertices, np.float64), np.asarray(sphere.faces, np.int32))
    write_mesh(path, mesh)
    return path


def shown(source, name, **chosen):
    values = {control.name: control.value(chosen) for control in source.controls(name, chosen)}
    return source.show(name, values)


@pytest.fixture
def folders(tmp_path):
    """Predictions of balls 2 cm too large, in centimetres; one truth without a prediction."""
    for folder, radius in (("pred", 52.0), ("truth", 50.0)):
        (tmp_path / folder).mkdir()
        ball(tmp_path / folder / "one.ply", radius)
    ball(tmp_path / "truth" / "two.ply", 50.0)
    return tmp_path / "pred", tmp_path / "truth"


def test_errors_of_balls_are_those_of_their_radii(folders):
    source = open_source(folders[0], ViewOptions(truth=folders[1]))
    assert list(source.names()) == ["one", "two"]
    content = shown(source, "one", arrangement=ERROR)
    assert "Chamfer" not in content.facts
    whole = content.later()
    for name in ("Chamfer", "P2S (prediction to truth)", "S2P (truth to prediction)"):
        assert float(whole.facts[name].removesuffix(" cm")) == pytest.approx(2.0, abs=0.02)
    (body,) = whole.bodies
    assert np.linalg.norm(body.mesh.vertices, axis=1) == pytest.approx(0.52, abs=1e-6)
    expected = heat_colours(np.array([2.0]), 5.0)[0].astype(int)
    assert np.abs(body.mesh.vertex_colours[:, :3].astype(int) - expected).max() <= 4
    (truth,) = shown(source, "one", arrangement=MISSING).later().bodies
    assert np.linalg.norm(truth.mesh.vertices, axis=1) == pytest.approx(0.5, abs=1e-6)


def test_both_stand_beside_one_another(folders):
    source = open_source(folders[0], ViewOptions(truth=folders[1]))
    predicted, true = shown(source, "one", arrangement=BESIDE).bodies
    assert true.mesh.bounds[0, 0] > predicted.mesh.bounds[1, 0]
    over = shown(source, "one", arrangement="one over the other").bodies
    assert over[1].mesh.bounds.mean(axis=0) == pytest.approx(over[0].mesh.bounds.mean(axis=0), abs=1e-6)


def test_two_files_are_a_pair_whatever_their_names(tmp_path):
    one, other = ball(tmp_path / "a.ply", 0.5), ball(tmp_path / "b.ply", 0.5)
    source = open_source(one, ViewOptions(truth=other))
    assert list(source.names()) == ["a.ply"]
    assert shown(source, "a.ply").later().facts["Chamfer"].startswith("0.0")


def test_what_cannot_be_compared_is_told(folders):
    source = open_source(folders[0], ViewOptions(truth=folders[1]))
    with pytest.raises(InputError, match=r"two\.ply: has no prediction"):
        shown(source, "two")
    with pytest.raises(SettingsError, match="give a mesh for a mesh"):
        open_source(folders[0], ViewOptions(truth=folders[1] / "one.ply")).names()
    (folders[0] / "one.ply").write_text("damaged")
    with pytest.raises(InputError, match=r"one\.ply"):
        shown(source, "one")


def test_a_mesh_alone_is_shown_as_it_stands(tmp_path):
    path = ball(tmp_path / "ball.ply", 50.0)
    source = open_source(path)
    content = shown(source, *source.names())
    assert content.facts["size, as it stands"] == "100 x 100 x 100"
    assert content.facts["faces"] == "5,120"
    path.unlink()
    with pytest.raises(InputError, match=r"ball\.ply"):
        shown(source, "ball.ply")
