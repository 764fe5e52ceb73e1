"""The parts of true surfaces in shards: those of the renders, and none where nobody knows them."""

import h5py
import numpy as np
import pytest

from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.format import read_scene_mesh
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.verify import verify_shards
from support.labelled import write_labelled_scan

SMALL = SampleSettings(near_points=800, uniform_points=80, colour_points=80, ratios=(1.0, 0.0, 0.0), meshes="all")


@pytest.fixture(scope="module")
def sampled(figures, tmp_path_factory):
    """Shards of a person with labels and of a figure without."""
    root = tmp_path_factory.mktemp("parts")
    models = root / "models"
    write_labelled_scan(models / "known")
    (models / "unknown").symlink_to(figures / "one")
    settings = RenderSettings(views=1, size=32, rays=16, longest_edge_m=0.2)
    assert not render_models(models, root / "renders", settings, renderer="embree", jobs=1).failures
    assert not sample_renders(root / "renders", root / "shards", SMALL, jobs=1).failures
    return root


def test_surfaces_have_the_parts_of_their_renders(sampled):
    views = ViewDataset(sampled / "shards", "train", points=8, colour_points=0)
    scenes = {scene.subject: scene for scene in read_renders(sampled / "renders").scenes}
    for ref in views.views:
        mesh, _ = read_scene_mesh(scenes[ref.subject])
        read = views.scene_mesh(ref.scene)
        assert len(read.faces) == len(mesh.faces)
        if ref.subject == "unknown":
            assert read.face_part is None
        else:
            assert np.array_equal(read.face_part, mesh.face_part)
            assert len(np.unique(read.face_part)) == 8, "one part a box"


def test_shards_of_before_have_no_parts(sampled, tmp_path):
    """The same file without what came with labels reads as it did."""
    shards = tmp_path / "shards"
    shards.mkdir()
    for path in (sampled / "shards").iterdir():
        (shards / path.name).write_bytes(path.read_bytes())
    (path,) = shards.glob("*.h5")
    with h5py.File(path, "r+") as file:
        for name in ("meshes/part", "offsets/part", "checksums/meshes/part"):
            del file[name]
    views = ViewDataset(shards, "train", points=8, colour_points=0)
    assert all(views.scene_mesh(ref.scene).face_part is None for ref in views.views)
    assert len(views[0]["points"]) == 8


def test_such_shards_verify(sampled):
    assert verify_shards(sampled / "shards") == []
