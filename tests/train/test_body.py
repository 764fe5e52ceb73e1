"""Bodies in training: noise by seed, moved with their pictures, from known layers and from fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError, MpcError, SettingsError
from mpc.core.files import read_json
from mpc.core.progress import NoProgress
from mpc.core.randomness import derive_rng
from mpc.datasets.loading.body import KNOWN, body_maps
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.shards.bodies import BODIES, body_values
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.landmarks import LANDMARKS, ShardLandmarks
from mpc.datasets.shards.settings import SampleSettings
from mpc.models.person.landmarks import landmarks_in
from mpc.train import fill_views, fit_bodies
from mpc.train.body import BodySettings, disturb_body
from mpc.train.data import collate, open_views
from mpc.train.distributed import Group
from mpc.train.fit_bodies import fit_all_bodies
from mpc.train.log import read_lines
from mpc.train.run import train
from mpc.train.stages import MapsStage
from mpc.train.step import augment_batch
from support import balls
from support.stick_person import stick_person
from support.toy_runs import toy

MAPS = ("depth_front", "depth_back", "smooth_normal_front", "smooth_normal_back")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Balls with smaller balls below, and shards of the same without those."""
    root = tmp_path_factory.mktemp("body")
    renders = balls.make_renders(root / "renders", size=16, layers=(*MAPS, *KNOWN))
    for name, layers in (("known", (*MAPS, *KNOWN)), ("plain", MAPS)):
        settings = SampleSettings(near_points=8000, uniform_points=8000, colour_points=64, layers=layers)
        sample_renders(renders, root / name, settings, jobs=1)
    return root


def settings(source, **overrides):
    return toy(surface_network={"encoder": {"body": source}}, stages="maps", **overrides)


def some_bodies(count=4, size=16):
    """Boxes of 8 x 8 pixels, 0.2 thick, each at a depth of its own."""
    bodies = torch.full((count, 8, size, size), torch.nan)
    bodies[:, :, 4:12, 4:12] = 0.0
    for number in range(count):
        bodies[number, 0, 4:12, 4:12], bodies[number, 1, 4:12, 4:12] = 0.1 * number - 0.1, 0.1 * number + 0.1
    bodies[:, 4, 4:12, 4:12], bodies[:, 7, 4:12, 4:12] = -1.0, 1.0
    return bodies


def disturb(bodies, options, *, noisy=True, rows=slice(None), seed=0):
    return disturb_body(
        bodies[rows], options, noisy=noisy, rng=derive_rng(seed, "body", "maps", 0), rows=rows, count=len(bodies)
    )


def test_noise_bends_front_and_back_alike_and_moves_the_outline():
    bodies = some_bodies()
    still = BodySettings(left_out=0.0, depth_noise=0.0, shift_noise=0.0)
    assert torch.equal(disturb(bodies, still).nan_to_num(9), bodies.nan_to_num(9))
    bent = disturb(bodies, BodySettings(left_out=0.0, depth_noise=0.1, shift_noise=0.0))
    assert torch.equal(bent.isnan(), bodies.isnan())
    torch.testing.assert_close(bent[:, 1] - bent[:, 0], bodies[:, 1] - bodies[:, 0], equal_nan=True)
    torch.testing.assert_close(bent[:, 2:], bodies[:, 2:], equal_nan=True)
    assert (bent - bodies)[:, 0].nan_to_num().abs().amax(dim=(1, 2)).min() > 1e-3
    moved = disturb(bodies, BodySettings(left_out=0.0, depth_noise=0.0, shift_noise=0.2))
    assert (moved.isnan() != bodies.isnan()).any()
    for number in range(len(bodies)):  # whole pixels of the body, from elsewhere
        depths = moved[number, 0][torch.isfinite(moved[number, 0])]
        assert (depths - (0.1 * number - 0.1)).abs().max() < 1e-6
    without = disturb(bodies, BodySettings(left_out=0.0, depth_noise=0.1), noisy=False)
    assert torch.equal(without.nan_to_num(9), bodies.nan_to_num(9))


def test_the_noise_of_depth_has_the_spread_that_is_said():
    """Each view's is drawn evenly up to the greatest: the mean square is a third of it, once whole and once by part."""
    bodies = some_bodies(400)
    bent = disturb(bodies, BodySettings(left_out=0.0, depth_noise=0.1, shift_noise=0.0))
    corner = (bent - bodies)[:, 0, 4, 4]
    assert 0.6 < corner.square().mean() / (2 * 0.1**2 / 3) < 1.4


