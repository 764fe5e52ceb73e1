"""Published PIFu checkpoints find their place: state dictionaries of the published names and shapes, all of it used."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor
from torch.nn import functional

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.models.features import PixelFeatures
from mpc.models.public_weights import (
    PIFU_SURFACE,
    read_pifu_checkpoint,
    surface_from_pifu,
    surface_key,
    texture_from_pifu,
    texture_key,
)
from mpc.models.runs import load_run
from mpc.models.surface import SurfaceNetwork

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def layer(name: str, *shape: int, bias: bool = True) -> Shapes:
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", (shape[0],)


def conv_block(name: str, inputs: int, outputs: int) -> Shapes:
    half, quarter = outputs // 2, outputs // 4
    yield from layer(f"{name}.conv1", half, inputs, 3, 3, bias=False)
    yield from layer(f"{name}.conv2", quarter, half, 3, 3, bias=False)
    yield from layer(f"{name}.conv3", quarter, quarter, 3, 3, bias=False)
    for index, channels in enumerate((inputs, half, quarter, inputs), start=1):
        yield from layer(f"{name}.bn{index}", channels)
    if inputs != outputs:
        yield from layer(f"{name}.downsample.0", inputs)
        yield from layer(f"{name}.downsample.2", outputs, inputs, 1, 1, bias=False)


def net_g() -> Shapes:
    """Names and shapes of net_G as its published classes (HGFilter, SurfaceClassifier) register them."""
    top = "image_filter"
    yield from layer(f"{top}.conv1", 64, 3, 7, 7)
    yield from layer(f"{top}.bn1", 64)
    for name, inputs, outputs in (("conv2", 64, 128), ("conv3", 128, 128), ("conv4", 128, 256)):
        yield from conv_block(f"{top}.{name}", inputs, outputs)
    for stack in range(4):
        for part in ("b1_2", "b2_2", "b1_1", "b2_1", "b2_plus_1", "b3_1", "b3_2"):
            yield from conv_block(f"{top}.m{stack}.{part}", 256, 256)
        yield from conv_block(f"{top}.top_m_{stack}", 256, 256)
        yield from layer(f"{top}.conv_last{stack}", 256, 256, 1, 1)
        yield from layer(f"{top}.bn_end{stack}", 256)
        yield from layer(f"{top}.l{stack}", 256, 256, 1, 1)
        if stack < 3:
            yield from layer(f"{top}.bl{stack}", 256, 256, 1, 1)
            yield from layer(f"{top}.al{stack}", 256, 256, 1, 1)
    yield from classifier([257, 1024, 512, 256, 128, 1])


NORMS = ("group", "instance")


def net_c(norm: str = "group") -> Shapes:
    """Names and shapes of net_C as ResnetFilter registers them: instance norm has no weights, its convolutions biases;
    group norm has weights, and the convolutions none. The last block ends without norm."""
    bias = norm == "instance"
    for index, shape in ((1, (64, 3, 7, 7)), (4, (128, 64, 3, 3)), (7, (256, 128, 3, 3))):
        yield from layer(f"image_filter.model.{index}", *shape, bias=bias)
        if not bias:
            yield from layer(f"image_filter.model.{index + 1}", shape[0])
    for block in range(10, 16):
        for place in (1, 5):
            yield from layer(f"image_filter.model.{block}.conv_block.{place}", 256, 256, 3, 3, bias=bias)
            if not bias and (block, place) != (15, 5):
                yield from layer(f"image_filter.model.{block}.conv_block.{place + 1}", 256)
    yield from classifier([513, 1024, 512, 256, 128, 3])


def classifier(widths: list[int]) -> Shapes:
    for index in range(5):
        inputs = widths[index] + (widths[0] if index else 0)
        yield from layer(f"surface_classifier.conv{index}", widths[index + 1], inputs, 1)


def state(shapes: Shapes) -> dict[str, Tensor]:
    """A state dictionary of those names and shapes; many draws would take seconds, so one block is repeated."""
    block = torch.randn(4099, generator=torch.Generator().manual_seed(0)) * 0.02
    tensors = {}
    for name, shape in shapes:
        count = math.prod(shape)
        start = len(tensors) * 17 % len(block)
        tensors[name] = block.roll(-start).repeat(count // len(block) + 1)[:count].reshape(shape).clone()
    return tensors


def in_our_space(place: str, value: Tensor) -> Tensor:
    """Weights that depth meets change their sign: it is the last input of each of the head's layers."""
    if not (place.startswith("head.") and place.endswith("weight")):
        return value
    turned = value.clone()
    turned[:, -1] *= -1.0
    return turned


