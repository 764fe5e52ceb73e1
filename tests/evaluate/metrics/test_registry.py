"""Volume, normal pictures, colours, sets of points: closed forms."""

import numpy as np
import pytest
import torch
import trimesh

from mpc.evaluate.metrics import colour, normal_image
from mpc.evaluate.metrics.colour import (
    barycentric_of,
    measure_colour_l1,
    measure_colour_psnr,
    measure_view_l1,
    measure_view_psnr,
    measure_view_ssim,
    picture_l1,
    picture_psnr,
    picture_ssim,
)
from mpc.evaluate.metrics.normal_image import measure_normal_image, normal_image_error
from mpc.evaluate.metrics.pair import MeshPair
from mpc.evaluate.metrics.point_sets import measure_point_chamfer
from mpc.evaluate.metrics.registry import find_metric
from mpc.evaluate.metrics.score import MetricError
from mpc.evaluate.metrics.surface import measure_chamfer
from mpc.evaluate.metrics.volume import measure_volume_iou
from mpc.geometry.device_mesh import SurfaceError
from mpc.geometry.mesh import PosedMesh


def pair(predicted, true, points=20_000, **options):
    meshes = (mesh if isinstance(mesh, PosedMesh) else (mesh.vertices, mesh.faces) for mesh in (predicted, true))
    return MeshPair.of(*meshes, points=points, device="cpu", **options)


def test_volume_of_overlapping_cubes():
    cube = trimesh.creation.box((1, 1, 1))
    shifted = cube.copy().apply_translation([0.25, 0, 0])
    score = measure_volume_iou(pair(cube, shifted))
    assert abs(score.value - 60.0) < 4 * score.standard_error
    assert score.standard_error < 0.5
    assert measure_volume_iou(pair(cube, cube)).value == 100.0
    nested = trimesh.util.concatenate([cube, trimesh.creation.box((0.5, 0.5, 0.5))])
    assert measure_volume_iou(pair(nested, cube)).value == 100.0  # a union of solids, not a parity
    assert measure_volume_iou(pair(cube, cube.copy().apply_translation([3, 0, 0]))).value == 0.0


def test_normals_in_pictures_of_a_cube(monkeypatch):
    """Seen straight on, a cube fills (1.758 / 2)^2 of a picture; elsewhere, each of its pixels counts 1."""
    monkeypatch.setattr(normal_image, "NORMAL_SIZE", 256)
    cube = trimesh.creation.box((1, 1, 1))
    assert measure_normal_image(pair(cube, cube)).value == 0.0
    assert normal_image_error(np.zeros((2, 2, 3)), np.ones((2, 2, 3))) == 3.0
    far = cube.copy().apply_translation([0, 50.0, 0])
    share = (1.7578125 / 2) ** 2
    flat = trimesh.Trimesh(cube.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False)
    flat_far = trimesh.Trimesh(far.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False)
    assert measure_normal_image(pair(flat_far, flat)).value == pytest.approx(share, rel=0.01)


def prism(sides, rows=12):
    """A prism without caps about the vertical axis, 1 m high and wide, whose faces share their vertices."""
    height, angle = np.meshgrid(np.linspace(-0.5, 0.5, rows + 1), np.arange(sides) * 2 * np.pi / sides, indexing="ij")
    vertices = np.stack([0.5 * np.sin(angle), height, 0.5 * np.cos(angle)], axis=-1).reshape(-1, 3)
    row, column = (part.ravel() for part in np.meshgrid(np.arange(rows), np.arange(sides), indexing="ij"))
    a, b = row * sides + column, row * sides + (column + 1) % sides
    faces = np.concatenate([np.stack([a, b, b + sides], 1), np.stack([a, b + sides, a + sides], 1)])
    return trimesh.Trimesh(vertices, faces, process=False)


def test_normals_in_pictures_are_smooth(monkeypatch):
    """A prism of 16 sides is as wide as a cylinder; its faces are off by up to 11.25 degrees, its vertices are not."""
    monkeypatch.setattr(normal_image, "NORMAL_SIZE", 128)
    of_faces = (np.pi / 16) ** 2 / 3 * (1.7578125 / 2) ** 2
    assert 0 < measure_normal_image(pair(prism(16), prism(256))).value < 0.1 * of_faces
    flat = prism(16)
    flat = trimesh.Trimesh(flat.triangles.reshape(-1, 3), np.arange(3 * len(flat.faces)).reshape(-1, 3), process=False)
    assert measure_normal_image(pair(flat, prism(16))).value == 0.0  # vertices at one place share their normal


def test_point_sets():
    first, second = np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[0.0, 3, 0]])
    there, back = (3 + np.sqrt(10)) / 2, 3.0
    assert measure_point_chamfer(first, second).value == pytest.approx((there + back) / 2)
    assert measure_point_chamfer(first, second, squared=True, halved=False).value == pytest.approx(9.5 + 9)
    with pytest.raises(SurfaceError):
        measure_point_chamfer(first, np.zeros((0, 3)))
    with pytest.raises(SurfaceError):
        measure_point_chamfer(first, [[np.nan, 0, 0]])