def test_a_third_is_left_out_whatever_the_number_of_processes():
    bodies = some_bodies(300)
    whole = disturb(bodies, BodySettings())
    share = whole.isnan().all(dim=(1, 2, 3)).float().mean()
    assert 0.25 < share < 0.42
    for rank in range(3):
        rows = slice(rank, None, 3)
        assert torch.equal(disturb(bodies, BodySettings(), rows=rows).nan_to_num(9), whole[rows].nan_to_num(9))
    assert disturb(bodies, BodySettings(left_out=1.0)).isnan().all()


def test_bodies_move_with_their_pictures(shards):
    """Mirrored, shifted and scaled in the surface stage: depths scale, and the body stays below the surface."""
    options = settings(
        "known", body={"left_out": 0.0, "depth_noise": 0.0, "shift_noise": 0.0},
        augment={"flip": 1.0, "scale": 0.3, "shift": 0.2},
    )  # fmt: skip
    data = open_views(shards / "known", "train", options, 64, 0, train=True)
    batch = collate([data[view] for view in range(4)])
    stage = MapsStage(options.surface_network, options.surface, options.mining)
    stage.name = "surface"
    moved = augment_batch(batch, stage, options, 0, Group(0, 1, torch.device("cpu"), ""))
    body, before = moved["body"], body_maps(batch)
    change = moved["calibration"] @ torch.linalg.inv(batch["calibration"])
    for view in range(4):
        scale = change[view, 2, 2]
        shown = torch.isfinite(body[view, 0])
        assert shown.sum() > 0
        surface = moved["layers/depth_front"][view, 0]
        assert (body[view, 0] - surface)[shown].nanmean() > 0
        thick = (body[view, 1] - body[view, 0])[shown].max() / (before[view, 1] - before[view, 0]).nan_to_num().max()
        torch.testing.assert_close(thick, scale, atol=0.08, rtol=0)
        x = body[view, 2][shown]
        columns = torch.arange(16.0).expand(16, 16)[shown]
        assert torch.corrcoef(torch.stack([x, columns]))[0, 1] > 0.9  # normals point away from the middle, mirrored too


def test_without_bodies_training_says_what_to_do(shards, tmp_path):
    with pytest.raises(SettingsError, match=r"encoder\.body=known needs body_depth_front, .*; render and sample with"):
        train(shards / "plain", tmp_path, settings("known"))
    with pytest.raises(InputError, match=r"lacks bodies of .*`mpc landmarks --bodies"):
        train(shards / "plain", tmp_path, settings("fitted"))
    assert not list(tmp_path.iterdir())


def test_a_run_with_known_bodies_learns_from_them(shards, tmp_path):
    """Told the body, depth is better than untold; it cannot go on without one."""
    options = settings("known", maps={"steps": 25, "validate_every": 25, "learning_rate": 1e-2})
    run = train(shards / "known", tmp_path, options, name="whole")
    assert read_json(run / "run.json")["data"]["body"] == "known"
    last = [line for line in read_lines(run / "log.jsonl") if "val_untold_front_cm" in line][-1]
    assert last["val_front_cm"] < last["val_untold_front_cm"]
    with pytest.raises(SettingsError, match="cannot go on with another surface_network"):
        train(shards / "known", tmp_path, settings("none", maps={"steps": 80}), resume=run)


class Bodies:
    """Counts the fits, and stops at one of them."""

    def __init__(self, stop_at=0):
        self.asked, self.stop_at = 0, stop_at

    def fit(self, picture, landmarks, extent_m, size):
        self.asked += 1
        if self.asked == self.stop_at:
            raise KeyboardInterrupt
        body = np.full((8, size, size), np.nan, np.float32)
        body[:, 20:40, 20:40] = landmarks[0, 0] / 10
        return body


