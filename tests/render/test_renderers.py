"""Both renderers: pixel grid, colours, straight alpha, cut-outs, and each against the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from mpc.core.errors import SettingsError
from mpc.core.pictures import straight_alpha
from mpc.geometry.camera import (
    Camera,
    OrthographicCamera,
    PerspectiveCamera,
    crop_camera,
    pixel_centres,
    project,
    view_to_pixels,
)
from mpc.geometry.mesh import Material, PosedMesh, Wrap
from mpc.geometry.rays import ray_scene
from mpc.geometry.surface import albedo_at
from mpc.render.gl_probe import find_gl
from mpc.render.light.lights import builtin_lights
from mpc.render.light.shading import display_irradiance
from mpc.render.renderer import RendererChoice, choose_renderer, open_renderer
from mpc.render.subpixels import subpixels
from mpc.render.transfer import radiance_transfer

SIZE = 192


@pytest.fixture(params=["embree", "pyrender"])
def choice(request: pytest.FixtureRequest) -> RendererChoice:
    if request.param == "pyrender" and not find_gl().platform:
        pytest.skip(f"no OpenGL here: {find_gl().reason}")
    return choose_renderer(request.param)


def white(mesh: PosedMesh) -> np.ndarray:
    return np.ones((len(mesh.vertices), 3), np.float32)


def balls(*specs: tuple[tuple[float, float, float], float, tuple[float, float, float]]) -> PosedMesh:
    """Spheres: centre, radius, colour; one material each."""
    meshes = []
    for centre, radius, _ in specs:
        meshes.append(trimesh.creation.icosphere(4, radius))
        meshes[-1].apply_translation(centre)
    joined = trimesh.util.concatenate(meshes)
    material = np.repeat(np.arange(len(specs)), [len(mesh.faces) for mesh in meshes]).astype(np.int32)
    materials = tuple(Material(colour=(*colour, 1.0)) for _, _, colour in specs)
    return PosedMesh(np.asarray(joined.vertices, np.float64), np.asarray(joined.faces, np.int32), materials, material)


BALLS = (
    ((0.31, 0.62, 0.2), 0.20, (1.0, 0.0, 0.0)),
    ((-0.42, 0.15, -0.3), 0.13, (0.0, 1.0, 0.0)),
    ((0.17, -0.55, 0.4), 0.26, (0.0, 0.0, 1.0)),
)


def worst_shift(picture: np.ndarray, camera: OrthographicCamera) -> float:
    """Pixels between each ball's centre of mass in the picture and its projected centre."""
    shifts = []
    for channel, (centre, _, _) in enumerate(BALLS):
        weight = picture[..., 3].astype(float) * (picture[..., channel] > 127)
        rows, columns = np.indices(weight.shape)
        mass = np.array([(rows * weight).sum(), (columns * weight).sum()]) / weight.sum()
        expected = view_to_pixels(project(np.array([centre]), camera.calibration), *weight.shape)[0]
        shifts.append(np.abs(mass - expected).max())
    return max(shifts)


@pytest.mark.parametrize(("height", "width"), [(SIZE, SIZE), (160, 240)])
def test_the_pixel_grid_is_that_of_the_calibration(choice: RendererChoice, height: int, width: int) -> None:
    mesh = balls(*BALLS)
    with open_renderer(choice, mesh, (height, width)) as renderer:
        for yaw, pitch in ((0.0, 0.0), (50.0, 0.0), (170.0, 0.0), (20.0, 25.0)):
            camera = OrthographicCamera((0.03, 0.05, -0.02), 2.2, yaw, pitch)
            picture = renderer.albedo(camera)
            assert picture.shape == (height, width, 4)
            # Seen 0.06 px at worst (coverage in quarters); a slip of the grid is 0.5.
            assert worst_shift(picture, camera) < 0.12, (yaw, pitch)


def test_a_planted_half_pixel_or_flip_is_caught(choice: RendererChoice) -> None:
    camera = OrthographicCamera((0.03, 0.05, -0.02), 2.2, 50.0)
    half_pixel = 2.2 / SIZE / 2
    right, down = camera.rotation[:2]
    with open_renderer(choice, balls(*BALLS), SIZE) as renderer:
        for axis in (right, down):
            moved = OrthographicCamera(tuple(np.array(camera.centre_world) + axis * half_pixel), 2.2, 50.0)
            assert worst_shift(renderer.albedo(moved), camera) > 0.35
        picture = renderer.albedo(camera)
        assert worst_shift(picture[:, ::-1], camera) > 5
        assert worst_shift(picture[::-1], camera) > 5
        assert worst_shift(renderer.albedo(OrthographicCamera((0.03, 0.05, -0.02), 2.2, -50.0)), camera) > 5


