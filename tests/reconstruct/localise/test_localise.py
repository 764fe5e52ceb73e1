"""Localisation against the dense grid, its evaluations against the floor; meshes against closed forms."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from mpc.core.errors import SettingsError
from mpc.core.kernels import load_warp
from mpc.geometry.camera import OrthographicCamera
from mpc.geometry.mesh import PosedMesh
from mpc.reconstruct.localise.localise import FieldError, check_levels, default_levels, localise
from mpc.reconstruct.surface.march_cubes import march_blocks, marching_cubes_of_warp
from mpc.reconstruct.surface.mesh import (
    NoSurfaceError,
    extract_mesh,
    keep_largest_component,
    signed_volume,
    to_world,
)


def logistic(distance, width):
    return (1.0 / (1.0 + np.exp(np.clip(distance / width, -60, 60)))).astype(np.float32)


def sphere(points):
    return logistic(np.linalg.norm(points - np.float32([0.1, -0.05, 0.02]), axis=1) - 0.6, 0.02)


def torus(points):
    ring = np.hypot(points[:, 0], points[:, 2]) - 0.55
    return logistic(np.hypot(ring, points[:, 1] - 0.01) - 0.13, 0.01)


def capsule_distance(points, start, end, radius):
    start, end = np.asarray(start, np.float32), np.asarray(end, np.float32)
    along = np.clip((points - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    return np.linalg.norm(points - start - along[:, None] * (end - start), axis=1) - radius


def figure(points):
    limbs = [
        ((0, -0.3, 0), (0, 0.05, 0), 0.13),
        ((0, -0.52, 0), (0.001, -0.52, 0), 0.09),
        ((0.07, 0.05, 0), (0.1, 0.72, 0.02), 0.06),
        ((-0.07, 0.05, 0), (-0.1, 0.72, 0.02), 0.06),
        ((0.13, -0.28, 0), (0.3, 0.1, 0.05), 0.035),
        ((-0.13, -0.28, 0), (-0.3, 0.1, 0.05), 0.035),
    ]
    return (np.min([capsule_distance(points, *limb) for limb in limbs], axis=0) < 0).astype(np.float32)


def two_plates(points):
    """Parallel plates 1.5 voxels thick and 3 apart at 129 nodes a side; both cross planes of the start grid."""
    near = (np.abs(points[:, 2] + 0.002) < 1.5 / 128) | (np.abs(points[:, 2] - 0.0725) < 1.5 / 128)
    return (near & (np.abs(points[:, :2]) < 0.61).all(axis=1)).astype(np.float32)


def rod(points):
    """A rod 1.6 voxels thick, askew: the start grid sees it at a few nodes at most."""
    return (capsule_distance(points, (-0.5, 0.0, 0.0), (0.5, 0.0, 0.3), 1.6 / 128) < 0).astype(np.float32)


FIELDS = {"sphere": sphere, "torus": torus, "figure": figure, "two_plates": two_plates, "rod": rod}


def dense(field, resolution):
    axis = np.linspace(-1, 1, resolution).astype(np.float32)
    values = np.empty((resolution,) * 3, np.float32)
    for i, x in enumerate(axis):
        y, z = np.meshgrid(axis, axis, indexing="ij")
        values[i] = field(np.stack([np.full_like(y, x), y, z], axis=-1).reshape(-1, 3)).reshape(y.shape)
    return values


def floor_26(values):
    inside = (values > 0.5).astype(np.uint8)
    return int((maximum_filter(inside, 3, mode="nearest") != minimum_filter(inside, 3, mode="nearest")).sum())


class Counting:
    """Counts what is asked and refuses a point asked twice."""

    def __init__(self, field):
        self.field, self.seen = field, set()

    def __call__(self, points):
        assert points.dtype == np.float32
        keys = {row.tobytes() for row in points}
        assert len(keys) == len(points)
        assert not keys & self.seen
        self.seen |= keys
        return self.field(points)


@pytest.mark.parametrize(("name", "resolution"), [*((name, 129) for name in FIELDS), ("sphere", 33), ("torus", 65)])
def test_equals_the_dense_grid_and_never_asks_twice(name, resolution):
    truth = dense(FIELDS[name], resolution)
    field = Counting(FIELDS[name])
    grid = localise(field, resolution)
    assert len(field.seen) == grid.total_evaluations == len(grid.nodes)
    volume = grid.volume()
    assert np.array_equal(volume > 0.5, truth > 0.5)
    assert np.array_equal(grid.sides(), truth > 0.5)
    assert np.array_equal(volume.ravel()[grid.nodes], truth.ravel()[grid.nodes])


@pytest.mark.parametrize("name", ["sphere", "torus", "figure"])
def test_asks_little_more_than_marching_cubes_needs(name):
    truth = dense(FIELDS[name], 129)
    grid = localise(FIELDS[name], 129)
    needed = floor_26(truth)
    fine = sum(grid.evaluations[1:])
    assert grid.evaluations[0] < 0.6 * 15**3  # not what lies on the faces of the cube, nor far from what is inside
    assert fine <= 1.02 * needed  # measured: 0.99 to 1.01; the rest is the start grid


def test_mesh_equals_that_of_the_dense_grid():
    from skimage.measure import marching_cubes

    truth = dense(torus, 65)
    vertices, faces, *_ = marching_cubes(truth, 0.5, gradient_direction="ascent", allow_degenerate=False)
    mesh = extract_mesh(localise(torus, 65))
    assert len(mesh.faces) == len(faces)
    expected = vertices.astype(np.float64) * (2 / 64) - 1
    order, expected_order = (np.lexsort(v.round(5).T) for v in (mesh.vertices, expected))
    assert np.abs(mesh.vertices[order] - expected[expected_order]).max() < 1e-5
    assert signed_volume(mesh) == pytest.approx(2 * np.pi**2 * 0.55 * 0.13**2, rel=0.02)


@pytest.mark.parametrize(("name", "resolution"), [("torus", 65), ("figure", 129), ("figure", 81)])
def test_the_mesh_of_a_gpu_is_that_of_the_dense_grid(name, resolution):
    """Warp's marching cubes, here on the CPU: one source."""
    kernel = marching_cubes_of_warp()
    if kernel is None:
        pytest.skip("warp is older than 1.18")
    expected, corners = kernel.extract(load_warp().array(dense(FIELDS[name], resolution)), 0.5)
    grid = localise(FIELDS[name], resolution, start=11 if resolution == 81 else 17)
    vertices, faces = march_blocks(grid.blocks, grid.threshold)
    assert len(faces) == len(corners) // 3
    order, expected_order = (np.lexsort(v.round(3).T) for v in (vertices, expected.numpy().astype(float)))
    assert np.abs(vertices[order] - expected.numpy()[expected_order]).max() < 1e-4
    blockwise = extract_mesh(grid)
    volumes = [signed_volume(mesh) for mesh in (PosedMesh(vertices * 2 / (resolution - 1) - 1, faces), blockwise)]
    assert volumes[0] == pytest.approx(volumes[1], rel=1e-3)


