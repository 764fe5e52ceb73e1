"""What is known of a subject's licence comes from the nearest licence file, or from the data set it belongs to."""

import pytest

from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.settings import SampleSettings
from mpc.subjects.find import find_subjects
from mpc.subjects.licences import LONGEST, Licences
from support import layout_folders
from support.figures import write_figure


def note(folder, models=None, terms=""):
    return Licences(models or folder).note(folder, terms)


@pytest.mark.parametrize(
    "name", ["LICENSE", "licence.txt", "LICENSES.md", "COPYING", "License-CC-BY.txt", "Terms.html"]
)
def test_names_of_licence_files(tmp_path, name):
    (tmp_path / name).write_text("\n# CC0 1.0\n\nPublic domain.\n")
    assert note(tmp_path) == f"{name}: CC0 1.0 Public domain."


@pytest.mark.parametrize("name", ["licensed_people.obj", "notes.txt", "terminal.txt"])
def test_other_files_are_none(tmp_path, name):
    (tmp_path / name).write_text("CC0")
    assert note(tmp_path) == ""


def test_the_nearest_file_counts_and_none_above_the_models(tmp_path):
    models, deep = tmp_path / "models", tmp_path / "models" / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "LICENSE").write_text("of something else")
    assert note(deep, models, "terms of the set") == "terms of the set"
    (models / "LICENSE").write_text("of all")
    assert note(deep, models, "terms of the set") == "LICENSE: of all"
    (deep / "LICENSE").write_text("of one")
    assert note(deep, models) == "a/b/LICENSE: of one"


def test_long_and_binary_files_are_quoted_in_one_short_line(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "LICENSE").write_text("word \x1b[2J " * 500)
    long = note(tmp_path / "x")
    assert len(long) <= LONGEST + 20
    assert long.isprintable()
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "LICENSE.pdf").write_bytes(b"%PDF\xff\xfe\x00")
    assert note(tmp_path / "y") == "LICENSE.pdf"


def test_data_sets_have_their_terms(tmp_path):
    layout_folders.thuman(tmp_path / "THuman2.0", 1, 1.0)
    (subject,) = find_subjects(tmp_path)
    assert "for research alone" in subject.licence


def test_terms_reach_the_index_of_the_shards(tmp_path):
    write_figure(tmp_path / "models" / "anna", 0)
    write_figure(tmp_path / "models" / "ben", 1)
    (tmp_path / "models" / "anna" / "LICENSE.txt").write_text("CC BY 4.0, Anna\n")
    renders, shards = tmp_path / "renders", tmp_path / "shards"
    settings = RenderSettings(views=1, size=32, rays=16)
    render_models(tmp_path / "models", renders, settings, renderer="embree", jobs=1)
    sample_renders(renders, shards, SampleSettings(near_points=64, uniform_points=64, colour_points=64), jobs=1)
    assert read_index(shards).licences == {"anna": "anna/LICENSE.txt: CC BY 4.0, Anna"}
