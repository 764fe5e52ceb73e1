"""The networks: published sizes, Soft-Z, the cube, and that nothing is remembered between calls."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mpc.core.errors import SettingsError
from mpc.models.depth import DepthConfig, encode_depth, soft_z
from mpc.models.features import normalise_images
from mpc.models.head import HeadConfig, SkipHead, build_head
from mpc.models.hourglass import HourglassConfig
from mpc.models.hrnet import HRNetBody, HRNetConfig
from mpc.models.maps import MapsConfig
from mpc.models.registry import ENCODERS, build_encoder, default_encoder
from mpc.models.residual import ResidualConfig
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.models.texture import TextureConfig, TextureNetwork

TINY_SURFACE = SurfaceConfig(
    encoder=HourglassConfig(stacks=2, depth=1, channels=16, features=8, stem=8, groups=4, fine=True),
    depth=DepthConfig(bins=16),
    head=HeadConfig(channels=(32, 16)),
)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def pyramid_block(inputs: int, outputs: int) -> int:
    """Weights of PIFu's ConvBlock: three 3x3, three norms, a 1x1 shortcut with norm where widths differ."""
    half, quarter = outputs // 2, outputs // 4
    convolutions = 9 * (inputs * half + half * quarter + quarter * quarter)
    norms = 2 * (inputs + half + quarter)
    return convolutions + norms + (inputs * outputs + 2 * inputs if inputs != outputs else 0)


def test_pifu_surface_network_has_the_published_size() -> None:
    """PIFu's net_G is quoted with 15.6 million weights; counted here layer by layer from its published code.

    (Its ConvBlock also holds a norm that is never used where the widths agree; those 16,640 numbers are left out.)
    """
    block = pyramid_block(256, 256)
    stem = 3 * 64 * 49 + 64 + 2 * 64 + pyramid_block(64, 128) + pyramid_block(128, 128) + pyramid_block(128, 256)
    hourglass = 7 * block  # two levels of skip, down, up and one block in the middle
    after = block + (256 * 256 + 256) + 2 * 256 + (256 * 256 + 256)
    between = 2 * (256 * 256 + 256)
    widths = [257, 1024, 512, 256, 128, 1]
    head = sum((a + (257 if i else 0)) * b + b for i, (a, b) in enumerate(itertools.pairwise(widths)))
    expected = stem + 4 * (hourglass + after) + 3 * between + head
    network = SurfaceNetwork(SurfaceConfig(encoder=HourglassConfig(), depth=DepthConfig(kind="plain")))
    assert head == 1_183_874 == parameters(network.head)
    assert parameters(network) == expected == 15_588_098


def test_pifu_texture_network_has_the_published_size() -> None:
    """net_C: 7x7, two strided 3x3 and six residual blocks with biases and instance norm; head 513-...-3 with skips."""
    encoder = (3 * 64 * 49 + 64) + (64 * 128 * 9 + 128) + (128 * 256 * 9 + 256) + 12 * (256 * 256 * 9 + 256)
    widths = [513, 1024, 512, 256, 128, 3]
    head = sum((a + (513 if i else 0)) * b + b for i, (a, b) in enumerate(itertools.pairwise(widths)))
    network = TextureNetwork(TextureConfig(depth=DepthConfig(kind="plain")))
    assert parameters(network.encoder) == encoder == 7_459_456
    assert parameters(network) == encoder + head == 9_136_390