def test_tensors_are_as_good_as_arrays():
    ball, larger = (trimesh.creation.icosphere(subdivisions=2, radius=radius) for radius in (0.5, 0.6))
    tensors = [
        torch.tensor(np.asarray(values), requires_grad=values.dtype.kind == "f")
        for values in (ball.vertices, ball.faces, larger.vertices, larger.faces)
    ]
    meshes = MeshPair.of(tuple(tensors[:2]), tuple(tensors[2:]), points=500, device="cpu")
    assert measure_chamfer(meshes) == measure_chamfer(pair(ball, larger, 500))
    assert measure_point_chamfer(tensors[0], tensors[2]) == measure_point_chamfer(ball.vertices, larger.vertices)


def test_the_fscore_at_other_thresholds():
    low = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    high = low.copy().apply_translation([0, 0, 0.007])
    values = [find_metric(f"fscore@{limit}").measure(pair(low, high, 200)).value for limit in ("0.5", "0.8")]
    assert values == [0.0, 100.0]
    assert "within 0.5 cm" in find_metric("fscore@0.5").direction


def painted(ball, paint):
    colours = np.full((len(ball.vertices), 4), [*paint, 255], np.uint8)
    return PosedMesh(np.asarray(ball.vertices), np.asarray(ball.faces, np.int32), vertex_colours=colours)


def test_colours_of_two_painted_balls(monkeypatch):
    monkeypatch.setattr(colour, "VIEW_SIZE", 160)
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    first, second = painted(ball, (100, 100, 100)), painted(ball, (110, 90, 100))
    colours = pair(first, second, 2000)
    mean, psnr = 20 / 3, -10 * np.log10(200 / 3 / 255**2)
    assert measure_colour_l1(colours).value == pytest.approx(mean, rel=1e-4)
    assert measure_colour_psnr(colours).value == pytest.approx(psnr, rel=1e-4)
    assert measure_view_l1(colours).value == pytest.approx(mean, rel=0.04)  # the rim is thinner
    assert measure_view_psnr(colours).value == pytest.approx(psnr, rel=0.02)
    assert 0.5 < measure_view_ssim(colours).value < 1.0
    same = pair(first, first, 500)
    assert measure_colour_l1(same).value < 1e-4
    assert measure_view_ssim(same).value == pytest.approx(1.0)
    assert measure_view_psnr(same).value == measure_colour_psnr(same).value == 100.0
    with pytest.raises(MetricError, match="the predicted mesh has no colours"):
        measure_colour_l1(pair(ball, first, 500))


def test_pictures_against_their_formulas():
    rng = np.random.default_rng(0)
    first, second = rng.random((32, 40, 3)), rng.random((32, 40, 3))
    assert picture_l1(first, torch.tensor(second)) == pytest.approx(np.abs(first - second).mean())
    assert picture_psnr(first, second) == pytest.approx(10 * np.log10(1 / ((first - second) ** 2).mean()))
    assert picture_ssim(first, first) == pytest.approx(1.0)
    c1 = 0.01**2
    flat = picture_ssim(np.full((32, 32, 3), 0.2), np.full((32, 32, 3), 0.6))
    assert flat == pytest.approx((2 * 0.2 * 0.6 + c1) / (0.2**2 + 0.6**2 + c1))
    with pytest.raises(MetricError, match="shapes"):
        picture_l1(first, second[:10])


def test_ssim_of_people_and_pictures_that_are_smaller_than_its_window(monkeypatch):
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.05)
    thin, grey = painted(ball, (100, 100, 100)), painted(ball, (110, 90, 100))
    monkeypatch.setattr(colour, "VIEW_SIZE", 64)  # the ball covers fewer pixels than the window
    assert measure_view_ssim(pair(thin, thin, 100)).value == pytest.approx(1.0)
    assert 0 < measure_view_ssim(pair(thin, grey, 100)).value < 1
    shown = np.zeros(20, bool)
    shown[18:] = True  # at the border, the window moves inwards
    assert colour._span(shown) == slice(9, 20)
    shown[5:] = True  # wider than the window: just what is shown
    assert colour._span(shown) == slice(5, 20)
    with pytest.raises(MetricError, match="10 x 12 pixels"):
        picture_ssim(np.zeros((12, 10, 3)), np.zeros((12, 10, 3)))


def test_weights_of_a_point_on_a_triangle():
    rng = np.random.default_rng(0)
    corners, weights = rng.normal(size=(50, 3, 3)), rng.dirichlet([1, 1, 1], size=50)
    points = np.einsum("nij,ni->nj", corners, weights)
    assert np.allclose(barycentric_of(points, corners), weights, atol=1e-9)
    flat = np.zeros((1, 3, 3))
    flat[0, 2] = [1.0, 0, 0]
    assert barycentric_of(np.array([[0.9, 0, 0]]), flat).tolist() == [[0, 0, 1]]