def textured_ball(texture: np.ndarray, **material: object) -> PosedMesh:
    """A sphere of radius 0.8, longitude by latitude, with a texture seam."""
    columns, rows = 48, 24
    u, v = np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1))
    around, up = u * 2 * np.pi, (v - 0.5) * np.pi
    points = 0.8 * np.stack([np.sin(around) * np.cos(up), np.sin(up), np.cos(around) * np.cos(up)], axis=-1)
    index = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, columns + 1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    uv = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32)
    return PosedMesh(
        points.reshape(-1, 3),
        faces.astype(np.int32),
        (Material(texture=texture, **material),),  # type: ignore[arg-type]
        uv=uv,
        face_uv=faces.astype(np.int32),
    )


def smooth_texture(size: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[0:size, 0:size] / size
    channels = [rows * 255, columns * 255, 127 + 120 * np.sin(6 * rows + 4 * columns), np.full_like(rows, 255)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def fine_texture(size: int = 512) -> np.ndarray:
    """Checks finer than a pixel at SIZE, with coarse colours below: aliases unless it is filtered."""
    rows, columns = np.mgrid[0:size, 0:size]
    checks = ((rows // 2 + columns // 2) % 2) * 120
    channels = [checks + 40, checks // 2 + columns * 120 // size, checks // 3 + rows * 120 // size]
    return np.dstack([np.stack(channels, axis=-1), np.full((size, size), 255)]).astype(np.uint8)


def test_pixels_show_the_texture_the_right_way_up(choice: RendererChoice) -> None:
    mesh = textured_ball(smooth_texture())
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.0, 40.0)
    with open_renderer(choice, mesh, SIZE) as renderer:
        picture = renderer.albedo(camera)
    hits = ray_scene(mesh).first_hit(*camera.rays(pixel_centres(SIZE, SIZE).reshape(-1, 2)))
    inside = np.flatnonzero(hits.hit & (picture[..., 3].reshape(-1) == 255))
    assert len(inside) > 10_000
    expected = albedo_at(mesh, hits.face[inside], hits.weights()[inside])[:, :3] * 255
    difference = np.abs(picture.reshape(-1, 4)[inside, :3] - expected)
    assert np.median(difference) < 1.0
    # Near the outline a pixel spans many texels.
    assert np.percentile(difference, 97) < 6.0


def test_irradiance_multiplies_and_clips(choice: RendererChoice) -> None:
    mesh = balls(((0.0, 0.0, 0.0), 0.8, (0.5, 0.25, 1.0)))
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.0)
    with open_renderer(choice, mesh, 64) as renderer:
        for factor, expected in ((0.5, (64, 32, 128)), (1.0, (128, 64, 255)), (3.0, (255, 191, 255))):
            middle = renderer.colour(camera, white(mesh) * np.float32(factor))[32, 32]
            np.testing.assert_allclose(middle, (*expected, 255), atol=1)


def test_alpha_is_straight_and_edges_are_smooth(choice: RendererChoice) -> None:
    mesh = balls(((0.0, 0.0, 0.0), 0.7, (1.0, 0.5, 0.25)))
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.0)
    with open_renderer(choice, mesh, SIZE) as renderer:
        picture = renderer.albedo(camera)
    assert picture.flags.c_contiguous
    assert picture.dtype == np.uint8
    alpha = picture[..., 3]
    assert len(np.unique(alpha)) == 5, "four samples a pixel"
    edge = picture[(alpha > 0) & (alpha < 255)]
    assert len(edge) > 200
    # Premultiplied, a quarter-covered pixel would hold 64, 32, 16. Eight bits of a quarter: 4 levels.
    assert np.abs(edge[:, :3].astype(int) - [255, 128, 64]).max() <= 4
    assert (picture[alpha == 0] == 0).all()
    area = (alpha / 255.0).sum() * (2.0 / SIZE) ** 2
    assert area == pytest.approx(np.pi * 0.49, rel=0.005)


def disc_coverage(radius: float, size: int, fine: int = 32) -> np.ndarray:
    """The share of each pixel of a picture of [-1, 1]^2 that a disc covers, by fine x fine samples of a pixel."""
    places = (np.arange(size * fine) + 0.5) / (size * fine) * 2 - 1
    inside = places[:, None] ** 2 + places**2 < radius**2
    return inside.reshape(size, fine, size, fine).mean(axis=(1, 3))


@pytest.mark.parametrize("perspective", [False, True])
def test_more_samples_make_alpha_finer(choice: RendererChoice, perspective: bool) -> None:
    """Alpha of 4, 8 and 16 samples against the true coverage of a disc; what lies within the surface stays."""
    angle = np.linspace(0, 2 * np.pi, 721)[:-1]
    rim = 0.7 * np.stack([np.cos(angle), np.sin(angle), np.zeros(720)], axis=1)
    after = np.roll(np.arange(1, 721), -1)
    faces = np.stack([np.zeros(720, int), np.arange(1, 721), after], axis=1).astype(np.int32)
    disc = PosedMesh(np.concatenate([np.zeros((1, 3)), rim]), faces, (Material(colour=(1.0, 0.5, 0.25, 1.0)),))
    place, size = ((0.0, 0.0, 0.0), 2.0), 64
    camera = PerspectiveCamera(*place, fov_deg=40.0) if perspective else OrthographicCamera(*place)
    truth = disc_coverage(0.7, size)
    errors, pictures = [], []
    for samples in (4, 8, 16):
        with open_renderer(choice, disc, size, samples) as renderer:
            pictures.append(renderer.albedo(camera))
        alpha = pictures[-1][..., 3] / 255.0
        assert len(np.unique(pictures[-1][..., 3])) <= samples + 1
        edge = (truth > 0) & (truth < 1)
        errors.append(np.abs(alpha - truth)[edge].mean())
        assert abs((alpha - truth).sum() / truth.sum()) < 2e-3, "unbiased"
        partial = pictures[-1][(alpha > 0) & (alpha < 1)]
        assert np.abs(partial[:, :3].astype(int) - [255, 128, 64]).max() <= (4 if choice.name == "pyrender" else 1) + 4
    assert errors[0] > 1.5 * errors[1] > 1.5 * errors[2]
    whole = (pictures[0][..., 3] == 255) & (pictures[2][..., 3] == 255)
    assert (pictures[0][whole] == pictures[2][whole]).all()
    with pytest.raises(SettingsError, match="antialias is 5, expected one of 4, 8, 16"), \
            open_renderer(choice, disc, size, 5) as renderer:  # fmt: skip
        pass


def test_samples_lie_evenly_around_the_centre_of_the_pixel() -> None:
    for samples in (4, 8, 16):
        places = subpixels(samples)
        assert places.shape == (samples, 2)
        np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-15)
        for axis in range(2):  # each row and each column of a samples x samples grid is used once
            np.testing.assert_allclose(np.sort(places[:, axis]), (np.arange(samples) + 0.5) / samples - 0.5)


def test_several_views_and_lights_of_one_mesh(choice: RendererChoice) -> None:
    """A second picture owes nothing to the first."""
    mesh = textured_ball(smooth_texture())
    cameras = [OrthographicCamera((0.0, 0.0, 0.0), 2.0, yaw) for yaw in (0.0, 90.0)]
    light = white(mesh) * np.linspace(0.2, 1.0, len(mesh.vertices), dtype=np.float32)[:, None]
    with open_renderer(choice, mesh, 96) as renderer:
        first = renderer.colour(cameras[0], light)
        renderer.albedo(cameras[1])
        again = renderer.colour(cameras[0], light)
    with open_renderer(choice, mesh, 96) as renderer:
        fresh = renderer.colour(cameras[0], light)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, fresh)
    assert np.abs(first.astype(int) - renderer_picture(choice, mesh, cameras[1], light)).max() > 50


