"""Renders and shards of five small figures, shared by what evaluates views."""

import json

import pytest

from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings


@pytest.fixture(scope="session")
def figure_shards(figures, tmp_path_factory):
    """Shards with all true surfaces: the figures one to three to train on, four and five to measure."""
    root = tmp_path_factory.mktemp("figures")
    settings = RenderSettings(views=8, step_deg=45, size=64, rays=16)
    render_models(figures, root / "renders", settings, renderer="embree", jobs=1)
    split = root / "split.json"
    split.write_text(json.dumps({"train": ["one", "two", "three"], "test": ["four", "five"]}))
    sampling = SampleSettings(near_points=8000, uniform_points=8000, colour_points=1000, split_file=split, meshes="all")
    sample_renders(root / "renders", root / "shards", sampling, jobs=1)
    return root / "shards"