def test_every_key_of_net_g_finds_its_place() -> None:
    published = state(net_g())
    network = surface_from_pifu(published)
    ours = network.state_dict()
    places = {surface_key(key): value for key, value in published.items()}
    unused = [key for key in published if surface_key(key) is None]
    assert places.keys() - {None} == ours.keys()
    assert all(".bn4." in key for key in unused)
    for place, value in places.items():
        if place is not None:
            assert torch.equal(ours[place].flatten(), in_our_space(place, value).flatten())
    assert sum(v.numel() for k, v in published.items() if k not in unused) == 15_588_098


@pytest.mark.parametrize(("norm", "weights"), [("group", 9_139_398), ("instance", 9_136_390)])
def test_every_key_of_net_c_finds_its_place(norm: str, weights: int) -> None:
    """The evaluation script of PIFu loads a net_C with group norm; instance norm is the default of its option."""
    published = state(net_c(norm))
    network = texture_from_pifu(published)
    ours = network.state_dict()
    assert {texture_key(key) for key in published} == ours.keys()
    assert sum(value.numel() for value in published.values()) == weights
    for key, value in published.items():
        place = texture_key(key) or ""
        assert torch.equal(ours[place].flatten(), in_our_space(place, value).flatten())


def residual_filter(published: dict[str, Tensor], images: Tensor, norm: str) -> Tensor:
    """What ResnetFilter computes of pictures, from the state dictionary alone."""

    def convolve(x: Tensor, place: str, stride: int = 1, pad: int = 0) -> Tensor:
        weight, bias = published[f"{place}.weight"], published.get(f"{place}.bias")
        return functional.conv2d(x, weight, bias, stride=stride, padding=pad)

    def normed(x: Tensor, place: str) -> Tensor:
        if norm == "instance":
            return functional.instance_norm(x)
        return functional.group_norm(x, 32, published[f"{place}.weight"], published[f"{place}.bias"])

    def reflected(x: Tensor, cells: int) -> Tensor:
        return functional.pad(x, (cells,) * 4, mode="reflect")

    top = "image_filter.model"
    x = normed(convolve(reflected(images, 3), f"{top}.1"), f"{top}.2").relu()
    for place in (4, 7):
        x = normed(convolve(x, f"{top}.{place}", stride=2, pad=1), f"{top}.{place + 1}").relu()
    for block in range(10, 16):
        within = f"{top}.{block}.conv_block"
        inner = normed(convolve(reflected(x, 1), f"{within}.1"), f"{within}.2").relu()
        inner = convolve(reflected(inner, 1), f"{within}.5")
        x = x + (inner if block == 15 else normed(inner, f"{within}.6"))
    return x


@pytest.mark.parametrize("norm", NORMS)
def test_the_texture_network_computes_what_the_published_one_does(norm: str) -> None:
    """The whole of net_C, up to the border of the picture: maps are read with aligned corners, and z is negated."""
    published = state(net_c(norm))
    network = texture_from_pifu(published)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(1, 4, 16, 16, generator=generator) * 2.0 - 1.0
    surface = torch.randn(1, 256, 4, 4, generator=generator)
    points = torch.rand(1, 40, 3, generator=generator) * 2.0 - 1.0
    points[0, 0, :2], points[0, 1, :2] = torch.tensor([1.0, -1.0]), torch.tensor([-1.0, 0.3])
    maps = torch.cat([surface, residual_filter(published, images[:, :3], norm)], dim=1)
    # `index` of lib/geometry.py, and the depth of DepthNormalizer in their space.
    pixel = functional.grid_sample(maps, points[:, None, :, :2], align_corners=True)[:, :, 0]
    given = x = torch.cat([pixel, -1.28 * points[:, :, 2][:, None]], dim=1)
    for index in range(5):
        weight, bias = (published[f"surface_classifier.conv{index}.{part}"] for part in ("weight", "bias"))
        x = functional.conv1d(x if index == 0 else torch.cat([x, given], dim=1), weight, bias)
        x = functional.leaky_relu(x) if index < 4 else x
    theirs = torch.tanh(x).transpose(1, 2) * 0.5 + 0.5
    with torch.no_grad():
        ours = network.query(network.encode(images), PixelFeatures(stacks=(surface,)), points, torch.eye(4)[None])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_the_surface_network_reads_its_maps_as_the_published_one_does() -> None:
    """At the border, aligned corners and centres of cells are half a cell apart, 2 of 512 pixels."""
    network = surface_from_pifu(state(net_g()))
    column = torch.linspace(0.0, 1.0, 4)[None, None, None].expand(1, 256, 4, 4)
    read = PixelFeatures(stacks=(column,)).sample(
        torch.tensor([[[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.5, 0.0]]]), align_corners=network.config.align_corners
    )[0]
    torch.testing.assert_close(read[0, :, 0], torch.tensor([0.0, 0.5, 1.0, 0.75]))
    generator = torch.Generator().manual_seed(0)
    maps, points = torch.randn(1, 256, 4, 4, generator=generator), torch.rand(1, 9, 3, generator=generator) * 2 - 1
    pixel = functional.grid_sample(maps, points[:, None, :, :2], align_corners=True)[:, :, 0].transpose(1, 2)
    theirs = torch.sigmoid(network.head(pixel, points[..., 2:] * 1.28))[..., 0]
    torch.testing.assert_close(network.query(PixelFeatures(stacks=(maps,)), points, torch.eye(4)[None]), theirs)


