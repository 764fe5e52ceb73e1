"""The picture's summary: where it goes, what it is trained towards, and who knows which way people face."""

import json

import h5py
import numpy as np
import pytest
import torch

from mpc.core.errors import InputError, SettingsError
from mpc.core.sealed import read_sealed_json, write_sealed_json
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.read import read_renders
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.geometry.camera import OrthographicCamera, PerspectiveCamera
from mpc.models.features import PixelFeatures
from mpc.models.head import HeadConfig
from mpc.models.hourglass import HourglassConfig
from mpc.models.summary import SummaryConfig, SummaryEncoder
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.motion.landmarks import hips_facing
from mpc.train.losses import facing_loss
from mpc.train.presets import preset
from support import balls


def config(numbers):
    return SurfaceConfig(
        encoder=HourglassConfig(stacks=2, depth=1, channels=8, features=8, stem=4, norm="batch"),
        head=HeadConfig(channels=(16,)), summary=SummaryConfig(numbers=numbers, widths=(4, 6, 8)),
    )  # fmt: skip


def test_every_point_of_every_stack_reads_the_vector_of_its_own_picture():
    stacks = (torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4))
    summary = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    read = PixelFeatures(stacks).with_summary(summary).sample(torch.rand(2, 5, 2) * 2 - 1)
    assert len(read) == 2
    for values in read:
        assert values.shape == (2, 5, 5)
        assert torch.allclose(values[..., 3:], summary[:, None].expand(2, 5, 2), atol=1e-6)


def test_the_network_answers_by_it_and_hands_it_to_the_loss():
    torch.manual_seed(0)
    network = SurfaceNetwork(config(3)).eval()
    assert network.config.pixel_channels == 8 + 3
    images, points = torch.rand(2, 3, 32, 32), torch.rand(2, 7, 3) - 0.5
    calibrations = torch.eye(4).expand(2, 4, 4)
    logits, inside, features = network(images, points, calibrations)
    assert len(logits) == 2
    assert inside.all()
    assert network.summary is not None
    assert torch.equal(features.summary, network.summary(images))
    before = network.query(network.encode(images), points, calibrations)
    with torch.no_grad():
        network.summary.end.bias += 5.0
    assert (network.query(network.encode(images), points, calibrations) - before).abs().max() > 1e-4
    without = SurfaceNetwork(config(0))
    assert without.summary is None
    assert without(images, points, calibrations)[2].summary is None
    with pytest.raises(SettingsError, match="at least 2"):
        SummaryConfig(numbers=1)
    with pytest.raises(SettingsError, match="multiples of 8"):
        SummaryEncoder(SummaryConfig(numbers=2, widths=(4, 4, 4)))(torch.rand(1, 3, 36, 36))


@pytest.mark.parametrize("fov", [None, 40.0])
@pytest.mark.parametrize("yaw", [0.0, 70.0, 180.0, 300.0])
def test_the_loss_is_zero_at_the_direction_seen_through_the_camera(yaw, fov):
    centre, facing = (0.1, 0.9, -0.2), np.array([0.6, 0.0, 0.8])
    camera = OrthographicCamera(centre, 2.4, yaw) if fov is None else PerspectiveCamera(centre, 2.4, yaw, fov_deg=fov)
    matrix = camera.calibration
    seen = (camera.rotation @ facing)[[0, 2]]
    summary = torch.tensor([[*seen, 9.0]], dtype=torch.float32)
    given = torch.from_numpy(matrix[None].astype(np.float32))
    right = facing_loss(summary, torch.from_numpy(facing[None].astype(np.float32)), given)
    assert right.item() < 1e-6
    behind = facing_loss(-summary, torch.from_numpy(facing[None].astype(np.float32)), given)
    assert behind.item() == pytest.approx(4.0, abs=1e-2)
    pulled = summary.clone().requires_grad_()
    unknown = facing_loss(pulled, torch.zeros(1, 3), given)
    unknown.sum().backward()
    assert (unknown.item(), pulled.grad.abs().max().item()) == (0.0, 0.0), "nobody knows: nothing is learned"
    # A mirrored picture: the calibration's first row changes sign, and so does "right".
    mirrored = given.clone()
    mirrored[:, 0] = 0.2 * mirrored[:, 3] - mirrored[:, 0]  # and the picture moved to the right
    flipped = summary * torch.tensor([-1.0, 1.0, 1.0])
    assert facing_loss(flipped, torch.from_numpy(facing[None].astype(np.float32)), mirrored).item() < 1e-6


def test_hips_face_square_to_the_line_between_them():
    assert hips_facing(np.array([0.1, 0.9, 0.0]), np.array([-0.1, 0.9, 0.0])) == pytest.approx([0, 0, 1])
    assert hips_facing(np.array([0.0, 0.9, -0.1]), np.array([0.0, 0.95, 0.1])) == pytest.approx([1, 0, 0])
    assert hips_facing(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.8, 0.0])) is None


def test_renders_and_shards_say_which_way_people_face(tmp_path):
    folder = balls.make_renders(tmp_path / "renders", balls=2)
    scene = read_renders(folder).scenes[0]
    assert scene.facing_world is None
    path = scene.folder / "scene.json"
    content, _ = read_sealed_json(path)
    for given, known in (([1, 2, 3], None), ("north", None), ([0.0, 0.6, 0.8], (0.0, 0.6, 0.8))):
        write_sealed_json(path, {**content, "notes": {"facing_world": given}})
        found = read_renders(folder).scenes[0]
        if known is None:
            with pytest.raises(InputError, match="facing_world"):
                _ = found.facing_world
        else:
            assert found.facing_world == known
    # Earlier versions wrote +z for scans of which nobody knew the direction, with this reason.
    invented = {"facing_world": [0.0, 0.0, 1.0], "reasons": {"facing": "the convention for this up axis"}}
    write_sealed_json(path, {**content, "notes": invented})
    assert read_renders(folder).scenes[0].facing_world is None
    write_sealed_json(path, {**content, "notes": {"facing_world": [0.0, 0.6, 0.8]}})
    whole = {"ball_0": "train", "ball_1": "train"}
    (tmp_path / "split.json").write_text(json.dumps({"train": list(whole), "val": [], "test": []}))
    small = SampleSettings(near_points=80, uniform_points=80, colour_points=8, split_file=tmp_path / "split.json")
    sample_renders(folder, tmp_path / "shards", small, jobs=1)
    views = ViewDataset(tmp_path / "shards", "train", points=8)
    told = {int(views[view]["scene"]): views[view]["facing"].tolist() for view in range(len(views))}
    assert told == {0: pytest.approx([0.0, 0.6, 0.8]), 1: [0.0, 0.0, 0.0]}
    for path in (tmp_path / "shards").glob("train*.h5"):  # as shards of earlier days
        with h5py.File(path, "r+") as file:
            del file["scenes/facing_world"]
    assert ViewDataset(tmp_path / "shards", "train", points=8)[0]["facing"].tolist() == [0.0, 0.0, 0.0]


def test_tiny_learns_the_facing_direction_and_the_paper_does_not():
    assert preset("tiny").surface_network.summary.numbers == 32
    assert preset("tiny").surface.facing > 0
    assert preset("paper").surface_network.summary.numbers == 0
