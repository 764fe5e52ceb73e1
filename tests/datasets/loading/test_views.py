"""The torch dataset: right points, right colours, the same in any process."""

import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.loading import points as scene_rows
from mpc.datasets.loading.points import mixture_counts
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.format import read_scene_mesh
from mpc.datasets.renders.read import read_renders
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.format import PointSetInfo
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.pictures import boxed_png, load_picture
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.verify import check_shard, verify_shards
from mpc.formats.png import decode_png
from mpc.geometry.camera import project
from mpc.sampling.winding.winding import winding_number
from support import balls

SETTINGS = SampleSettings(near_points=4000, uniform_points=2000, colour_points=800, shard_bytes=150_000)


@pytest.fixture(scope="module")
def renders(tmp_path_factory) -> Path:
    return balls.make_renders(tmp_path_factory.mktemp("a") / "renders")


@pytest.fixture(scope="module")
def shards(renders, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("b") / "shards"
    sample_renders(renders, out, SETTINGS, jobs=1)
    return out


def train(shards: Path, **options) -> ViewDataset:
    return ViewDataset(shards, "train", **{"points": 500, "colour_points": 300, **options})


def test_shapes_and_types(shards):
    dataset = train(shards)
    assert len(dataset) == 16
    assert len(dataset.scene_keys) == 4
    item = dataset[5]
    wanted = {
        "image": ((4, 64, 64), torch.uint8),
        "calibration": ((4, 4), torch.float32),
        "light": ((9, 3), torch.float32),
        "facing": ((3,), torch.float32),
        "points": ((500, 3), torch.float32),
        "labels": ((500,), torch.float32),
        "colour_points": ((300, 3), torch.float32),
        "colour_normals": ((300, 3), torch.float32),
        "colours": ((300, 3), torch.float32),
        "view": ((), torch.int64),
        "scene": ((), torch.int64),
    }
    assert {name: (tuple(value.shape), value.dtype) for name, value in item.items()} == wanted
    assert all(value.is_contiguous() for value in item.values())
    assert (int(item["view"]), int(item["scene"])) == (5, dataset.views[5].scene)
    without = ViewDataset(shards, "train", points=0, colour_points=0)[0]
    assert without["points"].shape == (0, 3)
    assert without["colours"].shape == (0, 3)


def test_labels_agree_with_the_sphere_and_the_true_surface(shards):
    for split in ("train", "val", "test"):
        dataset = ViewDataset(shards, split, points=500, colour_points=300)
        for view in range(0, len(dataset), 3):
            item = dataset[(view, 7)]
            number = int(dataset.views[view].subject.split("_")[1])
            distance = np.linalg.norm(item["points"].double().numpy() - balls.centre(number), axis=1)
            labels = item["labels"].numpy() > 0.5
            # The polyhedron lies between two spheres.
            assert labels[distance < 0.494].all()
            assert not labels[distance > 0.5001].any()
            assert 0.2 < labels.mean() < 0.7
            on = np.linalg.norm(item["colour_points"].double().numpy() - balls.centre(number), axis=1)
            assert np.abs(on - 0.5).max() < 0.006
            if split != "train":
                corners = dataset.scene_mesh(int(item["scene"])).corners
                assert ((winding_number(corners, item["points"].double().numpy()) > 0.5) == labels).all()


def test_confidence_of_open_scenes_is_kept_and_that_of_closed_ones_is_one(tmp_path):
    balls.make_renders(tmp_path / "renders", balls=4, cut=(0, 1, 2))
    (tmp_path / "split.json").write_text('{"train": ["ball_0", "ball_1", "ball_3"], "val": ["ball_2"]}')
    settings = SampleSettings(
        near_points=2000, uniform_points=1000, colour_points=500, split_file=tmp_path / "split.json"
    )
    sample_renders(tmp_path / "renders", tmp_path / "shards", settings, jobs=1)
    index = read_index(tmp_path / "shards")
    assert sorted(index.ambiguous) == [f"ball_{k}/scan_0000" for k in range(3)]
    dataset = ViewDataset(tmp_path / "shards", "train", points=600, confidence=True)
    for view in range(0, len(dataset), 3):
        item = dataset[(view, view)]
        if item["scene"] == 2:
            assert (item["confidence"] == 1).all()
            continue
        scene = read_renders(tmp_path / "renders").scenes[int(item["scene"])]
        exact = winding_number(read_scene_mesh(scene)[0].corners, item["points"].double().numpy())
        assert ((exact > 0.5) == (item["labels"].numpy() > 0.5)).all()
        wanted = np.clip(2 * np.abs(exact - 0.5), 0, 1)
        assert np.abs(item["confidence"].numpy() - wanted).max() < 0.25
        assert np.corrcoef(item["confidence"].numpy(), wanted)[0, 1] > 0.98
    assert verify_shards(tmp_path / "shards") == []


def test_shards_without_the_later_datasets_still_read(shards, tmp_path):
    shutil.copytree(shards, tmp_path / "shards")
    for path in (tmp_path / "shards").glob("*.h5"):
        with h5py.File(path, "r+") as file:
            for name in ("scenes/ambiguous_share", "points/confidence", "checksums/points/confidence", "offsets/doubt"):
                del file[name]
    old, new = (ViewDataset(folder, "train", points=500, confidence=True) for folder in (tmp_path / "shards", shards))
    assert all(torch.equal(old[3][name], value) for name, value in new[3].items())
    assert check_shard(next((tmp_path / "shards").glob("train*.h5"))) == []


def test_true_surfaces_of_train_are_kept_on_request_only(renders, shards, tmp_path):
    with pytest.raises(InputError, match="--meshes all"):
        train(shards).scene_mesh(0)
    small = SampleSettings(near_points=800, uniform_points=800, colour_points=80, meshes="all")
    sample_renders(renders, tmp_path / "all", small, jobs=1)
    mesh = ViewDataset(tmp_path / "all", "train", points=100).scene_mesh(1)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - mesh.vertices.mean(axis=0), axis=1), 0.5, atol=1e-3)


