"""Metrics of two surfaces against closed forms, and what they refuse."""

import numpy as np
import pytest
import trimesh

from mpc.core.errors import SettingsError
from mpc.evaluate.metrics.measure import measure_pair
from mpc.evaluate.metrics.normal_image import measure_normal_image
from mpc.evaluate.metrics.pair import MeshPair
from mpc.evaluate.metrics.protocols import PROTOCOLS
from mpc.evaluate.metrics.registry import METRICS, choose_metrics
from mpc.evaluate.metrics.score import MetricError
from mpc.evaluate.metrics.surface import (
    measure_chamfer,
    measure_fscore,
    measure_hausdorff,
    measure_normal_consistency,
    measure_p2s,
    measure_p95,
    measure_s2p,
)
from mpc.evaluate.metrics.volume import measure_iou, measure_volume_iou
from mpc.geometry.device_mesh import DeviceMesh, SurfaceError


def pair(predicted, true, points=20_000, **options):
    meshes = ((mesh.vertices, mesh.faces) for mesh in (predicted, true))
    return MeshPair.of(*meshes, points=points, device="cpu", **options)


def square(height, half=1.0):
    vertices = np.array([[-half, height, -half], [half, height, -half], [half, height, half], [-half, height, half]])
    return trimesh.Trimesh(vertices, [[0, 2, 1], [0, 3, 2]], process=False)


def test_concentric_spheres():
    inner, outer = (trimesh.creation.icosphere(subdivisions=5, radius=radius) for radius in (0.5, 0.53))
    spheres = pair(inner, outer)
    for measure in (measure_chamfer, measure_p2s, measure_s2p, measure_hausdorff, measure_p95):
        assert measure(spheres).value == pytest.approx(3.0, abs=0.03)  # facets dent the spheres by 0.01 cm
    assert measure_fscore(spheres).value == 0.0
    assert measure_normal_consistency(spheres).value < 1.0
    assert measure_normal_consistency(pair(inner, trimesh.Trimesh(outer.vertices, outer.faces[:, ::-1]))).value > 179.0


def test_parallel_planes():
    scores = pair(square(0.0), square(0.007))
    for measure in (measure_chamfer, measure_p2s, measure_s2p, measure_hausdorff, measure_p95):
        score = measure(scores)
        assert score.value == pytest.approx(0.7, rel=1e-9)
        assert score.standard_error < 1e-9
    assert measure_fscore(scores).value == 100.0


def test_a_small_square_on_a_large_one_tells_the_two_directions_apart():
    """True points beyond the small square are as far from it as from its rim: a closed form by integration."""
    small, large = square(0.0, half=0.5), square(0.0, half=1.0)
    scores = pair(small, large, points=200_000)
    ticks = (np.arange(2000) + 0.5) / 1000 - 1
    beyond = np.maximum(np.abs(ticks) - 0.5, 0)
    expected = 100 * np.hypot(beyond[:, None], beyond[None, :]).mean()
    there, back, both = measure_p2s(scores), measure_s2p(scores), measure_chamfer(scores)
    assert there.value < 1e-9
    assert abs(back.value - expected) < 4 * back.standard_error
    assert back.standard_error < 0.01 * expected
    assert both.value == pytest.approx((there.value + back.value) / 2)
    assert measure_hausdorff(scores).value == pytest.approx(100 * np.sqrt(0.5), rel=0.02)


def test_a_cube_in_a_cube():
    inner, outer = trimesh.creation.box((1, 1, 1)), trimesh.creation.box((1.2, 1.2, 1.2))
    ticks = (np.arange(1200) + 0.5) / 1000 - 0.6
    beyond = np.maximum(np.abs(ticks) - 0.5, 0)
    corner_distance = 100 * np.sqrt(0.01 + beyond[:, None] ** 2 + beyond[None, :] ** 2).mean()
    scores = pair(inner, outer, points=100_000)
    assert measure_p2s(scores).value == pytest.approx(10.0, rel=1e-9)
    back = measure_s2p(scores)
    assert abs(back.value - corner_distance) < 4 * back.standard_error


def test_rigid_motion_leaves_scores_and_scale_multiplies_them():
    first, second = trimesh.creation.capsule(1.0, 0.3), trimesh.creation.capsule(1.1, 0.28)
    motion = trimesh.transformations.rotation_matrix(1.0, [1, 2, 3]) @ trimesh.transformations.translation_matrix(
        [5, 1, 2]
    )
    here = measure_chamfer(pair(first, second))
    moved = measure_chamfer(pair(first.copy().apply_transform(motion), second.copy().apply_transform(motion)))
    doubled = measure_chamfer(pair(first.copy().apply_scale(2), second.copy().apply_scale(2)))
    assert moved.value == pytest.approx(here.value, rel=1e-5)
    assert doubled.value == pytest.approx(2 * here.value, rel=1e-5)


