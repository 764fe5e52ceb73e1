"""Layers against the closed form of a sphere, and their stated encodings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from mpc.core.errors import SettingsError
from mpc.geometry.camera import OrthographicCamera, PerspectiveCamera, pixel_centres, project, unproject
from mpc.geometry.labels import UNKNOWN
from mpc.geometry.mesh import Material, PosedMesh
from mpc.render.layers import BODY_LAYERS, LAYERS, RenderLayers, render_body_layers, render_layers
from mpc.render.renderer import choose_renderer, open_renderer

CENTRE = np.array([0.15, -0.1, 0.3])
RADIUS = 0.6
CAMERA = OrthographicCamera((0.0, 0.1, 0.05), 2.0, 35.0, 10.0)
SIZE = 96


@pytest.fixture(scope="module")
def ball() -> PosedMesh:
    mesh = trimesh.creation.icosphere(6, RADIUS)
    return PosedMesh(
        np.asarray(mesh.vertices) + CENTRE,
        np.asarray(mesh.faces, np.int32),
        (Material(colour=(1.0, 0.5, 0.25, 1.0)),),
    )


@pytest.fixture(scope="module")
def layers(ball: PosedMesh) -> RenderLayers:
    return render_layers(ball, CAMERA, SIZE, SIZE)


def sphere_in_view() -> tuple[np.ndarray, np.ndarray]:
    """Depth of the near and far side of the true sphere at each pixel, NaN outside."""
    middle = project(CENTRE[None], CAMERA.calibration)[0]
    offset = pixel_centres(SIZE, SIZE) - middle[:2]
    inside = RADIUS**2 - (offset**2).sum(axis=-1)
    half = np.sqrt(np.where(inside > 0, inside, np.nan))
    return middle[2] - half, middle[2] + half


def test_every_layer_has_its_encoding(layers: RenderLayers) -> None:
    plain = ("mask", "albedo", "depth_front", "depth_back", "normal_front", "normal_back")
    labels = ("part_front", "part_back", "garment_front", "garment_back")
    assert (*plain, "smooth_normal_front", "smooth_normal_back", "position", *labels) == LAYERS
    found = {name: getattr(layers, name) for name in LAYERS}
    assert {name: (value.dtype.name, value.shape[2:]) for name, value in found.items()} == {
        "mask": ("bool", ()),
        "albedo": ("uint8", (4,)),
        "depth_front": ("float32", ()),
        "depth_back": ("float32", ()),
        "normal_front": ("float32", (3,)),
        "normal_back": ("float32", (3,)),
        "smooth_normal_front": ("float32", (3,)),
        "smooth_normal_back": ("float32", (3,)),
        "position": ("float32", (3,)),
        **dict.fromkeys(labels, ("uint8", ())),
    }
    outside = ~found["mask"]
    assert np.isnan(found["depth_front"][outside]).all()
    assert np.isnan(found["position"][outside]).all()
    assert (found["normal_back"][outside] == 0).all()
    assert (found["albedo"][outside] == 0).all()
    assert (found["albedo"][~outside] == [255, 128, 64, 255]).all()


def test_depth_and_mask_are_the_sphere_s(layers: RenderLayers) -> None:
    near, far = sphere_in_view()
    both = layers.mask & np.isfinite(near)
    assert (layers.mask != np.isfinite(near)).sum() < 20, "only on the outline"
    # The faceted ball lies up to 0.0001 inside; near the outline depth grows without bound.
    inner = both & (far - near > 0.4)
    assert np.abs(layers.depth_front - near)[inner].max() < 5e-4
    assert np.abs(layers.depth_back - far)[inner].max() < 5e-4


def sphere_normals(coarse: PosedMesh, layers: RenderLayers, side: str) -> np.ndarray:
    """The true sphere's normals in camera axes at the points of `coarse` that a layer's pixels show, 0 outside."""
    position = layers.position if side == "front" else None
    if position is None:
        depth = np.where(layers.mask, layers.depth_back, 0.0)
        view = np.dstack([pixel_centres(SIZE, SIZE), depth, np.ones_like(depth)])
        position = (view @ np.linalg.inv(CAMERA.calibration).T)[..., :3]
    normals = (position - CENTRE) @ CAMERA.rotation.T
    return np.where(layers.mask[..., None], normals / np.linalg.norm(normals, axis=-1, keepdims=True), 0.0)


@pytest.mark.parametrize("turned", [False, True])
def test_smooth_normals_are_those_of_the_sphere_that_a_coarse_mesh_stands_for(turned: bool) -> None:
    ball = trimesh.creation.icosphere(3, RADIUS)
    faces = np.asarray(ball.faces, np.int32)
    coarse = PosedMesh(np.asarray(ball.vertices) + CENTRE, np.ascontiguousarray(faces[:, ::-1] if turned else faces))
    layers = render_layers(coarse, CAMERA, SIZE, SIZE)
    inner = layers.mask.copy()
    for side, sign in (("front", -1), ("back", 1)):
        smooth, flat = getattr(layers, f"smooth_normal_{side}"), getattr(layers, f"normal_{side}")
        assert (smooth[~layers.mask] == 0).all()
        np.testing.assert_allclose(np.linalg.norm(smooth[layers.mask], axis=-1), 1, atol=1e-6)
        truth = sphere_normals(coarse, layers, side)
        inner &= sign * truth[..., 2] > 0.3
        angles = [np.degrees(np.arccos(np.clip((n * truth).sum(-1), -1, 1)))[inner] for n in (smooth, flat)]
        assert angles[0].max() < 0.8
        assert angles[1].max() > 4.0, "the faces' own normals are off"


def test_smooth_normals_keep_sharp_edges_sharp() -> None:
    """A tetrahedron: its faces' normals are 109 degrees apart, and each is 70 degrees from their mean at a corner."""
    peaks = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.4
    corners = peaks[[[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]]
    mesh = PosedMesh(corners.reshape(-1, 3), np.arange(12, dtype=np.int32).reshape(4, 3))
    layers = render_layers(mesh, CAMERA, SIZE, SIZE)
    np.testing.assert_allclose(layers.smooth_normal_front, layers.normal_front, atol=1e-6)
    np.testing.assert_allclose(layers.smooth_normal_back, layers.normal_back, atol=1e-6)


def test_normals_are_in_view_space(layers: RenderLayers) -> None:
    near, far = sphere_in_view()
    middle = project(CENTRE[None], CAMERA.calibration)[0]
    for depth, normals in ((near, layers.normal_front), (far, layers.normal_back)):
        inner = layers.mask & (far - near > 0.4)
        points = np.dstack([pixel_centres(SIZE, SIZE), depth])
        expected = (points - middle) / RADIUS
        assert (normals * expected).sum(axis=-1)[inner].min() > np.cos(np.radians(1.5))
        np.testing.assert_allclose(np.linalg.norm(normals[layers.mask], axis=1), 1.0, atol=1e-5)
    assert layers.normal_front[layers.mask][:, 2].max() <= 0
    assert layers.normal_back[layers.mask][:, 2].min() >= 0


def test_positions_project_to_their_own_pixels(layers: RenderLayers) -> None:
    inside = layers.mask
    view = project(layers.position[inside].astype(np.float64), CAMERA.calibration)
    np.testing.assert_allclose(view[:, :2], pixel_centres(SIZE, SIZE)[inside], atol=2e-6)
    np.testing.assert_allclose(view[:, 2], layers.depth_front[inside], atol=2e-6)


def test_a_pinhole_sees_the_sphere_s_near_and_far_side(ball: PosedMesh) -> None:
    camera = PerspectiveCamera((0.0, 0.1, 0.05), 2.0, 35.0, 10.0, 15.0, fov_deg=50.0)
    found = render_layers(ball, camera, SIZE, SIZE)
    origins, directions = camera.rays(pixel_centres(SIZE, SIZE).reshape(-1, 2))
    # |origin + t direction - centre| = radius, a quadratic equation in t.
    offset = origins - CENTRE
    a, b = (directions**2).sum(axis=1), (directions * offset).sum(axis=1)
    root = b**2 - a * ((offset**2).sum(axis=1) - RADIUS**2)
    seen = (root > 0).reshape(SIZE, SIZE)
    assert (found.mask != seen).sum() < 20, "only on the outline"
    steep = found.mask & (root > 0.1).reshape(SIZE, SIZE)
    assert steep.sum() > 1000
    for sign, depth, normals in ((-1, found.depth_front, found.normal_front), (1, found.depth_back, found.normal_back)):
        points = origins + directions * ((-b + sign * np.sqrt(np.maximum(root, 0.0))) / a)[:, None]
        expected = project(points, camera.calibration)[:, 2].reshape(SIZE, SIZE)
        assert np.abs(depth - expected)[steep].max() < 1e-3
        outward = ((points - CENTRE) / RADIUS @ camera.rotation.T).reshape(SIZE, SIZE, 3)
        assert (normals * outward).sum(axis=-1)[steep].min() > np.cos(np.radians(1.5))


def test_flipped_faces_still_have_normals_towards_the_camera(ball: PosedMesh, layers: RenderLayers) -> None:
    flipped = PosedMesh(ball.vertices, np.ascontiguousarray(ball.faces[:, ::-1]))
    found = render_layers(flipped, CAMERA, SIZE, SIZE, ["normal_front"]).normal_front
    np.testing.assert_allclose(found, layers.normal_front, atol=1e-6)


def test_only_what_is_asked_for_is_made(ball: PosedMesh) -> None:
    with open_renderer(choose_renderer("embree"), ball, (40, 60)) as renderer:
        found = renderer.layers(CAMERA, ["depth_back", "mask"])
    assert found.depth_back.shape == found.mask.shape == (40, 60)
    assert found.albedo is found.depth_front is found.position is None
    with pytest.raises(SettingsError, match="unknown layer 'depth'"):
        render_layers(ball, CAMERA, 8, 8, ["depth"])


def test_holes_of_cut_out_materials_are_seen_through() -> None:
    vertices = np.array([[-0.8, -0.8, 0.3], [0.8, -0.8, 0.3], [0.8, 0.8, 0.3], [-0.8, 0.8, 0.3]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    texture = np.zeros((2, 2, 4), np.uint8)
    texture[:, 0, 3] = 255
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]] * 2, np.float32)
    materials = (Material(texture=texture, alpha_mode="mask"), Material())
    mesh = PosedMesh(
        np.concatenate([vertices, vertices * 0.5]), faces, materials, np.array([0, 0, 1, 1], np.int32), uv, faces
    )
    found = render_layers(mesh, OrthographicCamera((0.0, 0.0, 0.0), 2.0), 40, 40, ["mask", "depth_front"])
    # Texels repeat, so the solid half lies about u = 0.25: from x = -0.8 to 0. Behind it a square of 0.4.
    assert found.depth_front[20, 8] == pytest.approx(-0.3)
    assert found.depth_front[20, 24] == pytest.approx(-0.15)
    assert not found.mask[20, 33]