@pytest.fixture
def landmarked(shards):
    """A tenth of the number of a view in its shard is each number of its landmarks."""
    for entry in read_index(shards / "plain").shards:
        values = (
            np.ones((entry.views, 33, 7), np.float32) * np.arange(entry.views, dtype=np.float32)[:, None, None] / 10
        )
        LANDMARKS.write(shards / "plain", entry, ShardLandmarks(values, np.ones(entry.views, bool)))
    yield shards / "plain"
    for kind in (LANDMARKS, BODIES):
        for entry in read_index(shards / "plain").shards:
            kind.path(shards / "plain", entry).unlink(missing_ok=True)


def test_bodies_are_fitted_once_and_a_stopped_search_goes_on(landmarked, monkeypatch, tmp_path):
    monkeypatch.setattr(fit_bodies, "why_no_bodies", lambda: "")
    monkeypatch.setattr(fill_views, "_VIEWS", 3)
    monkeypatch.setattr(fill_views, "_SAVE_EVERY", 0.0)
    real = fill_views.run_units
    monkeypatch.setattr(fill_views, "run_units", lambda *given, jobs, backend: real(*given, jobs=1))
    bodies = Bodies()
    monkeypatch.setattr(fit_bodies, "fitted_maps", lambda *given: bodies.fit(*given))
    summary = fit_all_bodies(landmarked, jobs=1)
    views = sum(entry.views for entry in read_index(landmarked).shards)
    assert (summary.views, summary.found_now, summary.failures) == (views, views, ())
    files = {path: path.read_bytes() for path in (landmarked / "bodies").glob("*.npz")}
    entry = read_index(landmarked).shards[0]
    held = BODIES.read(landmarked, entry)
    for row in range(entry.views):
        np.testing.assert_allclose(body_values(held.values[row])[:, 30, 30], row / 100, atol=1e-4)
    assert fit_all_bodies(landmarked, jobs=1).found_now == 0
    for path in files:
        path.unlink()
    bodies = Bodies(stop_at=8)
    with pytest.raises(KeyboardInterrupt):
        fit_all_bodies(landmarked, jobs=1)
    bodies = Bodies()
    fit_all_bodies(landmarked, jobs=1)
    assert bodies.asked < views
    assert {path: path.read_bytes() for path in (landmarked / "bodies").glob("*.npz")} == files
    run = train(landmarked, tmp_path, settings("fitted"), name="run")
    digest = read_json(run / "run.json")["data"]["bodies"]
    assert digest == ViewDataset(landmarked, "train", points=0, bodies=True).bodies.digest
    changed = BODIES.read(landmarked, entry)
    changed.values[:] = 5
    for one in read_index(landmarked).shards:
        if one.split == "train":
            BODIES.write(landmarked, one, changed if one.file == entry.file else BODIES.read(landmarked, one))
    with pytest.raises(SettingsError, match="was trained with other fitted bodies"):
        train(landmarked, tmp_path, settings("fitted"), resume=run)


def test_bodies_need_landmarks_and_the_package(shards, landmarked, monkeypatch):
    with pytest.raises(InputError, match="lacks landmarks of"):
        fit_all_bodies(shards / "known", jobs=1)
    monkeypatch.setattr(fit_bodies, "why_no_bodies", lambda: "free people need the package anny: pip install it")
    with pytest.raises(MpcError, match="no bodies can be fitted: free people need the package anny"):
        fit_all_bodies(landmarked, jobs=1)
    assert not (landmarked / "bodies").exists() or not list((landmarked / "bodies").glob("*.npz"))


@pytest.mark.slow
def test_the_command_fits_real_bodies(landmarked):
    pytest.importorskip("anny", reason="the extra `people` is not installed")
    for entry in read_index(landmarked).shards:
        person = stick_person(hips=(8.0, 8.0), scale=8.0)
        values = np.stack([landmarks_in(person, 0.0, 0.0, 16.0)] * entry.views)
        LANDMARKS.write(landmarked, entry, ShardLandmarks(values, np.ones(entry.views, bool)))
    done = CliRunner().invoke(main, ["landmarks", str(landmarked), "--bodies", "--jobs", "1"])
    if "mpc fetch" in done.output:  # the networks that find landmarks are asked for first
        fit_all_bodies(landmarked, jobs=1, progress=NoProgress())
    else:
        assert done.exit_code == 0, done.output
        assert "fitted now) -> " in done.output
    for entry in read_index(landmarked).shards:
        held = BODIES.read(landmarked, entry)
        assert held.is_whole
        assert (held.values[:, 0] > 0).sum(axis=(1, 2)).min() > 100
