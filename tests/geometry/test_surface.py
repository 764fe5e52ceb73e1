"""Surface samples are even; the albedo is what bilinear, repeated textures give by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import trimesh
from scipy.ndimage import map_coordinates

from mpc.geometry.mesh import Material, MeshError, PosedMesh, Wrap
from mpc.geometry.surface import albedo_at, interpolate, sample_bilinear, sample_surface


def quad(material: Material, uv: np.ndarray, **more: np.ndarray) -> PosedMesh:
    """A unit square in the plane z = 0, its corners counter-clockwise from (0, 0)."""
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return PosedMesh(vertices, faces, (material,), uv=uv.astype(np.float32), face_uv=faces, **more)


UNIT_UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


def on_quad(mesh: PosedMesh, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Face and weights of the point (x, y) of `quad`."""
    if y <= x:
        return np.array([0], np.int32), np.array([[1 - x, x - y, y]])
    return np.array([1], np.int32), np.array([[1 - y, x, y - x]])


def test_samples_are_even_by_area() -> None:
    ball = trimesh.creation.icosphere(2)
    mesh = PosedMesh(np.asarray(ball.vertices) * [1.0, 3.0, 0.5], np.asarray(ball.faces, np.int32))
    points = sample_surface(mesh, 200_000, np.random.default_rng(0))
    expected = mesh.face_areas / mesh.face_areas.sum() * 200_000
    counts = np.bincount(points.faces, minlength=len(mesh.faces))
    # Chi-square of 320 faces: mean 319, standard deviation 25.
    assert ((counts - expected) ** 2 / expected).sum() < 319 + 5 * 25
    np.testing.assert_allclose(points.barycentric.sum(axis=1), 1.0)
    assert points.barycentric.min() >= 0
    np.testing.assert_allclose(
        points.positions, (mesh.corners[points.faces] * points.barycentric[:, :, None]).sum(axis=1), atol=1e-12
    )


def test_samples_are_even_within_a_face() -> None:
    mesh = PosedMesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]], np.int32))
    weights = sample_surface(mesh, 100_000, np.random.default_rng(1)).barycentric
    # Each weight of an even point has mean 1/3 and second moment 1/6.
    np.testing.assert_allclose(weights.mean(axis=0), 1 / 3, atol=0.004)
    np.testing.assert_allclose((weights**2).mean(axis=0), 1 / 6, atol=0.004)


def test_faces_without_area_are_never_drawn() -> None:
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]])
    faces = np.array([[0, 1, 3], [0, 1, 2], [0, 1, 3]], np.int32)
    points = sample_surface(PosedMesh(vertices, faces), 1000, np.random.default_rng(2))
    assert set(points.faces) == {1}
    with pytest.raises(MeshError, match="no area"):
        sample_surface(PosedMesh(vertices, faces[:1]), 10, np.random.default_rng(2))


def test_albedo_by_hand() -> None:
    # Two by two texels, top row red, green, bottom row blue, white: at u = 0.25 and 0.75 lie the texels' centres.
    texture = np.array(
        [[[255, 0, 0, 255], [0, 255, 0, 255]], [[0, 0, 255, 255], [255, 255, 255, 255]]], np.uint8
    )  # fmt: skip
    mesh = quad(Material(texture=texture), UNIT_UV)
    expected = {
        (0.25, 0.75): (1, 0, 0),  # v up: the top row is at v = 0.75
        (0.75, 0.75): (0, 1, 0),
        (0.25, 0.25): (0, 0, 1),
        (0.75, 0.25): (1, 1, 1),
        (0.5, 0.75): (0.5, 0.5, 0),
        (0.25, 0.5): (0.5, 0, 0.5),
        (0.375, 0.75): (0.75, 0.25, 0),
        # At the border half of the texel opposite comes in: repeated.
        (0.0, 0.75): (0.5, 0.5, 0),
        (0.25, 1.0): (0.5, 0, 0.5),
    }
    for (x, y), colour in expected.items():
        found = albedo_at(mesh, *on_quad(mesh, x, y))[0]
        np.testing.assert_allclose(found, (*colour, 1.0), atol=1e-5, err_msg=str((x, y)))


