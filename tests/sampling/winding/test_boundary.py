"""Boundary terms by cells and runs: never farther from the exact sum over edges than the bound they give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.geometry.morton import BITS, morton_cells, morton_codes, spatial_order
from mpc.sampling.winding import boundary_term as boundary_module
from mpc.sampling.winding.boundary_term import boundary_term, boundary_term_numpy, compiled_kernels
from mpc.sampling.winding.boundary_tree import build_boundary_tree, closed_runs

KERNELS, REASON = compiled_kernels()
compiled = pytest.mark.skipif(KERNELS is None, reason=f"Warp does not compile here: {REASON}")


def loops(rng: np.random.Generator, count: int, crumple: float):
    """Rings of random size, place and tilt, `crumple` of their radius out of round and plane."""
    vertices, edges, first = [], [], 0
    for _ in range(count):
        number = int(rng.integers(3, 90))
        angle = np.linspace(0, 2 * np.pi, number, endpoint=False)
        radius = rng.uniform(0.01, 0.4)
        ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(number)], axis=1)
        ring += rng.normal(0, crumple, ring.shape)
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        vertices.append(ring @ turn * radius + rng.uniform(-1, 1, 3))
        ids = np.arange(first, first + number)
        edges.append(np.stack([ids, np.roll(ids, -1)], axis=1))
        first += number
    return np.concatenate(vertices), np.concatenate(edges)


@compiled
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 12),
    crumple=st.sampled_from([0.0, 0.05, 0.4]),
    tolerance=st.sampled_from([3e-2, 1e-2, 1e-3]),
    spread=st.sampled_from([0.02, 0.2, 2.0]),
    axis=st.integers(0, 2),
)
def test_never_beyond_the_bound(seed, count, crumple, tolerance, spread, axis):
    rng = np.random.default_rng(seed)
    vertices, edges = loops(rng, count, crumple)
    tree = build_boundary_tree(vertices, edges, axis)
    points = vertices[rng.integers(len(vertices), size=600)] + rng.normal(0, spread, (600, 3))
    exact = boundary_term_numpy(tree, points)
    rough, bound = boundary_term(tree, points, tolerance)
    assert (np.abs(rough - exact) <= bound + 1e-9).all()
    np.testing.assert_allclose(boundary_term(tree, points, 0.0)[0], exact, atol=1e-9)
    assert (boundary_term(tree, points, 0.0)[1] == 0).all()


@compiled
def test_cells_are_used_and_the_bound_is_of_use():
    """Many points in little room, far from most loops: interpolated, and bounded well below one half."""
    rng = np.random.default_rng(5)
    vertices, edges = loops(rng, 30, 0.05)
    tree = build_boundary_tree(vertices, edges, 2)
    points = np.array([1.5, 0.0, 0.0]) + rng.uniform(-0.2, 0.2, (4_000, 3))
    rough, bound = boundary_term(tree, points, 1e-2)
    miss = np.abs(rough - boundary_term_numpy(tree, points))
    assert (miss <= bound + 1e-9).all()
    assert bound.max() < 30 * 1e-2, "loops were broken up"
    assert 1e-7 < miss.max() < 0.02


@compiled
def test_cells_with_too_much_around_them(monkeypatch):
    """More nodes than a cell may keep, more cells than are done at a time: the same answers within the bounds."""
    rng = np.random.default_rng(6)
    vertices, edges = loops(rng, 20, 0.05)
    tree = build_boundary_tree(vertices, edges, 1)
    points = vertices[rng.integers(len(vertices), size=3000)] + rng.normal(0, 0.05, (3000, 3))
    usual, _ = boundary_term(tree, points, 1e-2)
    monkeypatch.setattr(boundary_module, "LIST_NODES", 2)
    monkeypatch.setattr(boundary_module, "CHUNK_CELLS", 3)
    rough, bound = boundary_term(tree, points, 1e-2)
    assert (rough != usual).any()
    assert (np.abs(rough - boundary_term_numpy(tree, points)) <= bound + 1e-9).all()


@compiled
def test_any_number_of_points():
    vertices, edges = loops(np.random.default_rng(1), 3, 0.05)
    tree = build_boundary_tree(vertices, edges, 0)
    assert boundary_term(tree, np.zeros((0, 3)), 1e-2)[0].shape == (0,)
    for spread in (0.0, 1e-15, 1e-9):
        same = np.array([0.3, 0.2, 0.1]) + np.random.default_rng(2).uniform(0, 1, (50, 3)) * spread
        rough, bound = boundary_term(tree, same, 1e-2)
        assert np.ptp(rough) < 1e-7
        assert (np.abs(rough - boundary_term_numpy(tree, same)) <= bound + 1e-9).all()


def test_far_fields_of_flat_rings_are_dipoles():
    """A ring's area vector and centroid in closed form; a flat one has no second moment that a harmonic field sees."""
    number = 64
    angle = np.linspace(0, 2 * np.pi, number, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(number)], axis=1) * 0.3 + [1.0, 2.0, 3.0]
    ids = np.arange(number)
    tree = build_boundary_tree(ring, np.stack([ids, np.roll(ids, -1)], axis=1), 2)
    polygon = 0.5 * number * 0.3**2 * np.sin(2 * np.pi / number)
    np.testing.assert_allclose(tree.area[0], [0, 0, polygon], atol=1e-12)
    np.testing.assert_allclose(tree.centre[0], [1, 2, 3], atol=1e-12)
    np.testing.assert_allclose(tree.radius[0], 0.3, rtol=1e-12)
    np.testing.assert_allclose(tree.first[0], 0.0, atol=1e-12)
    # A disc's integral of |y|^2 is pi r^4 / 2; the polygon's is a little less.
    np.testing.assert_allclose(tree.second[0], np.pi * 0.3**4 / 2, rtol=5e-3)
    assert len(tree.skip) == tree.skip[0] == 2 * number - 1


def test_every_edge_is_in_one_run():
    edges = np.array([[0, 1], [1, 2], [2, 0], [2, 3], [3, 4], [4, 2], [7, 8], [8, 7]])
    runs = closed_runs(edges)
    found = sorted(tuple(pair) for run in runs for pair in zip(run[:-1].tolist(), run[1:].tolist(), strict=True))
    assert found == sorted(tuple(edge) for edge in edges.tolist())
    assert all(run[0] == run[-1] for run in runs)


def test_morton_codes():
    rng = np.random.default_rng(0)
    points = rng.uniform(-3, 5, (2000, 3))
    codes, low, edge = morton_codes(points)
    cells = morton_cells(codes)
    assert (cells == np.floor((points - low) / edge)).all()
    assert cells.max() == 2**BITS - 1
    for level in (1, 4):
        assert (morton_cells(codes >> np.uint32(3 * level)) == cells >> level).all()
    order = spatial_order(points)
    assert (np.diff(codes[order].astype(np.int64)) >= 0).all()
    steps = np.linalg.norm(np.diff(points[order], axis=0), axis=1).mean()
    assert steps < 0.35 * np.linalg.norm(np.diff(points, axis=0), axis=1).mean()
    assert spatial_order(np.zeros((0, 3))).shape == (0,)