def test_sphere_has_its_volume_radius_and_centre_in_view_and_world():
    mesh = extract_mesh(localise(sphere, 129))
    assert signed_volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=2e-3)
    radii = np.linalg.norm(mesh.vertices - [0.1, -0.05, 0.02], axis=1)
    assert np.abs(radii - 0.6).max() < 1e-3
    camera = OrthographicCamera((0.3, 0.9, -0.2), 2.4, 50.0, 10.0)
    world = to_world(mesh, camera.calibration)
    assert signed_volume(world) == pytest.approx(signed_volume(mesh) * 1.2**3)
    mirrored = camera.calibration * np.array([-1.0, 1, 1, 1])[:, None]
    assert signed_volume(to_world(mesh, mirrored)) == pytest.approx(signed_volume(world))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_field_without_surface_is_named(value):
    grid = localise(lambda points: np.full(len(points), value), 33)
    assert (grid.sides() == (value > 0.5)).all()
    with pytest.raises(NoSurfaceError, match="everywhere" if value else "nowhere"):
        extract_mesh(grid)


def test_a_surface_that_leaves_the_cube_is_whole_up_to_its_faces():
    def half(points):
        return logistic(points[:, 1] + 0.3 * points[:, 0] - 0.1, 0.05)

    grid = localise(half, 65)
    assert np.array_equal(grid.sides(), dense(half, 65) > 0.5)
    assert len(extract_mesh(grid).faces) > 64 * 64


def test_nan_and_wrong_counts_are_errors():
    with pytest.raises(FieldError, match="not finite"):
        localise(lambda points: np.where(points[:, 0] > 0, np.nan, 0.0), 33)
    with pytest.raises(FieldError, match="values for"):
        localise(lambda points: np.zeros(3), 33)


def test_levels_must_refine_one_another():
    assert default_levels(17, 257) == (17, 33, 257)
    with pytest.raises(SettingsError, match="does not refine"):
        check_levels((17, 100), 100)
    with pytest.raises(SettingsError):
        localise(sphere, 100)


def test_a_speck_between_the_start_nodes_is_lost_and_found_by_a_seed_or_a_finer_start():
    centre = np.float32([0.31, 0.33, 0.3])

    def speck(points):
        return np.maximum(sphere(points * 2), (np.linalg.norm(points - centre, axis=1) < 0.04)).astype(np.float32)

    truth = dense(speck, 65) > 0.5
    assert (localise(speck, 65).sides() != truth).sum() > 5
    for found in (localise(speck, 65, seeds=centre[None]), localise(speck, 65, start=65)):
        assert np.array_equal(found.sides(), truth)


def test_largest_component_drops_the_speck():
    def both(points):
        other = np.linalg.norm(points - np.float32([0.8, 0.8, 0.8]), axis=1) - 0.15
        return np.maximum(sphere(points), logistic(other, 0.02))

    mesh = extract_mesh(localise(both, 65))
    kept = keep_largest_component(mesh)
    assert kept.vertices.max() < 0.75 < mesh.vertices.max()
    assert kept.faces.max() == len(kept.vertices) - 1
    assert signed_volume(kept) == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.01)
