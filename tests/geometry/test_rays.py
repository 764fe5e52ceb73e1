"""Embree's answers against closed forms and a brute-force intersection."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import trimesh

from mpc.geometry.mesh import PosedMesh
from mpc.geometry.rays import RayScene, ray_scene


def as_posed(mesh: trimesh.Trimesh) -> PosedMesh:
    return PosedMesh(np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int32))


@pytest.fixture(scope="module")
def soup() -> PosedMesh:
    rng = np.random.default_rng(3)
    corners = rng.normal(0, 1, (60, 1, 3)) + rng.normal(0, 0.4, (60, 3, 3))
    return PosedMesh(corners.reshape(-1, 3), np.arange(180, dtype=np.int32).reshape(-1, 3))


def first_hit_brute(mesh: PosedMesh, origin: np.ndarray, direction: np.ndarray) -> tuple[int, float]:
    """Moeller and Trumbore over all faces, float64."""
    a, b, c = mesh.corners[:, 0], mesh.corners[:, 1], mesh.corners[:, 2]
    across = np.cross(direction, c - a)
    determinant = ((b - a) * across).sum(axis=1)
    u = ((origin - a) * across).sum(axis=1) / determinant
    other = np.cross(origin - a, b - a)
    v = (other @ direction) / determinant
    distance = (other * (c - a)).sum(axis=1) / determinant
    distance[(u < 0) | (v < 0) | (u + v > 1) | (distance < 0)] = np.inf
    face = int(np.argmin(distance))
    return (face, float(distance[face])) if np.isfinite(distance[face]) else (-1, np.inf)


def test_first_hit_is_that_of_brute_force(soup: PosedMesh) -> None:
    rng = np.random.default_rng(4)
    origins, directions = rng.normal(0, 2, (500, 3)), rng.normal(0, 1, (500, 3))
    hits = RayScene(soup).first_hit(origins, directions)
    expected = [first_hit_brute(soup, o, d) for o, d in zip(origins, directions, strict=True)]
    assert 50 < hits.hit.sum() < 450
    np.testing.assert_array_equal(hits.face, [face for face, _ in expected])
    np.testing.assert_allclose(hits.distance, [distance for _, distance in expected], rtol=2e-5)
    np.testing.assert_array_equal(RayScene(soup).occluded(origins, directions), hits.hit)


def test_weights_give_the_point_on_the_ray(soup: PosedMesh) -> None:
    rng = np.random.default_rng(5)
    origins, directions = rng.normal(0, 2, (300, 3)), rng.normal(0, 1, (300, 3))
    hits = ray_scene(soup).first_hit(origins, directions)
    on = hits.hit
    points = (soup.corners[hits.face[on]] * hits.weights()[on][:, :, None]).sum(axis=1)
    np.testing.assert_allclose(points, origins[on] + directions[on] * hits.distance[on, None], atol=2e-5)


def test_both_sides_of_a_face_are_hit_and_misses_are_marked() -> None:
    triangle = PosedMesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]], np.int32))
    origins = np.array([[0.2, 0.3, -1.0], [0.2, 0.3, 1.0], [0.9, 0.9, 1.0]])
    hits = RayScene(triangle).first_hit(origins, np.array([[0.0, 0, 2], [0, 0, -2], [0, 0, -2]]))
    assert hits.face.tolist() == [0, 0, -1]
    np.testing.assert_allclose(hits.distance, [0.5, 0.5, np.inf])
    np.testing.assert_allclose(hits.barycentric[:2], [[0.2, 0.3]] * 2, atol=1e-6)


def test_a_chosen_subset_keeps_the_mesh_s_face_numbers() -> None:
    ball = as_posed(trimesh.creation.icosphere(2))
    upper = np.flatnonzero(ball.corners[:, :, 1].mean(axis=1) > 0)
    scene = RayScene(ball, upper)
    down = np.array([0.0, -1.0, 0.0])
    assert scene.first_hit(np.array([[0.1, 5.0, 0.1]]), down).face[0] in upper
    assert not scene.occluded(np.array([[0.1, -0.5, 0.1]]), down)[0]
    assert not RayScene(ball, np.zeros(0, np.int32)).occluded(np.array([[0.1, 5.0, 0.1]]), down)[0]


def test_more_rays_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    ball = as_posed(trimesh.creation.icosphere(2))
    rng = np.random.default_rng(6)
    origins, direction = rng.uniform(-1.5, 1.5, (1000, 3)), np.array([0.3, 1.0, 0.2])
    whole = RayScene(ball).first_hit(origins, direction)
    monkeypatch.setattr("mpc.geometry.rays.CHUNK_RAYS", 64)
    parts = RayScene(ball).first_hit(origins, direction)
    np.testing.assert_array_equal(whole.face, parts.face)
    np.testing.assert_array_equal(whole.barycentric, parts.barycentric)


def test_a_mesh_far_from_the_origin_loses_no_precision() -> None:
    ball = as_posed(trimesh.creation.icosphere(3))
    shift = np.array([10_000.0, -20_000.0, 5_000.0])
    far = ball.with_vertices(ball.vertices + shift)
    near_scene, far_scene = RayScene(ball), RayScene(far)
    origin, direction = np.array([[0.2, 0.1, 3.0]]), np.array([0.0, 0.0, -1.0])
    near = near_scene.first_hit(origin, direction)
    moved = far_scene.first_hit(origin + shift, direction)
    assert near.face[0] == moved.face[0]
    assert abs(float(near.distance[0]) - float(moved.distance[0])) < 1e-5


def test_the_scene_is_kept_as_long_as_its_mesh() -> None:
    ball = as_posed(trimesh.creation.icosphere(1))
    scene = ray_scene(ball)
    assert ray_scene(ball) is scene
    gone = weakref.ref(scene)
    del scene, ball
    gc.collect()
    assert gone() is None
