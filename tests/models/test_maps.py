"""Maps of both sides and the bounded head: what they read, what they start from, and the rule in closed form."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mpc.core.errors import SettingsError
from mpc.models.cost import count_cost
from mpc.models.depth import PLAIN_SCALE, DepthConfig
from mpc.models.features import PixelFeatures
from mpc.models.head import BoundedHead, HeadConfig
from mpc.models.hourglass import HourglassConfig
from mpc.models.maps import MAPS, MapsConfig, MapsEncoder
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.train.presets import preset

LEVEL1 = MapsConfig(size=16, cells=4, widths=(8, 12), blocks=1, values=3, coarse=5)
LEVEL2 = MapsConfig(
    size=16, cells=4, widths=(8, 12), blocks=1, values=3, coarse=5, fine_widths=(8, 8), fine_size=32, fine_patch=2
)


def pictures(size: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 4, size, size, generator=generator)
    images[:, :3] = images[:, :3] * 2 - 1
    return images


def encoder(config: MapsConfig) -> MapsEncoder:
    torch.manual_seed(1)
    return MapsEncoder(config).eval()


def test_points_read_maps_then_alpha_then_features() -> None:
    images = pictures(16)
    features = encoder(LEVEL1)(images)
    stack = features.stacks[0]
    assert stack.shape == (2, LEVEL1.features, 16, 16)
    assert torch.equal(stack[:, :MAPS], features.maps[-1])
    assert torch.equal(stack[:, MAPS], images[:, 3])
    assert features.fine.shape == (2, LEVEL1.fine_channels, 4, 4)
    assert features.sample(torch.zeros(2, 7, 2))[0].shape == (2, 7, LEVEL1.features + LEVEL1.fine_channels)


def test_level_1_sees_colours_alone_and_larger_pictures_averaged() -> None:
    images, network = pictures(16), encoder(LEVEL1)
    other = images.clone()
    other[:, 3] = 1.0 - other[:, 3]
    assert torch.equal(network(images).maps[0], network(other).maps[0])
    doubled = images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(network(doubled).maps[0], network(images).maps[0])
    with pytest.raises(SettingsError, match="sides that are multiples of 16"):
        network(pictures(24))


def test_depths_are_counted_in_their_unit_and_nothing_else_is() -> None:
    whole, tenth = (encoder(replace(LEVEL1, depth_unit=unit)) for unit in (1.0, 0.1))
    tenth.load_state_dict(whole.state_dict())
    one, other = (network(pictures(16)).stacks[0] for network in (whole, tenth))
    torch.testing.assert_close(other[:, :2], one[:, :2] * 0.1)
    assert torch.equal(other[:, 2:], one[:, 2:])


def test_level_2_begins_as_level_1_and_reads_alpha() -> None:
    network, images = encoder(LEVEL2), pictures(32)
    small = torch.nn.functional.avg_pool2d(images, 2)
    coarse, _ = network.level1(small[:, :3])
    raised = torch.nn.functional.interpolate(coarse[:, :MAPS], size=(32, 32), mode="bilinear", align_corners=False)
    torch.testing.assert_close(network(images).maps, (raised, raised))
    features = network(images)
    assert features.stacks[0].shape == (2, LEVEL2.features, 32, 32)
    assert torch.equal(features.stacks[0][:, MAPS], images[:, 3])
    torch.nn.init.normal_(network.level2.top.weight)
    other = images.clone()
    other[:, 3] = 1.0 - other[:, 3]
    assert not torch.allclose(network(images).maps[1], network(other).maps[1])


def test_sizes_of_the_recipe() -> None:
    """About 5 M weights in level 1; another size of picture changes the stem and the top alone."""
    config = preset("base").surface_network
    cost = count_cost(config, 96)
    assert 4.5e6 < cost.encoder_weights < 6e6
    assert cost.head_weights < 2e4
    larger = SurfaceConfig(encoder=MapsConfig(size=128, landmarks=16), depth=config.depth, head=config.head)
    with torch.device("meta"):
        first, second = (
            {name: value.shape for name, value in SurfaceNetwork(one).state_dict().items()} for one in (config, larger)
        )
    changed = [name for name, shape in second.items() if shape != first[name]]
    assert changed == [f"encoder.level1.{name}" for name in ("unet.enter.0.weight", "top.weight", "top.bias")]


def head_input(front: float, back: float, alpha: float, z: float) -> tuple[torch.Tensor, torch.Tensor]:
    pixel = torch.zeros(1, 1, 12)
    pixel[..., 0], pixel[..., 1], pixel[..., 8] = front, back, alpha
    return pixel, torch.full((1, 1, 1), z * PLAIN_SCALE)


@pytest.mark.parametrize(
    ("front", "back", "alpha", "z", "logit"),
    [
        (-0.1, 0.1, 1.0, 0.0, 1.5),  # deep inside: as sure as the rule gets
        (-0.1, 0.1, 1.0, -0.09, 0.6),  # a hundredth behind the front: 60 a unit
        (-0.1, 0.1, 1.0, 0.12, -1.2),  # two hundredths behind the back
        (-0.1, 0.1, 1.0, 0.9, -8.0),  # far outside
        (-0.1, 0.1, 0.25, 0.0, -2.0),  # outside the outline
        (0.1, -0.1, 1.0, 0.0, -6.0),  # a back before the front holds nothing
    ],
)
def test_a_fresh_head_is_the_rule(front: float, back: float, alpha: float, z: float, logit: float) -> None:
    head = BoundedHead(12, 1, 1, HeadConfig(kind="bounded", channels=(8,)))
    assert head(*head_input(front, back, alpha, z)).item() == pytest.approx(logit, abs=1e-4)


def test_the_head_departs_from_the_rule_by_less_than_two() -> None:
    head = BoundedHead(12, 1, 1, HeadConfig(kind="bounded", channels=(8,)))
    torch.nn.init.constant_(head.last.bias, 100.0)
    assert head(*head_input(-0.1, 0.1, 1.0, 0.9)).item() == pytest.approx(-6.0, abs=1e-4)
    torch.nn.init.constant_(head.last.bias, -100.0)
    # Inside, the head can object anywhere: legs one behind the other can be parted.
    assert head(*head_input(-0.1, 0.1, 1.0, 0.0)).item() == pytest.approx(-0.5, abs=1e-4)


def test_the_field_of_a_network_without_training_is_that_of_its_maps() -> None:
    network = SurfaceNetwork(
        SurfaceConfig(encoder=LEVEL1, depth=DepthConfig(kind="plain"), head=HeadConfig(kind="bounded", channels=(8,)))
    ).eval()
    maps = torch.zeros(1, LEVEL1.features, 16, 16)
    maps[:, 0], maps[:, 1], maps[:, 8] = -0.25, 0.5, 1.0
    features = PixelFeatures((maps,), torch.zeros(1, LEVEL1.coarse, 4, 4))
    points = torch.zeros(1, 5, 3)
    points[0, :, 2] = torch.tensor([-0.3, -0.2, 0.0, 0.45, 0.55])
    inside = network.query(features, points, torch.eye(4)[None]) > 0.5
    assert inside[0].tolist() == [False, True, True, True, False]


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="bounded"):
        SurfaceConfig(encoder=HourglassConfig(), depth=DepthConfig(kind="plain"), head=HeadConfig(kind="bounded"))
    with pytest.raises(SettingsError, match="multiple of cells"):
        MapsConfig(size=60)
    with pytest.raises(SettingsError, match="depth_unit is 0"):
        MapsConfig(depth_unit=0.0)
    with pytest.raises(SettingsError, match="fine_size"):
        MapsConfig(fine_widths=(8, 8), fine_size=100)


def test_the_loss_of_level_2_leaves_level_1_alone_and_a_frozen_level_1_keeps_its_statistics() -> None:
    torch.manual_seed(0)
    network, images = MapsEncoder(LEVEL2), pictures(32)
    features = network(images)
    features.maps[1].sum().backward()
    assert all(weight.grad is None for weight in network.level1.parameters())
    assert any(weight.grad is not None for weight in network.level2.parameters())
    features = network(images)
    features.maps[0].sum().backward()
    assert all(w.grad is not None for n, w in network.level1.named_parameters() if not n.startswith("coarse"))
    network.freeze_level1()
    network.train()
    before = network.level1.unet.enter[1].running_mean.clone()
    assert not network(images).maps[0].requires_grad
    assert torch.equal(network.level1.unet.enter[1].running_mean, before)
    assert network.level2.training


def test_pifuhd_has_the_published_sizes() -> None:
    """512 and 1024 pixels, the widths and nine blocks of pix2pixHD's generator, sixteen fine features."""
    settings = preset("pifuhd")
    encoder = settings.surface_network.encoder
    assert isinstance(encoder, MapsConfig)
    assert (encoder.size, encoder.fine_size, encoder.fine_values) == (512, 1024, 16)
    assert (encoder.widths, encoder.bottom) == ((64, 128, 256, 512, 1024), 9)
    with torch.device("meta"):
        network = SurfaceNetwork(settings.surface_network)
        assert network.encode(torch.zeros(1, 4, 1024, 1024)).stacks[0].shape == (1, encoder.features, 1024, 1024)
    # Two 3x3 convolutions without bias in each of nine blocks of 1024 channels (instance norm has no weights).
    assert sum(weight.numel() for weight in network.encoder.level1.unet.down[-1].parameters()) == 9 * 2 * 9 * 1024**2