def test_hrnet_body_with_the_published_tops_has_the_published_size() -> None:
    """HRNet-W18-small-v2 with its classification top has 15,597,464 weights (timm's model table: 15.6 M), with the
    segmentation top of HRNetV2 (Cityscapes, 19 classes) 3.9 M (HRNet-Semantic-Segmentation's table)."""
    body = parameters(HRNetBody(HRNetConfig()))

    def bottleneck(inputs: int, width: int) -> int:
        shortcut = inputs * 4 * width + 8 * width if inputs != 4 * width else 0
        return inputs * width + 9 * width * width + 4 * width * width + 2 * (width + width + 4 * width) + shortcut

    rises = sum(bottleneck(a, b) for a, b in ((18, 32), (36, 64), (72, 128), (144, 256)))
    falls = sum(9 * a * b + b + 2 * b for a, b in ((128, 256), (256, 512), (512, 1024)))
    classes = 1024 * 2048 + 2048 + 2 * 2048 + 2048 * 1000 + 1000
    assert body + rises + falls + classes == 15_597_464
    segmentation = 270 * 270 + 270 + 2 * 270 + 270 * 19 + 19
    assert round((body + segmentation) / 1e6, 1) == 3.9


@pytest.mark.parametrize("kind", sorted(ENCODERS))
def test_encoders_give_a_quarter_of_the_picture(kind: str) -> None:
    """Or all of it: maps have a value at every pixel."""
    config = default_encoder(kind)
    with torch.no_grad():
        features = build_encoder(config).eval()(torch.zeros(1, ENCODERS[kind].channels, 64, 64))
    side = 64 if isinstance(config, MapsConfig) else 16
    assert {tuple(stack.shape) for stack in features.stacks} == {(1, config.features, side, side)}
    assert len(features.stacks) == (config.stacks if isinstance(config, HourglassConfig) else 1)


def test_unknown_names_list_the_valid_ones() -> None:
    with pytest.raises(SettingsError, match=r"did you mean hourglass\?.*hrnet.*residual"):
        default_encoder("hourglas")
    with pytest.raises(SettingsError, match="skip, cbn"):
        HeadConfig(kind="mlp")
    with pytest.raises(SettingsError, match="multiples of 8"):
        SurfaceNetwork(TINY_SURFACE).encode(torch.zeros(1, 3, 36, 36))


