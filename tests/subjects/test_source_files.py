"""A resumed run notices that any file of a person has changed, not only the mesh."""

import json
import shutil

import pytest

from mpc.core.errors import InputError
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.formats.limits import note_files, read_bytes
from mpc.formats.named_files import resolve_inside

SETTINGS = RenderSettings(views=1, size=32, rays=16)


def render(models, out):
    summary = render_models(models, out, SETTINGS, renderer="embree", jobs=1)
    assert not summary.failures
    return summary.rendered, summary.kept


def test_a_changed_texture_or_material_library_is_rendered_anew(figures, tmp_path):
    models, out = tmp_path / "models", tmp_path / "renders"
    for name in ("one", "two"):
        shutil.copytree(figures / name, models / name)
    assert render(models, out) == (2, 0)
    notes = json.loads((out / "two" / "scan_0000" / "scene.json").read_text())["notes"]
    others = sorted(path.name for path in (models / "two").iterdir() if path.name != "mesh.obj")
    # Labels may lie beside any mesh, so those that do not are noted, too.
    assert notes["source_files"].pop("mesh.labels.npz") == "absent"
    assert sorted(notes["source_files"]) == others
    assert len(others) == 2, "a library and a texture"
    for name in others:
        file = models / "two" / name
        file.write_bytes(file.read_bytes() + b"\n# changed\n")
        assert render(models, out) == (1, 1), name
        assert render(models, out) == (0, 2)


def test_a_library_that_was_missing_and_now_is_there(figures, tmp_path):
    models, out = tmp_path / "models", tmp_path / "renders"
    shutil.copytree(figures / "one", models / "one")
    (models / "one" / "mesh.mtl").rename(tmp_path / "away")
    assert render(models, out) == (1, 0)
    assert render(models, out) == (0, 1)
    (tmp_path / "away").rename(models / "one" / "mesh.mtl")
    assert render(models, out) == (1, 0)


def test_readers_tell_which_files_they_ask_for(tmp_path):
    (tmp_path / "there.mtl").write_text("newmtl a\n")
    with note_files() as outer:
        with note_files() as asked:
            read_bytes(tmp_path / "there.mtl")
            with pytest.raises(InputError, match="is not there"):
                resolve_inside(tmp_path, "skin.png", tmp_path / "a.obj", "the texture")
        read_bytes(tmp_path / "there.mtl")
    assert {path.name for path in asked} == {"there.mtl", "skin.png"}
    assert {path.name for path in outer} == {"there.mtl"}
