"""Closest points against float64 brute force, closed forms and other libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.geometry.closest import FLOAT32_SLACK, ClosestError, ClosestSurface, closest_on_triangles


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
    surface = ClosestSurface(vertices, faces, device="cpu")
    fast, exact = surface.query(points), surface.query(points, exact=True)
    assert np.abs(exact.distances - expected).max() <= 1e-6 * expected.min()
    slack = FLOAT32_SLACK * surface.scale * (1 + np.abs(points).max())
    assert (fast.distances >= expected - 1e-12).all()
    assert (fast.distances - expected).max() <= slack
    for found in (fast, exact):
        assert np.allclose(np.linalg.norm(points - found.points, axis=1), found.distances, rtol=1e-12)
        on_face = closest_on_triangles(found.points, vertices[faces[found.faces]])[1]
        assert on_face.max() < 1e-12


coordinate = st.integers(-3, 3).map(float)
nasty_vertices = st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=3, max_size=8)


@settings(max_examples=60, deadline=None)
@given(nasty_vertices, st.lists(st.tuples(*[st.integers(0, 7)] * 3), min_size=1, max_size=12), st.integers(0, 1000))
def test_equals_brute_force_on_degenerate_triangles(corners, triangles, seed):
    """Few places for the corners: repeated, collinear and coplanar triangles abound."""
    vertices = np.array(corners)
    faces = np.array(triangles) % len(vertices)
    points = np.random.default_rng(seed).integers(-8, 9, (20, 3)) / 2.0
    found = ClosestSurface(vertices, faces, device="cpu").query(points, exact=True)
    assert np.allclose(found.distances, brute_force(points, vertices, faces), rtol=1e-6, atol=1e-9)


def test_needles_are_measured_exactly_without_being_asked():
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    vertices = np.concatenate([start, end, end + 1e-6 * rng.normal(size=(40, 3))])
    faces = np.arange(120).reshape(3, 40).T
    points = rng.normal(size=(200, 3))
    found = ClosestSurface(vertices, faces, device="cpu").query(points)
    assert np.allclose(found.distances, brute_force(points, vertices, faces), rtol=1e-6)


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
    with pytest.raises(ClosestError, match=words):
        ClosestSurface(vertices, faces, device="cpu")


def test_points_that_have_no_distance_are_refused():
    surface = ClosestSurface(np.eye(3), np.array([[0, 1, 2]]), device="cpu")
    with pytest.raises(ClosestError, match="no points"):
        surface.query(np.zeros((0, 3)))
    with pytest.raises(ClosestError, match="1 points are not finite"):
        surface.query(np.array([[0, 0, np.nan], [0, 0, 0]]))