def test_the_standard_error_is_the_spread_over_seeds():
    first, second = trimesh.creation.capsule(1.0, 0.3), trimesh.creation.box((0.8, 0.8, 1.4))
    scores = [measure_p2s(pair(first, second, points=500, seed=seed)) for seed in range(60)]
    spread = np.std([score.value for score in scores], ddof=1)
    assert 0.7 < np.mean([score.standard_error for score in scores]) / spread < 1.4


def test_points_are_even_by_area_and_repeat_with_the_seed():
    mesh = trimesh.creation.box((1.0, 2.0, 0.5))
    points, faces = DeviceMesh(mesh.vertices, mesh.faces, device="cpu").draw(100_000, rng=np.random.default_rng(0))
    again, _ = DeviceMesh(mesh.vertices, mesh.faces, device="cpu").draw(100_000, rng=np.random.default_rng(0))
    assert np.array_equal(points, again)
    share = np.bincount(faces, minlength=len(mesh.faces)) / 100_000
    assert np.abs(share - mesh.area_faces / mesh.area).max() < 0.005
    centroid = mesh.triangles_center[faces] - points
    assert np.abs(centroid.mean(axis=0)).max() < 0.005


NO_MESHES = {
    "empty": (np.zeros((0, 3)), np.zeros((0, 3), int)),
    "nothing at all": ([], []),
    "without faces": (np.eye(3), np.zeros((0, 3), int)),
    "NaN": (np.full((3, 3), np.nan), [[0, 1, 2]]),
    "infinite": (np.full((3, 3), np.inf), [[0, 1, 2]]),
    "a face of vertex 3": (np.eye(3), [[0, 1, 3]]),
    "a face of vertex -1": (np.eye(3), [[0, 1, -1]]),
    "faces of floats": (np.eye(3), [[0.0, 1.0, 2.0]]),
    "two dimensions": (np.eye(3)[:, :2], [[0, 1, 2]]),
    "quads": (np.eye(4)[:, :3], [[0, 1, 2, 3]]),
    "a point": (np.zeros((3, 3)), [[0, 1, 2]]),
    "a segment": (np.outer([0, 1, 2], np.ones(3)), [[0, 1, 2]]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NO_MESHES)
def test_meshes_without_a_distance_are_errors_never_zero(name):
    box = trimesh.creation.box()
    good = (box.vertices, box.faces)
    for side, meshes in (("predicted", (NO_MESHES[name], good)), ("true", (good, NO_MESHES[name]))):
        for protocol in PROTOCOLS:
            for metric in METRICS if protocol == "mpc" else PROTOCOLS[protocol].metrics:
                with pytest.raises(SurfaceError, match=f"the {side} mesh: "):
                    measure_pair(MeshPair.of(*meshes, points=50, device="cpu"), protocol, [metric])


def test_a_mesh_without_volume_has_no_volume_iou():
    box = trimesh.creation.box()
    for meshes, words in (((square(0.0), box), "the predicted mesh"), ((box, square(0.0)), "the true mesh")):
        with pytest.raises(MetricError, match=f"inside {words}: it holds no volume"):
            measure_volume_iou(pair(*meshes, points=500))


def test_vertices_that_no_face_uses_change_nothing():
    first, second = trimesh.creation.box(), trimesh.creation.box((1.1, 1.2, 1.3))
    stray = np.array([[np.nan, 0, 0], [0, 1e6, 0]])
    more = MeshPair.of(
        (np.concatenate([stray, first.vertices]), first.faces + 2),
        (np.concatenate([second.vertices, stray]), second.faces),
        points=200,
        device="cpu",
    )
    for protocol in ("mpc", "monoport", "icon", "econ"):
        assert measure_pair(more, protocol) == measure_pair(pair(first, second, points=200), protocol)
    assert measure_normal_image(more) == measure_normal_image(pair(first, second))


def test_metric_names():
    assert [metric.name for metric in choose_metrics(["p2s", "chamfer", "p2s"])] == ["p2s", "chamfer"]
    with pytest.raises(
        SettingsError, match=r"unknown metric 'chamfr' \(did you mean chamfer\?\); there are chamfer, p2s"
    ):
        choose_metrics(["chamfr"])
    with pytest.raises(SettingsError, match="no metric"):
        choose_metrics([])
    for metric in METRICS.values():
        assert "point" in metric.summary
        if metric.unit == "cm":
            assert "centimetres, not squared" in metric.summary


def test_iou():
    assert measure_iou([1, 1, 0, 0], [1, 0, 1, 0]) == pytest.approx(1 / 3)
    assert measure_iou([0, 0], [0, 0]) == 1.0
    with pytest.raises(MetricError):
        measure_iou([1], [1, 0])
