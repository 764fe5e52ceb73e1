"""PosedMesh against trimesh and hand-made mistakes."""

import numpy as np
import pytest
import trimesh

from mpc.core.randomness import derive_rng, stable_hash
from mpc.geometry.mesh import MeshError, PosedMesh


def sphere() -> PosedMesh:
    shape = trimesh.creation.icosphere(subdivisions=2)
    return PosedMesh(np.array(shape.vertices, np.float64), np.array(shape.faces, np.int32))


def test_areas_and_normals_equal_trimesh():
    mesh = sphere()
    reference = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert np.allclose(mesh.face_areas, reference.area_faces)
    assert np.allclose(mesh.face_normals, reference.face_normals)
    assert np.allclose(mesh.vertex_normals, mesh.vertices, atol=0.05)  # of a unit sphere: the position itself


def test_the_middle_of_the_surface_is_that_of_trimesh():
    shape = trimesh.creation.cone(radius=0.3, height=1.1, sections=9)
    shape.apply_translation([0.2, -0.4, 1.0])
    mesh = PosedMesh(np.array(shape.vertices, np.float64), np.array(shape.faces, np.int32))
    assert np.allclose(mesh.centroid, shape.centroid)
    assert np.abs(mesh.centroid - mesh.vertices.mean(axis=0)).max() > 0.01


def test_a_mirrored_mesh_stays_outward():
    mesh = sphere()
    mirrored = mesh.transformed(np.diag([-1.0, 1.0, 1.0, 1.0]))
    assert trimesh.Trimesh(mirrored.vertices, mirrored.faces, process=False).volume > 0
    assert np.isclose(mirrored.face_areas.sum(), mesh.face_areas.sum())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"faces": np.array([[0, 1, 9]], np.int32)}, "refers to entry 9"),
        ({"faces": np.zeros((0, 3), np.int32)}, "no faces"),
        ({"vertices": np.array([[0, 0, np.nan], [1, 0, 0], [0, 1, 0]])}, "not finite"),
        ({"vertices": np.zeros((3, 3), np.float32)}, "expected float64"),
        ({"uv": np.zeros((3, 2), np.float32)}, "come together"),
        ({"vertex_colours": np.zeros((2, 4), np.uint8)}, "vertex_colours"),
    ],
)
def test_contradictions_are_named(change, message):
    good = {"vertices": np.eye(3), "faces": np.array([[0, 1, 2]], np.int32)}
    with pytest.raises(MeshError, match=message):
        PosedMesh(**{**good, **change})


def test_streams_depend_on_names_alone():
    assert stable_hash("a", 1) != stable_hash("a", "1") != stable_hash("a1")
    assert stable_hash(0, "rig_01", "walk", 3) == 257143364742762139270554337942304364436
    draws = derive_rng(7, "x", "y").random(4)
    assert np.array_equal(draws, derive_rng(7, "x", "y").random(4))
    assert not np.array_equal(draws, derive_rng(7, "x", "z").random(4))
