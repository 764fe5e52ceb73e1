"""Modes, masks, batches and baselines of localisation, against the dense answer and closed forms."""

import numpy as np
import pytest

from mpc.core.errors import SettingsError
from mpc.reconstruct.localise.baselines import dense_grid, octree_grid
from mpc.reconstruct.localise.localise import localise, localise_many
from mpc.reconstruct.surface.mesh import extract_mesh, signed_volume
from support.numpy_search.lattice import Lattice
from support.numpy_search.node_store import NodeStore


def logistic(distance, width):
    return (1.0 / (1.0 + np.exp(np.clip(distance / width, -40, 40)))).astype(np.float32)


def ball(points, centre=(0.1, -0.05, 0.02), radius=0.55, width=0.01):
    return logistic(np.linalg.norm(points - np.float32(centre), axis=1) - radius, width)


def body_and_finger(points):
    """A box and, 0.3 to its right, a strand 1.5 voxels thick (129 nodes) that no node of the coarse grids touches."""
    box = (np.abs(points - np.float32([-0.3, 0, 0])) < [0.3, 0.6, 0.2]).all(axis=1)
    strand = (np.abs(points - np.float32([0.4, 0.05, 0.1])) < [0.75 / 64, 0.25, 0.75 / 64]).all(axis=1)
    return (box | strand).astype(np.float32)


def silhouette(size=256):
    """Of `body_and_finger`: pixel centres."""
    x = (2 * np.arange(size) + 1) / size - 1
    box = (np.abs(x + 0.3) < 0.3)[None] & (np.abs(x) < 0.6)[:, None]
    strand = (np.abs(x - 0.4) < 0.75 / 64)[None] & (np.abs(x - 0.05) < 0.25)[:, None]
    return box | strand


def dense(field, resolution):
    return dense_grid(field, resolution).values > 0.5


def wrong(grid, field):
    return int((grid.sides() != dense(field, grid.resolution)).sum())


def test_dense_grid_is_the_field_on_the_nodes():
    answer = dense_grid(ball, 33, max_batch=1000)
    i, j, k = np.indices((33, 33, 33)) / 16 - 1.0
    points = np.stack([i, j, k], axis=-1).reshape(-1, 3).astype(np.float32)
    assert np.array_equal(answer.values.ravel(), ball(points))
    assert answer.total_evaluations == 33**3


def test_octree_agrees_with_the_dense_grid_and_costs_more_than_localisation():
    octree = octree_grid(ball, 129, start=33)
    assert np.array_equal(octree.values > 0.5, dense(ball, 129))
    assert octree.evaluations[0] == 33**3
    assert localise(ball, 129).total_evaluations < octree.total_evaluations < 129**3 / 5
    with pytest.raises(SettingsError, match="octree"):
        octree_grid(ball, 100, start=33)


def test_fast_mode_asks_less_and_errs_at_few_nodes_next_to_the_surface():
    lossless, fast = localise(ball, 129), localise(ball, 129, mode="fast")
    assert fast.resolution == 129
    assert fast.levels[-2:] == (65, 129)
    assert fast.total_evaluations == sum(fast.evaluations) < 0.85 * lossless.total_evaluations
    truth = dense(ball, 129)
    differing = np.argwhere(fast.sides() != truth)
    assert len(differing) < 50  # of 23,000 nodes beside the surface
    away = np.abs(np.linalg.norm(differing / 64 - 1 - [0.1, -0.05, 0.02], axis=1) - 0.55)
    assert not len(away) or away.max() < 0.1 / 64
    assert signed_volume(extract_mesh(fast)) == pytest.approx(signed_volume(extract_mesh(lossless)), rel=2e-3)


def test_fast_mode_stays_sound_where_the_interpolation_is_wrong():
    def rippled(points):
        return logistic(points[:, 0] + 0.01 * np.sin(300 * points[:, 1]) * np.sin(290 * points[:, 2]), 0.002)

    grid = localise(rippled, 129, mode="fast")
    assert wrong(grid, rippled) < 0.02 * 129**2  # ripples of three voxels; a side that leaks would fill whole lines


def test_fast_mode_is_certain_of_most_sides_and_a_mask_misleads_it_nowhere():
    grid = localise(ball, 129, mode="fast")
    assert grid.evaluations[-1] < 0.05 * grid.nodes.size  # measured: 0.03 of the nodes whose side it tells
    x = (2 * np.arange(256) + 1) / 256 - 1
    disc = np.hypot(x[None] - 0.1, x[:, None] + 0.05) < 0.55
    masked = localise(ball, 129, mode="fast", mask=disc)
    assert wrong(masked, ball) <= wrong(grid, ball) + 5
    assert masked.total_evaluations < 0.98 * grid.total_evaluations


