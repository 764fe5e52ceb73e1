"""Direct rendering against closed forms and against the mesh of the dense grid."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skimage.measure import marching_cubes

from mpc.core.kernels import load_warp
from mpc.geometry.camera import OrthographicCamera, PerspectiveCamera, project, unproject
from mpc.geometry.mesh import PosedMesh
from mpc.geometry.rays import RayScene
from mpc.reconstruct.localise import (
    block_kernels,
    call_kernels,
    level_cells,
    level_nodes,
    level_rounds,
    march_kernels,
    search_kernels,
)
from mpc.reconstruct.localise.device import Device
from mpc.reconstruct.localise.localise import localise
from mpc.reconstruct.surface import direct, draw_kernels
from mpc.reconstruct.surface.camera_rays import orthographic_rays, perspective_rays
from mpc.reconstruct.surface.direct import render_surface, to_rgba
from mpc.reconstruct.surface.mesh import extract_mesh, to_world
from mpc.render.layers import render_layers
from support.fields import on_device

PICTURE = OrthographicCamera((0.1, 0.8, 0.0), 2.4, 20.0)


def body(points):
    """A torus and a ball, in view space."""
    ring = np.hypot(points[:, 0], points[:, 1]) - 0.5
    torus = np.hypot(ring, points[:, 2] - 0.05) - 0.16
    ball = np.linalg.norm(points - np.float32([0.05, 0.1, -0.2]), axis=1) - 0.2
    return (1 / (1 + np.exp(np.clip(np.minimum(torus, ball) / 0.01, -50, 50)))).astype(np.float32)


@pytest.fixture(scope="module")
def grid():
    return localise(body, 129)


@pytest.mark.parametrize(("yaw", "pitch", "extent"), [(20.0, 0.0, 2.4), (75.0, 25.0, 2.0), (200.0, -50.0, 1.5)])
def test_equals_the_rendered_mesh_from_any_side(grid, yaw, pitch, extent):
    camera = OrthographicCamera((0.1, 0.8, 0.0), extent, yaw, pitch)
    surface = render_surface(grid, body, orthographic_rays(PICTURE.calibration, camera.calibration, 160, 160))
    mesh = to_world(extract_mesh(grid), PICTURE.calibration)
    posed = PosedMesh(mesh.vertices, mesh.faces)
    expected = render_layers(posed, camera, 160, 160, ["mask", "position", "normal_front"])
    both = surface.mask & expected.mask
    assert both.sum() / (surface.mask | expected.mask).sum() > 0.995
    there = project(expected.position[both].astype(np.float64), PICTURE.calibration)
    error = np.linalg.norm(surface.points[both] - there, axis=1)
    assert np.quantile(error, 0.99) < 0.5 * 2 / 128  # half a node spacing
    turn = (PICTURE.rotation @ camera.rotation.T).T
    cosine = ((surface.normals[both] @ turn.T) * expected.normal_front[both]).sum(axis=1)
    assert np.median(cosine) > 0.99


def test_a_sphere_through_a_pinhole_has_its_closed_form():
    def sphere(points):
        return (1 / (1 + np.exp(np.clip((np.linalg.norm(points, axis=1) - 0.5) / 0.01, -50, 50)))).astype(np.float32)

    calibration = np.eye(4)
    world_to_camera = np.eye(4)
    world_to_camera[2, 3] = 3.0
    rays = perspective_rays(calibration, world_to_camera, focal_px=200.0, height=121, width=121)
    surface = render_surface(localise(sphere, 129), sphere, rays, colour=lambda p: np.abs(p))
    assert surface.depth[60, 60] == pytest.approx(2.5, abs=2e-3)
    assert surface.normals[60, 60] == pytest.approx([0, 0, -1], abs=0.02)
    radius = 200.0 * np.tan(np.arcsin(0.5 / 3.0))
    assert surface.mask.sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    assert np.abs(np.linalg.norm(surface.points[surface.mask], axis=1) - 0.5).max() < 2e-3
    rgba = to_rgba(surface)
    assert rgba[60, 60].tolist() == [0, 0, 127, 255] or rgba[60, 60].tolist() == [0, 0, 128, 255]
    assert rgba[0, 0].tolist() == [0, 0, 0, 0]


def test_only_hit_pixels_are_asked_and_an_empty_field_shows_nothing(grid):
    rays = orthographic_rays(PICTURE.calibration, PICTURE.calibration, 64, 64)
    surface = render_surface(grid, body, rays, refinements=6)
    assert surface.evaluations == 6 * surface.mask.sum()
    nothing = render_surface(localise(lambda p: np.zeros(len(p)), 33), body, rays)
    assert not nothing.mask.any()
    assert nothing.evaluations == 0


@pytest.mark.parametrize(("extent", "share"), [(5.0, 0.2), (2.4, 0.75), (1.0, 1.0)])
def test_a_host_that_works_ahead_has_points_evaluated_for_pixels_that_can_show_the_person(
    grid, extent, share, monkeypatch
):
    """It does not know which pixels do: those in the rectangle around the surface."""
    camera = OrthographicCamera((0.1, 0.8, 0.0), extent, 50.0, 15.0)
    rays = orthographic_rays(PICTURE.calibration, camera.calibration, 80, 96)
    expected = render_surface(grid, body, rays, colour=np.abs, refinements=2)
    asked = []

    def noted(function):
        return on_device(lambda points: (asked.append(len(points)), function(points))[1])

    monkeypatch.setattr(Device, "blind", True)
    seen = render_surface(grid, noted(body), rays, colour=noted(np.abs), refinements=2)
    assert len(asked) == 3
    assert len(set(asked)) == 1
    assert expected.mask.sum() <= asked[0] <= share * 80 * 96
    for name in ("mask", "points", "depth", "normals", "colours"):
        assert np.array_equal(getattr(seen, name), getattr(expected, name), equal_nan=True)


def test_a_camera_beside_the_surface_can_see_it_in_every_pixel(grid):
    pose = np.eye(4)  # in the middle of the torus
    rays = perspective_rays(np.eye(4), pose, 60.0, 40, 30)
    assert direct._most_hits(grid, rays) == 40 * 30


@pytest.mark.parametrize("refinements", [0, 6])
def test_a_rolled_pinhole_sees_the_mesh_of_the_dense_grid(grid, refinements):
    axis = np.linspace(-1, 1, 129).astype(np.float32)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    dense = body(points).reshape(129, 129, 129)
    vertices, faces, *_ = marching_cubes(dense, 0.5, gradient_direction="ascent", allow_degenerate=False)
    mesh = PosedMesh(vertices.astype(np.float64) / 64 - 1, faces.astype(np.int32))
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = Rotation.from_euler("zxy", [40, 25, -70], degrees=True).as_matrix()
    world_to_camera[:3, 3] = [0.1, -0.05, 2.2]
    rays = perspective_rays(np.eye(4), world_to_camera, focal_px=220.0, height=150, width=190)
    surface = render_surface(grid, body, rays, refinements=refinements)
    hits = RayScene(mesh).first_hit(rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3))
    hit, depth = hits.hit.reshape(150, 190), hits.distance.reshape(150, 190)
    both = surface.mask & hit
    assert both.sum() / (surface.mask | hit).sum() > 0.995
    error = np.abs(surface.depth[both] - depth[both])
    assert np.quantile(error, 0.995) < 0.5 * 2 / 128  # half a node spacing; beyond, rays graze an edge
    assert surface.evaluations == refinements * surface.mask.sum()


def test_the_walk_equals_small_steps_through_scipys_interpolation(grid):
    from scipy.ndimage import map_coordinates

    volume = grid.volume().astype(np.float64)

    def values(points):
        return map_coordinates(volume, ((points + 1) * 64).T, order=1, mode="nearest")

    rng = np.random.default_rng(1)
    anywhere = rng.uniform(-1.2, 1.2, (4000, 3))
    assert np.abs(grid.marcher.sample((anywhere + 1) * 64) - values(anywhere)).max() < 1e-6
    origins = rng.normal(size=(300, 3))
    origins *= 2 / np.linalg.norm(origins, axis=1, keepdims=True)
    directions = rng.uniform(-0.7, 0.7, (300, 3)) - origins
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    zeros = np.zeros(300)
    before, after = grid.marcher.first_change(origins, directions, zeros, zeros, zeros + 4)
    steps = np.arange(0, 4, 1 / 128)  # half a spacing
    inside = np.stack([values(origins + t * directions) > 0.5 for t in steps], axis=1)
    expected = np.where(inside.any(axis=1), steps[inside.argmax(axis=1)], -1.0)
    assert 50 < (expected > 0).sum() < 250
    assert (np.abs(after - expected) < 1e-9).mean() > 0.99  # a sample may lie on the threshold to rounding
    assert np.abs(after - before - 1 / 128)[after > 0].max() < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        march_kernels,
        draw_kernels,
        block_kernels,
        call_kernels,
        level_cells,
        level_nodes,
        level_rounds,
        search_kernels,
    ],
)
def test_the_kernels_compile_for_cuda(module, tmp_path):
    """From the one source; needs no GPU, but warp's compiler for it."""
    wp = load_warp()
    if not hasattr(wp, "compile_aot_module") or not wp.get_cuda_supported_archs():
        pytest.skip("this warp cannot compile for CUDA")
    wp.compile_aot_module(module, arch=90, module_dir=tmp_path, use_ptx=True)
    (code,) = tmp_path.glob("*.ptx")
    entries = re.findall(r"\.entry (\w+)", code.read_text())
    kernels = [name for name, value in vars(module).items() if isinstance(value, wp.Kernel)]
    assert len(kernels) >= 2
    assert all(any(name in entry for entry in entries) for name in kernels)


