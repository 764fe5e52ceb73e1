"""Renders as they are viewed: names from the manifest, cameras where they stand, layers where the surface is."""

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.datasets.renders.manifest import NAME, append_manifest, read_keys, read_manifest
from mpc.datasets.renders.read import read_renders
from mpc.geometry.camera import OrthographicCamera, PerspectiveCamera, orbit_cameras, pixel_centres
from mpc.view.draw import camera_place
from mpc.view.recognise import open_source
from mpc.view.sources.layers import PICTURE, layer_picture, layer_points
from mpc.view.sources.renders import Renders
from support.balls import COLOUR, EXTENT, RADIUS, centre, make_renders

LAYERS = ("depth_front", "normal_front", "position", "mask", "albedo")


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    """Three balls, of which the second has a damaged mesh."""
    return make_renders(tmp_path_factory.mktemp("view") / "renders", balls=3, layers=LAYERS, broken=(1,), boxed=True)


def shown(source, name, **chosen):
    values = {control.name: control.value(chosen) for control in source.controls(name, chosen)}
    return source.show(name, values)


def test_a_scene_has_its_surface_cameras_and_pictures(renders):
    source = open_source(renders)
    assert isinstance(source, Renders)
    assert source.names() == [f"ball_{number}/scan_0000" for number in range(3)]
    content = shown(source, "ball_2/scan_0000", view="090")
    assert np.linalg.norm(content.bodies[0].mesh.vertices - centre(2), axis=1) == pytest.approx(RADIUS, abs=1e-6)
    assert content.facts["view"] == "090: yaw 90.0°, pitch 0.0°"
    (picture,) = content.pictures
    assert picture.pixels[32, 32].tolist() == [*COLOUR, 255]
    whole = content.later()
    assert [mark.name for mark in whole.cameras] == ["000", "090", "180", "270"]
    assert [mark.name for mark in whole.cameras if mark.chosen] == ["090"]
    assert whole.bodies[0] is content.bodies[0], "the surface is not sent twice"
    # The camera at 90 degrees stands towards +x.
    assert camera_place(whole.cameras[1].camera) - centre(2) == pytest.approx([EXTENT, 0, 0], abs=1e-9)
    again = shown(source, "ball_2/scan_0000", view="180")
    assert again.bodies[0] is content.bodies[0]


@pytest.mark.parametrize("layer", ["depth_front", "position"])
def test_points_of_a_layer_lie_on_the_surface(renders, layer):
    content = shown(open_source(renders), "ball_0/scan_0000", view="270", layer=layer)
    assert [picture.title for picture in content.pictures] == [layer, PICTURE]
    (cloud,) = content.points
    distance = np.linalg.norm(cloud.places - centre(0), axis=1)
    assert len(distance) > 300
    assert np.abs(distance - RADIUS).max() < 0.01, "the facets of the ball"
    assert (cloud.places[:, 0] < centre(0)[0]).all(), "what the camera at 270 degrees sees lies towards -x"


@pytest.mark.parametrize("camera", [OrthographicCamera((0.1, 1.0, 0.2), 2.0, 30.0, 10.0),
                                    PerspectiveCamera((0.1, 1.0, 0.2), 2.0, 30.0, 10.0, fov_deg=40.0)])  # fmt: skip
def test_a_depth_of_zero_is_the_plane_through_the_centre(camera):
    depth = np.zeros((9, 9), np.float32)
    depth[0] = np.nan
    picture = np.full((9, 9, 4), 255, np.uint8)
    cloud = layer_points("depth_front", "depth", depth, camera.calibration, picture)
    assert len(cloud.places) == 72
    if isinstance(camera, OrthographicCamera):
        away = (cloud.places - np.array(camera.centre_world)) @ camera.rotation[2]
        assert away == pytest.approx(0.0, abs=1e-6)
        across = (cloud.places - np.array(camera.centre_world)) @ camera.rotation[0]
        assert across == pytest.approx(pixel_centres(9, 9)[1:, :, 0].ravel() * camera.extent_m / 2, abs=1e-6)
    assert camera_place(camera).shape == (3,)


