"""Asking networks fast: chunks, half precision, compiled code, and what happens where these cannot be had."""

import logging
from functools import partial

import numpy as np
import pytest
import torch

from mpc.core.errors import SettingsError
from mpc.models.depth import DepthConfig
from mpc.models.features import PixelFeatures, sample_map
from mpc.models.head import HeadConfig
from mpc.models.residual import ResidualConfig
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.reconstruct.capture.settings import CaptureSettings
from mpc.reconstruct.point_query import LEAST_CHUNK, PointQuery, Speed, _Replayed, chunk_sizes

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    config = SurfaceConfig(
        encoder=ResidualConfig(stem=8, blocks=1), depth=DepthConfig(bins=8), head=HeadConfig(channels=(16, 8))
    )
    return SurfaceNetwork(config).eval()


@pytest.fixture(scope="module")
def maps(network):
    with torch.inference_mode():
        return network.encode(torch.rand(2, 3, 32, 32) * 2 - 1).last()


def asking(network):
    def query(features, points):
        return network.query(features[0], points, torch.eye(4).expand(len(points), 4, 4))

    return query


def points_of(count):
    return np.random.default_rng(count).uniform(-1, 1, (2, count, 3)).astype(np.float32)


@pytest.mark.parametrize("batch", [1024, 3000, 1 << 18])
@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 3000, 70_000])
def test_chunks_hold_every_point_and_are_of_few_sizes(count, batch):
    plain, padded = (chunk_sizes(count, batch, padded=padded) for padded in (False, True))
    assert sum(plain) == count
    assert sum(padded[:-1]) <= count <= sum(padded)
    assert max(padded) <= batch
    assert sum(padded) <= max(2 * count, LEAST_CHUNK)
    assert len({size for n in range(1, 70_000, 7) for size in chunk_sizes(n, batch, padded=True)}) <= 9


def test_padded_chunks_answer_as_one_call_does(network, maps):
    points = points_of(2500)
    with torch.inference_mode():
        whole = network.query(maps, torch.from_numpy(points), torch.eye(4).expand(2, 4, 4)).numpy()
    query = PointQuery(asking(network), CPU, 2048)
    assert np.abs(query((maps,), points) - whole).max() < 1e-6
    sizes = []  # as on CUDA: chunks of a few sizes, filled up
    query._fast = lambda features, part: sizes.append(part.shape[1]) or query._plain(features, part)
    assert np.abs(query((maps,), points) - whole).max() < 1e-6
    assert sizes == [1024, 1024, 1024]


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float16, 0.002), (torch.bfloat16, 0.02)])
def test_half_precision_rounds_answers_and_spares_positions(network, maps, dtype, rounding):
    points = points_of(3000)
    full, half = (
        PointQuery(asking(network), CPU, 4096, Speed(dtype=one))((maps,), points) for one in (torch.float32, dtype)
    )
    assert half.dtype == np.float32
    assert 0 < np.abs(half - full).max() < rounding  # 11 and 8 bits of mantissa
    # Were positions rounded, a point would move by up to 1/256 and read other features: no bias beside the rounding.
    assert abs(float((half - full).mean())) < rounding / 10


def test_where_float16_overflows_float32_takes_its_place(network, maps, caplog):
    def steep(features, points):
        return torch.sigmoid((points.sum(-1, keepdim=True) * 1e5 @ torch.ones(1, 1))[..., 0] * 0.0)

    query = PointQuery(steep, CPU, 4096, Speed(dtype=torch.float16))
    with caplog.at_level(logging.WARNING):
        assert (query((maps,), points_of(500)) == 0.5).all()
    assert [record.getMessage() for record in caplog.records] == [
        "the network overflows in torch.float16; it runs in float32 from now on"
    ]
    assert query.speed == Speed()


def test_compiled_code_answers_alike_for_any_number_of_points(maps, monkeypatch):
    # Traced once for all numbers of points, but not handed to the C++ compiler, which takes half a minute.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))

    def reads(features, points):
        return torch.sigmoid(sample_map(features[0].stacks[0], points[..., :2]).sum(-1) + points[..., 2])

    query, plain = (PointQuery(reads, CPU, 1 << 14, Speed(compiled=on, graphs=True)) for on in (True, False))
    for count in (3000, 10, 7000):
        assert np.abs(query((maps,), points_of(count)) - plain((maps,), points_of(count))).max() < 1e-5
    assert query._fast is not None, "it fell back"


def test_where_nothing_compiles_the_network_runs_as_it_is_and_says_so(network, maps, caplog):
    query = PointQuery(asking(network), CPU, 4096)

    def fails(features, points):
        raise RuntimeError("no compiler here\nand a long trace")

    query._fast = fails
    with caplog.at_level(logging.WARNING):
        first, second = query((maps,), points_of(100)), query((maps,), points_of(100))
    assert np.array_equal(first, second)
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == ["no compiler here"]


def test_settings_choose_the_speed_for_a_device():
    cuda = torch.device("cuda")
    assert CaptureSettings().speed(CPU) == Speed()
    assert CaptureSettings().speed(cuda) == Speed(dtype=torch.float16, graphs=True)
    assert CaptureSettings(precision="float32", compiled=True).speed(cuda) == Speed(compiled=True, graphs=True)
    with pytest.raises(SettingsError, match="precision is 'fp8'"):
        CaptureSettings(precision="fp8")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_graphs_replay_what_the_network_answers(network, maps):
    cuda = torch.device("cuda")
    network = network.to(cuda)

    def query(features, points):
        return network.query(features[0], points, torch.eye(4, device=cuda).expand(len(points), 4, 4))

    first, second = (PixelFeatures((stack.to(cuda),)) for stack in (maps.stacks[0], maps.stacks[0].flip(0)))
    plain, graphs = (PointQuery(query, cuda, 1 << 14, Speed(graphs=on)) for on in (False, True))
    for features, count in ((first, 3000), (second, 3000), (first, 10), (second, 7000)):
        assert np.abs(graphs((features,), points_of(count)) - plain((features,), points_of(count))).max() < 1e-5
    assert graphs._fast is not None, "it fell back"


def test_what_graphs_hold_follows_the_picture(network, maps):
    """The part of a recorded query that needs no GPU: maps are copied where the graphs read them, and only when new."""
    replayed = _Replayed.__new__(_Replayed)
    replayed._held = {}
    fine = torch.rand(2, 4, 8, 8)
    first, second = PixelFeatures(maps.stacks, fine), PixelFeatures((maps.stacks[0].flip(0),), fine + 1)
    held = replayed._hold((first,))
    assert replayed._hold((second,)) is held
    assert torch.equal(held[0].stacks[0], second.stacks[0])
    assert torch.equal(held[0].fine, second.fine)
    held[0].fine.zero_()
    replayed._hold((second,))  # the same picture again: nothing is copied
    assert not held[0].fine.any()
    replayed._hold((first,))
    assert torch.equal(held[0].fine, fine)
    assert replayed._hold((PixelFeatures((fine,)),)) is not held