def test_where_rays_begin_costs_no_hit(grid, monkeypatch):
    camera = OrthographicCamera((0.1, 0.8, 0.0), 1.3, 33.0, 20.0)
    rays = orthographic_rays(PICTURE.calibration, camera.calibration, 90, 90)
    quick = render_surface(grid, body, rays)

    def everywhere(grid, picture, device):
        """As for a camera that is inside the surface."""
        device.look(picture.regs)[draw_kernels.Spot.BESIDE] = 1

    monkeypatch.setattr(direct, "_draw_spots", everywhere)
    slow = render_surface(grid, body, rays)
    # Steps fall elsewhere along the ray, so a ray that grazes the surface may be seen by one and not by the other.
    assert (quick.mask != slow.mask).sum() <= 6  # of 6,100; measured: 2
    apart = np.abs(quick.depth - slow.depth)[quick.mask & slow.mask] > 0.1 * 2 / 128
    assert apart.sum() <= 20  # measured: 10


# A pinhole, then: from the side, from behind, from within arm's reach, and from farther away on the same side, so that
# its rays begin behind the picture's own pinhole.
EYES = [(2.5, 1.4, 1.0), (-0.8, 0.9, -2.6), (0.9, 0.6, 0.8), (1.2, 0.8, 4.5)]


