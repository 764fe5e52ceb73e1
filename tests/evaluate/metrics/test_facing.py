"""The metric `facing`: leaning bodies against closed forms, from every side."""

import numpy as np
import pytest
import trimesh

from mpc.evaluate.metrics.facing import measure_facing, middle_correlation
from mpc.evaluate.metrics.measure import measure_pair
from mpc.evaluate.metrics.pair import MeshPair
from mpc.evaluate.metrics.score import MetricError
from mpc.geometry.camera import OrthographicCamera


def leaning(metres, steps=9):
    """A pillar of balls whose middle moves by so many metres towards -z from its foot to its head."""
    heights = np.linspace(0.0, 1.6, steps)
    balls = [
        trimesh.creation.icosphere(subdivisions=2, radius=0.15).apply_translation([0.0, height, -metres * height / 1.6])
        for height in heights
    ]
    return trimesh.util.concatenate(balls)


def pair(predicted, true):
    return MeshPair.of((predicted.vertices, predicted.faces), (true.vertices, true.faces), points=100, device="cpu")


def test_a_body_that_leans_as_the_truth_does_faces_right():
    assert middle_correlation(pair(leaning(0.4), leaning(0.4))) == pytest.approx(1.0)
    assert measure_facing(pair(leaning(0.1), leaning(0.4))).value == 100.0


def test_a_body_mirrored_in_depth_faces_wrong():
    assert middle_correlation(pair(leaning(-0.4), leaning(0.4))) == pytest.approx(-1.0, abs=0.01)
    assert measure_facing(pair(leaning(-0.1), leaning(0.4))).value == 0.0


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (40, 0), (90, 10), (180, -20), (275, 35)])
def test_the_depth_is_that_of_the_picture(yaw, pitch):
    """Both meshes are turned to where a camera sees them as the tests above do; the axis of its calibration tells."""
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.4, yaw, pitch)
    meshes = [mesh.apply_transform(_seen_by(camera)) for mesh in (leaning(-0.4), leaning(0.4))]
    wrong = measure_pair(pair(*meshes), metrics=["facing"], depth=camera.calibration[2, :3])
    assert wrong["facing"].value == 0.0
    right = measure_pair(pair(meshes[1], meshes[1]), metrics=["facing"], depth=camera.calibration[2, :3])
    assert right["facing"].value == 100.0


def _seen_by(camera):
    """The motion that takes x, y, -z to the camera's right, up and away."""
    right, down, away = camera.rotation
    motion = np.eye(4)
    motion[:3, :3] = np.stack([right, -down, -away], axis=1)
    return motion


def test_without_common_pixels_there_is_no_value():
    with pytest.raises(MetricError, match="too few pixels"):
        measure_facing(pair(leaning(0.4).apply_translation([5.0, 0.0, 0.0]), leaning(0.4)))


def test_what_is_flat_across_the_depth_has_no_side():
    wall = trimesh.creation.box((1.0, 1.6, 0.1))
    with pytest.raises(MetricError, match="flat across the depth"):
        measure_facing(pair(wall, leaning(0.4)))
