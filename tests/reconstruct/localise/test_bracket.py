"""What bounded heads prove about depth: in closed form and by brute force, and that localisation's answer stays."""

import numpy as np
import pytest
import torch
from scipy.ndimage import label

from mpc.core.errors import SettingsError
from mpc.models.depth import PLAIN_SCALE, DepthConfig
from mpc.models.head import BoundedHead, HeadConfig, depth_range
from mpc.models.hourglass import HourglassConfig
from mpc.models.maps import MapsConfig
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.reconstruct.localise.baselines import dense_grid
from mpc.reconstruct.localise.bracket import Bracket
from mpc.reconstruct.localise.lattice import Lattice
from mpc.reconstruct.localise.localise import FieldError, localise, localise_many
from mpc.reconstruct.surface.mesh import extract_mesh
from mpc.reconstruct.view_field import encode_view

REACH = 1 / 30  # 2 logits by a slope of 60


def head(seed, bias=0.0):
    torch.manual_seed(seed)
    made = BoundedHead(12, 1, 1, HeadConfig(kind="bounded", channels=(8,)))
    torch.nn.init.normal_(made.last.weight, std=20.0)
    torch.nn.init.constant_(made.last.bias, bias)
    return made


def pixels(count, seed=0):
    """Features of pixels: a front, a back (before the front for some), and alpha."""
    generator = torch.Generator().manual_seed(seed)
    pixel = torch.randn(1, count, 12, generator=generator)
    pixel[..., 0] = torch.rand(1, count, generator=generator) - 0.6
    pixel[..., 1] = pixel[..., 0] + torch.rand(1, count, generator=generator) * 0.6 - 0.2
    pixel[..., 8] = torch.rand(1, count, generator=generator)
    return pixel


def inside(made, pixel, z):
    depth = torch.full((*pixel.shape[:2], 1), float(z) * PLAIN_SCALE)
    return made(pixel, depth)[0, :, 0] > 0


@pytest.mark.parametrize(("seed", "bias"), [(0, 0.0), (1, 0.0), (2, 1000.0)])
@torch.no_grad()
def test_nothing_is_inside_beyond_the_range_whatever_the_weights(seed, bias):
    made, pixel = head(seed, bias), pixels(400)
    nearest, farthest = depth_range(pixel)[0].T
    found = 0
    for z in np.linspace(-1.2, 1.2, 481):
        here = inside(made, pixel, z)
        found += int(here.sum())
        assert not (here & ((z < nearest) | (z > farthest))).any()
    assert found > 1000


@torch.no_grad()
def test_the_range_is_no_larger_than_it_must_be():
    """A head that always says "inside" reaches to within rounding of it, and to alpha of a quarter."""
    made, pixel = head(0, 1000.0), pixels(400)
    torch.nn.init.zeros_(made.last.weight)
    nearest, farthest = depth_range(pixel)[0].T
    possible = nearest < farthest
    assert torch.equal(possible, (pixel[0, :, 8] > 0.249) & (pixel[0, :, 1] - pixel[0, :, 0] > -2 * (REACH + 1e-3)))
    for edge, step in ((nearest, 2e-3), (farthest, -2e-3)):
        wide = possible & (farthest - nearest > 0.02) & (pixel[0, :, 8] > 0.252)
        depth = ((edge + step) * PLAIN_SCALE)[None, :, None]
        assert (made(pixel, depth)[0, :, 0] > 0)[wide].all()