@given(st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=20), st.integers(2, 80))
@settings(deadline=None, max_examples=60)
def test_soft_z_sums_to_one_and_keeps_the_depth(values: list[float], bins: int) -> None:
    z = torch.tensor(values)
    weights = soft_z(z, bins)
    assert weights.shape == (len(values), bins)
    assert weights.min() >= 0.0
    assert ((weights > 0).sum(dim=-1) <= 2).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(len(values)), atol=1e-6, rtol=0)
    torch.testing.assert_close(weights @ torch.linspace(-1, 1, bins), z.clamp(-1, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("bins", [2, 16, 64])
def test_soft_z_of_a_whole_bin_is_one_hot(bins: int) -> None:
    """The published form, weights 1 - frac at floor and frac at ceil, counts a whole position twice or not at all."""
    torch.testing.assert_close(soft_z(torch.linspace(-1, 1, bins), bins), torch.eye(bins), atol=2e-5, rtol=0)
    assert soft_z(torch.tensor([1.0, -1.0]), bins).sum(dim=-1).tolist() == [1.0, 1.0]


def test_soft_z_matches_the_slides_example() -> None:
    """Slide 30 (N = 64, z = 192 of 256): weights 0.75 and 0.25 on neighbours, counted from position 47.25 of 63."""
    weights = soft_z(torch.tensor([2 * 0.75 - 1.0]), 64)[0]
    assert weights[47].item() == pytest.approx(0.75, abs=1e-5)
    assert weights[48].item() == pytest.approx(0.25, abs=1e-5)


def test_plain_depth_is_pifus() -> None:
    assert encode_depth(torch.tensor([[0.5]]), DepthConfig(kind="plain")).item() == pytest.approx(0.64)


def test_occupancy_is_zero_outside_the_cube_and_in_range_inside() -> None:
    torch.manual_seed(0)
    network = SurfaceNetwork(TINY_SURFACE).eval()
    points = torch.tensor([[[0.0, 0, 0], [1.01, 0, 0], [0, -1.01, 0], [0, 0, 1.01], [0.99, 0.99, -0.99]]])
    features = network.encode(torch.randn(1, 3, 32, 32))
    every = network.query_all(features, points, torch.eye(4)[None])
    assert len(every) == 2
    for values in every:
        assert (values[0, 1:4] == 0).all()
        assert ((values[0, [0, 4]] > 0) & (values[0, [0, 4]] < 1)).all()
    torch.testing.assert_close(network.query(features, points, torch.eye(4)[None]), every[-1])


def test_queries_in_any_order_and_chunks_agree() -> None:
    """`encode` returns all there is: another picture in between, or points in pieces, change nothing."""
    torch.manual_seed(0)
    network = SurfaceNetwork(TINY_SURFACE).eval()
    texture = TextureNetwork(
        TextureConfig(
            encoder=ResidualConfig(stem=4, blocks=1), head=HeadConfig(channels=(16,)),
            surface_channels=TINY_SURFACE.pixel_channels,
        )
    ).eval()  # fmt: skip
    images, points, eye = torch.randn(2, 3, 32, 32), torch.rand(2, 50, 3) * 2 - 1, torch.eye(4).expand(2, 4, 4)
    with torch.no_grad():
        features = network.encode(images)
        whole = network.query(features, points, eye)
        network.encode(torch.randn(2, 3, 32, 32))
        pieces = torch.cat([network.query(features, part, eye) for part in points.split(7, dim=1)], dim=1)
        single = network.query(network.encode(images[1:]), points[1:], eye[1:])
        colours = texture.query(texture.encode(images), features, points, eye)
    torch.testing.assert_close(pieces, whole, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(single[0], whole[1], atol=1e-5, rtol=1e-4)
    assert colours.shape == (2, 50, 3)
    assert 0.0 <= colours.min() <= colours.max() <= 1.0


def test_skip_head_equals_the_formula() -> None:
    torch.manual_seed(0)
    head = SkipHead(3, 2, 1, HeadConfig(channels=(5, 4)))
    pixel, depth = torch.randn(1, 6, 3), torch.randn(1, 6, 2)
    x = given_input = torch.cat([pixel, depth], dim=-1)
    weights = [(layer.weight, layer.bias) for layer in head.layers]
    for index, (weight, bias) in enumerate(weights):
        x = (x if index == 0 else torch.cat([x, given_input], dim=-1)) @ weight.T + bias
        x = torch.where(x > 0, x, 0.01 * x) if index < 2 else x
    torch.testing.assert_close(head(pixel, depth), x)


def test_conditional_head_listens_to_the_pixel() -> None:
    torch.manual_seed(0)
    head = build_head(4, 3, 1, HeadConfig(kind="cbn", channels=(8, 8)))
    optimiser = torch.optim.Adam(head.parameters(), lr=0.02)
    pixel, depth = torch.randn(4, 64, 4), torch.randn(4, 64, 3)
    target = torch.sign(pixel[..., :1])
    first = last = 0.0
    for step in range(80):
        loss = ((head(pixel, depth) - target) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first, last = (loss.item() if step == 0 else first), loss.item()
    assert last < 0.3 * first


def test_background_is_zero_and_colours_span_minus_one_to_one() -> None:
    rgba = torch.zeros(1, 4, 1, 4, dtype=torch.uint8)
    rgba[0, :, 0, 0] = torch.tensor([255, 0, 255, 255])
    rgba[0, :, 0, 1] = torch.tensor([255, 255, 255, 0])
    rgba[0, :, 0, 2] = torch.tensor([255, 255, 255, 51])
    values = normalise_images(rgba)[0, :, 0]
    torch.testing.assert_close(values[:, 0], torch.tensor([1.0, -1.0, 1.0, 1.0]))
    torch.testing.assert_close(values[:, 1], torch.zeros(4))
    torch.testing.assert_close(values[:, 2], torch.full((4,), 0.2))