def test_texture_repeats_beyond_one_and_below_zero() -> None:
    rng = np.random.default_rng(7)
    texture = rng.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    uv = rng.uniform(0, 1, (200, 2))
    once = sample_bilinear(texture, uv)
    np.testing.assert_allclose(sample_bilinear(texture, uv + np.array([3, -4])), once, atol=1e-3)
    np.testing.assert_allclose(sample_bilinear(texture, uv + np.array([-100_000, 1])), once, atol=1e-2)


@pytest.mark.parametrize("wrap", list(itertools.product(("repeat", "clamp", "mirror"), repeat=2)))
def test_wrap_modes_against_scipy(wrap: tuple[Wrap, Wrap]) -> None:
    """scipy pads pictures in the same three ways, each axis apart."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (5, 7, 1), dtype=np.uint8)
    uv = np.concatenate([rng.uniform(-3.3, 4.2, (4000, 2)), np.stack(np.mgrid[-2:4, -2:4], -1).reshape(-1, 2) * 1.0])
    pad, names = 30, {"repeat": "wrap", "clamp": "edge", "mirror": "symmetric"}
    wide = np.pad(texture[..., 0], ((pad, pad), (0, 0)), mode=names[wrap[1]])
    wide = np.pad(wide, ((0, 0), (pad, pad)), mode=names[wrap[0]])
    places = [(1 - uv[:, 1]) * 5 - 0.5 + pad, uv[:, 0] * 7 - 0.5 + pad]
    expected = map_coordinates(wide.astype(float), places, order=1)
    np.testing.assert_allclose(sample_bilinear(texture, uv, wrap)[:, 0], expected, atol=1e-3)


def test_colour_factors_and_vertex_colours_multiply() -> None:
    grey = np.full((2, 2, 4), 128, np.uint8)
    vertex_colours = np.array([[255, 0, 0, 255]] * 2 + [[0, 0, 255, 255]] * 2, np.uint8)
    mesh = quad(Material(texture=grey, colour=(1.0, 0.5, 0.25, 1.0)), UNIT_UV, vertex_colours=vertex_colours)
    found = albedo_at(mesh, *on_quad(mesh, 0.5, 0.25))[0]
    np.testing.assert_allclose(found, [128 / 255 * 0.75, 0, 128 / 255 * 0.25 * 0.25, 1], atol=1e-5)


def test_alpha_counts_for_cut_out_materials_alone() -> None:
    holes = np.zeros((2, 2, 4), np.uint8)
    assert albedo_at(quad(Material(texture=holes), UNIT_UV), *on_quad(quad(Material(), UNIT_UV), 0.5, 0.2))[0, 3] == 1
    lace = quad(Material(texture=holes, alpha_mode="mask"), UNIT_UV)
    assert albedo_at(lace, *on_quad(lace, 0.5, 0.2))[0, 3] == 0


def test_several_materials_and_none_textured() -> None:
    materials = (Material(colour=(1.0, 0.0, 0.0, 1.0)), Material(colour=(0.0, 0.0, 1.0, 1.0)))
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    mesh = PosedMesh(vertices, faces, materials, np.array([1, 0], np.int32))
    third = np.full((2, 3), 1 / 3)
    np.testing.assert_allclose(
        albedo_at(mesh, np.array([0, 1], np.int32), third), [[0, 0, 1, 1], [1, 0, 0, 1]], atol=1e-6
    )


def test_interpolate_is_linear() -> None:
    mesh = quad(Material(), UNIT_UV)
    faces, weights = on_quad(mesh, 0.3, 0.2)
    plane = mesh.vertices @ [2.0, 3.0, 0.0] + 1.0
    assert interpolate(mesh, plane, faces, weights)[0] == pytest.approx(2 * 0.3 + 3 * 0.2 + 1)