@pytest.mark.parametrize("eye", [None, *EYES])
def test_a_field_seen_in_perspective_is_drawn_where_it_is_in_the_world(eye):
    """The field is a ball in the world, known in the view space of a pinhole camera; rays against closed forms."""
    picture = PerspectiveCamera((0.1, 0.8, 0.0), 2.0, 15.0, 5.0, fov_deg=50.0)
    middle, radius = np.array([0.3, 0.7, 0.15]), 0.45

    def ball(points):
        away = radius - np.linalg.norm(unproject(points.astype(np.float64), picture.calibration) - middle, axis=1)
        return 1 / (1 + np.exp(-np.clip(away / 0.01, -50, 50)))

    size = 90
    row, column = np.mgrid[0:size, 0:size] + 0.5
    if eye is None:
        camera = OrthographicCamera((0.1, 0.8, 0.0), 1.6, 70.0, 20.0)
        rays = orthographic_rays(picture.calibration, camera.calibration, size, size)
        xy = np.stack([column / size * 2 - 1, row / size * 2 - 1], -1).reshape(-1, 2)
        starts, along = camera.rays(xy)
        along = np.broadcast_to(along, starts.shape)
    else:
        away = middle + np.array([0.05, 0.0, 0.0]) - eye
        focal_px = 0.35 * size * np.linalg.norm(away) / radius
        right = np.cross(away, [0.0, 1.0, 0.0])
        axes = np.stack([right, np.cross(away, right), away])
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = axes, -axes @ eye
        rays = perspective_rays(picture.calibration, pose, focal_px, size, size)
        toward = np.stack([(column - size / 2) / focal_px, (row - size / 2) / focal_px, np.ones_like(row)], -1)
        along = toward.reshape(-1, 3) @ axes
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        starts = np.broadcast_to(np.array(eye), along.shape)
    offset = starts - middle
    half = (offset * along).sum(axis=1)
    under = half**2 - (offset**2).sum(axis=1) + radius**2
    expected = (under > 0).reshape(size, size)
    exact = starts - (half + np.sqrt(np.maximum(under, 0)))[:, None] * along
    surface = render_surface(localise(ball, 129), ball, rays)
    both = surface.mask & expected
    assert expected.sum() > 2000
    assert both.sum() / (surface.mask | expected).sum() > 0.995
    found = unproject(surface.points[both].astype(np.float64), picture.calibration)
    error = np.linalg.norm(found - exact.reshape(size, size, 3)[both], axis=1)
    clear = under.reshape(size, size)[both] > 0.02  # not where rays graze the ball
    assert error[clear].max() < 2e-3  # metres; a node spacing is 10 to 25 mm
    assert np.quantile(error, 0.99) < 0.02


def test_rays_that_never_come_before_the_pictures_pinhole_meet_nothing():
    picture = PerspectiveCamera((0.0, 0.0, 0.0), 2.0, fov_deg=50.0)
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, :3] = np.diag([-1.0, -1.0, 1.0])  # looks along +z, away from the cube
    pose[2, 3] = -picture.distance_m - 1.0
    rays = perspective_rays(picture.calibration, pose, 60.0, 40, 40)
    surface = render_surface(localise(body, 65), body, rays)
    assert not surface.mask.any()
