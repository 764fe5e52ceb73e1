"""Samplers: where points fall, what they carry, and that they depend on the generator alone."""

import numpy as np
import pytest
import trimesh

from mpc.core.randomness import derive_rng
from mpc.geometry.camera import orbit_cameras, project
from mpc.geometry.mesh import Material, MeshError, PosedMesh
from mpc.geometry.surface import sample_surface
from mpc.sampling.colour import FREE_TRANSFER, sample_colour
from mpc.sampling.focus import face_focus
from mpc.sampling.inside import ambiguous_share
from mpc.sampling.lattice import make_lattice
from mpc.sampling.occupancy import UNIFORM, covering_cylinder, sample_occupancy
from mpc.sampling.winding.winding import winding_number


def shells() -> tuple[PosedMesh, np.ndarray]:
    """A red ball in a green one; the transfer says that the red one gets no light."""
    outer, inner = (trimesh.creation.icosphere(subdivisions=3, radius=radius) for radius in (0.6, 0.4))
    mesh = trimesh.util.concatenate([outer, inner])
    material = np.repeat(np.array([0, 1], np.int32), [len(outer.faces), len(inner.faces)])
    posed = PosedMesh(
        np.asarray(mesh.vertices, np.float64),
        mesh.faces.astype(np.int32),
        (Material("green", colour=(0, 1, 0, 1)), Material("red", colour=(1, 0, 0, 1))),
        material,
    )
    transfer = np.zeros((len(mesh.vertices), 9), np.float32)
    transfer[: len(outer.vertices), 0] = FREE_TRANSFER
    transfer[:, 2] = posed.vertices[:, 1]
    return posed, transfer


def cameras(pitch: float = 0.0):
    return [
        camera.calibration for camera in orbit_cameras((0.0, 0.0, 0.0), 2.4, views=12, step_deg=30, pitch_deg=pitch)
    ]


def test_colour_points_are_those_seen_from_outside():
    mesh, transfer = shells()
    samples = sample_colour(mesh, transfer, 3000, rng=derive_rng(0, "a"))
    assert len(samples.positions) == len(samples.albedo) == 3000
    np.testing.assert_allclose(np.linalg.norm(samples.positions, axis=1), 0.6, atol=0.005)
    np.testing.assert_allclose(samples.albedo, np.tile([0, 1, 0], (3000, 1)))
    np.testing.assert_allclose(np.linalg.norm(samples.normals, axis=1), 1, atol=1e-5)
    assert (samples.normals * samples.positions / 0.6).sum(axis=1).min() > 0.98
    # What the vertices carry is interpolated to the point.
    np.testing.assert_allclose(samples.transfer[:, 2], samples.positions[:, 1], atol=1e-6)
    # Even over the sphere: by Archimedes, heights are uniform.
    assert abs(np.std(samples.positions[:, 1]) / 0.6 - 1 / np.sqrt(3)) < 0.02
    with pytest.raises(MeshError, match="seen from outside"):
        sample_colour(mesh, transfer * 0, 100, rng=derive_rng(0, "a"))
    with pytest.raises(MeshError, match="transfer is"):
        sample_colour(mesh, transfer[:-1], 100, rng=derive_rng(0, "a"))


def test_the_generator_alone_decides():
    mesh, _ = shells()
    options = {"near_counts": {0.05: 400, 0.01: 400}, "uniform_count": 400}
    first, again = (sample_occupancy(mesh, cameras(), **options, rng=derive_rng(5, "x")) for _ in range(2))
    other = sample_occupancy(mesh, cameras(), **options, rng=derive_rng(6, "x"))
    for mine, same, different in zip(first.sets, again.sets, other.sets, strict=True):
        assert (mine.q == same.q).all()
        assert (mine.inside == same.inside).all()
        assert (mine.q != different.q).any()
    assert [points.name for points in first.sets] == ["near_50mm", "near_10mm", UNIFORM]


def test_noise_along_the_normal_stays_on_it():
    mesh, _ = shells()
    samples = sample_occupancy(
        mesh, cameras(), near_counts={0.02: 4000}, uniform_count=8, noise="normal", rng=derive_rng(0, "n")
    )
    radius = np.linalg.norm(samples.lattice.positions(samples.sets[0].q), axis=1)
    offset = np.minimum(np.abs(radius - 0.6), np.abs(radius - 0.4))
    assert abs(np.sqrt((offset**2).mean()) / 0.02 - 1) < 0.06