def test_fast_mode_on_a_hard_field_asks_less_than_the_surface_needs():
    def hard(points):
        return (ball(points) > 0.5).astype(np.float32)

    grid = localise(hard, 129, mode="fast")
    assert grid.total_evaluations < 0.9 * localise(hard, 129).total_evaluations
    assert wrong(grid, hard) < 300  # of 23,000 nodes beside the surface


def test_fast_mode_needs_room_for_its_levels():
    for options in ({"levels": (17, 33)}, {"start": 33}):
        with pytest.raises(SettingsError, match="fast"):
            localise(ball, 33, mode="fast", **options)
    with pytest.raises(SettingsError, match="mode"):
        localise(ball, 33, mode="quick")


def test_the_faces_of_the_cube_are_asked_next_to_what_is_inside_or_where_nothing_is():
    def corner(points):
        """A ball around a corner of the cube that holds that start node alone."""
        return np.maximum(ball(points), ball(points, (1, 1, 1), 0.1))

    lost = localise(corner, 65)
    assert lost.evaluations[0] < 15**3
    assert 0 < wrong(lost, corner) == (dense(corner, 65)[-5:, -5:, -5:]).sum()
    assert wrong(localise(corner, 65, seeds=np.float32([[1, 1, 1]])), corner) == 0
    for radius in (0.95, 1.3):  # up to the faces, and through them

        def great(points, radius=radius):
            return ball(points, (0, 0, 0), radius, 0.02)

        assert wrong(localise(great, 65), great) == 0

    def room(points):
        """Inside is only what lies at the faces."""
        return logistic(0.95 - np.abs(points).max(axis=1), 0.01)

    assert wrong(localise(room, 65), room) == 0


def test_the_start_grid_is_asked_in_part_and_whole_where_that_shows_nobody():
    """Node (5, 6, 6) of the start grid is neither among every second node nor in the middle between them."""
    apart = np.float32([5, 6, 6]) / 8 - 1

    def alone(points):
        return ball(points, apart, 0.06)

    grid = localise(alone, 65)
    assert grid.evaluations[0] == 15**3
    assert wrong(grid, alone) == 0
    assert wrong(localise(alone, 65, start=9), alone) > 0  # which does not hold it

    def with_body(points, centre=(0.4, 0.4, 0.4)):
        return np.maximum(alone(points), ball(points, centre, 0.3))

    far = localise(with_body, 65)  # beyond the box of the body, grown by a spacing
    assert 7**3 + 8**3 < far.evaluations[0] < 0.6 * 15**3
    assert wrong(far, with_body) == dense(alone, 65).sum() > 0
    seed = localise(with_body, 65, seeds=apart[None])
    assert wrong(seed, with_body) == 0

    def near(points):
        return with_body(points, apart + np.float32([0.4, 0, 0]))

    assert wrong(localise(near, 65), near) == 0


def test_parts_close_to_what_was_found_are_seen_at_the_second_level():
    """A ball that holds node (13, 16, 15) of 33 but none of 17, beside a body."""
    apart = np.float32([13, 16, 15]) / 16 - 1

    def beside(points):
        return np.maximum(ball(points, apart, 0.04, 0.004), ball(points, apart + np.float32([0.4, 0, 0]), 0.3))

    assert wrong(localise(beside, 129, levels=(17, 33, 129)), beside) == 0
    assert wrong(localise(beside, 129, levels=(17, 129)), beside) > 0


def test_a_level_more_is_visited_where_the_start_grid_costs_little():
    assert localise(lambda p: ball(p, radius=0.1), 257).levels == (17, 33, 257)
    grid = localise(lambda p: ball(p, radius=0.8), 257)
    assert grid.levels == (17, 33, 65, 257)
    assert len(grid.evaluations) == 4
    assert sum(grid.evaluations) == grid.total_evaluations == len(grid.nodes)


def first_inside(sides):
    """(R, R): least k that is inside, R where none is."""
    return np.where(sides.any(axis=2), sides.argmax(axis=2), sides.shape[2])


def test_visible_mode_finds_every_first_surface_with_half_the_evaluations():
    def torus_before_ball(points):
        ring = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 0.5, points[:, 2] + 0.5) - 0.2
        return np.maximum(ball(points, (0, 0, 0.3), 0.5), logistic(ring, 0.01))

    whole, seen = localise(torus_before_ball, 129), localise(torus_before_ball, 129, mode="visible")
    assert np.array_equal(first_inside(seen.sides()), first_inside(dense(torus_before_ball, 129)))
    assert seen.evaluations[-1] < 0.6 * whole.evaluations[-1]