def test_labels_are_those_of_the_faces_that_are_seen(ball: PosedMesh) -> None:
    """A label for each octant of the ball; the point of the sphere that a pixel shows, in closed form, tells which."""
    octant = (ball.vertices[ball.faces].mean(axis=1) > CENTRE) @ [1, 2, 4] + 3
    labelled = replace(ball, face_part=octant.astype(np.uint8), face_garment=(octant * 2).astype(np.uint8))
    names = ["part_front", "part_back", "garment_front", "garment_back", "mask"]
    found = render_layers(labelled, CAMERA, SIZE, SIZE, names)
    xy = pixel_centres(SIZE, SIZE)
    for side, depth in zip(("front", "back"), sphere_in_view(), strict=True):
        view = np.concatenate([xy, depth[..., None]], axis=-1).reshape(-1, 3)
        offset = unproject(view, CAMERA.calibration) - CENTRE
        # Not beside the borders between octants, which the ball's faces follow only roughly, nor at its rim.
        clear = ((np.abs(offset) > 0.03).all(axis=1) & ~np.isnan(offset).any(axis=1)).reshape(SIZE, SIZE) & found.mask
        assert clear.sum() > 1000
        expected = ((offset > 0) @ [1, 2, 4] + 3).reshape(SIZE, SIZE)
        part, garment = getattr(found, f"part_{side}"), getattr(found, f"garment_{side}")
        assert (part == expected)[clear].mean() > 0.999
        assert {0, 4, 8} <= set(np.unique(part)) <= {0, *range(3, 11)}, "labels are never mixed"
        np.testing.assert_array_equal(garment, part * 2)
        np.testing.assert_array_equal(part > 0, found.mask)
    plain = render_layers(ball, CAMERA, SIZE, SIZE, names)
    np.testing.assert_array_equal(plain.part_front, np.where(found.mask, UNKNOWN, 0))


def test_the_body_is_drawn_as_if_it_stood_alone(ball: PosedMesh, layers: RenderLayers) -> None:
    found = render_body_layers(ball, CAMERA, SIZE, SIZE, BODY_LAYERS)
    for name, values in found.items():
        np.testing.assert_array_equal(values, getattr(layers, name.removeprefix("body_")), err_msg=name)
    empty = render_body_layers(None, CAMERA, SIZE, SIZE, BODY_LAYERS)
    assert np.isnan(empty["body_depth_front"]).all()
    assert not empty["body_normal_back"].any()
    assert {name: (v.dtype, v.shape) for name, v in empty.items()} == {n: (v.dtype, v.shape) for n, v in found.items()}
    with pytest.raises(SettingsError, match="unknown layer 'part_front'"):
        render_body_layers(ball, CAMERA, SIZE, SIZE, ["part_front"])