def renderer_picture(
    choice: RendererChoice, mesh: PosedMesh, camera: OrthographicCamera, light: np.ndarray
) -> np.ndarray:
    with open_renderer(choice, mesh, 96) as renderer:
        return renderer.colour(camera, light).astype(int)


def test_back_faces_are_drawn_with_the_same_colours(choice: RendererChoice) -> None:
    mesh = textured_ball(smooth_texture())
    turned = PosedMesh(
        mesh.vertices,
        np.ascontiguousarray(mesh.faces[:, ::-1]),
        mesh.materials,
        mesh.face_material,
        mesh.uv,
        np.ascontiguousarray(mesh.faces[:, ::-1]),
    )
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.0, 30.0)
    pictures = [renderer_picture(choice, body, camera, white(body)) for body in (mesh, turned)]
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


def test_cut_out_materials_have_holes_and_opaque_ones_do_not(choice: RendererChoice) -> None:
    texture = smooth_texture()
    texture[:, ::4, 3] = texture[:, 1::4, 3] = 0
    vertices = np.array([[-0.8, -0.8, 0.0], [0.8, -0.8, 0], [0.8, 0.8, 0], [-0.8, 0.8, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    covered = {}
    for mode in ("opaque", "mask"):
        mesh = PosedMesh(vertices, faces, (Material(texture=texture, alpha_mode=mode),), uv=uv, face_uv=faces)
        with open_renderer(choice, mesh, SIZE) as renderer:
            picture = renderer.albedo(OrthographicCamera((0.0, 0.0, 0.0), 2.0))
        covered[mode] = (picture[..., 3] / 255.0).sum() * (2.0 / SIZE) ** 2
    assert covered["opaque"] == pytest.approx(2.56, rel=0.01)
    # OpenGL turns a blurred alpha into whole samples and rounds up: an eighth of the blurred half of this picture.
    allowed = 0.14 if choice.name == "pyrender" else 0.03
    assert covered["mask"] == pytest.approx(1.28, rel=allowed)


def test_a_cut_out_shows_what_is_behind(choice: RendererChoice) -> None:
    vertices = np.array([[-0.8, -0.8, 0.1], [0.8, -0.8, 0.1], [0.8, 0.8, 0.1], [-0.8, 0.8, 0.1]])
    vertices = np.concatenate([vertices, vertices - [0, 0, 0.3]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    holes = np.zeros((4, 4, 4), np.uint8)
    materials = (Material(texture=holes, alpha_mode="mask"), Material(colour=(0.0, 1.0, 0.0, 1.0)))
    uv = np.zeros((8, 2), np.float32)
    mesh = PosedMesh(vertices, faces, materials, np.array([0, 0, 1, 1], np.int32), uv, faces)
    with open_renderer(choice, mesh, 64) as renderer:
        assert renderer.albedo(OrthographicCamera((0.0, 0.0, 0.0), 2.0))[32, 32].tolist() == [0, 255, 0, 255]


def test_far_off_texture_coordinates_still_repeat(choice: RendererChoice) -> None:
    mesh = textured_ball(smooth_texture())
    assert mesh.uv is not None
    far = PosedMesh(
        mesh.vertices, mesh.faces, mesh.materials, mesh.face_material, mesh.uv + np.float32(5), mesh.face_uv
    )
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.0, 30.0)
    near, moved = (renderer_picture(choice, body, camera, white(body)) for body in (mesh, far))
    assert np.abs(near - moved).mean() < 0.1


WRAPS: list[tuple[Wrap, Wrap]] = [("clamp", "clamp"), ("mirror", "mirror"), ("repeat", "clamp"), ("mirror", "repeat")]


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("low", [-1.0, 6.0])
def test_textures_are_wrapped_as_their_material_says(
    choice: RendererChoice, wrap: tuple[Wrap, Wrap], low: float
) -> None:
    """A quad whose coordinates run over three periods: pixels are those of the colour samples."""
    texture = np.random.default_rng(1).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    texture[..., 3] = 255
    vertices = np.array([[-0.8, -0.8, 0.0], [0.8, -0.8, 0], [0.8, 0.8, 0], [-0.8, 0.8, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uv = np.array([[0, 0], [3, 0], [3, 3], [0, 3]], np.float32) + np.float32(low)
    mesh = PosedMesh(vertices, faces, (Material(texture=texture, wrap=wrap),), uv=uv, face_uv=faces)
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.0)
    picture = renderer_picture(choice, mesh, camera, white(mesh)).reshape(-1, 4)
    hits = ray_scene(mesh).first_hit(*camera.rays(pixel_centres(96, 96).reshape(-1, 2)))
    inside = np.flatnonzero(hits.hit & (picture[:, 3] == 255))
    expected = albedo_at(mesh, hits.face[inside], hits.weights()[inside])[:, :3] * 255
    difference = np.abs(picture[inside, :3] - expected)
    assert len(inside) > 5000
    assert np.percentile(difference, 99) < 3.0
    repeated = replace(mesh, materials=(Material(texture=texture),))
    other = albedo_at(repeated, hits.face[inside], hits.weights()[inside])[:, :3] * 255
    assert np.abs(picture[inside, :3] - other).mean() > 10, "repeated it would look another way"


def test_a_strand_thinner_than_a_pixel_is_not_lost(choice: RendererChoice) -> None:
    strand = trimesh.creation.cylinder(0.003, 1.2, sections=6).subdivide_to_size(0.02)
    strand.apply_transform(trimesh.transformations.rotation_matrix(0.3, [0.2, 1.0, 0.1]))
    mesh = PosedMesh(np.asarray(strand.vertices, np.float64), np.asarray(strand.faces, np.int32))
    with open_renderer(choice, mesh, SIZE) as renderer:
        alpha = renderer.albedo(OrthographicCamera((0.0, 0.0, 0.0), 2.0))[..., 3] / 255.0
    length = 1.2 * np.hypot(*(np.ptp(mesh.vertices[:, axis]) / 1.2 for axis in (0, 1)))
    assert alpha.sum() * (2.0 / SIZE) ** 2 == pytest.approx(0.006 * length, rel=0.2)


def person_like() -> PosedMesh:
    """Overlapping textured shells, fine checks, thin parts."""
    rng = np.random.default_rng(9)
    bodies = []
    for _ in range(5):
        body = trimesh.creation.capsule(height=rng.uniform(0.3, 0.9), radius=rng.uniform(0.04, 0.2), count=[24, 24])
        body.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
        body.apply_translation(rng.uniform(-0.4, 0.4, 3))
        bodies.append(body)
    joined = trimesh.util.concatenate(bodies)
    vertices = np.asarray(joined.vertices, np.float64)
    uv = ((vertices[:, :2] + vertices[:, 2:] * 0.3) * 0.5).astype(np.float32)
    faces = np.asarray(joined.faces, np.int32)
    return PosedMesh(vertices, faces, (Material(texture=fine_texture()),), uv=uv, face_uv=faces)


def test_both_renderers_draw_the_same_picture() -> None:
    if not find_gl().platform:
        pytest.skip(f"no OpenGL here: {find_gl().reason}")
    mesh = person_like()
    lit = display_irradiance(radiance_transfer(mesh), builtin_lights().coefficients[5])
    place = ((0.0, 0.0, 0.0), 2.2)
    for camera in (
        OrthographicCamera(*place),
        OrthographicCamera(*place, 130.0, 15.0, -20.0),
        PerspectiveCamera(*place, 70.0, -10.0, 25.0, fov_deg=50.0),
    ):
        pictures = []
        for name in ("pyrender", "embree"):
            with open_renderer(choose_renderer(name), mesh, 384) as renderer:
                pictures.append(renderer.colour(camera, lit).astype(int))
        first, second = pictures
        both = (first[..., 3] == 255) & (second[..., 3] == 255)
        assert np.abs(first - second)[both][:, :3].mean() < 1.0
        masks = [picture[..., 3] > 127 for picture in pictures]
        assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.999


def test_straight_alpha_by_hand() -> None:
    premultiplied = np.array([[[64, 32, 0, 128], [10, 20, 30, 255], [9, 9, 9, 0], [40, 0, 0, 30]]], np.uint8)
    expected = [[[128, 64, 0, 128], [10, 20, 30, 255], [0, 0, 0, 0], [255, 0, 0, 30]]]
    assert straight_alpha(premultiplied[:, ::-1])[:, ::-1].tolist() == expected


@pytest.mark.parametrize("camera", [OrthographicCamera((0, 0, 0), 2.0, 20, 10), PerspectiveCamera((0, 0, 0), 2.0, 20)])
def test_a_crop_is_a_part_of_a_larger_picture(choice: RendererChoice, camera: Camera) -> None:
    mesh, small, times = balls(*BALLS), 48, 3
    left, top, edge = 14, 5, 20  # of a picture of 48 pixels
    crop = crop_camera(camera, ((2 * left + edge) / small - 1, (2 * top + edge) / small - 1), edge / small)
    with open_renderer(choice, mesh, small * times) as whole, open_renderer(choice, mesh, edge * times) as part:
        small_first = part.colour(crop, white(mesh))
        large = whole.colour(camera, white(mesh))
        found = part.colour(crop, white(mesh))  # after a picture of another size
    expected = large[top * times :, left * times :][: edge * times, : edge * times]
    np.testing.assert_array_equal(found, small_first)
    assert 0.1 < (expected[..., 3] == 255).mean() < 0.9
    assert (np.abs(found.astype(int) - expected).max(axis=2) > 1)[1:-1, 1:-1].mean() < 0.002
