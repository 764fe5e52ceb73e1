"""A body as an input of level 1: nothing at first, then learned; one network with and without it."""

from __future__ import annotations

import pytest
import torch

from mpc.core.errors import SettingsError
from mpc.models.cost import count_cost
from mpc.models.depth import DepthConfig
from mpc.models.head import HeadConfig
from mpc.models.maps import MapsConfig
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.train.start import copy_weights


def config(body: str, landmarks: int = 0) -> SurfaceConfig:
    encoder = MapsConfig(
        size=16, cells=4, widths=(8, 12), blocks=1, values=3, coarse=5, body=body, landmarks=landmarks, depth_unit=0.1
    )
    return SurfaceConfig(
        encoder=encoder, depth=DepthConfig(kind="plain"), head=HeadConfig(kind="bounded", channels=(8,))
    )


def network(body: str, seed: int = 0, landmarks: int = 0) -> SurfaceNetwork:
    torch.manual_seed(seed)
    return SurfaceNetwork(config(body, landmarks)).eval()


def given(size: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Three pictures, and a body in the middle of each."""
    generator = torch.Generator().manual_seed(1)
    body = torch.full((3, 8, size, size), torch.nan)
    middle = slice(size // 4, 3 * size // 4)
    body[:, :, middle, middle] = torch.randn(3, 8, 1, 1, generator=generator)
    return torch.rand(3, 4, size, size, generator=generator), body


def learned(**options: int) -> SurfaceNetwork:
    """A network whose body has an effect."""
    made = network("known", **options)
    torch.nn.init.normal_(made.encoder.level1.body.enter.weight, std=0.1)
    return made


def test_a_network_that_starts_from_one_without_a_body_goes_on_exactly_where_that_was() -> None:
    plain, told = network("none"), network("fitted", seed=5)
    images, body = given()
    copied, of = copy_weights(told, plain)
    assert of - copied == 9 * 16 * 8 * 9  # nine channels of 4 x 4 pixels to 8, 3 x 3 cells
    for further in (body, None):
        one, other = told.encode(images, None, further), plain.encode(images)
        assert torch.equal(one.stacks[0], other.stacks[0])
        assert torch.equal(one.fine, other.fine)


def test_the_first_step_reaches_the_weights_of_the_body() -> None:
    made = network("known").train()
    images, body = given()
    made.encode(images, None, body).maps[-1].square().mean().backward()
    gradient = made.encoder.level1.body.enter.weight.grad
    assert (gradient.abs().amax(dim=(0, 2, 3)) > 0).all()  # of every channel of every pixel of a cell


@pytest.mark.parametrize("landmarks", [0, 4])
def test_a_body_has_an_effect_and_a_view_without_one_is_as_if_none_had(landmarks: int) -> None:
    made = learned(landmarks=landmarks)
    images, body = given()
    with_body, without = made.encode(images, None, body).maps[-1], made.encode(images).maps[-1]
    assert (with_body - without).abs().amax(dim=(1, 2, 3)).min() > 1e-4
    body[1] = torch.nan
    mixed = made.encode(images, None, body).maps[-1]
    torch.testing.assert_close(mixed[1], without[1], rtol=0, atol=0)
    torch.testing.assert_close(mixed[::2], with_body[::2])


def test_a_larger_body_is_averaged_where_it_is() -> None:
    """Each pixel twice as large: the same cells, also at the rim, where half of the pixels hold nothing."""
    made = learned()
    _, body = given()
    level = made.encoder.level1.body
    large = body.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(level(large, 16), level(body, 16))
    rim = body.clone()
    rim[:, :, 0, 0] = 0.5
    half = large.clone()
    half[:, :, 0, :2] = 0.5  # two of four pixels
    weight = level.enter.weight.detach()
    # The depths there are those of the two pixels, in units of a tenth, and the outline is one half.
    expected = level(rim, 16) - 0.5 * weight[:, 8 * 16, 1, 1][None, :, None, None] * cell(3, 8, 0, 0)
    for (row, column), tap in {(0, 1): (1, 0), (1, 0): (0, 1), (1, 1): (0, 0)}.items():
        expected -= 0.5 * weight[:, 8 * 16, tap[0], tap[1]][None, :, None, None] * cell(3, 8, row, column)
    torch.testing.assert_close(level(half, 16), expected)


def cell(batch: int, width: int, row: int, column: int) -> torch.Tensor:
    """1 in one of 4 x 4 cells."""
    one = torch.zeros(batch, width, 4, 4)
    one[:, :, row, column] = 1.0
    return one


def test_its_cost_is_counted_and_other_sources_are_refused() -> None:
    cells = 4 * 4
    more = count_cost(config("known"), 16).picture_flops - count_cost(config("none"), 16).picture_flops
    assert more == 2 * cells * 9 * 16 * 9 * 8
    with pytest.raises(SettingsError, match="body is 'true', expected one of none, known, fitted"):
        MapsConfig(body="true")