def bounded_field(seed, strand=False):
    """Smooth random depths under a random residual that departs from the rule by up to 2: occupancy and range."""
    rng = np.random.default_rng(seed)
    waves, phases = rng.normal(0, 4, (4, 2)), rng.uniform(0, 6.3, 4)
    steer, shift = rng.normal(0, 5, 3), rng.uniform(0, 6.3)

    def maps(xy):
        bump = np.sin(xy @ waves.T + phases)
        front = 0.1 * bump[:, 0] - 0.25 + 0.2 * bump[:, 1]
        back = front + 0.2 + 0.15 * bump[:, 2]
        alpha = 1 / (1 + np.exp(8 * (np.hypot(xy[:, 0], xy[:, 1] / 1.5) - 0.5 - 0.1 * bump[:, 3])))
        if strand:  # 2.4 voxels of 65 wide, between the nodes of a grid of 17
            here = (np.abs(xy[:, 0] - 0.8125) < 1.2 / 32) & (np.abs(xy[:, 1]) < 0.35)
            front, back = np.where(here, -0.7, front), np.where(here, -0.6, back)
            alpha = np.where(here, 1.0, alpha)
        return front, back, alpha

    def occupancy(points):
        front, back, alpha = maps(points[:, :2].astype(np.float64))
        between = np.minimum(points[:, 2] - front, back - points[:, 2])
        rule = np.minimum(np.clip(between * 60, -8, 1.5), (alpha - 0.5) * 8)
        residual = 0.0 if strand else 2 * np.tanh(3 * np.sin(points @ steer + shift))
        return (1 / (1 + np.exp(-(rule + residual)))).astype(np.float32)

    def ranges(xy):
        front, back, alpha = maps(xy.astype(np.float64))
        shown = alpha > 0.25
        return np.stack([np.where(shown, front - REACH, 2), np.where(shown, back + REACH, -2)], axis=1)

    return occupancy, ranges


def mesh_of_all_nodes(occupancy):
    return extract_mesh(localise(occupancy, 65, start=65))


@pytest.mark.parametrize("seed", range(8))
def test_every_part_that_holds_a_node_of_the_first_grid_is_that_of_the_dense_grid(seed):
    """The guarantee, for fields that fall into parts: what is missed lies between the nodes of the grid of 33."""
    occupancy, ranges = bounded_field(seed)
    sides, dense = localise(occupancy, 65, bracket=ranges).sides(), dense_grid(occupancy, 65).values > 0.5
    for own, whole in ((sides, dense), (~sides, ~dense)):
        parts = label(whole, np.ones((3, 3, 3)))[0]
        held = np.isin(parts, np.setdiff1d(parts[::2, ::2, ::2], 0))
        assert held.any()
        assert not (held & ~own).any()
    assert (sides != dense).mean() < 1e-4


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
def test_the_mesh_is_that_of_the_dense_grid(seed):
    """Sides and values: vertices lie where the values on both sides of the surface put them."""
    occupancy, ranges = bounded_field(seed)
    grid = localise(occupancy, 65, bracket=ranges)
    assert grid.levels == (33, 65)
    assert np.array_equal(grid.sides(), dense_grid(occupancy, 65).values > 0.5)
    own, whole = extract_mesh(grid), mesh_of_all_nodes(occupancy)
    assert np.array_equal(own.vertices, whole.vertices)
    assert np.array_equal(own.faces, whole.faces)
    assert grid.total_evaluations < localise(occupancy, 65, start=33).total_evaluations


def test_a_part_between_the_nodes_of_the_usual_grid_is_found():
    occupancy, ranges = bounded_field(3, strand=True)
    dense = dense_grid(occupancy, 65).values > 0.5
    assert dense[57:60].any()
    assert not localise(occupancy, 65).sides()[57:60].any()
    grid = localise(occupancy, 65, bracket=ranges)
    assert np.array_equal(grid.sides(), dense)
    many = localise_many(lambda p, owner: occupancy(p), 2, 65, brackets=[ranges, ranges])
    assert all(np.array_equal(one.values, grid.values) for one in many)


def test_values_at_the_surface_are_asked_though_their_side_is_proved():
    """A range that ends at the surface itself: each vertex needs the value of a node beyond it."""

    def occupancy(points):
        return (1 / (1 + np.exp(20 * (np.abs(points[:, 2] - 0.013) - 0.3)))).astype(np.float32) * (
            np.abs(points[:, :2]).max(axis=1) < 0.6
        )

    def tight(xy):
        return np.tile(np.float32([-0.287, 0.313]), (len(xy), 1))

    grid, whole = localise(occupancy, 65, bracket=tight), mesh_of_all_nodes(occupancy)
    assert np.array_equal(extract_mesh(grid).vertices, whole.vertices)
    heights = whole.vertices[np.abs(whole.vertices[:, :2]).max(axis=1) < 0.55][:, 2]
    assert np.abs(np.abs(heights - 0.013) - 0.3).max() < 1e-3