@pytest.mark.parametrize("pitch", [0.0, 25.0])
def test_uniform_points_fill_every_views_cube_evenly(pitch):
    mesh, _ = shells()
    views = cameras(pitch)
    samples = sample_occupancy(mesh, views, near_counts={0.05: 8}, uniform_count=60_000, rng=derive_rng(0, "u"))
    points = samples.lattice.positions(samples.sets[-1].q)
    centre, radius, half_height = covering_cylinder(views)
    np.testing.assert_allclose(centre, 0, atol=1e-12)
    density = 60_000 / (2 * half_height * np.pi * radius**2)
    for calibration in views[:4]:
        view = project(points, calibration)
        inside = view[(np.abs(view) <= 1).all(axis=1)]
        assert abs(len(inside) / (density * 2.4**3) - 1) < 0.03
        # Eight octants hold as much each.
        octant = ((inside > 0) * [1, 2, 4]).sum(axis=1)
        assert np.abs(np.bincount(octant, minlength=8) / len(inside) - 1 / 8).max() < 0.01


def half_ball() -> PosedMesh:
    sheet = trimesh.creation.icosphere(subdivisions=3, radius=0.6)
    faces = sheet.faces[sheet.triangles_center[:, 1] < 0.05]
    used, index = np.unique(faces, return_inverse=True)
    return PosedMesh(np.asarray(sheet.vertices, np.float64)[used], index.reshape(-1, 3).astype(np.int32))


def test_ambiguous_scenes_are_reported():
    mesh = half_ball()
    samples = sample_occupancy(mesh, cameras(), near_counts={0.05: 2000}, uniform_count=8, rng=derive_rng(0, "d"))
    assert samples.method == "winding number"
    assert any("ambiguous" in notice for notice in samples.notices)
    for points in samples.sets:
        exact = winding_number(mesh.corners, samples.lattice.positions(points.q))
        np.testing.assert_allclose(points.confidence, np.clip(2 * np.abs(exact - 0.5), 0, 1), atol=0.2)
        near = np.abs(exact - 0.5) < 0.02  # exact near one half
        assert (points.confidence[near] < 0.1).all()
    closed, _ = shells()
    samples = sample_occupancy(closed, cameras(), near_counts={0.05: 2000}, uniform_count=8, rng=derive_rng(0, "d"))
    assert (samples.method, samples.notices, samples.ambiguous_share) == ("signed crossings", (), 0.0)
    assert all(points.confidence is None for points in samples.sets)


def test_ambiguous_share_is_that_of_a_dense_grid():
    mesh = half_ball()
    low, high = mesh.bounds
    grid = low + (np.stack(np.mgrid[:24, :12, :24], axis=-1).reshape(-1, 3) + 0.5) / [24, 12, 24] * (high - low)
    exact = winding_number(mesh.corners, grid)
    doubtful, certain = (np.abs(exact - 0.5) < 0.25).sum(), (exact >= 0.75).sum()
    assert ambiguous_share(mesh) == pytest.approx(doubtful / (doubtful + certain), abs=0.02)
    assert 0.1 < ambiguous_share(mesh) < 0.9
    assert ambiguous_share(shells()[0]) == 0.0


def test_focus_draws_more_of_thin_and_bent_parts():
    block = trimesh.creation.box((0.5, 0.5, 0.5)).subdivide().subdivide().subdivide()
    fin = trimesh.creation.box((0.6, 0.6, 0.01)).subdivide().subdivide().subdivide()
    fin.apply_translation([1.0, 0.0, 0.0])
    both = trimesh.util.concatenate([block, fin])
    mesh = PosedMesh(np.asarray(both.vertices, np.float64), both.faces.astype(np.int32))
    weights = face_focus(mesh, 3.0)
    middle, is_fin = both.triangles_center, both.triangles_center[:, 0] > 0.5
    flat = ~is_fin & (np.sort(np.abs(middle), axis=1)[:, 1] < 0.2)  # faces of the block away from its edges
    assert (weights[flat] == 1.0).all()
    broad = is_fin & (np.abs(mesh.face_normals[:, 2]) > 0.9) & (np.abs(middle[:, 1]) < 0.2)
    assert weights[broad].min() == pytest.approx(1.0 + 3.0 * (1.0 - 0.01 / 0.04), abs=0.01)
    edges = ~is_fin & (weights > 1.0)
    assert edges.any(), "the block's edges count as bent"
    drawn = sample_surface(mesh, 20_000, derive_rng(0, "f"), weights).faces
    share = weights[is_fin] @ mesh.face_areas[is_fin] / (weights @ mesh.face_areas)
    assert np.mean(is_fin[drawn]) == pytest.approx(share, abs=0.02)


def test_lattice_spans_its_reach_and_halves_a_step_when_it_can():
    for reach in (0.5, 1.9, 2.1, 30.0):
        lattice = make_lattice((0.3, 1.1, -0.2), reach)
        assert lattice.step_m * 32767 >= reach > lattice.step_m * 32767 / 2
        ends = np.array([[0.3 + reach, 1.1, -0.2 - reach]])
        assert np.abs(lattice.positions(lattice.round(ends)) - ends).max() <= lattice.step_m
        assert (np.array(lattice.origin_world) / lattice.step_m % 1 == 0).all()
    assert (make_lattice((0.0, 0.0, 0.0), 1.0).round(np.array([[99.0, -99.0, 0.0]])) == [[32767, -32767, 0]]).all()