def test_fields_in_step_are_those_alone_and_share_calls():
    centres = [(0.1, 0, 0), (-0.3, 0.2, 0.1), (0, 0, 0)]
    radii = [0.4, 0.3, 0.0]  # the last is empty
    calls = []

    def together(points, owner):
        calls.append(len(points))
        assert (np.diff(owner) >= 0).all()
        values = np.zeros(len(points), np.float32)
        for index, (centre, radius) in enumerate(zip(centres, radii, strict=True)):
            values[owner == index] = ball(points[owner == index], centre, radius - 0.1)
        return values

    grids = localise_many(together, 3, 65, max_batch=5000)
    alone = [localise(lambda p, c=c, r=r: ball(p, c, r - 0.1), 65) for c, r in zip(centres, radii, strict=True)]
    for grid, single in zip(grids, alone, strict=True):
        assert np.array_equal(grid.nodes, single.nodes)
        assert np.array_equal(grid.values, single.values)
        assert grid.evaluations == single.evaluations
    assert len(calls) < sum(grid.calls for grid in grids)
    assert max(calls) <= 5000
    assert grids[2].surface_box is None


def test_a_strand_between_the_coarse_nodes_is_lost_and_found_by_start_seed_or_mask():
    truth = dense(body_and_finger, 129)
    lost = localise(body_and_finger, 129)
    assert 100 < (lost.sides() != truth).sum() == truth[80:].sum()  # the strand, whole, and nothing else
    options = ({"start": 129}, {"seeds": np.float32([[0.4, 0.05, 0.1]])}, {"mask": silhouette()})
    for found in (localise(body_and_finger, 129, **how) for how in options):
        assert np.array_equal(found.sides(), truth)


@pytest.mark.parametrize("seed", [(0.3, 0.3, 0.3), (0.99, 0.0, 0.0), (-1, -1, -1), (1, 1, 1), (0.95, 0.95, 0.1)])
def test_a_seed_finds_the_way_out_from_wherever_it_lies(seed):
    """A bar through the whole cube, and all corners: some lines from a seed never leave what is inside."""

    def field(points):
        bar = np.abs(points[:, 1:]).max(axis=1) - 0.13
        corners = np.linalg.norm(np.abs(points) - 1, axis=1) - 0.11
        ball = np.linalg.norm(points - np.float32(seed), axis=1) - 0.11
        return logistic(np.minimum(np.minimum(bar, corners), ball), 0.01)

    grid = localise(
        field, 129, seeds=np.float32([seed, *[(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]])
    )
    assert wrong(grid, field) == 0


def test_a_mask_spares_what_lies_outside_it():
    asked = []

    def noting(points):
        asked.append(points)
        return body_and_finger(points)

    masked = localise(noting, 129, mask=silhouette(), levels=(17, 33, 129))
    points = np.concatenate(asked)
    outside = (points[:, 0] < -0.65) | (points[:, 0] > 0.45) | (np.abs(points[:, 1]) > 0.65)
    assert not outside.any()
    assert len(np.unique(points, axis=0)) == len(points) == masked.total_evaluations
    assert masked.evaluations[0] < 0.4 * 17**3
    with pytest.raises(SettingsError, match="mask"):
        localise(ball, 33, mask=np.zeros((4, 4)))


def test_the_search_behind_a_mask_is_bounded():
    nobody = localise(lambda points: np.zeros(len(points)), 65, mask=np.ones((64, 64), bool))
    assert nobody.total_evaluations < 17**3 + (1 << 15) + 1
    assert nobody.surface_box is None


def test_an_empty_mask_rules_everything_out():
    grid = localise(ball, 65, mask=np.zeros((32, 32), bool))
    assert grid.total_evaluations == 0
    assert not grid.sides().any()


def test_at_1025_memory_goes_with_the_surface():
    import tracemalloc

    tracemalloc.start()
    grid = localise(lambda points: ball(points, radius=0.15, width=0.003), 1025)
    mesh = extract_mesh(grid)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 * 2**20  # a byte for each node would be 1027 MiB; measured: see docs/reconstruction.md
    assert signed_volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.15**3, rel=3e-4)
    assert np.abs(np.linalg.norm(mesh.vertices - [0.1, -0.05, 0.02], axis=1) - 0.15).max() < 1e-4


def test_lattice_names_and_bricks_of_nodes():
    lattice = Lattice(100)
    rng = np.random.default_rng(0)
    i, j, k = rng.integers(0, 100, (3, 5000))
    nodes = lattice.join(i, j, k)
    assert all(np.array_equal(a, b) for a, b in zip(lattice.split(nodes), (i, j, k), strict=True))
    assert np.array_equal(lattice.flat(nodes), (i * 100 + j) * 100 + k)
    assert np.array_equal(lattice.nearest(lattice.points(nodes)), nodes)
    store = NodeStore(lattice)
    nodes = store.unknown(nodes)
    inside = rng.random(len(nodes)) < 0.5
    store.record(nodes, inside.astype(np.float32), inside)
    known = np.zeros((100, 100, 100), np.uint8)
    known[lattice.split(nodes)] = np.where(inside, 2, 1)
    assert np.array_equal(store.codes(lattice.every(1)), known.ravel())
    cells = store.take_cells(nodes[:50], 1)
    assert np.array_equal(cells, nodes[:50])
    assert len(store.take_cells(nodes[:60], 1)) == 10
