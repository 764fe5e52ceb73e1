"""Pictures, calibrations, surfaces and colours agree to a fraction of a pixel, and planted mistakes are found."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, map_coordinates

from mpc.datasets.renders.fit import scene_centre
from mpc.datasets.renders.settings import RenderSettings
from mpc.geometry.camera import project, view_to_pixels
from mpc.geometry.rays import RayScene
from mpc.geometry.surface import albedo_at, sample_surface
from mpc.render.gl_probe import find_gl
from mpc.render.renderer import choose_renderer, open_renderer
from mpc.subjects.find import find_subjects
from mpc.subjects.scenes import list_scenes, load_subject, pose_scene

SIZE = 256
VIEWS = 8


@dataclass(frozen=True)
class Agreement:
    """inside: share of samples within a pixel of the mask; colour: median error of visible ones (of 255);
    shift: (row, column) pixels by which the colours would fit best."""

    inside: float
    colour: float
    shift: np.ndarray

    @property
    def holds(self) -> bool:
        return self.inside >= 0.999 and self.colour < 4.0 and bool(np.abs(self.shift).max() < 0.1)


def measure_agreement(picture, calibration, mesh, samples, rays) -> Agreement:
    """Project surface samples into one unlit picture and compare with its mask and colours."""
    view = project(samples.positions, calibration)
    pixels = view_to_pixels(view, *picture.shape[:2])
    mask = picture[..., 3] > 0
    nearest = np.clip(np.rint(pixels).astype(int), 0, np.array(mask.shape) - 1)
    inside = binary_dilation(mask, np.ones((3, 3)))[nearest[:, 0], nearest[:, 1]].mean()

    eye = np.linalg.inv(calibration)[:, 2]  # at infinity for an orthographic camera
    towards = eye[:3] / eye[3] - samples.positions if eye[3] else np.broadcast_to(-eye[:3], samples.positions.shape)
    towards = towards / np.linalg.norm(towards, axis=1, keepdims=True)
    facing = (mesh.face_normals[samples.faces] * towards).sum(axis=1) > 0.35
    visible = facing & ~rays.occluded(samples.positions + 2e-4 * mesh.face_normals[samples.faces], towards)
    solid = map_coordinates(picture[..., 3].astype(float), pixels.T, order=1) > 254.9
    use = visible & solid
    assert use.sum() > 500, "too few visible samples to judge"

    wanted = albedo_at(mesh, samples.faces[use], samples.barycentric[use])[:, :3] * 255
    error, slopes = [], []
    for channel in range(3):
        plane = picture[..., channel].astype(float)
        here = map_coordinates(plane, pixels[use].T, order=1)
        error.append(wanted[:, channel] - here)
        slopes.append(
            [
                (map_coordinates(plane, (pixels[use] + step).T, order=1) - here) / 0.5
                for step in (np.array([0.5, 0.0]), np.array([0.0, 0.5]))
            ]
        )
    residual = np.concatenate(error)
    gradient = np.concatenate([np.stack(slope, axis=1) for slope in slopes])
    # Occlusion borders mix colours of other parts; they are few and large, so they are left out of the fit.
    calm = np.abs(residual) < 40
    shift = np.linalg.lstsq(gradient[calm], residual[calm], rcond=None)[0]
    return Agreement(float(inside), float(np.median(np.abs(np.stack(error)).max(axis=0))), shift)


@pytest.fixture(scope="module", params=["embree", "pyrender"])
def drawn(request, figures):
    if request.param == "pyrender" and not find_gl().platform:
        pytest.skip(f"no OpenGL here: {find_gl().reason}")
    choice = choose_renderer(request.param)
    subject = find_subjects(figures)[0]
    loaded = load_subject(subject)
    mesh = pose_scene(loaded, list_scenes(subject, seed=0)[0]).mesh
    settings = RenderSettings(views=VIEWS, step_deg=360 / VIEWS, size=SIZE)
    cameras = list(settings.cameras(scene_centre(mesh, None)).values())
    with open_renderer(choice, mesh, SIZE) as renderer:
        pictures = [renderer.albedo(camera) for camera in cameras]
    samples = sample_surface(mesh, 20_000, np.random.default_rng(0))
    return pictures, cameras, mesh, samples, RayScene(mesh)


def test_surface_samples_fall_on_their_own_pixels(drawn):
    pictures, cameras, *rest = drawn
    for picture, camera in zip(pictures, cameras, strict=True):
        agreement = measure_agreement(picture, camera.calibration, *rest)
        assert agreement.holds, agreement


def test_the_same_holds_in_perspective_tilted_and_rolled(drawn):
    _, cameras, mesh, *rest = drawn
    settings = RenderSettings(
        views=2, step_deg=110, pitch_deg=(-12.0, 20.0), jitter_deg=(5.0, 5.0, 12.0), fov_deg=45.0, size=SIZE
    )
    views = settings.cameras(cameras[0].centre_world, np.random.default_rng(3))
    assert list(views) == ["000_-12", "110_-12", "000_+20", "110_+20"]
    with open_renderer(choose_renderer("embree"), mesh, SIZE) as renderer:
        for camera in views.values():
            agreement = measure_agreement(renderer.albedo(camera), camera.calibration, mesh, *rest)
            assert agreement.holds, (camera, agreement)


def test_the_same_holds_for_angles_of_view_of_each_camera(drawn):
    _, cameras, mesh, *rest = drawn
    settings = RenderSettings(views=4, step_deg=90, fov_deg=15.0, fov_most_deg=70.0, size=SIZE)
    views = list(settings.cameras(cameras[0].centre_world, np.random.default_rng(5)).values())
    assert len({camera.fov_deg for camera in views}) == 4
    with open_renderer(choose_renderer("embree"), mesh, SIZE) as renderer:
        for camera in views:
            agreement = measure_agreement(renderer.albedo(camera), camera.calibration, mesh, *rest)
            assert agreement.holds, (camera, agreement)


MISTAKES = {
    "flipped x": np.diag([-1.0, 1, 1, 1]),
    "flipped y": np.diag([1.0, -1, 1, 1]),
    "half a pixel right": np.array([[1, 0, 0, 1 / SIZE], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    "half a pixel down": np.array([[1, 0, 0, 0], [0, 1, 0, 1 / SIZE], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    "align_corners": np.diag([SIZE / (SIZE - 1), SIZE / (SIZE - 1), 1, 1]),
}


@pytest.mark.parametrize("mistake", [*MISTAKES, "yaw the other way"])
def test_planted_mistakes_are_found(drawn, mistake):
    pictures, cameras, *rest = drawn
    found = []
    for index, picture in enumerate(pictures):
        if mistake == "yaw the other way":
            calibration = cameras[-index % VIEWS].calibration
        else:
            calibration = MISTAKES[mistake] @ cameras[index].calibration
        found.append(not measure_agreement(picture, calibration, *rest).holds)
    # "align_corners" grows towards the border, where hands and head are: not every view reaches far enough out.
    assert any(found)
    if mistake.startswith(("half", "flipped y")):
        assert all(found)
