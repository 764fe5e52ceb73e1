"""Refining changes neither surface nor texture, opens no crack, and makes shadows independent of the mesh."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from mpc.geometry.mesh import Material, PosedMesh
from mpc.geometry.refine import refine_mesh
from mpc.geometry.surface import albedo_at, sample_surface
from mpc.render.transfer import radiance_transfer


@pytest.fixture(scope="module")
def box() -> PosedMesh:
    """Two materials, a texture with a seam on every edge, vertex colours, long and short edges."""
    shape = trimesh.creation.box((1.0, 0.4, 0.1))
    faces = np.asarray(shape.faces, np.int32)
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (16, 16, 4), dtype=np.uint8)
    return PosedMesh(
        np.asarray(shape.vertices, np.float64),
        faces,
        (Material(texture=texture), Material(colour=(0.5, 0.2, 0.1, 1.0))),
        (np.arange(12) % 2).astype(np.int32),
        rng.random((36, 2)).astype(np.float32),
        np.arange(36, dtype=np.int32).reshape(12, 3),
        np.full((8, 4), 200, np.uint8),
    )


@pytest.mark.parametrize("edge_m", [0.7, 0.3, 0.11, 0.05])
def test_no_edge_is_too_long_and_nothing_else_changes(box: PosedMesh, edge_m: float) -> None:
    fine = refine_mesh(box, edge_m)
    edges = fine.corners - np.roll(fine.corners, 1, axis=1)
    assert np.linalg.norm(edges, axis=-1).max() <= edge_m
    assert fine.face_areas.sum() == pytest.approx(box.face_areas.sum())
    np.testing.assert_array_equal(fine.vertices[:8], box.vertices)
    assert trimesh.Trimesh(fine.vertices, fine.faces, process=False).is_watertight
    volume = trimesh.Trimesh(fine.vertices, fine.faces, process=False).volume
    assert volume == pytest.approx(0.04), "faces still point outward"


def test_the_texture_stays_where_it_was(box: PosedMesh) -> None:
    fine = refine_mesh(box, 0.09)
    points = sample_surface(fine, 400, np.random.default_rng(1))
    found = albedo_at(fine, points.faces, points.barycentric)
    a, b, c = (box.corners[:, corner] for corner in range(3))
    for position, colour in zip(points.positions, found, strict=True):
        weights = trimesh.triangles.points_to_barycentric(box.corners, np.tile(position, (12, 1)))
        off = np.abs(((position - a) * np.cross(b - a, c - a)).sum(axis=1))
        face = int(np.argmax(np.where(off < 1e-9, weights.min(axis=1), -np.inf)))
        expected = albedo_at(box, np.array([face], np.int32), weights[face][None])[0]
        np.testing.assert_allclose(colour, expected, atol=2e-3)


def test_a_fine_mesh_is_returned_as_it_is_and_growth_is_bounded(box: PosedMesh) -> None:
    assert refine_mesh(box, 5.0) is box
    assert len(refine_mesh(box, 0.001, most_faces=2000).faces) <= 2000


def test_shadows_no_longer_depend_on_the_mesh() -> None:
    """A card over two triangles: without refining no vertex lies in its shadow."""
    vertices = np.array([[-1.0, 0, -1], [-1, 0, 1], [1, 0, 1], [1, 0, -1]])
    card = vertices * 0.2 + [0, 0.1, 0]
    floor = vertices - [0, 0.01, 0]
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * part for part in range(3)]).astype(np.int32)
    coarse = PosedMesh(np.concatenate([vertices, card, floor]), faces)
    assert radiance_transfer(coarse)[:4, 0].min() > 0.27
    fine = refine_mesh(coarse, 0.08)
    middle = np.argmin(np.linalg.norm(fine.vertices, axis=1))
    assert radiance_transfer(fine)[middle, 0] < 0.1


def test_all_poses_of_a_rig_get_the_faces_of_its_rest_pose(box: PosedMesh) -> None:
    rest = refine_mesh(box, 0.3)
    for stretch in ([1.0, 1.0, 1.0], [2.5, 0.3, 1.0], [0.1, 0.1, 0.1]):
        pose = box.with_vertices(box.vertices * stretch)
        fine = refine_mesh(pose, 0.3, rest=box.vertices)
        for name in ("faces", "face_material", "uv", "face_uv", "vertex_colours"):
            np.testing.assert_array_equal(getattr(fine, name), getattr(rest, name))
        np.testing.assert_allclose(fine.vertices, rest.vertices * stretch, atol=1e-15)
    assert len(refine_mesh(box.with_vertices(box.vertices * 2.5), 0.3).faces) > len(rest.faces)
