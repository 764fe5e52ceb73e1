"""Dense supervision: closed forms of the truth, losses by brute force, and runs that begin with maps."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mpc.core.errors import SettingsError
from mpc.core.settings import override
from mpc.datasets.loading.views import CachedViews, ViewDataset
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.geometry.camera import pixel_centres, unproject
from mpc.models.features import PixelFeatures, normalise_images, project_points
from mpc.models.runs import load_run
from mpc.models.storage import load_network
from mpc.train.data import collate, open_views
from mpc.train.distributed import Group
from mpc.train.log import read_lines
from mpc.train.losses import iou
from mpc.train.maps import FACE_LAYERS, LAYERS, choose_layers, depth_error, map_figures, maps_loss, true_maps
from mpc.train.optimise import rate_factor
from mpc.train.presets import preset
from mpc.train.run import train, train_views
from mpc.train.stages import MapsStage, SurfaceStage
from mpc.train.step import augment_batch
from support import balls
from support.toy_runs import people, toy


def test_layers_of_ellipsoids_are_the_first_and_last_inside_points() -> None:
    """Along the ray of each pixel, inside points begin at the front's depth and end at the back's."""
    data = people(1, size=24)
    layers, camera = data.layers[1], data.cameras[1]
    xy = pixel_centres(24, 24).reshape(-1, 2)
    depths = np.linspace(-1.0, 1.0, 401)
    rays = np.concatenate([np.repeat(xy, len(depths), axis=0), np.tile(depths, len(xy))[:, None]], axis=1)
    inside = data.people[0].inside(unproject(rays, camera.calibration)).reshape(len(xy), -1)
    hit = inside.any(axis=1)
    front = layers["layers/depth_front"].numpy().ravel()
    back = layers["layers/depth_back"].numpy().ravel()
    assert (np.isfinite(front) != hit).sum() <= 2  # a ray may graze the surface between two depths
    both = hit & np.isfinite(front)
    assert both.sum() > 30
    np.testing.assert_allclose(front[both], depths[inside[both].argmax(axis=1)], atol=0.0051)
    np.testing.assert_allclose(back[both], depths[400 - inside[both][:, ::-1].argmax(axis=1)], atol=0.0051)
    normals = layers["layers/normal_front"].numpy().reshape(3, -1)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=0), np.isfinite(front), atol=1e-6)
    assert (normals[2][both] < 1e-6).all()  # towards the camera


def test_true_maps_make_the_true_field() -> None:
    """The rule on the true maps labels points as the ellipsoids do, but for gaps and the edges of pixels."""
    data = people(2, size=96, points=2000)
    batch = collate([data[0], data[6]])
    truth, _ = true_maps(batch)
    network = MapsStage(toy().surface_network, toy().maps, toy().mining).network.eval()
    config = network.config.encoder
    stack = torch.zeros(2, config.features, 96, 96)
    stack[:, :8], stack[:, 8] = truth, batch["image"][:, 3] / 255.0
    features = PixelFeatures((stack,), torch.zeros(2, config.fine_channels, 4, 4))
    scores = iou(network.query(features, batch["points"], batch["calibration"]), batch["labels"])
    assert scores.min() > 0.85


def test_losses_by_brute_force() -> None:
    generator = torch.Generator().manual_seed(0)
    data = people(1, size=12)
    batch = collate([data[0], data[1]])
    truth, shown = true_maps(batch)
    maps = truth + torch.randn(truth.shape, generator=generator)
    loss, error = maps_loss(maps, truth, shown), depth_error(maps, truth, shown)
    for item in range(2):
        depth, normal, pixels = 0.0, 0.0, 0
        for row in range(12):
            for column in range(12):
                if math.isnan(batch["layers/depth_front"][item, 0, row, column]):
                    continue
                pixels += 1
                difference = (maps - truth)[item, :, row, column].abs().double()
                depth, normal = depth + float(difference[:2].mean()), normal + float(difference[2:].mean())
        assert pixels > 5
        assert loss[item].item() == pytest.approx((10 * depth + normal) / pixels, rel=1e-5)
        assert error[item].item() == pytest.approx(depth / pixels, rel=1e-5)
    empty = torch.zeros_like(shown)
    assert maps_loss(maps, truth, empty).tolist() == [0.0, 0.0]


def test_figures_have_units() -> None:
    """A front that is 1 cm too near, a back that is turned by 90 degrees; then maps seen in a mirror along z."""
    data = people(1, size=24)
    batch = collate([data[1]])
    truth, shown = true_maps(batch)
    scale = float(batch["calibration"][0, 2, :3].norm())
    maps = truth.clone()
    maps[:, 0] -= 0.01 * scale
    maps[:, 5:8] = torch.cross(truth[:, 5:8], torch.ones_like(truth[:, 5:8]), dim=1)
    found = map_figures([(maps, truth, shown, batch["calibration"])])
    assert found["front_cm"] == pytest.approx(1.0, abs=1e-3)
    assert found["back_cm"] == pytest.approx(0.0, abs=1e-6)
    assert found["back_deg"] == pytest.approx(90.0, abs=0.1)
    assert found["middle"] == pytest.approx(1.0, abs=0.01)
    mirrored = torch.cat([-truth[:, [1, 0]], truth[:, 2:]], dim=1)
    assert map_figures([(mirrored, truth, shown, batch["calibration"])])["middle"] == pytest.approx(-1.0, abs=1e-3)


def test_a_run_goes_from_maps_to_the_surface_to_the_texture(tmp_path: Path) -> None:
    settings = toy(maps={"ema": 0.0, "steps": 12}, surface={"learning_rate": 1e-12, "ema": 0.0, "weight_decay": 0.0})
    run = train_views(people(), people(1, first=9), tmp_path, settings, name="a")
    lines = read_lines(run / "log.jsonl")
    assert [line["stage"] for line in lines] == ["maps"] * 12 + ["surface"] * 4 + ["texture"] * 4
    assert lines[11]["loss"] < 0.7 * lines[0]["loss"]
    assert {"val_iou", "val_front_cm", "val_middle"} <= lines[11].keys() & lines[15].keys()
    # The surface stage went on from the weights of the maps stage, which a vanishing rate has left alone.
    loaded = load_run(run)
    stored = load_network(run / "maps" / "best.safetensors")[0].encoder.level1.top.weight
    torch.testing.assert_close(loaded.surface.encoder.level1.top.weight, stored, atol=1e-6, rtol=0)
    assert loaded.texture is not None


def test_a_run_with_maps_alone_is_a_run(tmp_path: Path) -> None:
    """Its field is the rule on its maps, so that it can be looked at, and continued with the surface."""
    run = train_views(people(), None, tmp_path, toy(stages="maps"), name="a")
    batch = collate([people()[0]])
    network = load_run(run).surface
    features = network.encode(normalise_images(batch["image"]))
    z = project_points(batch["points"], batch["calibration"])
    pixel = features.sample(z[..., :2])[0]
    between = torch.minimum(z[..., 2] - pixel[..., 0], pixel[..., 1] - z[..., 2])
    expected = (between > 0) & (pixel[..., 8] > 0.5)
    assert torch.equal(network.query(features, batch["points"], batch["calibration"]) > 0.5, expected)
    resumed = train_views(people(), None, tmp_path, toy(stages="surface"), resume=run)
    assert [line["stage"] for line in read_lines(resumed / "log.jsonl")] == ["maps"] * 4 + ["surface"] * 4


def test_maps_are_mined_by_iou_or_by_error() -> None:
    batch = collate([people()[0], people()[1]])
    settings = toy()
    by_iou = MapsStage(settings.surface_network, settings.maps, settings.mining)
    by_error = MapsStage(
        settings.surface_network, settings.maps, override(settings.mining, {"maps_by": "error", "maps_alpha": 0.05})
    )
    by_error.network.load_state_dict(by_iou.network.state_dict())
    loss, score = by_iou.losses(by_iou.network.train(), batch)
    same, error = by_error.losses(by_error.network.train(), batch)
    assert torch.equal(loss, same)
    assert (score >= 0.0).all()
    assert (score <= 1.0).all()
    table = by_error.table(2, 0)
    assert table.weights() == pytest.approx(math.exp(0.2 / 0.05))  # unseen: as bad as 0.2
    table.update(np.array([0, 1]), by_error.mining_score(error).double().numpy(), 0)
    np.testing.assert_allclose(table.weights(), np.exp(error.double().numpy() / 0.05), rtol=1e-5)


def test_the_surface_stage_keeps_learning_the_maps() -> None:
    batch = collate([people()[0], people()[1]])
    parts = []
    for weight in (0.0, 1.0):
        settings = toy(surface={"maps": weight})
        torch.manual_seed(0)
        stage = SurfaceStage(settings.surface_network, settings.surface, settings.mining)
        parts.append((stage.losses(stage.network.train(), batch)[0], stage.network))
    network = parts[1][1]
    dense = maps_loss(network.encode(normalise_images(batch["image"])).maps[-1], *true_maps(batch))
    torch.testing.assert_close(parts[1][0] - parts[0][0], dense, rtol=1e-4, atol=1e-4)


def test_an_annealed_rate_is_held_and_then_falls() -> None:
    stage = override(toy().surface, {"schedule": "anneal", "decay_at": [0.6], "warmup": 0.0})
    assert [rate_factor(share, stage) for share in (0.0, 0.3, 0.6)] == [1.0, 1.0, 1.0]
    assert rate_factor(0.8, stage) == pytest.approx(0.01 + 0.99 / 2)
    assert rate_factor(1.0, stage) == pytest.approx(0.01)


def test_views_without_layers_and_wrong_sizes_are_named() -> None:
    assert choose_layers([*FACE_LAYERS, *LAYERS]) == LAYERS
    assert choose_layers(FACE_LAYERS) == FACE_LAYERS
    with pytest.raises(SettingsError, match="hold the layers depth_front, and maps are learned from depth_front"):
        choose_layers(["depth_front"])
    with pytest.raises(SettingsError, match="render and sample with --layers depth_front"):
        true_maps(collate([people(layers=False)[0]]))
    with pytest.raises(SettingsError, match="image_size is 32, the surface network's maps have 16"):
        toy(image_size=32)
    with pytest.raises(SettingsError, match="no maps to train"):
        preset("tiny", stages="maps")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("maps")
    balls.make_renders(root / "renders", balls=2, views=4, size=32, layers=LAYERS)
    settings = SampleSettings(near_points=256, uniform_points=64, colour_points=64, layers=LAYERS, ratios=(1, 0, 0))
    sample_renders(root / "renders", root / "shards", settings, jobs=1)
    return root / "shards"


def test_cached_layers_are_those_of_the_shards(shards: Path) -> None:
    options: dict[str, Any] = {"points": 8, "image_size": 16, "layers": LAYERS}
    plain, cached = ViewDataset(shards, "train", **options), CachedViews(shards, "train", **options)
    assert cached.decoded_bytes == 8 * 16 * 16 * (4 + 2 + 2 + 6 + 6)
    for _ in range(2):  # decoded, then from memory
        for name in LAYERS:
            one, other = plain[1][f"layers/{name}"], cached[1][f"layers/{name}"]
            torch.testing.assert_close(one, other, atol=1.1 / 65534, rtol=0, equal_nan=True)


def test_people_keep_size_and_place_while_maps_are_learned() -> None:
    settings = toy()
    group = Group(0, 1, torch.device("cpu"), "")
    data = people(2)
    batch = collate([data[view] for view in range(settings.maps.batch)])
    stages = [
        kind(settings.surface_network, getattr(settings, name), settings.mining)
        for kind, name in ((MapsStage, "maps"), (SurfaceStage, "surface"))
    ]
    maps, surface = (augment_batch(batch, stage, settings, 0, group) for stage in stages)
    given = batch["calibration"]
    assert torch.equal(maps["calibration"].abs(), given.abs())  # a mirror image changes signs alone
    assert not torch.equal(maps["calibration"], given)
    assert not torch.allclose(surface["calibration"].abs(), given.abs(), atol=0.01)


def test_the_recipe_trains_on_shards_with_layers(shards: Path, tmp_path: Path) -> None:
    settings = toy(maps={"points": 32, "steps": 16}, surface={"points": 32}, texture={"points": 32})
    assert true_maps(collate([open_views(shards, "train", settings, 8, 0)[0]]))[1].sum() > 10
    run = train(shards, tmp_path, settings, name="a")
    losses = [line["loss"] for line in read_lines(run / "log.jsonl")]
    assert len(losses) == 24
    assert sum(losses[12:16]) < 0.8 * sum(losses[:4])
