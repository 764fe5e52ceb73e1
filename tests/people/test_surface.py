"""Cutting, closing and refining surfaces, against shapes with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from mpc.people.cutting import clip
from mpc.people.noise import value_noise
from mpc.people.solids import boundary_loops, close_solid, thick_shell
from mpc.people.subdivision import catmull_clark
from mpc.people.surface import Surface
from mpc.people.texture import Chart, pack, rasterise, relaxed


def _sphere() -> Surface:
    ball = trimesh.creation.icosphere(subdivisions=4)
    points = np.asarray(ball.vertices, np.float64)
    return Surface(points, np.asarray(ball.faces, np.int32), np.ones((len(points), 1)), {"height": points[:, 1].copy()})


@pytest.mark.parametrize("level", [0.0, 0.31, -0.77])
def test_clip_cuts_straight(level: float) -> None:
    sphere = _sphere()
    cut = clip(sphere, sphere.vertices[:, 1] - level)
    (loop,) = boundary_loops(cut.faces)
    # A level line over flat triangles: exactly on the plane.
    np.testing.assert_allclose(cut.vertices[loop, 1], level, atol=1e-12)
    np.testing.assert_allclose(cut.fields["height"], cut.vertices[:, 1], atol=1e-12)
    assert cut.vertices[:, 1].min() >= level - 1e-12
    area = trimesh.Trimesh(cut.vertices, cut.faces, process=False).area
    assert area == pytest.approx(2 * np.pi * (1 - level), rel=5e-3)  # Archimedes' hat box


def test_closed_cap_has_the_volume_it_encloses() -> None:
    sphere = _sphere()
    cut = clip(sphere, sphere.vertices[:, 1])
    solid = close_solid(cut, thickness_m=0.001, depth_m=0.001)
    mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(2 / 3 * np.pi, rel=0.01)
    assert solid.lining.sum() > 0
    shell = thick_shell(cut, 0.05)
    mesh = trimesh.Trimesh(shell.vertices, shell.faces, process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(2 / 3 * np.pi * (1 - 0.95**3), rel=0.02)


def test_catmull_clark_of_a_cube() -> None:
    points = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]], np.int32)
    matrix, fine = catmull_clark(quads, 8)
    refined = matrix @ points
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)
    assert refined.shape == (8 + 6 + 12, 3)
    assert fine.shape == (24, 4)
    # Valence 3: (F + 2R) / 3 with F = mean of face middles (1/3 each), R = mean of edge middles (2/3 each).
    np.testing.assert_allclose(refined[7], np.full(3, 5 / 9), atol=1e-12)
    # Edge points: mean of the two ends and the two face points.
    assert {round(float(np.abs(p).max()), 6) for p in refined[14:]} == {0.75}


def test_packed_charts_stay_apart_and_inside() -> None:
    rng = np.random.default_rng(0)
    charts = []
    for index in range(12):
        size = rng.uniform(0.05, 0.6, 2)
        corners = np.array([[[0, 0], [size[0], 0], [0, size[1]]]]) + rng.normal(size=2)
        charts.append(Chart(np.array([index], np.int32), corners))
    uv = pack(charts, 12, size=256)
    assert uv.min() >= 0
    assert uv.max() <= 1
    owner = rasterise(uv, 256)
    assert set(owner.face.tolist()) == set(range(12))
    boxes = [(uv[i].min(axis=0), uv[i].max(axis=0)) for i in range(12)]
    for i in range(12):
        for j in range(i):
            apart = (boxes[i][0] > boxes[j][1]).any() or (boxes[j][0] > boxes[i][1]).any()
            assert apart, (i, j)
    np.testing.assert_allclose(owner.barycentric.sum(axis=1), 1.0, atol=1e-5)


def test_rasterised_texels_interpolate_positions() -> None:
    uv = np.array([[[0.1, 0.1], [0.9, 0.15], [0.2, 0.95]]])
    texels = rasterise(uv, 64)
    faces = np.array([[0, 1, 2]], np.int32)
    at = texels.of(faces, uv[0])
    np.testing.assert_allclose(at[:, 0], (texels.column + 0.5) / 64, atol=1e-5)
    np.testing.assert_allclose(at[:, 1], 1 - (texels.row + 0.5) / 64, atol=1e-5)


def test_relaxed_chart_keeps_the_lengths_of_a_bent_strip() -> None:
    """A quarter of a cylinder is developable, so its relaxed chart is isometric although the start is a projection."""
    angle, length = np.meshgrid(np.linspace(-0.8, 0.8, 17), np.linspace(0, 1, 11))
    points = np.stack([np.sin(angle), length, np.cos(angle)], axis=-1).reshape(-1, 3)
    index = np.arange(len(points)).reshape(11, 17)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    flat = points[:, :2][faces]
    chart = relaxed(Chart(np.arange(len(faces), dtype=np.int32), flat), points, faces, rounds=60)
    true = np.linalg.norm(points[faces[:, 1]] - points[faces[:, 0]], axis=1)
    mapped = np.linalg.norm(chart.corners[:, 1] - chart.corners[:, 0], axis=1)
    np.testing.assert_allclose(mapped, true, rtol=0.02)


def test_noise_is_smooth_bounded_and_repeats() -> None:
    points = np.random.default_rng(1).uniform(-50, 50, (5000, 3))
    values = value_noise(points, 7)
    assert np.abs(values).max() <= 1.0
    assert abs(values.mean()) < 0.05
    np.testing.assert_array_equal(values, value_noise(points, 7))
    assert np.abs(values - value_noise(points, 8)).mean() > 0.2
    assert np.abs(values - value_noise(points + 1e-4, 7)).max() < 2e-3
