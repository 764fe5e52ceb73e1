"""Counted operations against hand counts layer by layer, published tables, and PyTorch's own counter in training."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mpc.models.cost import count_cost
from mpc.models.depth import DepthConfig
from mpc.models.head import HeadConfig
from mpc.models.hourglass import HourglassConfig
from mpc.models.hrnet import HRNetBody, HRNetConfig
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.models.texture import TextureConfig

PIFU = SurfaceConfig(encoder=HourglassConfig(), depth=DepthConfig(kind="plain"))


def pyramid_block(inputs: int, outputs: int, side: int) -> int:
    """Multiply-adds of PIFu's ConvBlock."""
    half, quarter = outputs // 2, outputs // 4
    shortcut = inputs * outputs if inputs != outputs else 0
    return side * side * (9 * (inputs * half + half * quarter + quarter * quarter) + shortcut)


def test_pifu_surface_network_by_hand() -> None:
    """A 512x512 picture: stem at 256, first block at 256, two at 128, then four hourglasses at 128, 64 and 32."""
    stem = 49 * 3 * 64 * 256**2
    blocks = pyramid_block(64, 128, 256) + pyramid_block(128, 128, 128) + pyramid_block(128, 256, 128)
    # Two levels: skip at the side itself; down, up at half of it; the inner one has one block in the middle.
    hourglass = sum(pyramid_block(256, 256, side) for side in (128, 64, 64, 64, 32, 32, 32))
    after = pyramid_block(256, 256, 128) + 2 * 256 * 256 * 128**2
    between = 2 * 256 * 256 * 128**2
    widths = [257, 1024, 512, 256, 128, 1]
    head = sum((a + (257 if i else 0)) * b for i, (a, b) in enumerate(itertools.pairwise(widths)))
    cost = count_cost(PIFU, 512)
    assert cost.picture_flops == 2 * (stem + blocks + 4 * (hourglass + after) + 3 * between) == 209_807_474_688
    assert cost.point_flops == 2 * head
    assert cost.stacks == 4
    assert cost.encoder_weights + cost.head_weights == 15_588_098


def test_pifu_texture_network_by_hand() -> None:
    """7x7 at 512, strided 3x3 at 256 and 128, twelve 3x3 at 128."""
    encoder = 49 * 3 * 64 * 512**2 + 9 * 64 * 128 * 256**2 + 9 * 128 * 256 * 128**2 + 12 * 9 * 256 * 256 * 128**2
    assert count_cost(TextureConfig(depth=DepthConfig(kind="plain")), 512).picture_flops == 2 * encoder


def test_hrnet_body_with_its_classification_top_has_the_published_operations() -> None:
    """Tables of HRNet-W18-small-v2 at 224x224 give 2.62 G multiply-adds (2,618.54 M where norms count, too)."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        HRNetBody(HRNetConfig()).eval()(torch.zeros(1, 3, 224, 224))
    body = counter.get_total_flops() / 2

    def bottleneck(inputs: int, width: int, side: int) -> int:
        return side**2 * (inputs * width + 9 * width**2 + 4 * width**2 + 4 * inputs * width)

    rises = sum(bottleneck(*sizes) for sizes in ((18, 32, 56), (36, 64, 28), (72, 128, 14), (144, 256, 7)))
    falls = 9 * (128 * 256 * 28**2 + 256 * 512 * 14**2 + 512 * 1024 * 7**2)
    top = rises + falls + 1024 * 2048 * 7**2 + 2048 * 1000
    assert body + top == pytest.approx(2618.54e6, rel=0.01)
    assert body + top < 2618.54e6


@pytest.mark.parametrize("kind", ["skip", "cbn"])
@pytest.mark.parametrize(
    "encoder", [HourglassConfig(stacks=2, depth=2, channels=32, features=32, stem=16), HRNetConfig()]
)
def test_a_step_costs_three_times_the_way_there(encoder: HourglassConfig | HRNetConfig, kind: str) -> None:
    """PyTorch counts forward and backward of a real step; but for the first layer, whose input needs no gradient."""
    torch.manual_seed(0)
    config = SurfaceConfig(encoder=encoder, head=HeadConfig(kind=kind, channels=(32, 16)))
    network = SurfaceNetwork(config).train()
    eye = torch.eye(4).expand(2, 4, 4)
    with FlopCounterMode(display=False) as counter:
        logits, *_ = network(torch.randn(2, 3, 64, 64), torch.rand(2, 50, 3) * 2 - 1, eye)
        sum(value.sum() for value in logits).backward()  # type: ignore[union-attr]
    counted, stated = counter.get_total_flops(), count_cost(config, 64).step_flops(2, 50)
    assert 0.9 * stated < counted <= stated