def test_points_lie_in_the_view_and_follow_the_mixture(shards):
    dataset = train(shards, points=400, mixture={"near_50mm": 1.0, "uniform": 3.0})
    assert dataset.counts == (100, 0, 300)
    for view in range(len(dataset)):
        item = dataset[view]
        inside_view = project(item["points"].double().numpy(), item["calibration"].double().numpy())
        assert np.abs(inside_view).max() <= 1.0 + 1e-5
        # Uniform in the cube: the mean of a coordinate of 300 points has a standard error of 1/30.
        assert np.abs(inside_view[100:].mean(axis=0)).max() < 0.17
        assert np.abs(inside_view[100:].std(axis=0) - 1 / np.sqrt(3)).max() < 0.1


def test_balanced_draws_hold_as_many_inside_as_outside(shards):
    mixture = {"near_50mm": 1.0, "uniform": 3.0}
    plain, balanced = (train(shards, points=200, mixture=mixture, balanced=b) for b in (False, True))
    for view in range(len(plain)):
        item = balanced[view]
        assert 0.1 < plain[view]["labels"].mean() < 0.4
        assert item["labels"].sum() == 100
        assert len(np.unique(item["points"].numpy(), axis=0)) == 200
        assert np.abs(project(item["points"].double().numpy(), item["calibration"].double().numpy())).max() <= 1 + 1e-5
        assert (item["points"] == balanced[(view, 0)]["points"]).all()
        # Inside points come from both kinds: half the radius is five sigmas of the near ones.
        number = int(balanced.views[view].subject.split("_")[1])
        radius = np.linalg.norm(item["points"].double().numpy() - balls.centre(number), axis=1)
        inside = item["labels"].numpy() > 0.5
        assert (inside == (radius < 0.5)).mean() > 0.97  # the ball is a polyhedron
        assert (radius[inside] < 0.25).any()
    # All on one side: the other cannot fill its half.
    draw = scene_rows._half_of_each_side
    rng = np.random.default_rng(0)
    assert (draw(np.ones(20, bool), 10, rng) < 20).all()
    assert len(draw(np.zeros(20, bool), 10, rng)) == 10
    few = np.arange(20) < 3
    assert few[draw(few, 10, rng)].sum() == 3
    assert few[draw(~few, 10, rng)].sum() == 3
    # A pool of 2,000 uniform points, few of them inside: as many as are sure to lie in the view.
    assert len(train(shards, points=480, mixture={"uniform": 1.0}, balanced=True)[0]["points"]) == 480
    with pytest.raises(SettingsError, match="the pool holds"):
        train(shards, points=1800, mixture={"uniform": 1.0}, balanced=True)


def test_colours_are_those_of_each_views_own_light(shards):
    dataset = train(shards)
    for view in range(4):
        share = (view + 1) / 4  # of white light
        wanted = np.array(balls.COLOUR) / 255 * share ** (1 / 2.2)
        np.testing.assert_allclose(dataset[view]["colours"].numpy(), np.tile(wanted, (300, 1)), atol=6e-4)
    normals = dataset[0]["colour_normals"].numpy()
    number = int(dataset.views[0].subject.split("_")[1])
    outward = (dataset[0]["colour_points"].double().numpy() - balls.centre(number)) / 0.5
    assert (normals * outward).sum(axis=1).min() > 0.99