def test_layers_become_pictures_that_say_what_they_mean():
    depth = np.array([[np.nan, -0.5], [0.0, 0.5]], np.float32)
    grey = layer_picture("depth", depth)
    assert grey[..., 3].tolist() == [[0, 255], [255, 255]]
    assert grey[0, 1, 0] == 255 > grey[1, 0, 0] > grey[1, 1, 0] > 0, "the nearest is the brightest"
    normal = np.zeros((1, 3, 3), np.float32)
    normal[0, 0] = 0.0, 0.0, -1.0  # towards the camera
    normal[0, 1] = 0.0, -1.0, 0.0  # up
    colours = layer_picture("normal", normal)
    assert colours[0, 0].tolist() == [128, 128, 255, 255]
    assert colours[0, 1].tolist() == [128, 255, 128, 255]
    assert colours[0, 2, 3] == 0
    assert layer_picture("mask", np.array([[True, False]]))[0, :, 0].tolist() == [255, 0]
    assert layer_points("mask", "mask", np.ones((1, 1), np.bool_), np.eye(4), np.zeros((1, 1, 4), np.uint8)) is None


def test_damage_is_told_and_the_rest_is_shown(renders, tmp_path):
    content = shown(open_source(renders), "ball_1/scan_0000")
    assert "ball_1/scan_0000/mesh.npz" in content.problem
    assert content.bodies == ()
    assert len(content.pictures) == 1
    copy = make_renders(tmp_path / "renders", balls=1, boxed=True)
    (copy / "ball_0" / "scan_0000" / "090.png").write_bytes(b"no picture")
    content = shown(open_source(copy), "ball_0/scan_0000")
    whole = content.later()
    assert [mark.name for mark in whole.cameras] == ["000", "180", "270"]
    assert any("090.png" in remark for remark in whole.remarks)
    assert "090.png" in shown(open_source(copy), "ball_0/scan_0000", view="090").problem
    (copy / "ball_0" / "scan_0000" / "scene.json").write_text("{}")
    with pytest.raises(InputError, match=r"scene\.json"):
        open_source(copy).controls("ball_0/scan_0000", {})


def test_what_has_changed_on_disk_is_shown_as_it_is_now(tmp_path):
    folder = make_renders(tmp_path / "a", balls=1, boxed=True)
    other = make_renders(tmp_path / "b", balls=1, boxed=True, cut=(0,))
    source = open_source(folder)
    before = shown(source, "ball_0/scan_0000").bodies[0]
    scene = folder / "ball_0" / "scan_0000"
    for path in (other / "ball_0" / "scan_0000").iterdir():
        (scene / path.name).write_bytes(path.read_bytes())
    after = shown(source, "ball_0/scan_0000").bodies[0]
    assert len(after.mesh.faces) < len(before.mesh.faces)


def test_names_come_from_the_manifest_alone(renders, tmp_path, monkeypatch):
    scenes = read_renders(make_renders(tmp_path / "renders", balls=2, boxed=True)).scenes
    folder = tmp_path / "renders"
    append_manifest(folder, [{"key": scene.key, "scene_sha256": scene.sha256} for scene in scenes])
    monkeypatch.setattr("mpc.view.sources.renders.scene_folders", lambda _: pytest.fail("folders were listed"))
    monkeypatch.setattr("mpc.view.sources.renders.read_scene", lambda _: pytest.fail("a scene was read"))
    assert open_source(folder).names() == ["ball_0/scan_0000", "ball_1/scan_0000"]


ODD = 'say "key": "no", \\ and ä/scan_0000'


def test_keys_are_those_that_the_whole_manifest_gives(tmp_path):
    append_manifest(tmp_path, [
        {"key": "b/scan_0000", "files": {"000.png": "x"}, "licence": 'the "key": "other"'},
        {"key": ODD, "files": {}},
        {"key": "gone/scan_0000"}, {"key": "aside/scan_0000"}, {"key": "back/scan_0000", "aside": "for a while"},
        {"key": "gone/scan_0000", "removed": True}, {"key": "aside/scan_0000", "aside": 'why "key": "q"'},
        {"key": "back/scan_0000"},
    ])  # fmt: skip
    with (tmp_path / NAME).open("a") as file:
        file.write('{"key": "unfinished')
    lines = read_manifest(tmp_path)
    assert read_keys(tmp_path) == ["b/scan_0000", ODD, "back/scan_0000"]
    assert set(read_keys(tmp_path)) == {key for key, line in lines.items() if "aside" not in line}
    (tmp_path / NAME).write_text('{"no": "entry"}\n')
    with pytest.raises(InputError, match="line 1 is damaged"):
        read_keys(tmp_path)
    (tmp_path / NAME).unlink()
    assert read_keys(tmp_path) is None


def test_cameras_of_an_orbit_stand_around_the_person():
    places = [camera_place(camera) for camera in orbit_cameras((0, 1, 0), 2.0, views=4, step_deg=90.0)]
    assert np.round(places, 9).tolist() == [[0, 1, 2], [2, 1, 0], [0, 1, -2], [-2, 1, 0]]