def test_what_is_not_known_proves_nothing():
    occupancy, ranges = bounded_field(1)
    unknown = localise(occupancy, 65, bracket=lambda xy: np.full((len(xy), 2), np.nan, np.float32))
    assert unknown.evaluations[0] == 33**3
    assert np.array_equal(unknown.sides(), localise(occupancy, 65, bracket=ranges).sides())
    plain = localise(occupancy, 65)
    for options in ({}, {"mode": "fast"}):
        same = localise(occupancy, 65, bracket=lambda xy: None, **options)
        other = plain if not options else localise(occupancy, 65, **options)
        assert np.array_equal(same.values, other.values)
    fast = localise(occupancy, 65, mode="fast", bracket=ranges)
    assert np.array_equal(fast.values, localise(occupancy, 65, mode="fast").values)
    with pytest.raises(SettingsError, match=r"above 0\.5"):
        localise(occupancy, 65, threshold=0.4, bracket=ranges)
    with pytest.raises(FieldError, match="NaN"):
        localise(lambda p: np.full(len(p), np.nan, np.float32), 65, bracket=ranges)


def test_nobody_within_the_range_is_nobody():
    grid = localise(lambda p: np.zeros(len(p), np.float32), 65, bracket=lambda xy: np.tile([[2.0, -2.0]], (len(xy), 1)))
    assert grid.total_evaluations <= 1
    assert not grid.sides().any()


def test_columns_are_those_of_their_places():
    lattice = Lattice(33)
    bracket = Bracket.of(lattice, lambda xy: np.stack([xy[:, 0], xy[:, 0] + 0.25 + 0 * xy[:, 1]], axis=1))
    columns = [0, 4], [4, 9]
    assert bracket.first[columns].tolist() == [0, 4]  # nodes 0 to 4 at x = -1, 4 to 8 at x = -0.75
    assert bracket.last[columns].tolist() == [4, 8]


def test_networks_prove_their_own_field():
    """A network of random weights: with its bracket the mesh is that of all nodes; other heads prove nothing."""
    torch.manual_seed(3)
    config = SurfaceConfig(
        encoder=MapsConfig(size=16, cells=4, widths=(8, 12), blocks=1, values=3, coarse=5),
        depth=DepthConfig(kind="plain"), head=HeadConfig(kind="bounded", channels=(8,)),
    )  # fmt: skip
    network = SurfaceNetwork(config).eval()
    torch.nn.init.normal_(network.head.last.weight, std=3.0)
    with torch.no_grad():
        network.encoder.level1.top.bias[: 2 * 16] = torch.tensor([-3.0] * 16 + [3.0] * 16)  # in tenths
    picture = np.full((16, 16, 4), 120, np.uint8)
    picture[..., 3] = 0
    picture[3:13, 5:11, 3] = 255
    view = encode_view(network, None, picture)
    own = extract_mesh(localise(view.occupancy, 65, bracket=view.depth_range))
    whole = mesh_of_all_nodes(view.occupancy)
    assert len(own.vertices) > 500
    assert np.array_equal(own.vertices, whole.vertices)
    other = SurfaceConfig(
        encoder=HourglassConfig(stacks=1, depth=2, channels=8, features=8, stem=8, norm="batch"),
        depth=DepthConfig(kind="plain"), head=HeadConfig(channels=(8,)),
    )  # fmt: skip
    assert (
        encode_view(SurfaceNetwork(other).eval(), None, np.zeros((32, 32, 4), np.uint8)).depth_range(
            np.zeros((2, 2), np.float32)
        )
        is None
    )
