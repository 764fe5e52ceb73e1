"""Closest points against float64 brute force, closed forms and other libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.geometry.closest import ClosestSurface
from mpc.geometry.device_mesh import SurfaceError


def brute_force(points, vertices, faces):
    best = np.full(len(points), np.inf)
    for face in faces:
        best = np.minimum(best, naive_distance(points, *vertices[face]))
    return best


def naive_distance(points, a, b, c):
    """Distance to one triangle: to the plane where the foot lies within (by least squares), else to the edges."""
    best = np.min([to_segment(points, *ends) for ends in ((a, b), (b, c), (c, a))], axis=0)
    frame = np.stack([b - a, c - a], axis=1)
    if np.linalg.matrix_rank(frame, tol=1e-12 * max(np.abs(frame).max(), 1e-300)) < 2:
        return best
    uv = np.linalg.lstsq(frame, (points - a).T, rcond=None)[0]
    within = (uv >= 0).all(axis=0) & (uv.sum(axis=0) <= 1)
    return np.where(within, np.minimum(best, np.linalg.norm(points - a - (frame @ uv).T, axis=1)), best)


def to_segment(points, a, b):
    squared = (b - a) @ (b - a)
    along = np.clip((points - a) @ (b - a) / squared, 0, 1) if squared > 0 else np.zeros(len(points))
    return np.linalg.norm(points - a - along[:, None] * (b - a), axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_equals_brute_force_on_random_triangles(seed):
    rng = np.random.default_rng(seed)
    vertices, points = rng.normal(size=(60, 3)), rng.normal(size=(300, 3)) * 1.5
    faces = np.array([rng.choice(60, 3, replace=False) for _ in range(200)])
    expected = brute_force(points, vertices, faces)
    found = ClosestSurface(vertices, faces, device="cpu").query(points)
    assert np.abs(found.distances / expected - 1).max() <= 1e-9
    assert np.allclose(np.linalg.norm(points - found.points, axis=1), found.distances, rtol=1e-9)
    for point, face in zip(found.points, faces[found.faces], strict=True):
        assert naive_distance(point[None], *vertices[face]) < 1e-12


coordinate = st.integers(-3, 3).map(float)
nasty_vertices = st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=3, max_size=8)


@settings(max_examples=60, deadline=None)
@given(nasty_vertices, st.lists(st.tuples(*[st.integers(0, 7)] * 3), min_size=1, max_size=12), st.integers(0, 1000))
def test_equals_brute_force_on_degenerate_triangles(corners, triangles, seed):
    """Few places for the corners: repeated, collinear and coplanar triangles abound."""
    vertices = np.array(corners)
    faces = np.array(triangles) % len(vertices)
    points = np.random.default_rng(seed).integers(-8, 9, (20, 3)) / 2.0
    found = ClosestSurface(vertices, faces, device="cpu").query(points)
    assert np.allclose(found.distances, brute_force(points, vertices, faces), rtol=1e-6, atol=1e-9)


def test_needles_are_measured_exactly():
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    vertices = np.concatenate([start, end, end + 1e-6 * rng.normal(size=(40, 3))])
    faces = np.arange(120).reshape(3, 40).T
    points = rng.normal(size=(200, 3))
    found = ClosestSurface(vertices, faces, device="cpu").query(points)
    assert np.allclose(found.distances, brute_force(points, vertices, faces), rtol=1e-6)


def test_a_person_sized_mesh_with_slivers_seen_from_near_and_far():
    """A fine sphere among long slivers, a huge triangle and points; from on the surface to a hundred metres away."""
    import trimesh

    rng = np.random.default_rng(1)
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.9)
    slivers = rng.normal(size=(30, 1, 3)) + np.array([[0, 0, 0], [0, 1.5, 0], [1e-9, 0.7, 0]])
    huge = np.array([[[-50, -2, -50], [50, -2, -50], [0, -2, 80]]], float)
    dots = np.repeat(rng.normal(size=(5, 1, 3)), 3, axis=1)
    vertices = np.concatenate([ball.vertices, slivers.reshape(-1, 3), huge[0], dots.reshape(-1, 3)])
    loose = np.arange(len(ball.vertices), len(vertices)).reshape(-1, 3)
    faces = np.concatenate([ball.faces, loose])
    near = ball.sample(40, seed=0) * (1 + rng.normal(scale=1e-5, size=(40, 1)))
    points = np.concatenate([near, rng.normal(size=(40, 3)), 100 * rng.normal(size=(20, 3))])
    found = ClosestSurface(vertices, faces, device="cpu").query(points)
    expected = brute_force(points, vertices, faces)
    assert np.allclose(found.distances, expected, rtol=1e-6, atol=1e-13)


def test_threads_and_order_change_nothing(monkeypatch):
    import trimesh

    from mpc.core import kernels as compiled

    mesh = trimesh.creation.torus(0.5, 0.2)
    points = np.random.default_rng(0).normal(size=(20_000, 3))
    surface = ClosestSurface(mesh.vertices, mesh.faces, device="cpu")
    monkeypatch.setattr(compiled, "usable_threads", lambda: 1)
    one = surface.query(points)
    monkeypatch.setattr(compiled, "usable_threads", lambda: 3)
    three, backwards = surface.query(points), surface.query(points[::-1])
    assert np.array_equal(one.points, three.points)
    assert np.array_equal(one.faces, three.faces)
    assert np.array_equal(one.distances, backwards.distances[::-1])


def test_a_mesh_far_from_the_origin_keeps_its_precision():
    rng = np.random.default_rng(0)
    vertices, points = rng.normal(size=(30, 3)), rng.normal(size=(100, 3))
    faces = np.arange(30).reshape(10, 3)
    here = ClosestSurface(vertices, faces, device="cpu").query(points).distances
    there = ClosestSurface(vertices + 1000.0, faces, device="cpu").query(points + 1000.0).distances
    assert np.abs(here - there).max() < 2e-6


def test_agrees_with_open3d():
    open3d = pytest.importorskip("open3d")
    trimesh = pytest.importorskip("trimesh")
    mesh = trimesh.creation.icosphere(subdivisions=4)
    points = np.random.default_rng(0).normal(size=(5000, 3))
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    expected = scene.compute_distance(points.astype(np.float32)).numpy()
    found = ClosestSurface(mesh.vertices, mesh.faces, device="cpu").query(points)
    assert np.abs(found.distances - expected).max() < 1e-6


def test_agrees_with_point_cloud_utils():
    point_cloud_utils = pytest.importorskip("point_cloud_utils")
    import trimesh

    mesh = trimesh.creation.torus(0.5, 0.2)
    points = np.random.default_rng(0).normal(size=(2000, 3))
    expected, _, _ = point_cloud_utils.closest_points_on_mesh(points, mesh.vertices, mesh.faces.astype(np.int64))
    found = ClosestSurface(mesh.vertices, mesh.faces, device="cpu").query(points)
    assert np.abs(found.distances - expected).max() < 1e-6


def test_agrees_with_trimesh():
    pytest.importorskip("rtree", reason="trimesh needs it for its own search tree")
    import trimesh

    mesh = trimesh.creation.torus(0.5, 0.2)
    points = np.random.default_rng(0).normal(size=(300, 3))
    _, expected, _ = trimesh.proximity.closest_point(mesh, points)
    found = ClosestSurface(mesh.vertices, mesh.faces, device="cpu").query(points)
    assert np.abs(found.distances - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("vertices", "faces", "words"),
    [
        (np.zeros((3, 3)), np.zeros((0, 3), int), "no faces"),
        (np.full((3, 3), np.nan), np.array([[0, 1, 2]]), "not finite"),
        (np.zeros((3, 3)), np.array([[0, 1, 3]]), "vertex 3 of 3"),
        (np.zeros((3, 2)), np.array([[0, 1, 2]]), "expected vertices"),
    ],
)
def test_meshes_that_have_no_distance_are_refused(vertices, faces, words):
    with pytest.raises(SurfaceError, match=words):
        ClosestSurface(vertices, faces, device="cpu")


def test_points_that_have_no_distance_are_refused():
    surface = ClosestSurface(np.eye(3), np.array([[0, 1, 2]]), device="cpu")
    with pytest.raises(SurfaceError, match="no points"):
        surface.query(np.zeros((0, 3)))
    with pytest.raises(SurfaceError, match="1 points are not finite"):
        surface.query(np.array([[0, 0, np.nan], [0, 0, 0]]))
