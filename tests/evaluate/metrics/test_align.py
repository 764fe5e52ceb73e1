"""Alignment finds the motion that was made, and uses no more freedom than it is given."""

import numpy as np
import pytest
import trimesh

from mpc.core.errors import SettingsError
from mpc.evaluate.metrics.align import align
from mpc.evaluate.metrics.measure import align_pair, measure_pair
from mpc.evaluate.metrics.pair import MeshPair, once_per_pair
from mpc.geometry.device_mesh import DeviceMesh


@pytest.fixture(scope="module")
def body():
    """Lopsided, so that every motion shows."""
    parts = [trimesh.creation.icosphere(subdivisions=3, radius=0.2)]
    parts[0].apply_scale([1, 3, 0.8])
    for place, radius in (((0.25, 0.3, 0.1), 0.12), ((-0.15, -0.5, 0.05), 0.1), ((0, 0.7, 0.05), 0.13)):
        ball = trimesh.creation.icosphere(subdivisions=2, radius=radius)
        ball.apply_translation(place)
        parts.append(ball)
    return trimesh.util.concatenate(parts)


def find(body, moved, how, **options):
    rng = np.random.default_rng(0)
    meshes = (DeviceMesh(mesh.vertices, mesh.faces, device="cpu") for mesh in (moved, body))
    return align(*meshes, how, rng=rng, **options)


def motion(scale=1.0):
    matrix = trimesh.transformations.rotation_matrix(0.04, [1, 2, 3])
    matrix[:3, :3] *= scale
    matrix[:3, 3] = [0.02, 0.01, -0.02]
    return matrix


@pytest.mark.parametrize(("how", "scale"), [("icp", 1.0), ("icp-scale", 1.03)])
def test_the_motion_made_is_undone(body, how, scale):
    moved = body.copy().apply_transform(motion(scale))
    matrix = find(body, moved, how)
    assert np.abs(trimesh.transform_points(moved.vertices, matrix) - body.vertices).max() < 1e-3


def test_z_moves_along_the_depth_alone(body):
    moved = body.copy().apply_translation([0.0, 0.0, 0.03])
    matrix = find(body, moved, "z")
    assert np.allclose(matrix[:3, :3], np.eye(3))
    assert matrix[:3, 3] == pytest.approx([0, 0, -0.03], abs=5e-4)
    sideways = body.copy().apply_translation([0.05, 0.0, 0.0])
    matrix = find(body, sideways, "z", depth=(2.0, 0.0, 0.0))
    assert matrix[:3, 3] == pytest.approx([-0.05, 0, 0], abs=5e-4)


def test_icp_keeps_the_size(body):
    matrix = find(body, body.copy().apply_scale(1.05), "icp")
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1.0)


def test_measuring_after_alignment(body):
    moved = body.copy().apply_transform(motion())
    meshes = ((mesh.vertices, mesh.faces) for mesh in (moved, body))
    pair = MeshPair.of(*meshes, points=3000, device="cpu")
    before, after = (measure_pair(pair, alignment=how)["chamfer"].value for how in ("none", "icp"))
    assert before > 0.5
    assert after < 0.05
    with pytest.raises(
        SettingsError, match=r"unknown alignment 'icq' \(did you mean icp\?\); there are none, z, icp, icp-scale"
    ):
        measure_pair(pair, alignment="icq")


def test_an_aligned_pair_keeps_the_truth_and_measures_the_prediction_anew(body):
    """The aligned prediction has points of its own; the truth's stay, and the old pair keeps its results."""
    calls = []

    @once_per_pair
    def height(pair, factor):
        calls.append(factor)
        return factor * float(np.ptp(pair.predicted.mesh.positions[:, 1]))

    moved = body.copy().apply_scale(1.5)
    pair = MeshPair.of((moved.vertices, moved.faces), (body.vertices, body.faces), points=500, device="cpu")
    assert height(pair, 2.0) == height(pair, 2.0) == 2.0 * np.ptp(moved.vertices[:, 1])
    assert height(pair, 3.0) == 3.0 * np.ptp(moved.vertices[:, 1])
    assert calls == [2.0, 3.0]
    before = pair.predicted.drawn[0]
    aligned = align_pair(pair, "icp-scale")
    assert aligned.true is pair.true
    assert height(aligned, 2.0) == pytest.approx(2.0 * np.ptp(body.vertices[:, 1]), rel=0.02)
    assert np.abs(aligned.predicted.drawn[0]).max() < np.abs(before).max()