def test_calibration_image_and_points_agree(shards):
    """Points inside project onto the disc, moved down by one pixel a view as the pictures were."""
    dataset = train(shards)
    for view in range(len(dataset)):
        item = dataset[view]
        number = int(dataset.views[view].subject.split("_")[1])
        inside = item["points"][item["labels"] > 0.5].double().numpy()
        inside = inside[np.linalg.norm(inside - balls.centre(number), axis=1) < 0.47]  # a pixel within the rim
        pixel = (project(inside, item["calibration"].double().numpy()) + 1) * 32 - 0.5
        row, column = np.rint(pixel[:, 1]).astype(int), np.rint(pixel[:, 0]).astype(int)
        alpha = item["image"][3].numpy()
        assert (alpha[row + view % 4, column] > 0).all()
        assert not (alpha[row + view % 4 - 3, column] > 0).all(), "a picture three pixels off would pass"
        assert abs((alpha > 200).mean() - np.pi * (0.5 / 2.4) ** 2) < 0.01


def test_pictures_come_back_bit_for_bit(renders, shards):
    dataset = train(shards)
    for view, ref in enumerate(dataset.views):
        whole = decode_png((renders / ref.scene_key / f"{ref.view_name}.png").read_bytes())
        assert (dataset.picture(view) == whole.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("size", [32, 16, 48])
def test_smaller_pictures_average_areas_with_premultiplied_alpha(shards, size):
    full, small = train(shards), train(shards, image_size=size)
    for view in range(4):
        exact = full.picture(view).astype(np.float64)
        alpha = exact[3:]
        weights = np.clip(
            np.minimum(np.arange(1, 65)[None], (np.arange(size)[:, None] + 1) * 64 / size)
            - np.maximum(np.arange(64)[None], np.arange(size)[:, None] * 64 / size),
            0,
            None,
        ) / (64 / size)
        mean = np.einsum("ri,cij,sj->crs", weights, np.concatenate([exact[:3] * alpha, alpha]), weights)
        found = small.picture(view).astype(np.float64)
        assert np.abs(found[3] - mean[3]).max() <= 1.0
        solid = mean[3] > 100
        wanted = mean[:3, solid] / mean[3, solid]
        assert np.abs(found[:3, solid] - wanted).max() <= 3.0


def test_an_empty_and_a_full_picture_survive_the_crop():
    import io

    from PIL import Image

    for value in (0, 255):
        pixels = np.full((16, 16, 4), value, np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        data, box, shape = boxed_png(buffer.getvalue())
        assert shape == (16, 16)
        assert (load_picture(data, box, 16, 16) == value).all()
        assert (load_picture(data, box, 16, 8) == value).all()


def test_draws_repeat_and_differ(shards):
    first, again = train(shards), train(shards)
    for item in ((3, 0), (3, 1), (4, 0)):
        assert all(torch.equal(first[item][name], again[item][name]) for name in first[item])
    assert torch.equal(first[3]["points"], first[(3, 0)]["points"])
    assert not torch.equal(first[(3, 0)]["points"], first[(3, 1)]["points"])
    assert not torch.equal(first[(3, 0)]["points"], train(shards, seed=1)[(3, 0)]["points"])
    # Draws of one view cover the pool.
    pool = {tuple(point) for draw in range(60) for point in first[(3, draw)]["points"][:236].tolist()}
    assert len(pool) > 1500


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_workers_give_the_same(shards, method):
    dataset = train(shards)
    dataset[0]  # a file is open when the workers start
    order = [(view, 2) for view in (0, 7, 3, 15)]
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=2, sampler=order, num_workers=2, multiprocessing_context=method
    )
    batches = list(loader)
    assert [batch["view"].tolist() for batch in batches] == [[0, 7], [3, 15]]
    for batch, pair in zip(batches, (order[:2], order[2:]), strict=True):
        for row, item in enumerate(pair):
            for name, value in dataset[item].items():
                assert torch.equal(batch[name][row], value), name
    assert len(pickle.dumps(dataset)) < 100_000, "a worker is sent more than tables"


def test_clear_refusals(shards, tmp_path):
    with pytest.raises(InputError, match=r"no index\.json"):
        ViewDataset(tmp_path, "train")
    with pytest.raises(InputError, match="split 'tset'"):
        ViewDataset(shards, "tset")
    with pytest.raises(SettingsError, match="stored with 64"):
        train(shards, image_size=128)
    with pytest.raises(SettingsError, match="the pool holds 2000"):
        train(shards, points=5000)
    with pytest.raises(SettingsError, match="the pool holds 800"):
        train(shards, colour_points=5000)
    with pytest.raises(SettingsError, match="near_5mm"):
        train(shards, mixture={"near_5mm": 1.0})
    dataset = train(shards, points=2000, mixture={"uniform": 1.0})
    with pytest.raises(InputError, match="draw fewer"):
        dataset[0]


def test_mixture_defaults_to_sixteen_to_one():
    sets = (
        PointSetInfo("near_50mm", 0.05, 10**6),
        PointSetInfo("near_10mm", 0.01, 10**6),
        PointSetInfo("uniform", 0.0, 10**6),
    )
    assert mixture_counts(sets, 17_000, None) == (8000, 8000, 1000)
    assert sum(mixture_counts(sets, 4999, None)) == 4999
