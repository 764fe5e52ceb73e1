"""Shards as they are viewed: labels and colours of balls in closed form, draws as a run's mining table gives them."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.train.mining import MiningTable
from mpc.view.recognise import ViewOptions, open_source
from mpc.view.sources.shards import COLOURS, INSIDE, OUTSIDE
from support.balls import COLOUR, RADIUS, centre, make_renders

SETTINGS = SampleSettings(near_points=400, uniform_points=80, colour_points=60, ratios=(0.5, 0.25, 0.25))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Six balls in shards, with depths."""
    root = tmp_path_factory.mktemp("view")
    make_renders(root / "renders", layers=("depth_front",), boxed=True)
    settings = SampleSettings(**{**vars(SETTINGS), "layers": ("depth_front",)})
    summary = sample_renders(root / "renders", root / "shards", settings, jobs=1)
    assert not summary.failures
    return root / "shards"


def write_run(folder, scores, drawn, *, stage="surface", **mining):
    """A run whose stage has these mining weights."""
    settings = {"surface_alpha": 0.15, "surface_beta": 10.0, "texture_alpha": 0.7, "texture_beta": 0.0,
                "maps_by": "iou", "maps_alpha": 0.05, **mining}  # fmt: skip
    (folder / stage).mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"settings": {"mining": settings}}))
    save_file({"mining/scores": scores, "mining/drawn": drawn, "network/x": np.zeros(3)},
              folder / stage / "state.safetensors")  # fmt: skip
    return folder


def shown(source, name, **chosen):
    values = {control.name: control.value(chosen) for control in source.controls(name, chosen)}
    return source.show(name, values)


def number_of(name):
    return int(name.partition("/")[0].removeprefix("ball_"))


def test_samples_are_coloured_by_the_side_on_which_they_lie(shards):
    source = open_source(shards)
    assert source.names() == [f"ball_{number}/scan_0000" for number in range(6)]
    (cloud,) = shown(source, "ball_3/scan_0000", samples="all points").points
    distance = np.linalg.norm(cloud.places - centre(3), axis=1)
    assert len(distance) == 480
    clear = np.abs(distance - RADIUS) > 0.01  # the facets of the ball lie a little inside
    wanted = np.where((distance < RADIUS)[:, None], INSIDE, OUTSIDE)
    assert (cloud.colours[clear] == wanted[clear]).all()
    assert 0.2 < (distance < RADIUS).mean() < 0.8
    parts = [shown(source, "ball_3/scan_0000", samples="all points", labels=side) for side in ("inside", "outside")]
    assert sum(len(part.points[0].places) for part in parts) == 480
    assert (parts[0].points[0].colours == INSIDE).all()


def test_colour_samples_have_the_light_of_the_view(shards):
    source = open_source(shards)
    for view, share in (("000", 1 / 4), ("270", 1.0)):
        (cloud,) = shown(source, "ball_0/scan_0000", view=view, samples=COLOURS).points
        assert np.linalg.norm(cloud.places - centre(0), axis=1) == pytest.approx(RADIUS, abs=0.01)
        expected = np.array(COLOUR) * share ** (1 / 2.2)
        assert np.abs(cloud.colours - expected).max() < 2


def test_a_view_has_its_picture_its_layer_and_its_cameras(shards):
    source = open_source(shards)
    content = shown(source, "ball_1/scan_0000", view="090", layer="depth_front", samples="none")
    assert [picture.title for picture in content.pictures] == ["depth_front", "picture"]
    (cloud,) = content.points
    assert np.abs(np.linalg.norm(cloud.places - centre(1), axis=1) - RADIUS).max() < 0.01
    assert [mark.name for mark in content.later().cameras if mark.chosen] == ["090"]


def test_the_true_surface_is_shown_where_it_is_kept(shards):
    source = open_source(shards)
    for name in source.names():
        content = shown(source, name)
        train = content.facts["split"].startswith("train")
        assert len(content.bodies) == (0 if train else 1)
        assert any("--meshes all" in remark for remark in content.remarks) == train
        if not train:
            mesh = content.bodies[0].mesh
            assert np.linalg.norm(mesh.vertices - centre(number_of(name)), axis=1) == pytest.approx(RADIUS, abs=1e-5)


def test_draws_follow_the_weights_of_the_run(shards, tmp_path):
    views = ViewDataset(shards, "train", points=0).views
    scores = np.linspace(0.0, 0.9, len(views))
    table = MiningTable(len(views), alpha=0.15, beta=10.0, unseen=0.0, uniform=False, seed=0, purpose="x")
    table.scores = scores
    run = write_run(tmp_path / "run", scores, np.arange(len(views)))
    source = open_source(shards, ViewOptions(run=run))
    mined = source.mining.stages[0]
    assert mined.weights == pytest.approx(table.weights())
    for number, view in enumerate(views):
        key, chosen = source.mining.place(number)
        content = shown(source, key, **chosen)
        assert key == view.scene_key
        assert content.facts["view"].startswith(f"{view.view_name}:")
        assert f"drawn {number} times, weight {table.weights()[number]:.4g}" in content.facts["mining, surface"]
    (draw,) = source.draws
    names = [draw.pick() for _ in range(4000)]
    counts = np.zeros(len(views))
    place = {(view.scene_key, row): number for number, view in enumerate(views) for row in [number % 4]}
    for key, chosen in names:
        counts[place[key, int(chosen["view"].removeprefix("#"))]] += 1
    share = table.probabilities()
    assert np.abs(counts / 4000 - share).max() < 5 * np.sqrt(0.25 / 4000)
    assert counts[0] > counts[-1]


@pytest.mark.parametrize(
    ("stage", "mining", "weight"),
    [
        ("maps", {}, lambda s: np.exp(-s / 0.15 + 10)),
        ("maps", {"maps_by": "error"}, lambda s: np.exp(-s / 0.05)),
        ("texture", {}, lambda s: np.exp(-s / 0.7)),
    ],
)
def test_each_stage_has_its_own_weights(shards, tmp_path, stage, mining, weight):
    count = len(ViewDataset(shards, "train", points=0).views)
    scores = np.linspace(-0.5, 0.0, count)
    run = write_run(tmp_path / "run", scores, np.zeros(count, np.int64), stage=stage, **mining)
    source = open_source(shards, ViewOptions(run=run))
    assert source.mining.stages[0].weights == pytest.approx(weight(scores))
    assert source.draws[0].label.endswith(stage)


def test_a_run_of_other_shards_is_refused(shards, tmp_path):
    run = write_run(tmp_path / "run", np.zeros(3), np.zeros(3, np.int64))
    with pytest.raises(InputError, match="has weights of 3 views, the training split of"):
        open_source(shards, ViewOptions(run=run))
    (run / "surface" / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"state\.safetensors: does not read"):
        open_source(shards, ViewOptions(run=run))
    (run / "surface" / "state.safetensors").unlink()
    with pytest.raises(InputError, match="holds no mining weights yet"):
        open_source(shards, ViewOptions(run=run))
    with pytest.raises(SettingsError, match="--shards: no effect"):
        open_source(shards, ViewOptions(shards=shards))