def test_the_head_computes_what_the_published_layers_do() -> None:
    """The same numbers through 1D convolutions with skips, as the original applies them; its depth is ours negated."""
    published = state(net_g())
    network = surface_from_pifu(published)
    pixel, depth = torch.randn(1, 7, 256), torch.randn(1, 7, 1)
    x = given = torch.cat([pixel, -depth], dim=-1).transpose(1, 2)
    for index in range(5):
        weight, bias = (published[f"surface_classifier.conv{index}.{part}"] for part in ("weight", "bias"))
        x = torch.nn.functional.conv1d(x if index == 0 else torch.cat([x, given], 1), weight, bias)
        x = torch.nn.functional.leaky_relu(x) if index < 4 else x
    torch.testing.assert_close(network.head(pixel, depth), x.transpose(1, 2), atol=1e-5, rtol=1e-4)


def test_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    published = state(net_g())
    with pytest.raises(InputError, match=r"'image_filter.m9.x' has no place"):
        surface_from_pifu({**published, "image_filter.m9.x": torch.zeros(1)})
    with pytest.raises(InputError, match="holds no weights for"):
        surface_from_pifu({k: v for k, v in published.items() if ".m3." not in k})
    with pytest.raises(InputError, match=r"has shape \(2,\), expected \(64,\)"):
        surface_from_pifu({**published, "image_filter.bn1.bias": torch.zeros(2)})
    path = tmp_path / "net_C"
    torch.save(state(net_c()), path)
    assert texture_from_pifu(read_pifu_checkpoint(path)).config.head.channels[0] == 1024
    torch.save({"network": SurfaceNetwork}, path)
    with pytest.raises(InputError, match="not a checkpoint of tensors"):
        read_pifu_checkpoint(path)
    assert PIFU_SURFACE.encoder.features == 256


def test_a_run_of_published_checkpoints(tmp_path: Path) -> None:
    """Written by the command, loaded as any run; the surface network asked in our space answers as theirs in its own:
    x right, y down, but z towards the camera."""
    paths = [tmp_path / "net_G", tmp_path / "net_C"]
    published = [state(net_g()), state(net_c())]
    for path, tensors in zip(paths, published, strict=True):
        torch.save(tensors, path)
    command = ["import-weights", *map(str, paths), "--out", str(tmp_path / "runs" / "pifu")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    loaded = load_run(tmp_path / "runs")
    assert loaded.texture is not None
    assert loaded.settings["image_size"] == 512
    # A person of 1.7 m is 180 / 204.8 of their picture's height.
    assert 1.7 / loaded.extent_m == pytest.approx(180 / 204.8, abs=1e-3)
    theirs = surface_from_pifu(published[0])
    for layer in theirs.head.layers:
        layer.weight.data[:, -1] *= -1.0  # back to the published sign
    images, points = torch.rand(1, 3, 64, 64), torch.rand(1, 50, 3) * 1.6 - 0.8
    turned = torch.diag(torch.tensor([1.0, 1.0, -1.0, 1.0]))[None]
    ours = loaded.surface.query(loaded.surface.encode(images), points, torch.eye(4)[None])
    torch.testing.assert_close(ours, theirs.query(theirs.encode(images), points, turned))
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 1
    assert "exists already" in again.output
