"""`--fov LOW:HIGH` and `--lights-per-view`: each camera's own angle of view, and several lights for one camera."""

import numpy as np
import pytest

from mpc.core.errors import SettingsError
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.formats.png_box import decode_png_whole
from mpc.geometry.camera import PerspectiveCamera, camera_of

SMALL = {"views": 3, "step_deg": 120.0, "size": 48, "rays": 16}


@pytest.fixture(scope="module")
def rendered(figures, tmp_path_factory):
    """One figure, three cameras with angles of their own, two lights each."""
    out = tmp_path_factory.mktemp("angles") / "renders"
    settings = RenderSettings(**SMALL, fov_deg=20.0, fov_most_deg=60.0, lights_per_view=2, jitter_deg=(3.0, 3.0, 3.0))
    assert not render_models(figures, out, settings, renderer="embree", jobs=1).failures
    return read_renders(out).scenes


def test_each_camera_has_an_angle_and_the_distance_that_goes_with_it(rendered):
    angles = []
    for scene in rendered:
        for view in scene.views:
            camera = camera_of(view.calibration)
            assert isinstance(camera, PerspectiveCamera)
            assert 20.0 <= camera.fov_deg <= 60.0
            assert np.isclose(camera.distance_m * np.tan(np.radians(camera.fov_deg / 2)), scene.extent_m / 2)
            assert np.allclose(camera.centre_world, scene.centre_world)
            angles.append(camera.fov_deg)
    assert len(set(np.round(angles, 6))) == len(angles) / 2, "one for each camera, whatever its lights"
    assert np.ptp(angles) > 15.0


def test_one_camera_takes_pictures_in_several_lights(rendered):
    names = [view.name for view in rendered[0].views]
    assert names == ["000", "000_light2", "120", "120_light2", "240", "240_light2"]
    for scene in rendered:
        for first, second in zip(scene.views[::2], scene.views[1::2], strict=True):
            assert np.array_equal(first.calibration, second.calibration)
            assert not np.array_equal(first.light, second.light)
            one, other = (
                decode_png_whole(scene.read_file(view.path.name), scene.image_size) for view in (first, second)
            )
            assert np.array_equal(one[..., 3], other[..., 3]), "the same outline"
            assert not np.array_equal(one[..., :3], other[..., :3])


def test_without_a_range_jitter_is_what_it_was():
    plain, ranged = (
        RenderSettings(**SMALL, jitter_deg=(5.0, 5.0, 5.0), fov_deg=40.0, lights_per_view=lights).cameras(
            (0.0, 1.0, 0.0), np.random.default_rng(1)
        )
        for lights in (1, 3)
    )
    assert {name: ranged[name] for name in plain} == plain


def test_the_number_of_pictures_counts_lights():
    settings = RenderSettings(**SMALL, pitch_deg=(0.0, 20.0), lights_per_view=4)
    assert settings.pictures == len(settings.cameras((0.0, 1.0, 0.0))) == 3 * 2 * 4


@pytest.mark.parametrize(("least", "most"), [(0.0, 60.0), (60.0, 20.0), (40.0, 40.0), (20.0, 80.0)])
def test_angles_that_make_no_range_are_refused(least, most):
    with pytest.raises(SettingsError, match="the smaller one first"):
        RenderSettings(fov_deg=least, fov_most_deg=most)
