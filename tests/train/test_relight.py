"""Relighting, blur and backgrounds as `mpc train` uses them: from shards, resumed, and split over processes."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mpc.core.errors import SettingsError
from mpc.core.progress import NoProgress
from mpc.core.settings import override
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.train.data import collate, open_views
from mpc.train.distributed import Group
from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
from mpc.train.log import read_lines
from mpc.train.presets import preset
from mpc.train.run import train, train_views
from mpc.train.settings import TrainSettings
from mpc.train.stages import SurfaceStage
from mpc.train.step import augment_batch
from support import balls

NETWORK = {"encoder": {"stacks": 1, "depth": 1, "channels": 8, "features": 8, "stem": 4}, "head": {"channels": [8]}}
STAGE = {"batch": 4, "points": 64, "validation_views": 1}


def settings(**changes: float) -> TrainSettings:
    augmented = {"relight": 0.7, "blur": 1.0, "background": 0.5, **changes}
    surface = {**STAGE, "steps": 6}
    base = preset("tiny", device="cpu", threads=1, stages="surface", image_size=32)
    return override(base, {"surface": surface, "texture": STAGE, "augment": augmented, "surface_network": NETWORK})


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("relit")
    sampling = SampleSettings(near_points=4000, uniform_points=6000, colour_points=400)
    sample_renders(balls.make_renders(folder / "renders"), folder / "shards", sampling, jobs=1)
    return folder / "shards"


class StopAfter(NoProgress):
    """Sends this process SIGINT when so many steps are done."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, count: int = 1, note: str = "") -> None:
        self.left -= count
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in read_lines(run / "log.jsonl")]


def test_a_run_relights_and_resumes_exactly(shards: Path, tmp_path: Path) -> None:
    whole = train(shards, tmp_path, settings(), name="whole")
    with pytest.raises(KeyboardInterrupt):
        train(shards, tmp_path, settings(), name="cut", progress=StopAfter(3))
    train(shards, tmp_path, settings(), resume=tmp_path / "cut")
    assert losses(whole) == losses(tmp_path / "cut")
    assert losses(whole) != losses(train(shards, tmp_path, settings(relight=0.0), name="as rendered"))


def test_each_process_does_its_share_of_the_same_batch(shards: Path) -> None:
    chosen = settings()
    views = open_views(shards, "train", chosen, 64, 64, train=True)
    assert views.relight_points == 400, "no more than the shards hold"
    assert open_views(shards, "train", chosen, 64, 64).relight_points == 0
    batch = collate([views[k] for k in (0, 5, 2, 7)])
    stage = SurfaceStage(chosen.surface_network, chosen.surface, chosen.mining)

    def changed(rank: int, world: int) -> dict[str, torch.Tensor]:
        part = {name: value[rank::world] for name, value in batch.items()}
        return augment_batch(part, stage, chosen, 3, Group(rank, world, torch.device("cpu"), "test"))

    whole, parts = changed(0, 1), [changed(rank, 2) for rank in (0, 1)]
    for name, value in whole.items():
        torch.testing.assert_close(torch.stack([part[name] for part in parts], 1).flatten(0, 1), value)
    relit = (whole["light"] != batch["light"]).flatten(1).any(dim=1)
    assert 0 < relit.sum() < 4
    assert torch.equal(whole["light"][~relit], batch["light"][~relit])


def test_views_that_cannot_be_relit_are_refused(tmp_path: Path) -> None:
    people = EllipsoidViews(ellipsoid_people(1, seed=0), size=32, points=64, colour_points=16)
    with pytest.raises(SettingsError, match=r"augment\.relight needs views with coloured points"):
        train_views(people, None, tmp_path, settings())


def test_damaged_masks_leave_calibrations_layers_and_labels_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    batch = {
        "image": torch.randint(0, 256, (4, 4, 32, 32), generator=rng, dtype=torch.uint8),
        "calibration": torch.eye(4).expand(4, 4, 4),
        "labels": torch.rand((4, 10), generator=rng),
        "layers/depth_front": torch.rand((4, 1, 32, 32), generator=rng),
        "layers/normal_back": torch.nn.functional.normalize(torch.randn((4, 3, 32, 32), generator=rng), dim=1),
    }
    stage = SimpleNamespace(name="maps", settings=SimpleNamespace(batch=4))
    damage = dict.fromkeys(("mask_holes", "mask_halo", "mask_soft", "mask_cut"), 1.0)
    plain, hurt = (
        augment_batch(
            batch,
            stage,
            settings(relight=0.0, blur=0.0, background=0.0, **more),
            3,
            Group(0, 1, torch.device("cpu"), ""),
        )
        for more in ({}, damage)
    )
    assert not torch.equal(plain["image"], hurt["image"])
    assert not torch.equal(plain["layers/depth_front"], batch["layers/depth_front"]), "nothing moved"
    for name in batch:
        if name != "image":
            assert torch.equal(plain[name].nan_to_num(-9), hurt[name].nan_to_num(-9)), name
