"""Landmarks in training: moved with their pictures in closed form, disturbed by seed, the same bytes after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mpc.core.errors import SettingsError
from mpc.core.randomness import derive_rng
from mpc.core.settings import override
from mpc.datasets.loading.augment import AugmentSettings, augment
from mpc.geometry.camera import OrthographicCamera, project
from mpc.models.person.finder import LANDMARKS
from mpc.models.person.landmarks import MIRRORED
from mpc.models.runs import load_run
from mpc.models.storage import load_network
from mpc.models.surface import SurfaceNetwork
from mpc.train.ellipsoids import EllipsoidViews
from mpc.train.landmarks import LandmarkSettings, disturb_landmarks, move_landmarks
from mpc.train.log import read_lines
from mpc.train.run import train_views
from mpc.train.validate import validate_maps
from support.toy_runs import people, toy

INDEX = {name: number for number, name in enumerate(LANDMARKS)}


def test_names_in_the_mirror() -> None:
    assert MIRRORED[INDEX["nose"]] == INDEX["nose"]
    assert MIRRORED[INDEX["left_eye_inner"]] == INDEX["right_eye_inner"]
    assert MIRRORED[INDEX["mouth_right"]] == INDEX["mouth_left"]
    assert MIRRORED[INDEX["left_foot_index"]] == INDEX["right_foot_index"]
    assert [MIRRORED[number] for number in MIRRORED] == list(range(33))
    assert sum(number == place for place, number in enumerate(MIRRORED)) == 1


def seen(points: np.ndarray, calibration: np.ndarray) -> torch.Tensor:
    """Landmarks (33, 7) of world points: their places in the picture, depths from the first one, and no metres."""
    values = np.zeros((33, 7))
    values[:, :3] = project(points, calibration)
    values[:, 2] -= values[0, 2]
    values[:, 3], values[:, 4:] = np.linspace(0, 1, 33), np.linspace(-1, 1, 99).reshape(33, 3)
    return torch.from_numpy(values.astype(np.float32))


def test_landmarks_move_with_the_points_of_their_picture() -> None:
    """World points are seen where the moved landmarks are; in mirror images under the name of the other side."""
    rng = np.random.default_rng(0)
    points = rng.normal((0, 1, 0), 0.4, (33, 3))
    cameras = [OrthographicCamera((0.0, 1.0, 0.0), 2.5, yaw_deg=yaw) for yaw in range(0, 360, 45)]
    before = torch.stack([torch.from_numpy(camera.calibration.astype(np.float32)) for camera in cameras])
    landmarks = torch.stack([seen(points, camera.calibration) for camera in cameras])
    settings = AugmentSettings(flip=0.5, scale=0.3, shift=0.2)
    images = torch.zeros(8, 4, 4, 4, dtype=torch.uint8)
    after = augment(images, before, settings, rng=np.random.default_rng(3), rows=slice(None), count=8)[1]
    moved = move_landmarks(landmarks, before, after)
    flipped = (after @ torch.linalg.inv(before))[:, 0, 0] < 0
    assert 0 < flipped.sum() < 8
    for one, calibration, mirror, old in zip(moved, after, flipped, landmarks, strict=True):
        expected = seen(points, calibration.double().numpy())
        if mirror:
            expected, old = expected[list(MIRRORED)], old[list(MIRRORED)]
        expected[:, 2] -= expected[0, 2]
        expected[:, 4] = (-1 if mirror else 1) * old[:, 4]
        torch.testing.assert_close(one, expected, atol=2e-6, rtol=0)


def test_a_mirrored_view_has_the_exchanged_landmarks_and_twice_mirrored_is_as_before() -> None:
    landmarks = torch.randn(2, 33, 7, generator=torch.Generator().manual_seed(0))
    landmarks[1] = torch.nan
    before, mirror = torch.eye(4).repeat(2, 1, 1), torch.diag(torch.tensor([-1.0, 1, 1, 1])).repeat(2, 1, 1)
    moved = move_landmarks(landmarks, before, mirror)
    left, right = INDEX["left_wrist"], INDEX["right_wrist"]
    signs = torch.tensor([-1.0, 1, 1, 1, -1, 1, 1])
    assert torch.equal(moved[0, left], landmarks[0, right] * signs)
    assert torch.equal(moved[0, INDEX["nose"]], landmarks[0, INDEX["nose"]] * signs)
    assert moved[1].isnan().all()
    assert torch.equal(move_landmarks(moved, before, mirror)[0], landmarks[0])


def disturbed(landmarks: torch.Tensor, rows: slice = slice(None), seed: int = 0, **settings: float) -> torch.Tensor:
    nothing = {"left_out": 0.0, "noise": 0.0, "confused": 0.0}
    return disturb_landmarks(
        landmarks[rows], LandmarkSettings(**{**nothing, **settings}), rng=np.random.default_rng(seed), rows=rows,
        count=len(landmarks),
    )  # fmt: skip


def test_disturbances_have_their_shares_and_sizes() -> None:
    landmarks = torch.randn(3000, 33, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(disturbed(landmarks), landmarks)
    gone = disturbed(landmarks, left_out=1 / 3).isnan()
    assert (gone.flatten(1).all(dim=1) == gone.flatten(1).any(dim=1)).all()
    assert abs(float(gone[:, 0, 0].float().mean()) - 1 / 3) < 0.03
    swapped = disturbed(landmarks, confused=0.1)
    exchanged = (swapped == landmarks[:, list(MIRRORED)]).flatten(1).all(dim=1)
    assert abs(float(exchanged.float().mean()) - 0.1) < 0.02
    assert torch.equal(swapped[~exchanged], landmarks[~exchanged])
    noise = (disturbed(landmarks, noise=0.1) - landmarks).double()
    assert (noise[..., 3] == 0).all()  # visibility
    spread = noise[..., [0, 1, 2, 4, 5, 6]].flatten(1).std(dim=1)
    # Deviations of single views are even between 0 and 0.1: those of all together sqrt(0.1^2 / 3).
    assert abs(float(spread.mean()) - 0.05) < 0.003
    assert abs(float(spread.square().mean().sqrt()) - 0.1 / 3**0.5) < 0.003
    assert spread.max() < 0.1 * 1.25


def test_draws_depend_on_the_seed_and_not_on_the_number_of_processes() -> None:
    landmarks = torch.randn(12, 33, 7, generator=torch.Generator().manual_seed(0))
    landmarks[7] = torch.nan
    settings = {"left_out": 0.3, "noise": 0.1, "confused": 0.3}
    whole = disturbed(landmarks, **settings)
    assert torch.equal(whole.nan_to_num(9), disturbed(landmarks, **settings).nan_to_num(9))
    assert not torch.equal(whole.nan_to_num(9), disturbed(landmarks, seed=1, **settings).nan_to_num(9))
    for rank in range(3):
        rows = slice(rank, None, 3)
        assert torch.equal(disturbed(landmarks, rows, **settings).nan_to_num(9), whole[rows].nan_to_num(9))
    assert whole[7].isnan().all()


def test_settings_are_shares() -> None:
    with pytest.raises(SettingsError, match=r"left_out is 1\.5"):
        LandmarkSettings(left_out=1.5)


class ToldViews(EllipsoidViews):
    """Views whose landmarks are drawn from their numbers; every fourth view has none."""

    asked, stop_at = 0, -1

    def __getitem__(self, item):
        self.asked += isinstance(item, tuple)  # an item of a step
        if self.asked == self.stop_at:
            raise KeyboardInterrupt
        made = super().__getitem__(item)
        view = int(made["view"])
        values = derive_rng(0, "landmarks", view).normal(0, 0.3, (33, 7)) if view % 4 else np.full((33, 7), np.nan)
        return {**made, "landmarks": torch.from_numpy(values.astype(np.float32))}


def told(count: int = 2, first: int = 0) -> ToldViews:
    views = people(count, first)
    views.__class__ = ToldViews
    return views


def reading(**overrides):
    network = {"surface_network": {"encoder": {"landmarks": 4}}}
    return toy(**network, landmarks={"noise": 0.1, "confused": 0.2}, **overrides)


def weights(run: Path) -> dict[str, bytes]:
    """The bytes of all tensors of the last networks; files also hold the settings, the number of workers among them."""
    found = {}
    for path in sorted(run.glob("*/last.safetensors")):
        tensors = load_network(path)[0].state_dict()
        found[path.parent.name] = b"".join(value.numpy().tobytes() for value in tensors.values())
    return found


def test_stopped_and_spread_runs_have_the_bytes_of_one(tmp_path: Path) -> None:
    """Stopped in the middle of a stage and resumed; and with two loader processes."""
    settings = reading(stages="maps", mining={"mode": "none"}, checkpoint_every=1)
    whole = train_views(told(), told(1, 9), tmp_path, settings, name="whole")
    spread = train_views(told(), told(1, 9), tmp_path, override(settings, {"workers": 2}), name="spread")
    assert weights(spread) == weights(whole)
    views = told()
    views.stop_at = 11
    with pytest.raises(KeyboardInterrupt):
        train_views(views, told(1, 9), tmp_path, settings, name="again")
    assert len(read_lines(tmp_path / "again" / "log.jsonl")) == 2
    train_views(told(), told(1, 9), tmp_path, settings, resume=tmp_path / "again")
    assert weights(tmp_path / "again") == weights(whole)


def test_all_stages_read_landmarks_and_a_network_without_them_ignores_them(tmp_path: Path) -> None:
    read = train_views(told(), told(1, 9), tmp_path, reading(), name="read")
    blind = train_views(people(), people(1, 9), tmp_path, reading(), name="blind")
    assert all(weights(read)[stage] != weights(blind)[stage] for stage in ("maps", "surface", "texture"))
    assert {"val_front_cm", "val_untold_front_cm"} <= read_lines(read / "log.jsonl")[3].keys()
    assert not any("untold" in name for name in read_lines(blind / "log.jsonl")[3])
    network = load_run(read).surface.encoder.level1.landmarks
    assert network.enter.weight.abs().max() > 0
    assert load_run(read).reads_landmarks
    plain = train_views(people(), None, tmp_path, toy(stages="maps"), name="plain")
    ignored = train_views(told(), None, tmp_path, toy(stages="maps"), name="ignored")
    assert weights(plain) == weights(ignored)
    assert not load_run(plain).reads_landmarks


def test_figures_without_landmarks_are_those_of_views_that_have_none() -> None:
    torch.manual_seed(0)
    network = SurfaceNetwork(reading().surface_network)
    torch.nn.init.normal_(network.encoder.level1.landmarks.enter.weight, std=3.0)
    few = {"views": 4, "batch": 4, "device": torch.device("cpu")}
    both, alone = validate_maps(network, told(1), **few), validate_maps(network, people(1), **few)
    assert {name: both[f"untold_{name}"] for name in alone} == alone
    assert any(both[name] != alone[name] for name in alone)
